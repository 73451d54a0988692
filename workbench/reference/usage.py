"""The charge of one use by one component: who pays, which rate, which counter, how much."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from workbench.model.offer import Component, Offer, Rate, Sponsorship
from workbench.model.party import Subscription
from workbench.model.price import Dynamic, Percentage, Percentile, PerUnit
from workbench.reference.allowance import own_grant, own_of_each
from workbench.reference.cost import cumulative_cost, event_cost
from workbench.reference.discounts import percent_factor
from workbench.reference.folds import CLOSING_FOLDS, Values
from workbench.reference.lives import life_of
from workbench.reference.percentile import Slots
from workbench.reference.quantity import Quantity
from workbench.reference.results import ZERO, Charge, LineKey, Unpriceable, Use
from workbench.reference.rounding import NANO
from workbench.reference.state import Counter, Key, Part, State, is_shared_out, pays_together
from workbench.reference.windows import matches, rate_for


def counts_for(component: Component, meter: str) -> bool:
    """Whether a component looks at a meter: its own, or the other direction of a burstable line."""
    if component.meter == meter:
        return True
    return any(
        isinstance(rate.price, Percentile) and rate.price.out_meter == meter for rate in component.rates
    )


def usage_charges(
    state: State, use: Use, subscription: Subscription, offer: Offer, component: Component
) -> list[Charge]:
    """The charges of one use: one as a rule, a second at zero price when a sponsor pays, none when no rate
    fits.
    """
    found = rate_for(component, use.at, dict(use.dims), state.who.catalogue)
    if found is None:
        if component.unmatched == "free":
            return []
        raise Unpriceable(f"no rate of {offer.id}.{component.id} fits {use}")
    mine = line_of(subscription.account_id, offer, component, use)
    units = counted(component, use)
    nothing = Charge(mine, use.device_id, use.at, units, ZERO, use.event_id, found.id)
    for sponsorship in offer.sponsorships:
        if component.id in sponsorship.components and matches(sponsorship.match, dict(use.dims)):
            paid = sponsored_charges(state, use, subscription, offer, component, found, sponsorship)
            his = sum(charge.units for charge in paid)
            if (paid and his == units) or sponsorship.fallback == "block":
                return [nothing, *paid]
            rest = replace(use, units=use.units - his)
            amount = priced(state, rest, subscription, offer, component, found, subscription.account_id)
            factor = percent_factor(state.who, subscription, offer, component.id)
            return [replace(nothing, amount_nano=amount * factor), *paid]
    amount = priced(state, use, subscription, offer, component, found, subscription.account_id)
    factor = percent_factor(state.who, subscription, offer, component.id)
    charge = Charge(mine, use.device_id, use.at, units, amount * factor, use.event_id, found.id)
    if is_shared_out(offer, component, found.price) and component.fold not in CLOSING_FOLDS:
        key = counter_key(state, use, subscription, offer, component, found, subscription.account_id)
        own = None
        if offer.overage == "excess" and component.allowance is not None and pays_together(offer, component):
            members = state.who.members_of(subscription, ("pool", subscription.account_id))
            own = own_of_each(component.allowance, state.who, offer, members)
        state.jumping.setdefault(key, []).append(Part(charge, units, factor, found.price, offer, own))
    return [charge]


def counted(component: Component, use: Use) -> int:
    """What a charge says was used: the events where these are the quantity, whatever they carried."""
    return use.events if component.fold == "count" else use.units


def line_of(account_id: str, offer: Offer, component: Component, use: Use) -> LineKey:
    """The usage line of a component."""
    return LineKey(
        account_id, offer.id, offer.version, component.id, "usage", component.tax_category, use.meter
    )


def sponsored_charges(
    state: State,
    use: Use,
    subscription: Subscription,
    offer: Offer,
    component: Component,
    rate: Rate,
    sponsorship: Sponsorship,
) -> list[Charge]:
    """The sponsor's charge, from the sponsor's own counter, of what his budget holds; none when it holds nothing.

    A unit is his when what is left of the budget pays it whole, in attribution order: a record is the same as its
    units one by one. Of prices that are not per unit nothing says where a unit ends, so a budget over them is not decided.
    """
    line = line_of(sponsorship.account, offer, component, use)
    his = use
    if sponsorship.budget is not None:
        if not isinstance(rate.price, PerUnit) or component.fold != "sum" or component.increment is not None:
            raise Unpriceable("a sponsor's budget is decided over plain sums at prices per unit only")
        key = (sponsorship.account, offer.id, sponsorship.id)
        left = sponsorship.budget * NANO - state.sponsored.get(key, ZERO)
        each = cumulative_cost(rate.price, 1, offer.conventions)
        if each * use.units > left:
            his = replace(use, units=left // each)
            if his.units == 0:
                return []
        state.sponsored[key] = state.sponsored.get(key, ZERO) + each * his.units
    if isinstance(rate.price, Percentage | Dynamic):
        amount = event_cost(rate.price, his.units, his.events)
    else:
        counter = counter_of(state, his, subscription, offer, component, rate, sponsorship.account)
        before = counter.cost(offer, component, rate, 0)
        counter.add(his)
        amount = counter.cost(offer, component, rate, 0) - before
    return [Charge(line, use.device_id, use.at, counted(component, his), amount, use.event_id, rate.id)]


def priced(
    state: State,
    use: Use,
    subscription: Subscription,
    offer: Offer,
    component: Component,
    rate: Rate,
    payer: str,
) -> Fraction:
    """``C(before + units) − C(before)`` of the use's counter, which moves."""
    if isinstance(rate.price, Percentage | Dynamic):
        if component.allowance is not None or component.increment is not None or component.fold != "sum":
            raise Unpriceable("free units, increments and folds of money per event are not decided")
        return event_cost(rate.price, use.units, use.events)
    if isinstance(rate.price, Percentile):
        collect(state, use, subscription, offer, component, rate)
        return ZERO
    free = free_units(state, use, subscription, offer, component, rate)
    if component.fold in CLOSING_FOLDS:
        keep(state, use, subscription, offer, component, rate, free)
        return ZERO
    use = after_bundles(state, use, subscription, offer, component)
    counter = counter_of(state, use, subscription, offer, component, rate, payer)
    before = counter.cost(offer, component, rate, free)
    counter.add(use)
    return counter.cost(offer, component, rate, free) - before


