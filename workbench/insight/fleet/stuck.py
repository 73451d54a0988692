"""Stuck-at: the longest run of equal readings, against the sensor's own resolution and its peers'."""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import Batch, peaks, tally
from workbench.insight.fleet.scores import Scores

_BINS = 24  # run lengths by powers of the square root of two
_READINGS_LEAST = 24
_PLACE = np.minimum(2 * np.log2(np.maximum(np.arange(4096), 1)), _BINS - 1).astype(np.int64)
_SELDOM_LEAST = 4
_LIVELY = 0.9
_PRIOR = 20.0  # readings' worth of the fleet's activity that a device starts from


class Stuck:
    """One numeric column. A device that never changed is not judged: constant by design, or seen too little."""

    kind, rule, unit = "stuck", "stuck.run", "readings"

    def __init__(self, column: str, devices: int) -> None:
        self.column = column
        self._last = np.full(devices, np.nan)
        self._run, self._begun, self._until = (np.zeros(devices, dtype=np.int64) for _ in range(3))
        self._seen, self._changed = np.zeros(devices), np.zeros(devices)
        self._lengths = np.zeros((devices, _BINS), dtype=np.int32)
        self._longest, self._since, self._ended = (np.zeros(devices, dtype=np.int64) for _ in range(3))

    def update(self, batch: Batch) -> None:
        """Close the runs that ended, keep the longest."""
        device, ts, value = batch.known(self.column)
        if not len(device):
            return
        head = np.r_[True, device[1:] != device[:-1]]
        before = np.r_[np.nan, value[:-1]]
        before[head] = self._last[device[head]]
        moved = value != before
        begin = np.flatnonzero(moved | head)
        owner, length, since = device[begin], np.diff(np.r_[begin, len(value)]), ts[begin]
        goes_on = ~moved[begin]
        length = np.where(goes_on, length + self._run[owner], length)
        since = np.where(goes_on, self._begun[owner], since)
        ended = ts[np.r_[begin[1:], len(value)] - 1]
        new = begin[
            head[begin] & moved[begin]
        ]  # a run carried over ended with the first reading of this batch
        self._close(device[new], self._run[device[new]])
        last = np.r_[owner[1:] != owner[:-1], True]
        self._close(owner[~last], length[~last])
        self._keep(owner, length, since, ended)
        self._run[owner[last]], self._begun[owner[last]] = length[last], since[last]
        tail = np.flatnonzero(np.r_[head[1:], True])
        self._last[device[tail]] = value[tail]
        self._seen += np.bincount(device, minlength=len(self._seen))
        self._changed += np.bincount(device[moved], minlength=len(self._seen))

    def _close(self, owner: Array, length: Array) -> None:
        real = length > 0
        place = _PLACE[np.minimum(length[real], len(_PLACE) - 1)]
        self._lengths += tally(owner[real], place, self._lengths.shape).astype(np.int32)

    def _keep(self, owner: Array, length: Array, since: Array, ended: Array) -> None:
        who, at = peaks(owner, length)
        longer = length[at] > self._longest[who]
        who, at = who[longer], at[longer]
        self._longest[who], self._since[who], self._ended[who] = length[at], since[at], ended[at]

    def scores(self, now_ms: int) -> Scores:
        """The longest run: its chance given how often this sensor moves, and against its own usual longest."""
        fleet = float(self._changed.sum() / max(self._seen.sum(), 1.0))
        # Of a device seen seldom the run is half of what is known: it says nothing of how often the sensor moves.
        rest = self._seen - np.where(self._seen < _READINGS_LEAST, np.maximum(self._longest - 1, 0), 0)
        activity = (self._changed + _PRIOR * fleet) / (rest + _PRIOR)
        by_chance = -np.log1p(-np.clip(activity, 1e-6, 1 - 1e-4)) * self._longest
        usual = self._usual_longest()
        raw = by_chance * np.minimum(1.0, self._longest / (2.0 * usual))
        # In many readings some run is long by chance: never more surprising than chance alone allows.
        chance = by_chance * (1 - 1 / np.maximum(self._longest, 1)) - np.log(np.maximum(self._seen, 1.0))
        judged = raw[self._seen >= _READINGS_LEAST]
        if len(judged):
            raw = np.minimum(raw, np.median(judged) + np.maximum(chance, 0.0))
        enough = (self._seen >= _READINGS_LEAST) & (self._changed >= 3)
        # Where peers hardly ever repeat themselves, a device seen seldom is judged by them, a constant one too.
        enough |= (self._seen >= _SELDOM_LEAST) & (fleet > _LIVELY)
        return Scores(
            raw, enough, self._since, self._ended, self._longest.astype(float), usual,
            np.zeros(len(raw), dtype=bool),
        )  # fmt: skip

    def _usual_longest(self) -> Array:
        """99th percentile of a device's run lengths, the longest left out; its peers' while it has few."""
        counts = self._lengths.astype(float)
        place = _PLACE[np.minimum(self._longest, len(_PLACE) - 1)]
        device = np.arange(len(counts))
        counts[device, place] = np.maximum(counts[device, place] - 1, 0)
        fleet = counts.sum(axis=0)
        counts += fleet / max(fleet.sum(), 1.0) * 50.0
        share = np.cumsum(counts, axis=1) / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
        return np.asarray(2 ** ((np.argmax(share >= 0.99, axis=1) + 1) / 2))
