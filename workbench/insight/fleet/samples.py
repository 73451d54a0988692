"""A handful of readings per device, spread over its time: robust quantiles without sorting the flood."""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array

PER_BATCH = 12
KEPT = 48


class Samples:
    """A ring of ``KEPT`` readings per device; a device's first batch fills it, each later one replaces up to ``PER_BATCH``."""

    def __init__(self, devices: int) -> None:
        self.values = np.full((devices, KEPT), np.nan, dtype=np.float32)
        self._next = np.zeros(devices, dtype=np.int64)
        self.seen = np.zeros(devices, dtype=np.int64)

    def add(self, device: Array, value: Array) -> None:
        """Take every so manieth reading of each device (rows sorted by device, no NaN)."""
        if not len(device):
            return
        head = np.flatnonzero(np.r_[True, device[1:] != device[:-1]])
        count = np.diff(np.r_[head, len(device)])
        rank = np.arange(len(device)) - np.repeat(head, count)
        # A device that is new fills its ring at once: a range that rests on a dozen readings is no range.
        most = np.where(self.seen[device[head]] == 0, KEPT, PER_BATCH)
        step = -(-count // most)
        stride = np.repeat(step, count)
        chosen = np.flatnonzero(rank % stride == 0)
        owner = device[chosen]
        place = (self._next[owner] + rank[chosen] // stride[chosen]) % KEPT
        self.values[owner, place] = value[chosen]
        self._next[device[head]] += -(-count // step)
        self.seen[device[head]] += count

    def quantiles(self, *shares: float) -> Array:
        """One row per share; NaN for devices without readings."""
        ordered = np.sort(self.values, axis=1)  # NaN last
        known = np.isfinite(ordered).sum(axis=1)
        rows = np.arange(len(ordered))
        found = [
            np.where(
                known > 0, ordered[rows, np.clip((known - 1) * share + 0.5, 0, KEPT - 1).astype(int)], np.nan
            )
            for share in shares
        ]
        return np.array(found, dtype=np.float64)
