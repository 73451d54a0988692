"""Totals that are shared out at close: "jumps (volume, stair-step, ..., pool overage): provisional until close, then
attributed to records by use".

While uses come in, each is charged ``C(after) - C(before)``, which for a volume price may even be negative. When the
period is over, what the counter cost in all is shared out by use: a use gets ``S(after) - S(before)`` with
``S(x) = total * x / used``, cut to whole multiples of the price's own smallest money, so that the parts are amounts the
price could have made and sum to the total. Where a pool's overage is "by excess", devices share first, by what each
used beyond what it brought in, and each device's part goes to its records by use.

A counter used under several versions or discounts keeps the differences: there is no one total to share.
"""

from __future__ import annotations

from fractions import Fraction
from math import lcm

from workbench.model.ids import device_key
from workbench.model.offer import Offer
from workbench.model.price import (
    Graduated,
    GraduatedPercentage,
    Package,
    PerUnit,
    Price,
    StairStep,
    Volume,
)
from workbench.reference.lines import currency_of
from workbench.reference.results import Charge, Unpriceable
from workbench.reference.rounding import NANO
from workbench.reference.state import Part, State


def share_by_use(state: State) -> None:
    """Replace the provisional charges of every counter whose total is shared out."""
    final: dict[int, Charge] = {}
    for parts in state.jumping.values():
        if len({(part.offer.version, part.factor) for part in parts}) > 1:
            if not isinstance(parts[0].price, Volume | StairStep):
                raise Unpriceable(
                    "a pool with a cap or by excess under two prices in one period is not decided"
                )
            continue
        for part, amount in zip(parts, shares(state, parts), strict=True):
            old = part.charge
            final[id(old)] = Charge(
                old.line, old.device_id, old.at, old.units, amount, old.event_id, old.rate_id
            )
    state.bill.charges = [final.get(id(charge), charge) for charge in state.bill.charges]


def shares(state: State, parts: list[Part]) -> list[Fraction]:
    """What each use of one counter costs."""
    _, exchange = currency_of(state.who, parts[0].charge.line)
    factor = parts[0].factor * exchange  # what one nano of the price list is on the account's line
    total = sum((part.charge.amount_nano for part in parts), Fraction(0)) * exchange
    smallest = smallest_money(parts[0].price, factor, parts[0].offer)
    own = parts[0].own
    if own is None:
        return [amount / exchange for amount in shared(total, [part.units for part in parts], smallest)]
    by_device = members_parts(state, parts, own, total, smallest)
    found: dict[int, Fraction] = {}
    for device_id, device_total in by_device.items():
        mine = [place for place, part in enumerate(parts) if part.charge.device_id == device_id]
        amounts = shared(device_total, [parts[place].units for place in mine], smallest)
        found.update(zip(mine, amounts, strict=True))
    return [found[place] / exchange for place in range(len(parts))]


def members_parts(
    state: State, parts: list[Part], own: dict[str, int], total: Fraction, smallest: Fraction
) -> dict[str, Fraction]:
    """A pool's total by device: by excess, or by use when nobody used more than it brought."""
    used: dict[str, int] = {}
    for part in parts:
        used[part.charge.device_id] = used.get(part.charge.device_id, 0) + part.units
    devices = sorted(used, key=lambda device_id: device_key(state.tenant, device_id))
    weights = [max(0, used[device_id] - own.get(device_id, 0)) for device_id in devices]
    if sum(weights) == 0:
        weights = [used[device_id] for device_id in devices]
    return dict(zip(devices, shared(total, weights, smallest), strict=True))


def shared(total: Fraction, weights: list[int], smallest: Fraction) -> list[Fraction]:
    """``total`` by weight, in whole multiples of ``smallest``; no weight at all: nothing was used, nothing is due."""
    whole = sum(weights)
    found = []
    before = 0
    for weight in weights:
        after = before + weight
        if whole == 0:
            found.append(Fraction(0))
            continue
        part_before = total * before / whole // smallest * smallest
        part_after = total * after / whole // smallest * smallest
        found.append(part_after - part_before)
        before = after
    return found


def smallest_money(price: Price, factor: Fraction, offer: Offer) -> Fraction:
    """The finest fraction of a nano-unit in which all amounts of a price are whole."""
    amounts = [amount * factor for amount in amounts_of(price, offer)]
    return Fraction(1, lcm(*(amount.denominator for amount in amounts)))


def amounts_of(price: Price, offer: Offer) -> list[Fraction]:
    """All amounts of a price, in nano, that some quantity can meet."""
    if isinstance(price, PerUnit):
        return [price.amount * NANO / price.per]
    if isinstance(price, Package):
        return [price.amount * NANO]
    if isinstance(price, StairStep):
        steps = [
            step for step in price.steps if step.up_to != 1 or offer.conventions.tier_bound == "inclusive"
        ]
        return [step.amount * NANO for step in steps]
    if isinstance(price, GraduatedPercentage):
        return [amount for tier in price.tiers for amount in (tier.rate, tier.flat * NANO)]
    if isinstance(price, Graduated | Volume):
        tiers = [tier for tier in price.tiers if isinstance(price, Graduated) or is_met(tier.up_to, offer)]
        each = [tier.amount * NANO / price.per for tier in tiers]
        return each + [tier.flat * NANO for tier in tiers]
    raise Unpriceable(f"{type(price).__name__} has no total to share")


def is_met(up_to: int | None, offer: Offer) -> bool:
    """Whether some quantity ends in a tier: with an exclusive bound of one unit the first tier holds none."""
    conventions = offer.conventions
    return up_to != 1 or conventions.tier_bound == "inclusive" or conventions.flat_fee_at_zero
