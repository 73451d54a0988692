"""Fees: money that does not depend on usage, by local days of the offer's zone."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from workbench.model.offer import Fee, Offer
from workbench.model.party import Subscription
from workbench.reference.days import first_instant, local_day
from workbench.reference.discounts import percent_factor
from workbench.reference.results import ZERO, Charge, LineKey
from workbench.reference.rounding import NANO
from workbench.reference.who import Who, with_own_prices


def fee_charges(who: Who, subscription: Subscription, offer: Offer) -> list[Charge]:
    """The charges of all fees of one subscription on one offer version in the period, percent discounts
    included.
    """
    charges = []
    for fee in with_own_prices(subscription, offer).fees:
        amount = fee_amount(who, subscription, offer, fee)
        if amount is None:
            continue
        factor = percent_factor(who, subscription, offer, fee.id)
        kind = "one_off" if fee.every == "once" else "recurring"
        key = LineKey(subscription.account_id, offer.id, offer.version, fee.id, kind, fee.tax_category)
        holders = (
            who.devices_of(subscription) if fee.per == "device" else [""]
        )  # an account's fee: no device's
        for device_id in holders:
            charges.append(Charge(key, device_id, who.start, 0, amount * factor))
    return charges


def fee_amount(who: Who, subscription: Subscription, offer: Offer, fee: Fee) -> Fraction | None:
    """What one device (or account) owes in nano; ``None`` when the fee is not due at all."""
    if subscription.sim_state not in fee.states:
        return None
    if fee.every == "once":
        return fee.amount * NANO if owes_once(who, subscription, offer, fee) else None
    paid = days_due(who, subscription, offer, fee)
    if not paid or (is_whole(fee) and last_day_due(who, subscription, fee) not in paid):
        return None
    if fee.every == "day":
        return fee.amount * NANO * len(paid)
    return fee.amount * NANO * prorated(fee.proration, paid, who.days_in_period(offer.zone))


def days_due(who: Who, subscription: Subscription, offer: Offer, fee: Fee) -> list[date]:
    """The days of the period for which a recurring fee is due by one row of a subscription on one version."""
    number = who.period_number(subscription, offer.period)
    if number < fee.from_period or (fee.to_period is not None and number > fee.to_period):
        return []
    if subscription.sim_state not in fee.states:
        return []
    days = who.covered_days(subscription, offer)
    return [day for day in days if not who.is_trial(subscription, offer, day)]


def is_whole(fee: Fee) -> bool:
    """Whether a fee is due once in a period, "whole as soon as one day is covered"."""
    return fee.every == "period" and fee.proration == "full_if_active"


def last_day_due(who: Who, subscription: Subscription, fee: Fee) -> date | None:
    """The last day on which any row of the subscription, on any version, owes a whole fee: that one pays it."""
    days: list[date] = []
    for row in who.subscriptions:
        if row.subscription_id == subscription.subscription_id:
            for offer in who.versions[row.offer_id]:
                for same in offer.fees:
                    if same.id == fee.id and is_whole(same):
                        days += days_due(who, row, offer, same)
    return max(days, default=None)


def owes_once(who: Who, subscription: Subscription, offer: Offer, fee: Fee) -> bool:
    """Whether a one-off fee is due in the period, by this row of the subscription and on this offer version.

    It is due once per subscription, on the first local day the subscription was ever in a state in which the fee is
    due. Several rows may have begun on that day in such a state, and all may have ended on it: "the day of a change
    belongs to the new version", so the last of them owes it.
    """
    began = [
        (local_day(at, offer.zone), row)
        for row in who.subscriptions
        if row.subscription_id == subscription.subscription_id and row.sim_state in fee.states
        if (at := who.held_from(row)) is not None
    ]
    first = min((day for day, _ in began), default=None)
    owing = [row for day, row in began if day == first]
    if first not in who.days_in_period(offer.zone) or owing[-1] is not subscription:
        return False
    found = who.version_at(subscription, max(first_instant(first, offer.zone), subscription.starts_at))
    return found is not None and found.version == offer.version


def prorated(how: str, covered: list[date], days: list[date]) -> Fraction:
    """The part of a period fee that the covered days owe; over any partition of the period the parts sum to
    1.
    """
    if how == "full_if_active":
        return Fraction(1) if covered else ZERO
    if how == "daily":
        return Fraction(len(covered), len(days))
    return Fraction(sum(thirtieths(day, days) for day in covered), 30)


def thirtieths(day: date, days: list[date]) -> int:
    """How many 30ths a day counts: the 31st adds nothing, the last day of a short month completes it."""
    nth = days.index(day) + 1
    if nth > 30:
        return 0
    if nth == len(days):
        return 1 + 30 - nth
    return 1
