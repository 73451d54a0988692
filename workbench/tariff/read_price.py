"""Catalogue maps to price models and rate rows (``model/price.py``, ``Rate``, ``TimeWindow``)."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from workbench.model.money import NANO
from workbench.model.offer import Rate
from workbench.model.price import (
    MODEL_NAMES,
    Dynamic,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    Percentile,
    PerUnit,
    Price,
    RateTier,
    StairStep,
    Step,
    Tier,
    Volume,
)
from workbench.model.when import MINUTES_PER_DAY, TimeWindow
from workbench.tariff.fields import NAME, Table
from workbench.yamltext import Items, Node, Scalar

_CLOCK = re.compile(r"([01]\d|2[0-4]):([0-5]\d)\Z", re.ASCII)
MOST_TIERS = 1_000
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES = (*(name for name in MODEL_NAMES.values() if name != "percentile"), "p95")


def read_rates(table: Table, unit: str, zone: str) -> tuple[Rate, ...]:
    """The rate rows of one component: its ``rates`` list, or the one price it holds.

    Args:
        table: the component's map.
        unit: the meter's base unit.
        zone: the offer's zone, the default of time windows.
    """
    rows = table.tables("rates", f"rate of {table.place}")
    written = [name for name in _NAMES if table.has(name)]
    if bool(rows) == bool(written):
        raise table.wrong(
            f"{table.place} needs one price.",
            "price_missing",
            f"Write `rates:` or one of: {', '.join(_NAMES)}.",
        )
    if not rows:
        return (Rate(id="default", price=_price(table, unit)),)
    return tuple(_rate(row, number, unit, zone) for number, row in enumerate(rows, 1))


def _rate(row: Table, number: int, unit: str, zone: str) -> Rate:
    rate = Rate(
        id=row.ident("id", f"rate-{number}"),
        price=_price(row, unit),
        match=read_match(row),
        windows=tuple(_window(window, zone) for window in row.tables("windows", "window")),
    )
    row.done()
    return rate


def read_match(table: Table) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """``match: {country: [DE, AT], network: N1}`` as sorted (dimension, values) pairs."""
    matching = table.table("match", "`match`")
    if matching is None:
        return ()
    found = []
    for name, node in matching.node.nodes.items():
        if not NAME.match(name):
            raise matching.wrong(
                f"`{name[:40]}` is not a dimension's name.", "dimension_name", "Use a-z, 0-9 and `_`.", node
            )
        matching.has(name)
        values = node.nodes if isinstance(node, Items) else (node,)
        found.append((name, tuple(_dimension_value(matching, value) for value in values)))
    return tuple(sorted(found))


def _dimension_value(table: Table, node: Node) -> str:
    if not isinstance(node, Scalar) or not 0 < len(node.text) <= 100 or not node.text.isprintable():
        raise table.wrong(
            "A dimension's value must be text of 1 to 100 characters.",
            "dimension_value",
            "Write plain text.",
            node,
        )
    return node.text


def _window(table: Table, zone: str) -> TimeWindow:
    holidays = table.choice("holidays", ("ignore", "only", "except"), "ignore")
    window = TimeWindow(
        start_minute=_clock(table, "from", 0),
        end_minute=_clock(table, "to", MINUTES_PER_DAY),
        days=_days(table),
        holidays=holidays,
        zone=table.text("zone", zone),
        calendar=table.ident("calendar", ""),
    )
    if (holidays != "ignore") != bool(window.calendar):
        raise table.wrong(
            "`holidays` and `calendar` belong together.", "window_calendar", "Name the holiday calendar."
        )
    table.done()
    return window


def _clock(table: Table, key: str, default: int) -> int:
    if not table.has(key):
        return default
    node = table.scalar(key)
    found = _CLOCK.match(node.text)
    minutes = int(found[1]) * 60 + int(found[2]) if found else -1
    if not 0 <= minutes <= MINUTES_PER_DAY:
        raise table.wrong(
            f"`{key}` is not a time of day: {node.text[:20]!r}.",
            "field_time",
            'Write it quoted, as "07:30".',
            node,
        )
    return minutes


def _days(table: Table) -> tuple[int, ...]:
    if not table.has("days"):
        return tuple(range(7))
    node = table.child("days")
    words = (
        [getattr(item, "text", "") for item in node.nodes]
        if isinstance(node, Items)
        else [table.text("days")]
    )
    found: list[int] = []
    for word in words:
        ends = word.lower().split("-")
        if len(ends) > 2 or any(end not in _DAYS for end in ends):
            raise table.wrong(
                f"`{word[:20]}` is not a day.",
                "field_day",
                "Use mon tue wed thu fri sat sun, or mon-fri.",
                node,
            )
        first, last = _DAYS.index(ends[0]), _DAYS.index(ends[-1])
        found += [day % 7 for day in range(first, last + 1 + (7 if last < first else 0))]
    return tuple(sorted(set(found)))


# -- models --------------------------------------------------------------------------------------------------


def _price(table: Table, unit: str) -> Price:
    written = [name for name in _NAMES if table.has(name)]
    if len(written) != 1:
        raise table.wrong(
            f"{table.place} needs exactly one price, but has {len(written)}.",
            "price_missing",
            f"Write one of: {', '.join(_NAMES)}.",
        )
    model = table.table(written[0], f"{written[0]} of {table.place}")
    assert model is not None
    price = _READERS[written[0]](model, unit)
    model.done()
    return price


def _per(table: Table, unit: str) -> int:
    return table.quantity("per", unit, 1, least=1)


def _per_unit(table: Table, unit: str) -> Price:
    return PerUnit(table.amount("amount"), _per(table, unit))


def _tiers(table: Table, unit: str) -> tuple[Tier, ...]:
    rows = _rows(table, "tiers")
    tiers = []
    for row in rows:
        up_to = row.quantity("up_to", unit, least=1) if row.has("up_to") else None
        tiers.append(Tier(up_to, row.amount("amount"), row.amount("flat", Fraction(0))))
        row.done()
    _contiguous(table, rows, [tier.up_to for tier in tiers])
    return tuple(tiers)


def _rows(table: Table, key: str) -> list[Table]:
    if len(table.items(key)) > MOST_TIERS:
        raise table.wrong(
            f"{table.place} has {len(table.items(key)):,} `{key}`; {MOST_TIERS:,} is the most.",
            "tiers_too_many", "Use fewer, or a price per unit.",
        )  # fmt: skip
    rows = table.tables(key, f"tier of {table.place}")
    if not rows:
        raise table.wrong(
            f"{table.place} has no `{key}`.", "tiers_missing", "Write at least one, the last without `up_to`."
        )
    return rows


def _contiguous(table: Table, rows: list[Table], bounds: list[int | None]) -> None:
    """Tiers meet without gap or overlap: bounds rise, and only the last one is open."""
    for number, (row, bound) in enumerate(zip(rows, bounds, strict=True), 1):
        last = number == len(bounds)
        if bound is None and not last:
            raise row.wrong(
                f"Tier {number} of {table.place} is open, so the tiers after it overlap it.",
                "tier_overlap",
                "Give it an `up_to`, or remove what follows.",
            )
        if bound is not None and last:
            raise row.wrong(
                f"{table.place} has a gap: nothing prices usage above tier {number}.",
                "tier_gap",
                "Leave `up_to` out of the last tier.",
            )
        before = bounds[number - 2] if number > 1 else 0
        if bound is not None and before is not None and bound <= before:
            raise row.wrong(
                f"Tier {number} of {table.place} ends at or below the tier before it.",
                "tier_overlap",
                "Let `up_to` rise from tier to tier.",
            )


def _graduated(table: Table, unit: str) -> Price:
    per = _per(table, unit)
    return Graduated(_tiers(table, unit), per)


def _volume(table: Table, unit: str) -> Price:
    per = _per(table, unit)
    return Volume(_tiers(table, unit), per)


def _stair_step(table: Table, unit: str) -> Price:
    rows = _rows(table, "steps")
    steps = []
    for row in rows:
        steps.append(
            Step(row.quantity("up_to", unit, least=1) if row.has("up_to") else None, row.amount("amount"))
        )
        row.done()
    _contiguous(table, rows, [step.up_to for step in steps])
    return StairStep(tuple(steps))


def _package(table: Table, unit: str) -> Price:
    return Package(
        table.amount("amount"), table.quantity("size", unit, least=1), table.quantity("free", unit, 0)
    )


def _money_meter(table: Table, unit: str) -> None:
    if unit != "nano":
        raise table.wrong(
            f"{table.place} needs a money meter, but the meter counts {unit}.",
            "money_meter",
            "Use a meter with `unit: nano` and a `currency`.",
        )


def _percentage(table: Table, unit: str) -> Price:
    _money_meter(table, unit)
    price = Percentage(
        table.rate("rate"),
        table.amount("fee", Fraction(0)),
        table.maybe_amount("floor"),
        table.maybe_amount("cap"),
    )
    _floor_below_cap(table, price.floor, price.cap)
    return price


def _dynamic(table: Table, unit: str) -> Price:
    _money_meter(table, unit)
    price = Dynamic(
        table.amount("factor", Fraction(1)),
        table.amount("fee", Fraction(0)),
        table.maybe_amount("floor"),
        table.maybe_amount("cap"),
    )
    _floor_below_cap(table, price.floor, price.cap)
    return price


def _floor_below_cap(table: Table, floor: Fraction | None, cap: Fraction | None) -> None:
    if floor is not None and cap is not None and floor > cap:
        raise table.wrong(f"{table.place}: the floor is above the cap.", "floor_above_cap", "Swap them.")


def _graduated_percentage(table: Table, unit: str) -> Price:
    _money_meter(table, unit)
    rows = _rows(table, "tiers")
    tiers = []
    for row in rows:
        up_to: int | None = None
        if row.has("up_to"):
            nano = row.amount("up_to") * NANO
            if nano.denominator != 1 or nano < 1:
                raise row.wrong(
                    "`up_to` must be at least a nano-unit.", "quantity_range", "Write an amount of money."
                )
            up_to = nano.numerator
        tiers.append(RateTier(up_to, row.rate("rate"), row.amount("flat", Fraction(0))))
        row.done()
    _contiguous(table, rows, [tier.up_to for tier in tiers])
    return GraduatedPercentage(tuple(tiers))


def _percentile(table: Table, unit: str) -> Price:
    if unit != "byte":
        raise table.wrong(
            f"{table.place} needs a meter in byte, but the meter counts {unit}.",
            "unit_mismatch",
            "Meter bytes.",
        )
    percentile = table.rate("percentile") if table.has("percentile") else Fraction(95, 100)
    if percentile == 0:
        raise table.wrong(
            f"{table.place} has the percentile 0, below which there is no slot.", "percent_range",
            "Write a percentile above 0, as `95 %`.", table.child("percentile"),
        )  # fmt: skip
    return Percentile(
        amount=table.amount("amount"),
        per=table.quantity("per", "bit/s", 1, least=1),
        percentile=percentile,
        slot_seconds=table.whole("slot_seconds", 300, 1, 86400),
        direction=table.choice("direction", ("max", "sum"), "max"),
        out_meter=table.ident("out_meter", ""),
    )


_READERS: dict[str, Callable[[Table, str], Price]] = {
    "per_unit": _per_unit,
    "graduated": _graduated,
    "volume": _volume,
    "stair_step": _stair_step,
    "package": _package,
    "percentage": _percentage,
    "graduated_percentage": _graduated_percentage,
    "dynamic": _dynamic,
    "p95": _percentile,
}