def counter_of(
    state: State,
    use: Use,
    subscription: Subscription,
    offer: Offer,
    component: Component,
    rate: Rate,
    payer: str,
) -> Counter:
    """The counter a use moves; it survives a change of version unless a version says ``counters: reset``."""
    key = counter_key(state, use, subscription, offer, component, rate, payer)
    if key not in state.counters:
        start, end = life_of(offer, component, use.at, state.who.start, state.who.end)
        state.counters[key] = Counter(Quantity(component, offer.zone, start, end))
    return state.counters[key]


def counter_key(
    state: State,
    use: Use,
    subscription: Subscription,
    offer: Offer,
    component: Component,
    rate: Rate,
    payer: str,
) -> Key:
    """What names the counter a use moves."""
    start, _ = life_of(offer, component, use.at, state.who.start, state.who.end)
    holder = holder_of(state, use, subscription, component.scope or offer.scope)
    reset = "" if offer.publish.counters == "carry" else str(offer.version)
    return (payer, *holder, offer.id, component.id, rate.id, start.isoformat(), reset)


def holder_of(state: State, use: Use, subscription: Subscription, scope: str) -> Key:
    """Whose usage shares the counter: the device's, its SIM group's, the account's (a pool), or the event's
    alone.
    """
    if scope == "device":
        return ("device", use.device_id)
    if scope == "sim_group":
        return ("sim_group", state.who.group_of.get(use.device_id, ""))
    if scope == "pool":
        return ("pool", subscription.account_id)
    return ("event", use.device_id, use.meter, use.at.isoformat(), use.event_id, repr(use.dims))


