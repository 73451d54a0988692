"""The gate's report: one HTML file with everything inside, that can be mailed, printed and read without a network."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from workbench.model.money import decimal_text
from workbench.twin import draw
from workbench.twin.cell import Change
from workbench.twin.gate import GateResult
from workbench.twin.show import rounded, signed

_SHOWN = 15


def environment() -> Environment:
    """Templates of this room: everything is escaped, a name that is missing is an error."""
    made = Environment(
        loader=PackageLoader("workbench.twin", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters["money"] = rounded
    made.filters["signed"] = signed
    made.filters["exact"] = decimal_text
    made.filters["percent"] = percent
    return made


def percent(number: Fraction | None) -> str:
    """A percentage for people: one digit, with its sign."""
    return "new" if number is None else signed(number, "", 1) + " %"


def gate_html(result: GateResult, entry: Mapping[str, Any] | None = None) -> str:
    """The report as one page.

    Args:
        entry: the signed summary, when it was signed.
    """
    cell = result.sim.cell()
    currencies = [_currency(result, currency) for currency in cell.totals]
    risers = [c for c in cell.changes if c.delta > 0]
    fallers = sorted((c for c in cell.changes if c.delta < 0), key=lambda c: (c.delta, c.account))
    page = environment().get_template("gate.html.j2")
    return page.render(
        result=result, cell=cell, currencies=currencies, losers=risers[:_SHOWN], winners=fallers[:_SHOWN],
        counts={"up": len(risers), "down": len(fallers), "same": len(cell.changes) - len(risers) - len(fallers)},
        shares=result.sim.shares().to_dict("records"), entry=entry, offers=result.offers,
    )  # fmt: skip


def write_gate(result: GateResult, path: Path, entry: Mapping[str, Any] | None = None) -> Path:
    """Write the report; returns where it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(gate_html(result, entry), encoding="utf-8")
    return path


def _currency(result: GateResult, currency: str) -> dict[str, Any]:
    """What the page shows of one currency."""
    cell = result.sim.cell()
    before, after = cell.totals[currency]
    steps = result.sim.waterfall()
    mine = steps[(steps["currency"] == currency) & ~steps["step"].isin(["production", "candidate"])]
    rules = [(name, Fraction(delta)) for name, delta in zip(mine["step"], mine["delta"], strict=True)]
    moved = [c for c in cell.changes if c.currency == currency]
    return {
        "currency": currency,
        "before": before,
        "after": after,
        "delta": after - before,
        "percent": 100 * (after - before) / before if before else None,
        "waterfall": draw.waterfall(before, rules, after, currency),
        "histogram": draw.histogram([c.percent for c in moved if c.percent is not None]),
        "rules": rules,
        "median": _median(moved),
    }


def _median(changes: list[Change]) -> Fraction | None:
    rises = sorted(c.percent for c in changes if c.percent is not None)
    return rises[len(rises) // 2] if rises else None
