"""The ``meters:`` section of a mapping file: exact scales, units, and registers with their bounds."""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction
from typing import Any, cast, get_args

from workbench.mediation.mapping import Cumulative, Meter, Rounding
from workbench.mediation.spans import parse_span
from workbench.mediation.yamltree import Node, Reader
from workbench.model.units import UnitMismatch, ratio

_KEYS = (
    "column unit column_unit unit_column scale rounding decimals negative missing named cumulative count book"
).split()
_CUMULATIVE = ("rollover_at", "max_delta", "max_delta_per", "reset", "first", "silence")
_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?(/[0-9]{1,18})?")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def read_meters(reader: Reader, node: Node) -> tuple[Meter, ...]:
    """The meters, at least one, in the file's order."""
    if not isinstance(node.value, dict) or not node.value or "source" in node.value:
        cure = "Add `meters: {uplinks: {count: true, unit: uplink}}`."
        raise reader.fail(node, "The mapping meters nothing.", cure, "no_meters")
    return tuple(_meter(reader, name, member) for name, member in node.value.items())


def _meter(reader: Reader, name: str, node: Node) -> Meter:
    if not _NAME.fullmatch(name):
        cure = "Use small letters, digits, dash and underscore."
        raise reader.fail(node, f"A meter cannot be called {name!r}.", cure, "bad_name")
    keys = reader.section(node, _KEYS, f"Meter {name}")
    if ("column" in keys) == ("count" in keys):
        cure = "Name the quantity's `column:`, or write `count: true` for one unit per row."
        raise reader.fail(node, f"Meter {name} must have a column or count rows.", cure, "meter_form")
    if "unit" not in keys:
        cure = "Add `unit:`, the whole-number unit the quantity is kept in (byte, mWh, ml, second, uplink)."
        raise reader.fail(node, f"Meter {name} has no unit.", cure, "missing_unit")
    said: dict[str, str] = {
        key: reader.text(keys[key], key)
        for key in ("column", "unit", "column_unit", "unit_column")
        if key in keys
    }
    scale = _scale(reader, node, keys, said)
    decimals = None
    if "decimals" in keys:
        decimals = int(reader.choice(keys["decimals"], "decimals", map(str, range(16))))
    cumulative = _cumulative(reader, keys["cumulative"], scale) if "cumulative" in keys else None
    if "unit_column" in said and "column_unit" not in said:
        cure = "Add `column_unit:`, the only unit accepted in that column."
        raise reader.fail(node, f"Meter {name} has a unit_column but no column_unit.", cure, "meter_form")
    return Meter(
        name=name,
        scale=scale,
        decimals=decimals,
        rounding=cast(Rounding, _pick(reader, keys, "rounding", get_args(Rounding), "exact")),
        negative=cast(Any, _pick(reader, keys, "negative", ("reject", "allow"), "reject")),
        missing=cast(Any, _pick(reader, keys, "missing", ("reject", "skip"), "reject")),
        book=cast(Any, _pick(reader, keys, "book", ("ends_at", "prorated"), "ends_at")),
        named=reader.texts(keys["named"], "named") if "named" in keys else (),
        cumulative=cumulative,
        **said,
    )


def _pick(reader: Reader, keys: dict[str, Node], name: str, choices: tuple[str, ...], default: str) -> str:
    return reader.choice(keys[name], name, choices) if name in keys else default


def _scale(reader: Reader, node: Node, keys: dict[str, Node], said: dict[str, str]) -> Fraction:
    """Base units per column unit: declared, or known from the two units, and never two different answers."""
    declared = _number(reader, keys["scale"]) if "scale" in keys else None
    if declared == 0:
        raise reader.fail(
            keys["scale"], "A scale of 0 would bill nothing.", "Give the true factor.", "bad_number"
        )
    if "column_unit" not in said:
        return declared or Fraction(1)
    try:
        known = ratio(said["column_unit"], said["unit"])
    except UnitMismatch as problem:
        if declared is not None:
            return declared
        cure = f"Add `scale:`, the number of {said['unit']} in one {said['column_unit']}."
        raise reader.fail(node, f"{problem}.", cure, "unknown_unit") from None
    if declared is not None and declared != known:
        what = f"One {said['column_unit']} is {known} {said['unit']}, not {declared}."
        raise reader.fail(
            keys["scale"], what, "Remove `scale:`, or mend the units.", "scale_contradicts_unit"
        )
    return known


def _number(reader: Reader, node: Node) -> Fraction:
    text = reader.text(node, node.path).replace("_", "")
    if not _NUMBER.fullmatch(text) or text.endswith("/0") or ("/" in text and "." in text):
        cure = "Write digits such as 1000, 0.001 or 1/3."
        raise reader.fail(node, f"{text!r} is no exact number.", cure, "bad_number")
    return Fraction(text)


def _cumulative(reader: Reader, node: Node, scale: Fraction) -> Cumulative:
    if node.value in ("true", None):
        return Cumulative()
    keys = reader.section(node, _CUMULATIVE, "cumulative")
    bounds: dict[str, int] = {}
    for name in ("rollover_at", "max_delta"):
        if name in keys:
            amount = _number(reader, keys[name]) * scale
            if amount.denominator != 1 or not 0 < amount < 2**63:
                cure = "It is read in the column's unit and must be a whole number of base units above 0."
                raise reader.fail(keys[name], f"{name} does not fit the meter.", cure, "bad_number")
            bounds[name] = amount.numerator
    spans: dict[str, timedelta] = {}
    for name in ("max_delta_per", "silence"):
        if name in keys:
            span = parse_span(reader.text(keys[name], name))
            if not span:
                raise reader.fail(keys[name], f"{name} is no span of time.", "Write 1m or 1h.", "bad_span")
            spans[name] = span
    return Cumulative(
        rollover_at=bounds.get("rollover_at"),
        max_delta=bounds.get("max_delta"),
        max_delta_per=spans.get("max_delta_per"),
        reset=cast(Any, _pick(reader, keys, "reset", ("from_zero", "baseline"), "from_zero")),
        first=cast(Any, _pick(reader, keys, "first", ("baseline", "from_zero"), "baseline")),
        silence=spans.get("silence"),
    )