def free_units(
    state: State, use: Use, subscription: Subscription, offer: Offer, component: Component, rate: Rate
) -> int:
    """The free units of the counter in this period: its own grant and what rolled over."""
    allowance = component.allowance
    if allowance is None:
        return 0
    if component.counter_period != "billing":
        raise Unpriceable("free units of a counter shorter than the billing period are not decided")
    holder = holder_of(state, use, subscription, component.scope or offer.scope)
    stock_key = (subscription.account_id, *holder, offer.id, component.id, rate.id)
    key = (*stock_key, str(offer.version))
    if key not in state.free:
        members = state.who.members_of(subscription, holder)
        own = own_grant(allowance.units, allowance.contribution, state.who, offer, members)
        state.free[key] = own + sum(grant.units for grant in state.carry.stock.get(stock_key, []))
    return state.free[key]


def after_bundles(
    state: State, use: Use, subscription: Subscription, offer: Offer, component: Component
) -> Use:
    """The use without the units that credits of a bundle cover: "at declared exchange rates", in
    attribution order.
    """
    holder = holder_of(state, use, subscription, offer.scope)
    for bundle in offer.bundles:
        weight = dict(bundle.weights).get(component.id)
        if weight is None:
            continue
        members = state.who.members_of(subscription, holder)
        key = (subscription.account_id, *holder, offer.id, bundle.id)
        credits = own_grant(bundle.credits, bundle.contribution, state.who, offer, members)
        credits += sum(grant.units for grant in state.carry.stock.get(key, []))
        used = state.bundle_used.get(key, 0)
        covered = use.units if weight == 0 else min(use.units, (credits - used) // weight)
        state.bundle_used[key] = used + covered * weight
        use = Use(use.device_id, use.meter, use.at, use.units - covered, use.dims, use.event_id, use.events)
    return use


def keep(
    state: State,
    use: Use,
    subscription: Subscription,
    offer: Offer,
    component: Component,
    rate: Rate,
    free: int,
) -> None:
    """Keep a value whose fold is known at close."""
    if len(component.rates) > 1:
        raise Unpriceable(f"a fold {component.fold} over several rates is not decided")
    key = counter_key(state, use, subscription, offer, component, rate, subscription.account_id)
    factor = percent_factor(state.who, subscription, offer, component.id)
    if key not in state.values:
        start, end = life_of(offer, component, use.at, state.who.start, state.who.end)
        device_id = use.device_id if key[1] == "device" else ""
        line = line_of(subscription.account_id, offer, component, use)
        state.values[key] = Values(line, device_id, offer, component, rate, factor, free, start, end)
    values = state.values[key]
    if (values.offer.version, values.factor, values.free) != (offer.version, factor, free):
        raise Unpriceable(f"a fold {component.fold} under two prices in one period is not decided")
    values.add(use)


def collect(
    state: State, use: Use, subscription: Subscription, offer: Offer, component: Component, rate: Rate
) -> None:
    """Keep the bytes of a burstable line for the close."""
    if not isinstance(rate.price, Percentile):
        return
    holder = holder_of(state, use, subscription, component.scope or offer.scope)
    key = (subscription.account_id, *holder, offer.id, component.id, rate.id)
    if key not in state.slots:
        active_from = max(state.who.start, subscription.starts_at)
        active_to = (
            state.who.end if subscription.ends_at is None else min(state.who.end, subscription.ends_at)
        )
        device_id = use.device_id if holder[0] == "device" else ""
        line = LineKey(
            subscription.account_id,
            offer.id,
            offer.version,
            component.id,
            "usage",
            component.tax_category,
            component.meter,
        )
        state.slots[key] = Slots(
            line, subscription, offer, rate.price, component.meter, device_id, active_from, active_to
        )
    state.slots[key].add(use)
