"""What a counter owes at close beside its uses: burstable prices, and flat fees that are due without
usage.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from workbench.model.offer import Component, Offer
from workbench.model.party import Subscription
from workbench.model.price import Graduated, GraduatedPercentage, Volume
from workbench.reference.cost import cumulative_cost
from workbench.reference.days import first_instant
from workbench.reference.discounts import percent_factor
from workbench.reference.jumps import share_by_use
from workbench.reference.results import ZERO, Charge, LineKey, Unpriceable
from workbench.reference.state import Key, State


def close_counters(state: State) -> None:
    """Share out what jumped, and add the charges that no single use makes."""
    share_by_use(state)
    for slots in state.slots.values():
        charge = slots.charge(state.outages)
        factor = percent_factor(state.who, slots.subscription, slots.offer, charge.line.component_id)
        state.bill.charges.append(replace(charge, amount_nano=charge.amount_nano * factor))
    for values in state.values.values():
        state.bill.charges.append(values.charge())
    opened: dict[Key, tuple[tuple[date, int, str], Charge]] = {}
    for subscription in state.who.subscriptions:
        for offer in state.who.versions[subscription.offer_id]:
            covered = state.who.covered_days(subscription, offer)
            if offer.conventions.flat_fee_at_zero and covered:
                for component in offer.components:
                    flat_fees(state, subscription, offer, component, covered[0], opened)
    state.bill.charges.extend(charge for _, charge in opened.values())


def flat_fees(
    state: State,
    subscription: Subscription,
    offer: Offer,
    component: Component,
    day: date,
    opened: dict[Key, tuple[tuple[date, int, str], Charge]],
) -> None:
    """C(0) of every counter the subscription has a part in: "the first tier's flat fee is due even without
    usage". It is due on the first day that anybody with a part in the counter is covered, as he is charged then.
    """
    price = component.rates[-1].price
    if not isinstance(price, Graduated | Volume | GraduatedPercentage):
        return
    if len(component.rates) > 1 or component.counter_period != "billing":
        raise Unpriceable("flat fees at zero usage are decided for one rate and the billing period only")
    amount = cumulative_cost(price, ZERO, offer.conventions)
    amount = amount * percent_factor(state.who, subscription, offer, component.id)
    line = LineKey(
        subscription.account_id,
        offer.id,
        offer.version,
        component.id,
        "usage",
        component.tax_category,
        component.meter,
    )
    for holder in state.who.holders_of(subscription, component.scope or offer.scope):
        key = (subscription.account_id, *holder, offer.id, component.id)
        place = (day, offer.version, subscription.subscription_id)
        if amount != 0 and (key not in opened or place < opened[key][0]):
            device_id = holder[1] if holder[0] == "device" else ""
            at = max(state.who.start, first_instant(day, offer.zone))
            opened[key] = (place, Charge(line, device_id, at, 0, amount))
