"""Counts in windows of time: is there a window with far more of something than the device's usual share explains?"""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import HOUR_MS

_PRIOR = 50.0  # rows' worth of the fleet's share that a device starts from
_OF_WINDOW = 3  # hours
_SCALES = (2, 4, 8, 16)  # windows looked at together
_SELDOM, _OF_SELDOM = 0.5, 40  # who speaks less often than once a window is looked at over five days, too


class Windows:
    """Marked rows among all rows, per device and six-hour window; keeps each device's most surprising window."""

    def __init__(self, devices: int) -> None:
        self.rows, self.marked = np.zeros(devices), np.zeros(devices)
        self._key: Array = np.zeros(0, dtype=np.int64)
        self._rows: Array = np.zeros(0)
        self._marked: Array = np.zeros(0)
        self._earliest, self._latest = 1 << 33, 0

    def add(self, device: Array, ts: Array, mark: Array) -> None:
        """Rows of a batch; ``mark`` says which ones count."""
        self.rows += np.bincount(device, minlength=len(self.rows))
        hit = np.flatnonzero(mark)
        self.marked += np.bincount(device[hit], minlength=len(self.rows))
        if not len(hit):
            return
        window = ts // (_OF_WINDOW * HOUR_MS)
        self._earliest, self._latest = (
            min(self._earliest, int(window.min())), max(self._latest, int(window.max())),
        )  # fmt: skip
        key = device.astype(np.int64) << 32 | window
        marked_keys, marked = np.unique(key[hit], return_counts=True)
        inside = np.isin(key, marked_keys)
        _, rows = np.unique(key[inside], return_counts=True)
        keys = np.concatenate((self._key, marked_keys))
        self._key, place = np.unique(keys, return_inverse=True)
        self._rows = np.bincount(place, np.concatenate((self._rows, rows)))
        self._marked = np.bincount(place, np.concatenate((self._marked, marked)))

    def worst(self) -> tuple[Array, Array, Array, Array, Array]:
        """Per device: surprise (nats, 0 when nothing), marked rows and rows expected in that window, since, until [ms].

        Windows of six hours, twelve, a day, two and five days compete: an episode is seen whole, and as long as it lasted.
        """
        devices = len(self.rows)
        best, seen, usual = np.zeros(devices), np.zeros(devices), np.zeros(devices)
        since, until = np.zeros(devices, dtype=np.int64), np.zeros(devices, dtype=np.int64)
        if not len(self._key):
            return best, seen, usual, since, until
        fleet = float(self.marked.sum() / max(self.rows.sum(), 1.0))
        per_window = self.rows / max(self._latest - self._earliest + 1, 1)
        seldom = per_window < _SELDOM
        for wide in (*_SCALES, *((_OF_SELDOM,) if seldom.any() else ())):
            for shift in {0, wide // 2}:
                mine = seldom if wide == _OF_SELDOM else np.ones(devices, dtype=bool)
                self._at_scale(wide, shift, fleet, per_window, mine, (best, seen, usual, since, until))
        return best, seen, usual, since, until

    def _at_scale(
        self,
        wide: int,
        shift: int,
        fleet: float,
        per_window: Array,
        mine: Array,
        found: tuple[Array, Array, Array, Array, Array],
    ) -> None:
        """Join neighbouring windows, and keep a device's joint window where it is more surprising than any before."""
        device, window = self._key >> 32, self._key & 0xFFFFFFFF
        key, place = np.unique(device << 32 | (window + shift) // wide, return_inverse=True)
        marked, rows = np.bincount(place, self._marked), np.bincount(place, self._rows)
        owner = key >> 32
        rows += (
            np.maximum(wide - np.bincount(place), 0) * per_window[owner]
        )  # windows without a mark were not kept
        others = np.maximum(self.rows[owner] - rows, 0)
        share = (np.maximum(self.marked[owner] - marked, 0) + fleet * _PRIOR) / (others + _PRIOR)
        expected = np.maximum(share * rows, 0.04 * np.minimum(wide, rows))
        rare = np.minimum(expected / np.maximum(rows, marked), 0.99)
        rest = np.maximum(rows - marked, 0)
        # Of few rows nearly all marked says more than a count alone would.
        surprise = _nats(marked, marked + rest, rare) + _nats(rest, marked + rest, 1.0 - rare)
        surprise = np.where(marked > expected, surprise, 0.0) - np.log(wide) * 0.5
        first, last = np.full(len(key), 1 << 33), np.zeros(len(key), dtype=np.int64)
        np.minimum.at(first, place, window)
        np.maximum.at(last, place, window)
        best, seen, usual, since, until = found
        order = np.argsort(surprise, kind="stable")
        order = order[(surprise[order] > best[owner[order]]) & mine[owner[order]]]
        who = owner[order]
        best[who], seen[who], usual[who] = surprise[order], marked[order], expected[order]
        since[who] = first[order] * _OF_WINDOW * HOUR_MS
        until[who] = (last[order] + 1) * _OF_WINDOW * HOUR_MS - 1


def _nats(count: Array, of: Array, share: Array) -> Array:
    """A count's part of the surprise [nats] when a share of all was expected."""
    return np.asarray(count * np.log(np.maximum(count, 1e-9) / np.maximum(of * share, 1e-12)))
