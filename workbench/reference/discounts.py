"""Percent discounts: part of the price, one after the other in file order, before anything else is
adjusted.
"""

from __future__ import annotations

from fractions import Fraction

from workbench.model.offer import Discount, Offer
from workbench.model.party import Subscription
from workbench.reference.who import Who, coupons


def holds(who: Who, discount: Discount, subscription: Subscription, offer: Offer) -> bool:
    """Whether a discount holds for a subscription in this period: its phase, and its code if it is a
    coupon.
    """
    if discount.code and discount.code not in coupons(subscription):
        return False
    number = who.period_number(subscription, offer.period)
    return discount.from_period <= number and (discount.to_period is None or number <= discount.to_period)


def percent_factor(who: Who, subscription: Subscription, offer: Offer, component_id: str) -> Fraction:
    """What the percent discounts leave of one charge: (1 − first) × (1 − second) × ..."""
    factor = Fraction(1)
    for discount in offer.discounts:
        if discount.kind != "percent" or (discount.components and component_id not in discount.components):
            continue
        if holds(who, discount, subscription, offer):
            factor = factor * (1 - discount.rate)
    return factor
