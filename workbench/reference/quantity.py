"""How the records of one counter become its billed quantity q: folds and quantity increments.

"fold of a meter: sum, count, max, last, unique count, time-weighted, p95". Whatever the fold, a charge is
``C(q after) − C(q before)``, so the charges telescope to C of the last q.
"""

from __future__ import annotations

from datetime import datetime

from workbench.model.offer import Component, Increment
from workbench.reference.days import local_day
from workbench.reference.results import Unpriceable, Use

Bucket = tuple[str, ...]


class Quantity:
    """The billed quantity of one counter, record by record in attribution order."""

    def __init__(self, component: Component, zone: str, start: datetime, end: datetime) -> None:
        self.component = component
        self.zone = zone
        self.start, self.end = start, end
        self.buckets: dict[Bucket, int] = {}
        self.rounded_sum = 0
        self.count = 0
        self.highest: int | None = None
        self.latest = 0
        self.seen: set[str] = set()

    def add(self, use: Use) -> None:
        """Take one more record."""
        self.add_to_bucket(use)
        self.count += use.events
        self.highest = use.units if self.highest is None else max(self.highest, use.units)
        self.latest = use.units
        if self.component.unique_of:
            self.seen.add(dict(use.dims).get(self.component.unique_of, ""))

    def add_to_bucket(self, use: Use) -> None:
        """Sum the units of one bucket of rounding, and round each bucket by itself."""
        increment = self.component.increment
        bucket = bucket_of(increment, use, self.zone)
        before = self.buckets.get(bucket, 0)
        self.buckets[bucket] = before + use.units
        self.rounded_sum += rounded(before + use.units, increment) - rounded(before, increment)
        if increment is not None and increment.per in ("event", "session"):
            del self.buckets[bucket]  # an event is rounded alone

    def value(self) -> int:
        """q now."""
        fold = self.component.fold
        if fold == "sum":
            return self.rounded_sum
        folded = {
            "count": self.count,
            "max": self.highest or 0,
            "last": self.latest,
            "unique": len(self.seen),
        }
        if fold not in folded:
            raise Unpriceable(f"no fold {fold}")
        increment = self.component.increment
        if increment is not None and increment.per != "period":
            raise Unpriceable(f"an increment per {increment.per} of a fold {fold} is not decided")
        return rounded(folded[fold], increment)


def bucket_of(increment: Increment | None, use: Use, zone: str) -> Bucket:
    """What is rounded together: an event, a local day or the period; of a device or of the whole counter."""
    if increment is None:
        return ()
    bucket: Bucket = (use.device_id,) if increment.of == "device" else ()
    if increment.per == "day":
        return (*bucket, local_day(use.at, zone).isoformat())
    return bucket


def rounded(units: int, increment: Increment | None) -> int:
    """``units`` as a multiple of the increment: up, down or to the nearest (halves up)."""
    if increment is None:
        return units
    whole = units // increment.units
    left = units - whole * increment.units
    if left == 0 or increment.rounding == "down":
        return whole * increment.units
    if increment.rounding == "up" or 2 * left >= increment.units:
        return (whole + 1) * increment.units
    return whole * increment.units
