"""Burstable billing: the 95th percentile of a period's 5-minute rates. Rated at close only.

"rate = bytes × 8 / 300 s per 5-minute slot, max(in, out) or sum (declared), drop the highest floor(5 %) of
the period's slots, price the highest left; slots before activation or during a known collection outage are
excluded, not zero."
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from workbench.model.offer import Offer
from workbench.model.party import Subscription
from workbench.model.price import Percentile
from workbench.reference.results import ZERO, Charge, LineKey, Use
from workbench.reference.rounding import NANO

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Slots:
    """Bytes by slot of one holder: in (the component's meter) and out."""

    line: LineKey
    subscription: Subscription
    offer: Offer
    price: Percentile
    in_meter: str
    device_id: str
    active_from: datetime
    active_to: datetime
    bytes_in: dict[datetime, int] = field(default_factory=dict)
    bytes_out: dict[datetime, int] = field(default_factory=dict)

    def add(self, use: Use) -> None:
        """Count the bytes of one record in its slot."""
        counted = self.bytes_in if use.meter == self.in_meter else self.bytes_out
        slot = slot_of(use.at, self.price.slot_seconds)
        counted[slot] = counted.get(slot, 0) + use.units

    def charge(self, outages: tuple[tuple[datetime, datetime], ...]) -> Charge:
        """The one charge of the period."""
        rate = billed_rate(self, outages)
        amount = self.price.amount * NANO * rate / self.price.per
        return Charge(self.line, self.device_id, self.active_from, 0, amount)


def slot_of(at: datetime, slot_seconds: int) -> datetime:
    """The start of the slot an instant lies in; slots are counted from the epoch."""
    seconds = (at - EPOCH) // timedelta(seconds=1)
    return EPOCH + timedelta(seconds=seconds - seconds % slot_seconds)


def billed_rate(slots: Slots, outages: tuple[tuple[datetime, datetime], ...]) -> Fraction:
    """The highest rate in bit/s that is left when the highest ``floor((1 − percentile) × n)`` slots are
    dropped.
    """
    rates = []
    at = slot_of(slots.active_from, slots.price.slot_seconds)
    if at < slots.active_from:  # a slot that began before activation is not counted
        at += timedelta(seconds=slots.price.slot_seconds)
    while at < slots.active_to:
        if not any(start <= at < end for start, end in outages):
            count_in, count_out = slots.bytes_in.get(at, 0), slots.bytes_out.get(at, 0)
            both = count_in + count_out if slots.price.direction == "sum" else max(count_in, count_out)
            rates.append(Fraction(both * 8, slots.price.slot_seconds))
        at += timedelta(seconds=slots.price.slot_seconds)
    if not rates:
        return ZERO
    rates.sort(reverse=True)
    dropped = (1 - slots.price.percentile) * len(rates)
    return rates[dropped.numerator // dropped.denominator]
