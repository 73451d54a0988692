"""The cumulative cost C(q) of every price model, in nano-units, straight from the nouns.

``q`` counts the base units of one counter since its period began, after free units. "A charge is C(before +
units) − C(before)"; "C(q) is exact".
"""

from __future__ import annotations

from fractions import Fraction

from workbench.model.offer import Conventions
from workbench.model.price import (
    Dynamic,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    PerUnit,
    Price,
    StairStep,
    Volume,
)
from workbench.reference.results import ZERO, Unpriceable
from workbench.reference.rounding import NANO

Quantity = int | Fraction
"""Base units; a fraction only where a fold makes one (a time-weighted average)."""


def cumulative_cost(price: Price, q: Quantity, conventions: Conventions) -> Fraction:
    """C(q) in nano. Raises ``Unpriceable`` for models that are not a function of a quantity (see
    ``events``, ``p95``).
    """
    if isinstance(price, PerUnit):
        return price.amount * Fraction(NANO * q, price.per)
    if isinstance(price, Graduated):
        return graduated(price, q, conventions)
    if isinstance(price, Volume):
        return volume(price, q, conventions)
    if isinstance(price, StairStep):
        return stair_step(price, q, conventions)
    if isinstance(price, Package):
        return package(price, q)
    if isinstance(price, GraduatedPercentage):
        return graduated_percentage(price, q, conventions)
    raise Unpriceable(f"{type(price).__name__} has no cumulative cost of a quantity")


def is_entered(q: Quantity, lower: int, conventions: Conventions) -> bool:
    """Whether a tier that begins at ``lower`` has been entered.

    Inclusive: "a tier's flat fee is due when the first unit enters it". Exclusive: as soon as q reaches the
    bound. The first tier is entered by the first unit, or from the start when the offer says
    ``flat_fee_at_zero``.
    """
    if lower == 0:
        return q > 0 or conventions.flat_fee_at_zero
    if conventions.tier_bound == "inclusive":
        return q > lower
    return q >= lower


def is_within(q: Quantity, up_to: int | None, conventions: Conventions) -> bool:
    """Whether ``q`` has not gone beyond a tier: "``up_to`` inclusive" unless the offer says exclusive."""
    if up_to is None:
        return True
    if conventions.tier_bound == "inclusive":
        return q <= up_to
    return q < up_to


def graduated(price: Graduated, q: Quantity, conventions: Conventions) -> Fraction:
    """Each unit at the price of its tier, plus the flat fee of every tier entered."""
    cost = ZERO
    lower = 0
    for tier in price.tiers:
        upper = q if tier.up_to is None else min(q, tier.up_to)
        if upper > lower:
            cost += (upper - lower) * tier.amount * NANO / price.per
        if is_entered(q, lower, conventions):
            cost += tier.flat * NANO
        if tier.up_to is not None:
            lower = tier.up_to
    return cost


def volume(price: Volume, q: Quantity, conventions: Conventions) -> Fraction:
    """All units at the price of the tier that ``q`` reaches, plus that tier's flat fee."""
    if q == 0 and not conventions.flat_fee_at_zero:
        return ZERO
    for tier in price.tiers:
        if is_within(q, tier.up_to, conventions):
            return q * tier.amount * NANO / price.per + tier.flat * NANO
    raise Unpriceable("usage beyond the last tier")


def stair_step(price: StairStep, q: Quantity, conventions: Conventions) -> Fraction:
    """One price for the reached step; nothing at zero units."""
    if q == 0:
        return ZERO
    for step in price.steps:
        if is_within(q, step.up_to, conventions):
            return step.amount * NANO
    raise Unpriceable("usage beyond the last step")


def package(price: Package, q: Quantity) -> Fraction:
    """Started packages: ceil((q − free) / size) × price."""
    if q <= price.free:
        return ZERO
    packages = (q - price.free) // price.size
    if packages * price.size < q - price.free:
        packages += 1
    return packages * price.amount * NANO


def graduated_percentage(price: GraduatedPercentage, q: Quantity, conventions: Conventions) -> Fraction:
    """Each nano of money at the rate of the tier it falls into, plus the flat fee of every tier entered."""
    cost = ZERO
    lower = 0
    for tier in price.tiers:
        upper = q if tier.up_to is None else min(q, tier.up_to)
        if upper > lower:
            cost += (upper - lower) * tier.rate
        if is_entered(q, lower, conventions):
            cost += tier.flat * NANO
        if tier.up_to is not None:
            lower = tier.up_to
    return cost


def event_cost(price: Percentage | Dynamic, amount_nano: int, events: int) -> Fraction:
    """What events that carry an amount of money cost: "fees and floors convert event → nano first, per
    event".

    Several events at once (``events`` > 1, a record) can only be priced when there is neither floor nor cap.
    """
    rate = price.rate if isinstance(price, Percentage) else price.factor
    if events != 1 and (price.floor is not None or price.cap is not None):
        raise Unpriceable("a floor or cap per event needs events, not records")
    cost = rate * amount_nano + price.fee * NANO * events
    if price.cap is not None:
        cost = min(cost, price.cap * NANO)
    if price.floor is not None:
        cost = max(cost, price.floor * NANO)
    return cost
