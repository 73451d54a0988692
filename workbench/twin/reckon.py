"""Bills from totals: ``C(total)`` of every counter, fees in proportion to their amount, and who may be reckoned so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from workbench.model.money import NANO
from workbench.model.plan import PlanComponent, PlanOffer, PlanRate
from workbench.tariff.amount import chargeable, converted, cost
from workbench.tariff.lookup import step_at
from workbench.tariff.plan import Plan
from workbench.twin.counters import Counter, Held

Key = tuple[str, str, str]
FreeUnits = Callable[[Counter], int]


def allowances(held: Held, offers: Sequence[PlanOffer]) -> FreeUnits:
    """The free units of a counter under offers whose allowances may have other sizes: what members bring, and stock."""
    known: dict[tuple[int, int, int, int], int] = {}

    def free(counter: Counter) -> int:
        offer_at, part_at, _ = counter.place
        part = offers[offer_at].components[part_at]
        account_no, holder, counter_no, _life = counter.key
        stock = held.left_over.get((account_no, holder, counter_no, held.offers[offer_at].version), 0)
        if not part.free_units:
            return stock
        where = (offer_at, part_at, account_no, holder)
        if where not in known:
            known[where] = _brought(part, held.members.get((offer_at, account_no, holder), ()))
        return known[where] + stock

    return free


def _brought(part: PlanComponent, members: Sequence[tuple[int, int]]) -> int:
    if part.contribution == "none":
        return part.free_units if members else 0
    if part.contribution == "prorated":
        return sum(part.free_units * covered // max(days, 1) for covered, days in members)
    return part.free_units * len(members)


def bill_of(
    held: Held, offers: Sequence[PlanOffer], free: FreeUnits, touched: Iterable[str], usage: Fraction
) -> Iterator[tuple[Key, Fraction]]:
    """What accounts pay under the touched offers: (account, rule, currency) and an exact amount, in parts."""
    wanted = set(touched)
    sums: dict[tuple[str, int, int], int] = {}
    for counter in held.counters:
        offer_at, part_at, rate_at = counter.place
        offer = offers[offer_at]
        if offer.offer_id not in wanted or offer.side != "sell":
            continue
        part = offer.components[part_at]
        amount = _cost(part, part.rates[rate_at], counter, free, usage)
        place = (counter.account, offer_at, part_at)
        sums[place] = sums.get(place, 0) + amount
    for (account, offer_at, part_at), amount in sums.items():
        offer, part = offers[offer_at], offers[offer_at].components[part_at]
        yield (
            (account, f"{offer.offer_id}.{part.id}", offer.currency),
            Fraction(amount, part.denominator * NANO),
        )
    for fees in held.fees:
        offer = offers[fees.place[0]]
        if offer.offer_id in wanted and offer.side == "sell":
            old, new = held.offers[fees.place[0]].fees[fees.place[1]], offer.fees[fees.place[1]]
            times = Fraction(new.amount, new.denominator) / Fraction(old.amount, old.denominator)
            exact = Fraction(fees.amount, old.denominator * NANO) * times
            yield (fees.account, f"{offer.offer_id}.{new.id}", offer.currency), exact


def _cost(part: PlanComponent, rate: PlanRate, counter: Counter, free: FreeUnits, usage: Fraction) -> int:
    """``C(total)`` of a counter, over its component's denominator."""
    if usage == 1:
        units, events = sum(counter.units), sum(counter.events)
    else:
        over, by = usage.numerator, usage.denominator
        units, events = (
            sum(u * over // by for u in counter.units),
            sum(e * over // by for e in counter.events),
        )
    if rate.conversion is not None:
        return converted(units, events, rate.conversion.rate, rate.conversion.fee)
    q = chargeable(units, part.increment_units, part.increment_add, free(counter))
    step = rate.steps[step_at(rate.steps, q)]
    return cost(q, step.origin_units, step.base, step.block_units, step.block_amount)


def plain_offers(plan: Plan, held: Held, before: Mapping[Key, Fraction]) -> dict[str, str]:
    """Offers that totals do not decide, each with the reason; the others were reckoned and agree with production."""
    reasons: dict[str, str] = {}
    versions: dict[tuple[str, int], set[int]] = {}
    for offer in plan.offers:
        why = _why_not(offer)
        if why:
            reasons.setdefault(offer.offer_id, why)
    for counter in held.counters:
        offer_at = counter.place[0]
        versions.setdefault((plan.offers[offer_at].offer_id, counter.key[2]), set()).add(
            plan.offers[offer_at].version
        )
    for (offer_id, _), held_by in versions.items():
        if len(held_by) > 1:
            reasons.setdefault(offer_id, "two versions share its counters in this period")
    touched = {offer.offer_id for offer in plan.offers} - set(reasons)
    own: dict[Key, Fraction] = {}
    for key, amount in bill_of(held, plan.offers, allowances(held, plan.offers), touched, Fraction(1)):
        own[key] = own.get(key, Fraction(0)) + amount
    for key in own.keys() | before.keys():
        offer_id = key[1].partition(".")[0]
        if offer_id in touched and own.get(key, Fraction(0)) != before.get(key, Fraction(0)):
            reasons.setdefault(offer_id, "production's charges are not those of today's records")
    return reasons


def _why_not(offer: PlanOffer) -> str:
    if offer.adjustments or offer.bundles or offer.sponsors:
        return "its adjustments, bundles or sponsors are decided over the whole period"
    if offer.charged == "node":
        return "its charges are made by a charging node"
    for part in offer.components:
        if part.shared:
            return f"the overage of '{part.id}' is shared by member"
        if part.fold not in ("sum", "count") or part.shape or part.bursts:
            return f"'{part.id}' is folded or rounded in a way of its own"
        if part.scope == "event" or part.scope != offer.components[0].scope:
            return f"'{part.id}' counts single events, or shares no counter with the offer's other prices"
        for rate in part.rates:
            if rate.conversion and (rate.conversion.floor is not None or rate.conversion.cap is not None):
                return f"'{part.id}' bounds what one event may cost"
            if rate.steps and rate.steps[0].from_units == 0 and _at_zero(rate):
                return f"'{part.id}' costs something without any use"
    if any(fee.amount == 0 for fee in offer.fees):
        return "one of its fees is zero now, so nothing tells how often it is due"
    return ""


def _at_zero(rate: PlanRate) -> bool:
    first = rate.steps[step_at(rate.steps, 0)]
    return cost(0, first.origin_units, first.base, first.block_units, first.block_amount) != 0
