"""How a simulation looks in a notebook: plain HTML without scripts, and charts made on demand."""

from __future__ import annotations

from fractions import Fraction
from html import escape
from typing import TYPE_CHECKING, Any

from workbench.model.money import MINOR_DIGITS, round_half_away
from workbench.tariff.show import ready_charts

if TYPE_CHECKING:
    from workbench.twin.simulation import Simulation


def rounded(amount: Fraction, currency: str, digits: int | None = None) -> str:
    """An amount for people: the currency's own digits (or ``digits``), thousands apart; ``12,345.60``."""
    places = MINOR_DIGITS.get(currency, 2) if digits is None else digits
    scaled = round_half_away(amount.numerator * 10**places, amount.denominator)
    whole, part = divmod(abs(scaled), 10**places)
    sign = "-" if scaled < 0 else ""
    return f"{sign}{whole:,}" + (f".{part:0{places}d}" if places else "")


def signed(amount: Fraction, currency: str, digits: int | None = None) -> str:
    """The same with a plus where it rises."""
    return ("+" if amount > 0 else "") + rounded(amount, currency, digits)


def simulation_html(sim: Simulation) -> str:
    """The scenarios of a simulation as one table."""
    rows = []
    for cell in sim.cells:
        if cell.error:
            rows.append(
                f"<tr><td>{escape(cell.name)}</td><td colspan='5'>{escape(cell.error['what'])}</td></tr>"
            )
            continue
        for currency, (before, after) in cell.totals.items():
            moved = [change.delta for change in cell.changes if change.currency == currency]
            numbers = (rounded(before, currency), rounded(after, currency), signed(after - before, currency),
                       f"{sum(d > 0 for d in moved):,}", f"{sum(d < 0 for d in moved):,}")  # fmt: skip
            cells = "".join(f"<td style='text-align:right'>{escape(text)}</td>" for text in numbers)
            rows.append(f"<tr><td>{escape(cell.name)}</td>{cells}</tr>")
    currencies = sorted({currency for cell in sim.cells for currency in cell.totals})
    head = "".join(
        f"<th>{escape(text)}</th>"
        for text in ("scenario", "revenue now", "would be", "difference", "bills up", "bills down")
    )
    span = f"{sim.period.start:%Y-%m-%d} to {sim.period.end:%Y-%m-%d}, lake version {sim.version}"
    return (
        f"<div><strong>What would change</strong> <small>({escape(', '.join(currencies))}; {span})</small>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def waterfall_plot(sim: Simulation, scenario: str | None = None) -> Any:
    """What each rule adds or takes, as bars; floats are for the eye only."""
    ready_charts()
    steps = sim.waterfall(scenario)
    bars = steps[~steps["step"].isin(["production", "candidate"])].copy()
    bars["delta"] = [float(amount) for amount in bars["delta"]]
    bars["rises"] = bars["delta"] > 0
    return bars.hvplot.bar(
        x="step", y="delta", by="rises", stacked=True, rot=45, legend=False, color=["#2a7f62", "#b3423a"],
        title=f"{sim.cell(scenario).name}: the difference, rule by rule",
    )  # fmt: skip
