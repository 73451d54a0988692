"""Adjustments at close, in the order of the specification.

"Order: conversion → free units → price → percentage discount → maximum → commitment → promotional credits
(they reduce the taxable base) → tax → paid balances." A fixed discount is taken with the discounts, before
the maximum. Each adjustment is a charge of its own, by account, or by device where the offer says so.
"""

from __future__ import annotations

from fractions import Fraction

from workbench.model.offer import Component, Fee, Offer
from workbench.model.party import Subscription
from workbench.reference.credits import Wallet, new_grants
from workbench.reference.discounts import holds
from workbench.reference.results import ZERO, Charge, LineKey, Unpriceable
from workbench.reference.rounding import NANO, exchange_rate
from workbench.reference.state import State
from workbench.reference.who import Who


def adjust_all(state: State) -> None:
    """All adjustments of every account and offer version; they are added to the bill's charges."""
    by_key: dict[tuple[str, str, int], list[Charge]] = {}
    for charge in state.bill.charges:
        key = (charge.line.account_id, charge.line.offer_id, charge.line.offer_version)
        by_key.setdefault(key, []).append(charge)
    for account_id in sorted(state.who.accounts):
        for offer in state.who.offers_of(account_id):
            if offer.discounts or offer.maximum or offer.commitment or offer.credits:
                adjust(state, offer, account_id, by_key.get((account_id, offer.id, offer.version), []))


def adjust(state: State, offer: Offer, account_id: str, charges: list[Charge]) -> None:
    """The adjustments of one account and offer version."""
    subscriptions = [
        subscription for subscription in state.who.by_account[account_id] if subscription.offer_id == offer.id
    ]
    added = fixed_discounts(state.who, offer, charges, subscriptions)
    added += maximum(state.who, offer, charges + added)
    added += commitment(state.who, offer, account_id, charges + added, subscriptions)
    added += promotional(state, offer, account_id, charges + added, subscriptions)
    state.bill.charges.extend(added)


def exchange(who: Who, offer: Offer, account_id: str) -> Fraction:
    """The stored rate from an offer's currency to an account's."""
    return exchange_rate(offer, who.accounts[account_id].currency) or Fraction(1)


def counted(charges: list[Charge], components: tuple[str, ...], device_id: str | None = None) -> list[Charge]:
    """The charges that count: of these components (empty: all), and of this device when one is named."""
    return [
        charge
        for charge in charges
        if (not components or charge.line.component_id in components)
        and (device_id is None or charge.device_id == device_id)
    ]


def total(charges: list[Charge]) -> Fraction:
    """The exact sum."""
    return sum((charge.amount_nano for charge in charges), ZERO)


def key_for(offer: Offer, account_id: str, name: str, kind: str, components: tuple[str, ...] = ()) -> LineKey:
    """The line of an adjustment; it has the one tax category of what it adjusts, whether or not that was charged."""
    parts: list[Component | Fee] = [*offer.components, *offer.fees]
    categories = sorted({part.tax_category for part in parts if not components or part.id in components})
    if len(categories) > 1:
        raise Unpriceable(f"{name} of {offer.id} adjusts charges of several tax categories: not decided")
    return LineKey(
        account_id, offer.id, offer.version, name, kind, categories[0] if categories else "standard"
    )


def fixed_discounts(
    who: Who, offer: Offer, charges: list[Charge], subscriptions: list[Subscription]
) -> list[Charge]:
    """A fixed amount off per account and period, "never below zero"."""
    added: list[Charge] = []
    for discount in offer.discounts:
        if discount.kind != "fixed":
            continue
        if not any(holds(who, discount, subscription, offer) for subscription in subscriptions):
            continue
        base = counted(charges, discount.components)
        left = total(base) + total(added)
        amount = min(discount.amount * NANO, max(ZERO, left))
        if amount > 0:
            key = key_for(offer, base[0].line.account_id, discount.id, "adjustment", discount.components)
            added.append(Charge(key, "", who.start, 0, -amount))
    return added


def maximum(who: Who, offer: Offer, charges: list[Charge]) -> list[Charge]:
    """The most that the counted charges may cost in the period: what is above is given back.

    Of a device: charges that belong to no device (fees per account) are outside its maximum.
    """
    rule = offer.maximum
    if rule is None:
        return []
    added = []
    holders: list[str | None] = [None]
    if rule.scope == "device":
        holders = [*sorted({charge.device_id for charge in charges if charge.device_id})]
    for holder in holders:
        base = counted(charges, rule.components, holder)
        excess = total(base) - rule.amount * NANO
        if excess > 0:
            key = key_for(offer, base[0].line.account_id, "maximum", "adjustment", rule.components)
            added.append(Charge(key, holder or "", who.start, 0, -excess))
    return added


def commitment(
    who: Who, offer: Offer, account_id: str, charges: list[Charge], subscriptions: list[Subscription]
) -> list[Charge]:
    """A promised spend per period: what is missing is a true-up. Prorated by the covered days of the
    period.
    """
    rule = offer.commitment
    if rule is None:
        return []
    added = []
    days = len(who.days_in_period(offer.zone))
    for holder, covered in committed_days(who, offer, subscriptions, rule.scope).items():
        if covered == 0:
            continue
        promised = rule.amount * NANO
        if rule.prorated:
            promised = promised * covered / days
        base = counted(charges, rule.components, holder)
        missing = promised - total(base)
        if missing > 0:
            key = key_for(offer, account_id, "commitment", "true_up", rule.components)
            added.append(Charge(key, holder or "", who.start, 0, missing))
    return added


def committed_days(
    who: Who, offer: Offer, subscriptions: list[Subscription], scope: str
) -> dict[str | None, int]:
    """How many days of the period each holder of a commitment (the account: ``None``; or a device) is
    covered.
    """
    days: dict[str | None, set[object]] = {}
    for subscription in subscriptions:
        covered = who.covered_days(subscription, offer)
        holders: list[str | None] = [None]
        if scope == "device":
            holders = [*who.devices_of(subscription)]
        for holder in holders:
            days.setdefault(holder, set()).update(covered)
    return {holder: len(covered) for holder, covered in days.items()}


def promotional(
    state: State, offer: Offer, account_id: str, charges: list[Charge], subscriptions: list[Subscription]
) -> list[Charge]:
    """Promotional credits pay charges in attribution order, each by the grants valid at its instant."""
    if not offer.credits:
        return []
    who = state.who
    wallet = state.carry.wallets.setdefault((account_id, offer.id), Wallet())
    for subscription in subscriptions:
        began = who.began[subscription.subscription_id]
        if not who.is_first(subscription):
            continue  # its credits are those of the offer it began the period with
        if who.version_at(subscription, max(began, who.start)) == offer:
            for balance in new_grants(offer, subscription, began, who.start, who.end):
                if balance.kind == "paid":  # it settles invoices, so it is held in their currency
                    balance.left = balance.left * exchange(who, offer, account_id)
                wallet.balances.append(balance)
    payable = max(ZERO, total(charges))
    taken: dict[str, Fraction] = {}
    for charge in sorted(charges, key=lambda charge: charge.at):
        if charge.amount_nano <= 0:
            continue
        amount = min(charge.amount_nano, payable)
        for name, part in wallet.take(amount, charge.at, "promotional").items():
            taken[name] = taken.get(name, ZERO) + part
            payable -= part
    return [
        Charge(key_for(offer, account_id, name, "adjustment"), "", who.start, 0, -part)
        for name, part in sorted(taken.items())
    ]
