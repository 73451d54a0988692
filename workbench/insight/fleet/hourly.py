"""Use by day and slot of the day: what consumption, theft and zero-use detectors read, kept once for all of them."""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import DAY_MS, Batch

DAYS_KEPT = 120
"""Older days are let go: habits change with the year."""

_MANY_DEVICES = 50_000
_AT_ONCE = 4_096  # devices judged together; the peers of each other where a figure needs peers


class Hourly:
    """Sums of one column per device, day and slot; the first detector that is shown a batch adds it for the others.

    Args:
        column: what is summed; negative and absent values add nothing.
        devices: how many there are. Above 50,000 a slot is four hours instead of one: 24 bytes a device and day.
    """

    def __init__(self, column: str, devices: int) -> None:
        self.column, self.devices = column, devices
        self.slots = 24 if devices <= _MANY_DEVICES else 6
        self._days: dict[int, Array] = {}
        self._added: Batch | None = None
        self._version = 0
        self._table: tuple[int, Array, Array] = (-1, np.zeros(0), np.zeros(0))

    def add(self, batch: Batch) -> None:
        """Add a batch's readings, once."""
        if batch is self._added:
            return
        self._added, self._version = batch, self._version + 1
        value = batch.values[self.column][batch.first]
        known = np.isfinite(value) & (value >= 0)
        device, ts, value = batch.reading_device[known], batch.reading_ts[known], value[known]
        day, slot = ts // DAY_MS, ts % DAY_MS * self.slots // DAY_MS
        for one in np.unique(day):
            mine = day == one
            place = device[mine].astype(np.int64) * self.slots + slot[mine]
            size = self.devices * self.slots
            total = np.bincount(place, value[mine], size).astype(np.float32)
            total[np.bincount(place, minlength=size) == 0] = np.nan
            total = total.reshape(self.devices, self.slots)
            before = self._days.get(int(one))
            self._days[int(one)] = total if before is None else _sum(before, total)
        for old in sorted(self._days)[:-DAYS_KEPT]:
            del self._days[old]

    def table(self) -> tuple[Array, Array]:
        """Days (numbers since 1970) in which anything was read, and use as devices x days x slots, NaN where nothing."""
        if self._table[0] != self._version:
            days = sorted(self._days)
            use = (
                np.stack([self._days[day] for day in days], axis=1)
                if days
                else np.full((self.devices, 0, self.slots), np.nan, dtype=np.float32)
            )
            self._table = (self._version, np.array(days, dtype=np.int64), use)
        return self._table[1], self._table[2]

    def pieces(self) -> list[slice]:
        """Devices in pieces that fit into memory many times over."""
        return [
            slice(begin, min(begin + _AT_ONCE, self.devices)) for begin in range(0, self.devices, _AT_ONCE)
        ]


def _sum(left: Array, right: Array) -> Array:
    return np.where(np.isnan(left), right, np.where(np.isnan(right), left, left + right))
