"""Held lines: one device's use of one component in one period, kept off the bill until somebody has decided on it.

A close bills what is not held. Its record names every held line with its case and its exact amount, so the chain of closes seals
them. When the case is decided, either way, an adjustment bills the line: the period's new total less what was posted, which is
the held amount and nothing else, once. Shares, tax and rounding follow what is billed, at the close and at the release.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.lake.engine import one
from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.settlement import record
from workbench.settlement.work import Rated


@dataclass(frozen=True, slots=True, order=True)
class Hold:
    """What is to be held: a device's use of a meter, because of a case."""

    case_id: str
    device_id: str
    device_key: int
    meter: str


@dataclass(frozen=True, slots=True)
class Held:
    """A line that a close held back: a device's part of the account's line ``line_no``; exact ``amount`` over ``den`` nano."""

    case_id: str
    device_id: str
    device_key: int
    meter: str
    account_id: str
    offer_id: str
    component_id: str
    currency: str
    line_no: int
    units: int
    amount: int
    den: int
    released: bool = False


def held_lines(lake: Lake, period: str) -> list[Held]:
    """Every line a closed period's record names as held, and whether an adjustment has released it since."""
    facts = record.in_order(lake)
    gone = {case for _, fact in facts if fact["period"] == period for case in fact.get("released", ())}
    return [
        Held(**{**row, **{name: int(row[name]) for name in _NUMBERS}}, released=row["case_id"] in gone)
        for name, fact in facts
        if name == period
        for row in fact.get("held", ())
    ]


def waiting(lake: Lake, period: str) -> list[Hold]:
    """The holds of a closed period that were not released yet."""
    found = {
        Hold(h.case_id, h.device_id, h.device_key, h.meter)
        for h in held_lines(lake, period)
        if not h.released
    }
    return sorted(found)


def without(rated: Rated, holds: Sequence[Hold]) -> Rated:
    """A rated period without the usage that is held; fees and what only the period's total decides stay."""
    if not holds:
        return rated
    return Rated(rated.lines, f"(SELECT c.* FROM {rated.charges} c WHERE NOT {_is_held(rated, holds)})")


def amounts(lake: Lake, rated: Rated, holds: Sequence[Hold]) -> list[dict[str, Any]]:
    """The held lines with their exact sums, for the record; numbers as text, since JSON readers lose digits past 2**53."""
    found = []
    for hold in sorted(set(holds)):
        rows = lake.con.execute(
            "SELECT l.account_id, l.offer_id, l.component_id, l.currency, c.line_no, sum(c.units)::HUGEINT, "
            f"sum(c.amount)::HUGEINT, any_value(l.price_denominator)::HUGEINT FROM {rated.charges} c JOIN {rated.lines} l "
            f"ON l.line_no = c.line_no WHERE {_is_held(rated, [hold])} GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        for account, offer, component, currency, line_no, units, amount, den in rows:
            found.append(
                {
                    "case_id": hold.case_id, "device_id": hold.device_id, "device_key": str(hold.device_key),
                    "meter": hold.meter, "account_id": account, "offer_id": offer, "component_id": component,
                    "currency": currency, "line_no": str(line_no), "units": str(units), "amount": str(amount), "den": str(den),
                }
            )  # fmt: skip
    return found


def pairs(held: Iterable[Held]) -> str:
    """SQL of the (line_no, device_key) pairs that are held, as a list for ``IN``; empty text when none is."""
    listed = sorted({(one.line_no, one.device_key) for one in held})
    return ", ".join(f"({line_no}, {key})" for line_no, key in listed)


def as_charged(lake: Lake, period: str) -> str:
    """A counter-example where a record's held amount is not the sum of its charges; empty text when all are."""
    for held in held_lines(lake, period):
        row = one(
            lake.con,
            f"SELECT coalesce(sum(units), 0)::HUGEINT, coalesce(sum(amount), 0)::HUGEINT FROM {lake.scan('charges', period=period)} "
            f"WHERE line_no = {held.line_no} AND device_key = {held.device_key}",
        )
        if row != (held.units, held.amount):
            return f"line {held.line_no} of {period} holds {held.amount} for case {held.case_id}, its charges sum to {row and row[1]}"
    return ""


_NUMBERS = ("device_key", "line_no", "units", "amount", "den")


def _is_held(rated: Rated, holds: Sequence[Hold]) -> str:
    """SQL of whether a charge ``c`` is a device's use of a meter that is held."""
    listed = ", ".join(f"({hold.device_key}, {quote(hold.meter)})" for hold in sorted(set(holds)))
    return (
        f"EXISTS (SELECT 1 FROM {rated.lines} hl JOIN (VALUES {listed}) h(device_key, meter) ON h.meter = hl.meter "
        "WHERE hl.line_no = c.line_no AND hl.kind = 'usage' AND h.device_key = c.device_key)"
    )
