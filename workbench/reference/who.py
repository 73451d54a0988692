"""Who takes what, and since when: subscriptions by device and group, and the offer version each is on."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from fractions import Fraction

from workbench.model.offer import Catalogue, Component, Offer
from workbench.model.party import Account, Parties, Subscription
from workbench.model.price import PerUnit
from workbench.reference.days import days_between, first_instant, local_day, period_of


class Who:
    """The parties of one period ``[start, end)``, indexed."""

    def __init__(self, catalogue: Catalogue, parties: Parties, start: datetime, end: datetime) -> None:
        self.catalogue = catalogue
        self.start, self.end = start, end
        self.accounts: dict[str, Account] = {account.account_id: account for account in parties.accounts}
        self.group_of = {device.device_id: device.group_id for device in parties.devices}
        self.members: dict[str, list[str]] = defaultdict(list)
        self.by_device: dict[str, list[Subscription]] = defaultdict(list)
        self.by_group: dict[str, list[Subscription]] = defaultdict(list)
        self.by_account: dict[str, list[Subscription]] = defaultdict(list)
        self.began: dict[str, datetime] = {}
        self.versions: dict[str, tuple[Offer, ...]] = {}
        self.subscriptions = sorted(parties.subscriptions, key=lambda s: (s.subscription_id, s.starts_at))
        for device in parties.devices:
            if device.group_id:
                self.members[device.group_id].append(device.device_id)
        for subscription in self.subscriptions:
            if subscription.device_id:
                self.by_device[subscription.device_id].append(subscription)
            elif subscription.group_id:
                self.by_group[subscription.group_id].append(subscription)
            self.by_account[subscription.account_id].append(subscription)
            self.began.setdefault(subscription.subscription_id, subscription.starts_at)
            if subscription.offer_id not in self.versions:
                self.versions[subscription.offer_id] = catalogue.versions(subscription.offer_id)
        self.effective = {
            (offer.id, offer.version): first_instant(offer.effective, offer.zone)
            for offer in catalogue.offers
        }

    def subscribed(self, device_id: str, at: datetime) -> Iterator[Subscription]:
        """The subscriptions that cover a device at an instant: ``starts_at`` inclusive, ``ends_at``
        exclusive.
        """
        group = self.group_of.get(device_id, "")
        for subscription in self.by_device.get(device_id, []) + (
            self.by_group.get(group, []) if group else []
        ):
            if subscription.starts_at <= at and (subscription.ends_at is None or at < subscription.ends_at):
                yield subscription

    def is_known(self, device_id: str) -> bool:
        """Whether any subscription that sells something is for a device, at any time."""
        rows = [*self.by_device.get(device_id, []), *self.by_group.get(self.group_of.get(device_id, ""), [])]
        return any(offer.side == "sell" for row in rows for offer in self.versions[row.offer_id])

    def is_first(self, subscription: Subscription) -> bool:
        """Whether a row is the first of its subscription that holds in the period (others say what changed later)."""
        rows = [
            row
            for row in self.by_account[subscription.account_id]
            if row.subscription_id == subscription.subscription_id
            and row.starts_at < self.end
            and (row.ends_at is None or row.ends_at > self.start)
        ]
        return bool(rows) and rows[0] is subscription

    def devices_of(self, subscription: Subscription) -> list[str]:
        """The devices a subscription stands for: its own, its group's, or none."""
        if subscription.device_id:
            return [subscription.device_id]
        return sorted(self.members.get(subscription.group_id, [])) if subscription.group_id else []

    def offers_of(self, account_id: str) -> list[Offer]:
        """Every version of every offer an account subscribes to."""
        offer_ids = sorted({subscription.offer_id for subscription in self.by_account[account_id]})
        return [offer for offer_id in offer_ids for offer in self.versions[offer_id]]

    def holders_of(self, subscription: Subscription, scope: str) -> list[tuple[str, ...]]:
        """The scope holders a subscription has a part in."""
        if scope == "pool":
            return [("pool", subscription.account_id)]
        if scope == "sim_group":
            group_id = subscription.group_id or self.group_of.get(subscription.device_id, "")
            return [("sim_group", group_id)]
        if scope == "device":
            return [("device", device_id) for device_id in self.devices_of(subscription)]
        return []

    def members_of(self, subscription: Subscription, holder: tuple[str, ...]) -> list[Subscription]:
        """The subscriptions to the same offer whose usage shares a counter with this one's."""
        offered = [
            other
            for other in self.by_account[subscription.account_id]
            if other.offer_id == subscription.offer_id
        ]
        if holder[0] == "pool":
            return offered
        if holder[0] == "sim_group":
            return [other for other in offered if self.is_in_group(other, holder[1])]
        return [other for other in offered if other.subscription_id == subscription.subscription_id]

    def is_in_group(self, subscription: Subscription, group_id: str) -> bool:
        """Whether a subscription is for a SIM group, or for one of its devices."""
        if subscription.group_id:
            return subscription.group_id == group_id
        return self.group_of.get(subscription.device_id, "") == group_id

    def held_from(self, subscription: Subscription) -> datetime | None:
        """Since when a row holds: from its start, or from when its offer was first there; ``None`` when it had ended then."""
        effective = [self.effective[(o.id, o.version)] for o in self.versions[subscription.offer_id]]
        if not effective:
            return None
        at = max(subscription.starts_at, min(effective))
        return at if subscription.ends_at is None or at < subscription.ends_at else None

    def version_at(self, subscription: Subscription, at: datetime) -> Offer | None:
        """The version of its offer a subscription is on at an instant; ``None`` before the first is
        effective.

        A subscription begins on the newest version effective by then. "Publishing says what running
        subscriptions do: next period | now | keep": a later version takes over at its effective instant
        (``now``), at the first period that starts then or later (``next_period``), or never (``keep``).
        """
        pinned = overrides(subscription).get("version")
        began = self.began[subscription.subscription_id]  # a later row of it is no new subscription
        current: Offer | None = None
        for offer in self.versions[subscription.offer_id]:
            effective = self.effective[(offer.id, offer.version)]
            if pinned is not None:
                if offer.version == pinned:
                    return offer
            elif (
                effective <= began
                or (current is None and effective <= at)
                or (offer.publish.running == "now" and effective <= at)
                or (offer.publish.running == "next_period" and effective <= self.start)
            ):
                current = offer
        return current

    def period_number(self, subscription: Subscription, kind: str) -> int:
        """Which period of the subscription this is: 1 is the one in which it began."""
        account = self.accounts[subscription.account_id]
        zone, anchor = account.zone, account.billing_anchor_day
        at = max(self.start, self.began[subscription.subscription_id])
        number = 1
        _, period_end = period_of(self.began[subscription.subscription_id], zone, anchor, kind)
        while period_end <= at:
            _, period_end = period_of(period_end, zone, anchor, kind)
            number += 1
        return number

    def days_in_period(self, zone: str) -> list[date]:
        """The local days of the period in an offer's zone."""
        return days_between(local_day(self.start, zone), local_day(self.end, zone), zone)

    def covered_days(self, subscription: Subscription, offer: Offer) -> list[date]:
        """The period's days on which a subscription is on this offer version, trial included.

        "Days half-open, so the day of a change belongs to the new version": the day a subscription starts
        counts, the day it ends does not, and a day is on the version in force when the day (or the
        subscription) begins.
        """
        first = max(local_day(self.start, offer.zone), local_day(subscription.starts_at, offer.zone))
        end = local_day(self.end, offer.zone)
        if subscription.ends_at is not None:
            end = min(end, local_day(subscription.ends_at, offer.zone))
        covered = []
        for day in days_between(first, end, offer.zone):
            at = max(first_instant(day, offer.zone), subscription.starts_at)
            found = self.version_at(subscription, at)
            if found is not None and found.version == offer.version:
                covered.append(day)
        return covered

    def is_trial(self, subscription: Subscription, offer: Offer, day: date) -> bool:
        """Whether a local day is one of the first days of a subscription that are free."""
        if offer.trial is None:
            return False
        began = local_day(self.began[subscription.subscription_id], offer.zone)
        return (day - began).days < offer.trial.days


