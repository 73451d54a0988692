"""Counts in windows of time: is there a window with far more of something than the device's usual share explains?"""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import HOUR_MS

_PRIOR = 50.0  # rows' worth of the fleet's share that a device starts from
_OF_WINDOW = 6  # hours


class Windows:
    """Marked rows among all rows, per device and six-hour window; keeps each device's most surprising window."""

    def __init__(self, devices: int) -> None:
        self.rows, self.marked = np.zeros(devices), np.zeros(devices)
        self._key: Array = np.zeros(0, dtype=np.int64)
        self._rows: Array = np.zeros(0)
        self._marked: Array = np.zeros(0)

    def add(self, device: Array, ts: Array, mark: Array) -> None:
        """Rows of a batch; ``mark`` says which ones count."""
        self.rows += np.bincount(device, minlength=len(self.rows))
        hit = np.flatnonzero(mark)
        self.marked += np.bincount(device[hit], minlength=len(self.rows))
        if not len(hit):
            return
        window = ts // (_OF_WINDOW * HOUR_MS)
        key = device.astype(np.int64) << 32 | window
        marked_keys, marked = np.unique(key[hit], return_counts=True)
        inside = np.isin(key, marked_keys)
        _, rows = np.unique(key[inside], return_counts=True)
        keys = np.concatenate((self._key, marked_keys))
        self._key, place = np.unique(keys, return_inverse=True)
        self._rows = np.bincount(place, np.concatenate((self._rows, rows)))
        self._marked = np.bincount(place, np.concatenate((self._marked, marked)))

    def worst(self) -> tuple[Array, Array, Array, Array, Array]:
        """Per device: surprise (nats, 0 when nothing), marked rows and rows expected in that window, since, until [ms]."""
        devices = len(self.rows)
        fleet = float(self.marked.sum() / max(self.rows.sum(), 1.0))
        owner = self._key >> 32
        rest = np.maximum(self.rows[owner] - self._rows, 0)
        share = (self.marked[owner] - self._marked + fleet * _PRIOR) / (rest + _PRIOR)
        expected = np.maximum(share * self._rows, 0.02)
        surprise = self._marked * np.log(np.maximum(self._marked, 1e-9) / expected) - self._marked + expected
        surprise = np.where(self._marked > expected, surprise, 0.0)
        best, seen, usual = np.zeros(devices), np.zeros(devices), np.zeros(devices)
        since = np.zeros(devices, dtype=np.int64)
        order = np.argsort(surprise, kind="stable")
        best[owner[order]], seen[owner[order]] = surprise[order], self._marked[order]
        usual[owner[order]] = expected[order]
        since[owner[order]] = (self._key[order] & 0xFFFFFFFF) * _OF_WINDOW * HOUR_MS
        return best, seen, usual, since, np.where(best > 0, since + _OF_WINDOW * HOUR_MS - 1, 0)
