"""Folds that only the whole period decides: the time-weighted average and the 95th percentile of a meter's values.

"fold of a meter: ... sum, count, max can be charged online; the others at close." A quantity is a whole number of base
units, so an average is taken to the nearest one (halves up); everything after it is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

from workbench.model.offer import Component, Offer, Rate
from workbench.reference.cost import cumulative_cost
from workbench.reference.quantity import rounded
from workbench.reference.results import ZERO, Charge, LineKey, Use

CLOSING_FOLDS = ("time_weighted", "p95")
MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class Values:
    """The values of one counter, kept until its life is over."""

    line: LineKey
    device_id: str
    offer: Offer
    component: Component
    rate: Rate
    factor: Fraction
    free: int
    start: datetime
    end: datetime
    by_device: dict[str, list[tuple[datetime, int]]] = field(default_factory=dict)

    def add(self, use: Use) -> None:
        """Take one more value, in the order of time."""
        self.by_device.setdefault(use.device_id, []).append((use.at, use.units))

    def quantity(self) -> int:
        """The folded values."""
        if self.component.fold == "p95":
            return self.percentile()
        return self.average()

    def average(self) -> int:
        """Each device's value holds until its next one, the last until the counter's end; before the first it is zero.

        The devices of a pool add up.
        """
        held = 0
        for values in self.by_device.values():
            ends = [at for at, _ in values[1:]] + [self.end]
            for (at, units), until in zip(values, ends, strict=True):
                held += units * ((until - at) // MICROSECOND)
        whole = Fraction(held, (self.end - self.start) // MICROSECOND) + Fraction(1, 2)
        return whole.numerator // whole.denominator

    def percentile(self) -> int:
        """The highest value left when the highest floor(5 %) of the values are dropped."""
        values = sorted((units for listed in self.by_device.values() for _, units in listed), reverse=True)
        return values[len(values) * 5 // 100]

    def charge(self) -> Charge:
        """The one charge of the counter; a flat fee that is due at zero use is charged apart."""
        units = max(0, rounded(self.quantity(), self.component.increment) - self.free)
        conventions = self.offer.conventions
        amount = cumulative_cost(self.rate.price, units, conventions)
        amount = amount - cumulative_cost(self.rate.price, ZERO, conventions)
        return Charge(self.line, self.device_id, self.start, 0, amount * self.factor)