def with_own_prices(subscription: Subscription, offer: Offer) -> Offer:
    """The version with the subscription's "price overrides": per-unit prices and fees of its own."""
    said = overrides(subscription)
    prices, fees = said.get("prices"), said.get("fees")
    if isinstance(prices, dict):
        own = tuple(own_price(component, prices.get(component.id)) for component in offer.components)
        offer = replace(offer, components=own)
    if isinstance(fees, dict):
        offer = replace(
            offer,
            fees=tuple(
                replace(fee, amount=Fraction(fees[fee.id])) if fee.id in fees else fee for fee in offer.fees
            ),
        )
    return offer


def own_price(component: Component, amount: str | None) -> Component:
    """A component at another amount per block, when one is named."""
    if amount is None:
        return component
    rates = [
        replace(rate, price=replace(rate.price, amount=Fraction(amount)))
        for rate in component.rates
        if isinstance(rate.price, PerUnit)
    ]
    return replace(component, rates=tuple(rates))


def overrides(subscription: Subscription) -> dict[str, object]:
    """What a subscription says differently: ``version``, ``coupons``, ``prices`` and ``fees``."""
    if subscription.overrides in ("", "{}"):
        return {}
    found = json.loads(subscription.overrides)
    return found if isinstance(found, dict) else {}


def coupons(subscription: Subscription) -> list[str]:
    """The discount codes a subscription carries."""
    found = overrides(subscription).get("coupons", [])
    return [str(code) for code in found] if isinstance(found, list) else []
