"""The independent rater: one period, from the nouns to exact charges, lines and shares, in plain loops.

from workbench.reference.rater import rate
from workbench.reference.results import Use

bill = rate(catalogue, parties, [Use("lamp-1", "lamps.energy", slot_start, 250_000)], start, end)
bill.charges      one per use, component and subscription: exact nano as Fraction
bill.lines        one per account, offer version, component, kind and tax category: exact and rounded
bill.shares       one per partner and offer version
bill.uncharged    every other use, with its reason
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from fractions import Fraction

from workbench.model.offer import Catalogue, Component, Offer
from workbench.model.party import Parties, Subscription
from workbench.model.price import Dynamic, Percentage
from workbench.reference.cost import cumulative_cost, event_cost
from workbench.reference.fees import fee_charges
from workbench.reference.lines import make_lines, make_shares, make_taxes
from workbench.reference.results import Bill, Charge, LineKey, Uncharged, Unpriceable, Use
from workbench.reference.who import Who
from workbench.reference.windows import rate_for

CounterKey = tuple[str, ...]


def rate(catalogue: Catalogue, parties: Parties, uses: Iterable[Use], start: datetime, end: datetime) -> Bill:
    """Rate everything in the billing period ``[start, end)``; uses outside it are not looked at.

    Raises:
        Unpriceable: no rate fits a use and the component says ``refuse``, or the offers say what the
        specification
            does not decide.
    """
    who = Who(catalogue, parties, start, end)
    bill = Bill(start, end)
    counters: dict[CounterKey, Fraction] = {}
    for use in sorted((use for use in uses if start <= use.at < end), key=attribution_order):
        charges, reason = charges_of(who, use, counters)
        bill.charges.extend(charges)
        if not charges:
            bill.uncharged.append(Uncharged(use, reason))
    for subscription in who.subscriptions:
        for offer in who.versions[subscription.offer_id]:
            bill.charges.extend(fee_charges(who, subscription, offer))
    bill.lines = make_lines(who, bill.charges)
    bill.taxes = make_taxes(who, bill.lines)
    bill.shares = make_shares(who, bill.charges)
    return bill


def attribution_order(use: Use) -> tuple[datetime, str, str, str]:
    """ "For attribution there is one order: postpaid (slot start, device, meter, event id)."""
    return (use.at, use.device_id, use.meter, use.event_id)


def charges_of(who: Who, use: Use, counters: dict[CounterKey, Fraction]) -> tuple[list[Charge], str]:
    """One charge per subscription and component that prices the use's meter, or the reason why there is
    none.
    """
    charges = []
    reason = "no_subscription"
    for subscription in who.subscribed(use.device_id, use.at):
        offer = who.version_at(subscription, use.at)
        if offer is None:
            reason = "no_version"
            continue
        reason = "no_component"
        for component in offer.components:
            if component.meter == use.meter:
                charge = usage_charge(who, use, subscription, offer, component, counters)
                if charge is None:
                    reason = "no_rate"
                else:
                    charges.append(charge)
    return charges, reason


def usage_charge(
    who: Who,
    use: Use,
    subscription: Subscription,
    offer: Offer,
    component: Component,
    counters: dict[CounterKey, Fraction],
) -> Charge | None:
    """``C(before + units) − C(before)`` of the use's counter, which moves; ``None`` when no rate fits."""
    found = rate_for(component, use.at, dict(use.dims), who.catalogue)
    if found is None:
        if component.unmatched == "free":
            return None
        raise Unpriceable(f"no rate of {offer.id}.{component.id} fits {use}")
    line = LineKey(
        subscription.account_id,
        offer.id,
        offer.version,
        component.id,
        "usage",
        component.tax_category,
        use.meter,
    )
    if isinstance(found.price, Percentage | Dynamic):
        amount = event_cost(found.price, use.units, use.events)
    else:
        holder = scope_holder(who, use, subscription, component.scope or offer.scope)
        key = (subscription.account_id, offer.id, component.id, found.id, *holder)
        before = counters.get(key, Fraction(0))
        after = before + use.units
        counters[key] = after
        amount = cumulative_cost(found.price, after, offer.conventions) - cumulative_cost(
            found.price, before, offer.conventions
        )
    return Charge(line, use.device_id, use.at, use.units, amount, use.event_id, found.id)


def scope_holder(who: Who, use: Use, subscription: Subscription, scope: str) -> CounterKey:
    """Whose usage shares the counter: the device's, its SIM group's, the account's (a pool), or the event's
    alone.
    """
    if scope == "device":
        return ("device", use.device_id)
    if scope == "sim_group":
        return ("group", who.group_of.get(use.device_id, ""))
    if scope == "pool":
        return ("pool", subscription.account_id)
    return ("event", use.device_id, use.meter, use.at.isoformat(), use.event_id, repr(use.dims))
