"""Credits: money given with an offer, used in one order.

"prepaid credits: lower priority number first, then earliest expiry, promotional before paid, earliest
grant, id. Usage at the expiry instant is not covered." "Promotional credits reduce the taxable base; paid
balances settle the tax-inclusive total."
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from workbench.model.offer import Offer, PrepaidGrant
from workbench.model.party import Subscription
from workbench.reference.days import first_instant, local_day
from workbench.reference.results import ZERO
from workbench.reference.rounding import NANO

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Balance:
    """One grant at work: what is left of it, in nano."""

    id: str
    left: Fraction
    kind: str
    priority: int
    granted_at: datetime
    expires_at: datetime

    def order(self) -> tuple[int, datetime, int, datetime, str]:
        """Lower priority number, earliest expiry, promotional before paid, earliest grant, id."""
        return (
            self.priority,
            self.expires_at,
            0 if self.kind == "promotional" else 1,
            self.granted_at,
            self.id,
        )


@dataclass(slots=True)
class Wallet:
    """All grants of one account and offer."""

    balances: list[Balance] = field(default_factory=list)

    def take(self, amount: Fraction, at: datetime, kind: str = "") -> dict[str, Fraction]:
        """Cover as much of ``amount`` as the grants valid at an instant can: grant id -> nano taken."""
        taken: dict[str, Fraction] = {}
        for balance in sorted(self.balances, key=Balance.order):
            if kind and balance.kind != kind:
                continue
            if not balance.granted_at <= at < balance.expires_at:
                continue
            part = min(amount, balance.left)
            if part > 0:
                balance.left -= part
                amount -= part
                taken[balance.id] = taken.get(balance.id, ZERO) + part
        return taken


def grant(offer: Offer, given: PrepaidGrant, granted_at: datetime) -> Balance:
    """A balance from an offer's grant; it expires at a local midnight, that many local days after it was
    given.
    """
    expires_at = NEVER
    if given.expires_after_days is not None:
        last = local_day(granted_at, offer.zone) + timedelta(days=given.expires_after_days)
        expires_at = first_instant(last, offer.zone)
    return Balance(given.id, given.amount * NANO, given.kind, given.priority, granted_at, expires_at)


def new_grants(
    offer: Offer, subscription: Subscription, began: datetime, start: datetime, end: datetime
) -> list[Balance]:
    """What a subscription's offer gives it in the period ``[start, end)``: ``once`` when it begins, or
    every period.
    """
    found = []
    for given in offer.credits:
        if given.every == "once" and start <= began < end:
            found.append(grant(offer, given, began))
        if (
            given.every == "period"
            and began < end
            and (subscription.ends_at is None or subscription.ends_at > start)
        ):
            found.append(grant(offer, given, max(start, began)))
    return found
