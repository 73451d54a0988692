"""The online driver's opinion: the same uses, one at a time, counters in memory.

Who subscribes to what is asked of the reference; this adapter is about the arithmetic. It speaks for offers
of one version whose components share one scope; fees and adjustments are not its business.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from tests.golden.case import Case
from tests.golden.engine import NotPriced, refuse_unpriced
from tests.golden.outcome import Outcome
from workbench.errors import RatingError
from workbench.model.offer import Offer
from workbench.model.party import Subscription
from workbench.model.plan import Period, PlanComponent
from workbench.rating.online import OnlineRater
from workbench.reference.allowance import own_grant
from workbench.reference.days import local_day
from workbench.reference.discounts import holds
from workbench.reference.rater import UNCHARGED_STATES, in_order
from workbench.reference.results import Use
from workbench.reference.who import Who
from workbench.tariff.at_close import not_online
from workbench.tariff.compile import compile_offer

Charges = list[tuple[tuple[str, ...], Fraction]]


def asks_too_much(case: Case) -> str:
    """Why a case is not the driver's business: what its caller must know of other versions and periods."""
    if len({offer.id for offer in case.catalogue.offers}) < len(case.catalogue.offers):
        return "several versions"
    for offer in case.catalogue.offers:
        if offer.conventions.flat_fee_at_zero:
            return "a fee without use is due at close"
        if any(c.allowance and c.allowance.rollover for c in offer.components):
            return "free units of earlier periods come from their close"
    return ""


def decided_at_close(case: Case) -> list[str]:
    """What a case's offers say that the driver refuses by name."""
    return [
        what for offer in case.catalogue.offers for what in not_online(compile_offer(offer, case.catalogue))
    ]


def by_online(case: Case) -> list[Outcome]:
    """Charge every period's uses one by one."""
    refuse_unpriced(case)
    if why := asks_too_much(case):
        raise NotPriced(why)
    try:
        return [online_period(case, *span) for span in case.periods]
    except RatingError as error:
        if error.code == "not_online":
            raise NotPriced(str(error)) from error
        raise


def online_period(case: Case, start: Any, end: Any) -> Outcome:
    who = Who(case.catalogue, case.parties, start, end)
    raters: dict[Any, OnlineRater] = {}
    found = Outcome(silent=lambda name: name[2] != "usage")
    charges: Charges = []
    for use in in_order(case.uses, "main"):
        if not start <= use.at < end:
            continue
        for subscription in who.subscribed(use.device_id, use.at):
            offer = who.version_at(subscription, use.at)
            if offer is None or is_free(who, subscription, offer, use):
                continue
            rater = rater_of(case, who, subscription, offer, raters)
            for price in rater.by_meter.get(use.meter, ()):
                holder = holder_of(who, subscription, price.component.scope, use)
                charged = price.charge(
                    rater.counters, holder, use.units, use.at, dict(use.dims), use.events, use.device_id
                )
                if charged is None:
                    continue
                nano = Fraction(charged.amount, charged.denominator)
                name = (subscription.account_id, charged.component_id, "usage")
                found.lines[name] = found.lines.get(name, Fraction(0)) + nano
                charges.append(((str(use.at), use.device_id, use.meter, use.event_id), nano))
    found.charges = [nano for _, nano in sorted(charges, key=lambda pair: pair[0])]
    return found


def is_free(who: Who, subscription: Subscription, offer: Offer, use: Use) -> bool:
    if subscription.sim_state in UNCHARGED_STATES:
        return True
    return who.is_trial(subscription, offer, local_day(use.at, offer.zone))


def holder_of(who: Who, subscription: Subscription, scope: str, use: Use) -> tuple[str, ...]:
    if scope == "pool":
        return ("pool", subscription.account_id)
    if scope == "sim_group":
        return ("sim_group", who.group_of.get(use.device_id, ""))
    if scope == "event":
        return ("event", use.device_id, str(use.at), use.event_id)
    return ("device", use.device_id)


def rater_of(
    case: Case, who: Who, subscription: Subscription, offer: Offer, raters: dict[Any, OnlineRater]
) -> OnlineRater:
    """One rater per account, offer and set of discounts in force."""
    discounts = [d for d in offer.discounts if d.kind == "percent" and holds(who, d, subscription, offer)]
    key = (subscription.account_id, offer.id, tuple(d.id for d in discounts))
    if key not in raters:
        account = who.accounts[subscription.account_id]
        compiled = compile_offer(offer, case.catalogue, currency=account.currency, discounts=discounts)
        raters[key] = OnlineRater(
            compiled,
            Period(who.start, who.end),
            calendars={calendar.id: calendar for calendar in case.catalogue.holidays},
            free_units=free_units(who, offer),
        )
    return raters[key]


def free_units(who: Who, offer: Offer) -> Callable[[PlanComponent, object], int]:
    """What each holder's free units are in the period."""
    free: dict[tuple[str, object], int] = {}
    for component in offer.components:
        for subscription in who.subscriptions:
            if component.allowance is None or subscription.offer_id != offer.id:
                continue
            for holder in who.holders_of(subscription, component.scope or offer.scope):
                members = who.members_of(subscription, holder)
                free[(component.id, holder)] = own_grant(
                    component.allowance.units, component.allowance.contribution, who, offer, members
                )
    return lambda component, holder: free.get((component.id, holder), 0)
