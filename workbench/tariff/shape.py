"""The shape of a bill: what one device, alone on its account, pays in one whole first period for its use of one meter.

The compiled rows and the one formula price it; fees, discounts, the maximum and the commitment are added as close adds
them. The charts of a price list, the checker's crossing points and the Studio all ask here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from workbench.model.money import NANO
from workbench.model.offer import Catalogue, Discount, Offer
from workbench.model.plan import PlanComponent, PlanOffer, PlanRate
from workbench.tariff.compile import compile_offer
from workbench.tariff.quote import cost_of

MUCH = 10**12
"""Units of one counter and period beyond which no device goes."""
_DAYS = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}
_ZERO = Fraction(0)


class Bill:
    """One offer's bill for one meter.

    Args:
        rates: component id to the rate that holds (the last one, which holds otherwise, when it is left out).
        adjusted: whether discounts, the maximum and the commitment count.
        once: whether fees that are due once count.
    """

    def __init__(
        self,
        offer: Offer,
        plan: PlanOffer,
        meter: str,
        rates: Mapping[str, str] | None = None,
        *,
        adjusted: bool = False,
        once: bool = False,
    ) -> None:
        self.offer, self.meter = offer, meter
        chosen = rates or {}
        self.parts = [(c, _rate(c, chosen.get(c.id, ""))) for c in plan.components if c.meter == meter]
        times = {"day": _DAYS[offer.period], "period": 1, "once": int(once)}
        self._adjusted = adjusted
        held = [d for d in offer.discounts if not d.code and d.from_period == 1] if adjusted else []
        self._fixed_off = [d for d in held if d.kind == "fixed"]
        percent = [d for d in held if d.kind == "percent"]
        self.fees = {
            fee.id: fee.amount * times[fee.every] * _left(percent, fee.id)
            for fee in offer.fees
            if not adjusted or fee.from_period == 1
        }

    @property
    def plain(self) -> bool:
        """Whether one counter tells everything: no choice of rates, no amount of single events, no percentile."""
        return all(
            len(c.rates) == 1 and rate.conversion is None and rate.percentile is None
            for c, rate in self.parts
        )

    def at(self, units: int) -> Fraction:
        """The exact bill in the currency's main unit."""
        parts = {c.id: amount(c, rate, units) for c, rate in self.parts} | self.fees
        if not self._adjusted:
            return sum(parts.values(), _ZERO)
        return _adjusted(self.offer, parts, self._fixed_off)

    def edges(self) -> set[int]:
        """The quantities at which a step begins."""
        return {
            edge
            for component, rate in self.parts
            for step in rate.steps
            for edge in (step.from_units + component.free_units, component.free_units)
        }


def bill_of(
    offer: Offer,
    catalogue: Catalogue,
    meter: str,
    rates: Mapping[str, str] | None = None,
    *,
    once: bool = False,
) -> Bill:
    """The bill of an offer as its customer sees it: discounts of the first period, maximum and commitment included.

    Raises:
        CatalogueError: the offer says what the engine does not price.
    """
    percent = [d for d in offer.discounts if d.kind == "percent" and not d.code and d.from_period == 1]
    plan = compile_offer(offer, catalogue, discounts=percent)
    return Bill(offer, plan, meter, rates, adjusted=True, once=once)


def amount(component: PlanComponent, rate: PlanRate, units: int) -> Fraction:
    """The exact cost of units by one rate, in the currency's main unit."""
    return Fraction(cost_of(component, rate, units), component.denominator * NANO)


def _rate(component: PlanComponent, rate_id: str) -> PlanRate:
    return next((rate for rate in component.rates if rate.id == rate_id), component.rates[-1])


def _left(discounts: Sequence[Discount], part: str) -> Fraction:
    left = Fraction(1)
    for discount in discounts:
        if not discount.components or part in discount.components:
            left *= 1 - discount.rate
    return left


def _adjusted(offer: Offer, parts: Mapping[str, Fraction], fixed_off: Sequence[Discount]) -> Fraction:
    """Parts by name, then what close adds, in its order: fixed discounts, the maximum, the commitment.

    Fees per account, fixed discounts and an account's maximum belong to no device, so a device's limits pass them over.
    """
    nobodys = {fee.id for fee in offer.fees if fee.per == "account"} | {discount.id for discount in fixed_off}
    given = _ZERO
    rows = dict(parts)
    for discount in fixed_off:
        off = min(discount.amount, max(_ZERO, _counted(parts, discount.components) - given))
        rows[discount.id] = -off
        given += off
    if offer.maximum is not None:
        held = _held(rows, offer.maximum.scope, nobodys)
        rows["maximum"] = -max(_ZERO, _counted(held, offer.maximum.components) - offer.maximum.amount)
        if offer.maximum.scope == "account":
            nobodys.add("maximum")
    if offer.commitment is not None:
        held = _held(rows, offer.commitment.scope, nobodys)
        rows["commitment"] = max(_ZERO, offer.commitment.amount - _counted(held, offer.commitment.components))
    return sum(rows.values(), _ZERO)


def _held(rows: Mapping[str, Fraction], scope: str, nobodys: set[str]) -> Mapping[str, Fraction]:
    return {name: value for name, value in rows.items() if scope == "account" or name not in nobodys}


def _counted(parts: Mapping[str, Fraction], names: Sequence[str]) -> Fraction:
    return sum((value for name, value in parts.items() if not names or name in names), _ZERO)


# -- where two bills cross -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Crossing:
    """From ``units`` on the other of two bills is the cheaper one; both amounts at that quantity."""

    units: int
    left: Fraction
    right: Fraction
    cheaper_left: bool


def crossings(left: Bill, right: Bill, most: int = MUCH) -> list[Crossing]:
    """Every change of sides between the interesting points up to ``most`` units, the first quantity at which it holds."""
    powers = (10**n for n in range(len(str(most))))
    begin = left.edges() | right.edges()
    points = {0, most, *begin, *(edge - 1 for edge in begin), *powers}
    found, before = [], _ZERO
    for low, high in pairwise(sorted(point for point in points if 0 <= point <= most)):
        first = left.at(low) - right.at(low) or before
        last = left.at(high) - right.at(high)
        if first * last < 0:
            units = _bisect(left, right, low, high, first)
            found.append(Crossing(units, left.at(units), right.at(units), first > 0))
        before = last or first
    return found


def _bisect(left: Bill, right: Bill, low: int, high: int, first: Fraction) -> int:
    """The first quantity at which the difference has another sign than ``first``."""
    while high - low > 1:
        middle = (low + high) // 2
        if first * (left.at(middle) - right.at(middle)) >= 0:
            low = middle
        else:
            high = middle
    return high
