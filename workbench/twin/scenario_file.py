"""Scenario files: a small YAML file that a product manager writes. ``load`` is the door; README.md shows the format.

A value in a list (``amount: [0.3, 0.4]``) or a name from ``grid:`` (``$price``) makes one scenario per combination.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from workbench.errors import ScenarioError
from workbench.mediation.yamltree import Node, Reader, read_text
from workbench.twin.scenario import Growth, Patch, Reaction, Scenario, Who, patch

_KEYS = ("scenario", "title", "patches", "catalogue", "moves", "traffic", "growth", "reaction", "migration", "seed",
         "grid")  # fmt: skip
_WHO = ("accounts", "devices", "kinds", "offers")
MOST = 1000
"""A grid of more scenarios than this is a slip of the hand."""


def load(path: str | Path) -> list[Scenario]:
    """The scenarios of a file: one, or one per combination of its grid.

    Raises:
        FileUnreadable: there is no such file.
        ScenarioError: anything in it is wrong: one sentence, file and line, code, cure.
    """
    return loads(read_text(path), str(path))


def loads(text: str, name: str = "scenario") -> list[Scenario]:
    """Scenarios from YAML text; ``name`` stands for the file in errors."""
    reader = Reader(name, ScenarioError)
    root = reader.parse(text)
    found = reader.section(root, _KEYS, "A scenario")
    if "scenario" not in found:
        raise reader.fail(root, "The scenario has no name.", "Begin with `scenario: NAME`.", "shape")
    axes = _grid(reader, found.get("grid"))
    patches = _patches(reader, found.get("patches"))
    made = []
    for labels, chosen in _combinations(patches, axes):
        made.append(_scenario(reader, root, found, labels, chosen))
        if len(made) > MOST:
            raise reader.fail(
                root, f"The grid makes more than {MOST} scenarios.", "Shorten its lists.", "grid"
            )
    return made


def _scenario(
    reader: Reader,
    root: Node,
    found: Mapping[str, Node],
    labels: tuple[tuple[str, str], ...],
    chosen: list[Patch],
) -> Scenario:
    base = reader.text(found["scenario"], "scenario")
    name = base + (f" [{', '.join(f'{key}={value}' for key, value in labels)}]" if labels else "")
    traffic = found.get("traffic")
    who = _who(reader, traffic, (*_WHO, "period"), "traffic") if traffic else Who()
    period = reader.section(traffic, (*_WHO, "period"), "traffic").get("period") if traffic else None
    moves = reader.section(found["moves"], _any(found["moves"]), "moves") if "moves" in found else {}
    folder = Path(reader.file).parent
    try:
        return Scenario(
            name,
            patches=tuple(chosen),
            catalogue=folder / reader.text(found["catalogue"], "catalogue") if "catalogue" in found else None,
            moves=tuple((old, reader.text(new, "moves")) for old, new in moves.items()),
            who=who,
            period=reader.text(period, "period") if period else "",
            growth=tuple(_growth(reader, node) for node in reader.items(found["growth"]))
            if "growth" in found
            else (),
            reaction=_reaction(reader, found["reaction"]) if "reaction" in found else None,
            migration=reader.text(found["migration"], "migration") if "migration" in found else "everyone",
            seed=_seed(reader, found["seed"]) if "seed" in found else 7,
            title=reader.text(found["title"], "title") if "title" in found else "",
            labels=labels,
        )
    except ScenarioError as error:
        if str(reader.file) in error.where:
            raise
        raise ScenarioError(
            error.what,
            where=f"{reader.file}, {error.where or f'line {root.line}'}",
            cure=error.cure,
            code=error.code,
        ) from None


def _any(node: Node) -> list[str]:
    """Keys that are names of the user's own."""
    return list(node.value) if isinstance(node.value, dict) else []


def _grid(reader: Reader, node: Node | None) -> dict[str, tuple[str, ...]]:
    if node is None:
        return {}
    axes = reader.section(node, _any(node), "grid")
    return {name: reader.texts(axis, f"grid {name}") for name, axis in axes.items()}


def _patches(reader: Reader, node: Node | None) -> list[tuple[str, tuple[str, ...], str]]:
    """(name, values, where) of each patch."""
    if node is None:
        return []
    found = []
    for part in reader.items(node):
        for name, value in reader.section(part, _any(part), "patches").items():
            found.append((name, reader.texts(value, name), f"{reader.file}, line {value.line}"))
    return found


def _combinations(
    patches: list[tuple[str, tuple[str, ...], str]], axes: dict[str, tuple[str, ...]]
) -> Iterator[tuple[tuple[tuple[str, str], ...], list[Patch]]]:
    """Each combination of grid values: its labels and its patches."""
    lists = {name: values for name, values, _ in patches if len(values) > 1}
    every = {**axes, **lists}
    used = {value[1:] for _, values, _ in patches for value in values if value.startswith("$")}
    for unused in sorted(set(axes) - used):
        raise ScenarioError(
            f"The grid's {unused} is used by no patch.", where=f"grid.{unused}", code="grid_unused",
            cure=f"Write ${unused} as the value of a patch.",
        )  # fmt: skip
    for unknown in sorted(used - set(axes)):
        raise ScenarioError(
            f"A patch uses ${unknown}, which the grid does not have.", where="patches", code="grid_unknown",
            cure=f"Add it: grid: {{{unknown}: [1, 2]}}.",
        )  # fmt: skip
    for values in product(*every.values()):
        point = dict(zip(every, values, strict=True))
        chosen = []
        for name, written, where in patches:
            text = point[name] if name in lists else written[0]
            chosen.append(patch(name, point[text[1:]] if text.startswith("$") else text, where))
        labels = tuple((key.split(".", 1)[-1], value) for key, value in point.items())
        yield labels, chosen


def _who(reader: Reader, node: Node, keys: tuple[str, ...], what: str) -> Who:
    found = reader.section(node, keys, what)
    return Who(**{key: reader.texts(found[key], key) for key in _WHO if key in found})


def _growth(reader: Reader, node: Node) -> Growth:
    found = reader.section(node, ("segment", "usage", "devices", "customers"), "growth")
    who = _who(reader, found["segment"], _WHO, "segment") if "segment" in found else Who()
    factors: dict[str, Any] = {
        key: reader.text(found[key], key) for key in ("usage", "devices", "customers") if key in found
    }
    return Growth(who, **factors)


def _reaction(reader: Reader, node: Node) -> Reaction:
    found = reader.section(node, ("elasticity",), "reaction")
    if "elasticity" not in found:
        raise reader.fail(node, "The reaction has no elasticity.", "Write `elasticity: -0.3`.", "shape")
    inner = found["elasticity"]
    if isinstance(inner.value, dict):
        parts = reader.section(inner, ("low", "mid", "high"), "elasticity")
        if set(parts) != {"low", "mid", "high"}:
            raise reader.fail(
                inner, "An elasticity's range has low, mid and high.", "Write all three.", "shape"
            )
        low, mid, high = (reader.text(parts[key], key) for key in ("low", "mid", "high"))
    else:
        low = mid = high = reader.text(inner, "elasticity")
    return Reaction(low, mid, high)  # type: ignore[arg-type]  # text is read as an exact number


def _seed(reader: Reader, node: Node) -> int:
    text = reader.text(node, "seed")
    if not text.isdigit():
        raise reader.fail(node, "A seed is a whole number.", "Write `seed: 7`.", "shape")
    return int(text)


def renamed(scenario: Scenario, name: str) -> Scenario:
    """The same scenario under another name."""
    return dataclasses.replace(scenario, name=name)
