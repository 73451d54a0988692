"""Silence: the longest gap, in messages that should have come in it by the device's own rate and its peers' hours."""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import HOUR_MS, Batch, peaks, tally
from workbench.insight.fleet.scores import Scores

_READINGS_LEAST = 8
_PRIOR_HOURS = 6.0
_BINS = 40  # gaps by powers of the square root of two, from a second on


class Silence:
    """Deliveries of a stream. Time runs faster in the hours in which the fleet talks, so nights are no silence."""

    kind, rule, column, unit = "silent", "silence.gap", "", "hours"

    def __init__(self, devices: int) -> None:
        self._last = np.full(devices, -1, dtype=np.int64)
        self._begun = np.full(devices, -1, dtype=np.int64)
        self._seen = np.zeros(devices)
        self._hours = np.zeros(24)
        self._since, self._until = (np.zeros(devices, dtype=np.int64) for _ in range(2))
        self._missed = np.zeros(devices)
        self._gaps = np.zeros((devices, _BINS), dtype=np.int32)

    def update(self, batch: Batch) -> None:
        """Measure the gaps within the batch and up to its first readings."""
        device, ts = batch.reading_device, batch.reading_ts
        if not len(device):
            return
        self._hours += np.bincount(batch.reading_hour % 24, minlength=24)
        before, gap = self._gap(batch)
        np.add(self._gaps, tally(device, _bin(gap), self._gaps.shape), out=self._gaps, casting="unsafe")
        self._keep(device, gap, before, ts)
        heads = device[batch.head]
        self._begun[heads] = np.where(self._begun[heads] < 0, ts[batch.head], self._begun[heads])
        tails = device[batch.tail]
        self._last[tails] = np.maximum(self._last[tails], ts[batch.tail])
        self._seen += np.bincount(device, minlength=len(self._seen))

    def _gap(self, batch: Batch) -> tuple[Array, Array]:
        """The device's reading before each reading (-1: none), and the busy hours between; 0 for a straggler."""
        device, ts, head = batch.reading_device, batch.reading_ts, batch.head
        known = self._last[device[head]]
        before, busy = np.r_[np.int64(0), ts[:-1]], self._busy(ts)
        busy_before = np.r_[0.0, busy[:-1]]
        before[head], busy_before[head] = known, self._busy(np.maximum(known, 0))
        if (ts[head] < known).any():  # a batch that begins with stragglers: they open no new gap
            behind = np.flatnonzero((before >= 0) & (before < self._last[device]))
            before[behind] = self._last[device[behind]]
            busy_before[behind] = self._busy(before[behind])
        return before, np.where((before < 0) | (ts < before), 0.0, busy - busy_before)

    def _busy(self, ts: Array) -> Array:
        """Hours of usual traffic up to an instant: an hour in which the fleet sends twice as much counts twice."""
        weight = self._hours + 0.02 * self._hours.mean() + 1e-9
        weight = weight / weight.mean()
        edge = np.r_[0.0, np.cumsum(weight)]
        if not len(ts):
            return np.zeros(0)
        low = int(ts.min()) // HOUR_MS
        hours = low + np.arange(int(ts.max()) // HOUR_MS - low + 1)
        if len(hours) > len(ts):
            hours, place = np.unique(ts // HOUR_MS, return_inverse=True)
        else:
            place = ts // HOUR_MS - low
        # What holds for an hour is worked out once for it.
        slope = weight[hours % 24] / HOUR_MS
        begin = hours // 24 * 24.0 + edge[hours % 24] - slope * (hours * HOUR_MS)
        return np.asarray(begin[place] + slope[place] * ts)

    def _keep(self, device: Array, gap: Array, before: Array, ts: Array) -> None:
        who, at = peaks(device, gap)
        worse = gap[at] > self._missed[who]
        who, at = who[worse], at[worse]
        self._missed[who], self._since[who], self._until[who] = gap[at], before[at], ts[at]

    def scores(self, now_ms: int) -> Scores:
        """The longest gap, the open one up to ``now_ms`` included."""
        now = np.full(len(self._last), now_ms, dtype=np.int64)
        known = self._last >= 0
        open_gap = np.where(known, self._busy(now) - self._busy(np.maximum(self._last, 0)), 0.0)
        is_open = open_gap > self._missed
        gap = np.where(is_open, open_gap, self._missed)
        since = np.where(is_open, self._last, self._since)
        until = np.where(is_open, now, self._until)
        watched = np.where(
            known, self._busy(np.maximum(self._last, 0)) - self._busy(np.maximum(self._begun, 0)), 0
        )
        active = np.maximum(watched - self._missed, 0.5)
        fleet = float(np.median(self._seen[known] / active[known])) if known.any() else 0.0
        rate = (self._seen + fleet * _PRIOR_HOURS) / (active + _PRIOR_HOURS)
        rate = np.minimum(
            rate, 2 * fleet
        )  # a device that talks far more than its peers is not silent when it talks as they do
        raw = rate * gap * np.minimum(1.0, gap / (2.0 * self._usual_gap()))
        hours = (until - since) / HOUR_MS
        return Scores(
            raw, self._seen >= _READINGS_LEAST, since, until, hours, 1.0 / np.maximum(rate, 1e-9),
            np.zeros(len(raw), dtype=bool),
        )  # fmt: skip

    def _usual_gap(self) -> Array:
        """99th percentile of a device's gaps [busy hours], its longest left out; its peers' while it has few."""
        counts = self._gaps.astype(float)
        rows = np.arange(len(counts))
        place = _bin(self._missed)
        counts[rows, place] = np.maximum(counts[rows, place] - 1, 0)
        fleet = counts.sum(axis=0)
        counts += fleet / max(fleet.sum(), 1.0) * 30.0
        share = np.cumsum(counts, axis=1) / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
        return np.asarray(2 ** ((np.argmax(share >= 0.99, axis=1) + 1) / 2) / 3600.0)

    @property
    def open_since(self) -> Array:
        """Last reading of each device [ms], -1 when never seen: who is quiet right now."""
        return self._last


def _bin(gap: Array) -> Array:
    """Place of a gap [busy hours] among the bins."""
    return np.clip(2 * np.log2(np.maximum(gap.astype(np.float32) * 3600.0, 1.0)), 0, _BINS - 1).astype(
        np.int64
    )
