"""Credits of one account and offer: which is used first, and what is left.

Promotional credits pay charges, before tax; paid ones wait here for the invoice, whose total they settle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from workbench.model.money import NANO
from workbench.model.offer import Offer
from workbench.model.plan import Period
from workbench.tariff.calendar import local_day, local_midnight

NEVER = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(slots=True)
class Balance:
    """One grant at work; ``left`` is nano of the account's currency."""

    id: str
    left: Fraction
    priority: int
    granted_at: datetime
    expires_at: datetime
    kind: str = "promotional"

    @property
    def order(self) -> tuple[int, datetime, bool, datetime, str]:
        """Lower priority number, then earliest expiry, promotional before paid, then earliest grant, then id."""
        return self.priority, self.expires_at, self.kind == "paid", self.granted_at, self.id


def granted(offer: Offer, factor: Fraction, began: datetime, period: Period) -> Iterator[Balance]:
    """What a subscription that began at ``began`` is given in a period: ``once`` at its beginning, or every period.

    A grant expires at the local midnight that many days after the day it was given on.
    """
    start = began.replace(tzinfo=UTC) if began.tzinfo is None else began
    for credit in offer.credits:
        if credit.every == "once" and start not in period:
            continue
        given = start if credit.every == "once" else max(start, period.start)
        expires = NEVER
        if credit.expires_after_days is not None:
            last = local_day(given, offer.zone) + timedelta(days=credit.expires_after_days)
            expires = local_midnight(last, offer.zone)
        yield Balance(credit.id, credit.amount * NANO * factor, credit.priority, given, expires, credit.kind)


def take(wallet: list[Balance], amount: Fraction, at: datetime) -> Iterator[tuple[str, Fraction]]:
    """Cover an amount from the promotional grants valid at an instant (not at its expiry): (grant id, nano) pairs."""
    for balance in sorted(wallet, key=lambda balance: balance.order):
        if balance.kind == "promotional" and balance.granted_at <= at < balance.expires_at:
            part = min(amount, balance.left)
            if part > 0:
                balance.left -= part
                amount -= part
                yield balance.id, part
