"""What mediation sees of a device: copies, contradictions, messages out of order, backlogs that arrive at once."""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import Batch, peaks
from workbench.insight.fleet.scores import Scores
from workbench.insight.fleet.windows import Windows

_ROWS_LEAST = 4  # the share starts from the fleet's, so few rows of one's own are enough
_BACKLOG_LEAST = 2
_WAITS_SHARE, _WAITS_FACTOR, _WAITS_LEAST_MS = 0.8, 10.0, 60_000.0  # a wait this far above the fleet's counts
_RACE = 3.0
_WAITS_SAMPLED = 20_000
_IN_A_HEAP = 0.15  # arrivals closer than this share of the time between their readings came together


class _Counted:
    """Base of the rules that count marked rows in windows."""

    column, unit = "", "messages"

    def __init__(self, devices: int) -> None:
        self._windows = Windows(devices)

    def scores(self, now_ms: int) -> Scores:
        """The window with the most surprising count."""
        best, seen, usual, since, until = self._windows.worst()
        return Scores(
            best, self._windows.rows >= _ROWS_LEAST, since, until, seen, usual,
            np.zeros(len(best), dtype=bool), 0.6,
        )  # fmt: skip


class Duplicates(_Counted):
    """More second deliveries than this device and its peers usually make."""

    kind, rule = "duplicate", "delivery.copies"

    def update(self, batch: Batch) -> None:
        """Count copies among deliveries."""
        self._windows.add(batch.device, batch.ts, batch.copy)


class Disorder(_Counted):
    """More messages that arrive after a later one, or that waited each for itself, than usual.

    A device that speaks twice a day is hardly ever overtaken by itself, however long its messages wait. So a message counts
    too that waited far longer than the fleet's do and did not come in a heap with its neighbours (that is a backlog).
    """

    kind, rule = "reordered", "delivery.order"

    def __init__(self, devices: int) -> None:
        super().__init__(devices)
        self._latest, self._latest_ts = (np.zeros(devices, dtype=np.int64) for _ in range(2))
        self._waited = np.zeros(devices, dtype=bool)
        self._slow_ms, self._usual_ms = 0.0, 0.0

    def update(self, batch: Batch) -> None:
        """Count readings that arrived before the one just before them, and those that waited alone."""
        device, received = batch.reading_device, batch.reading_received
        if not len(device):
            return
        before = np.r_[np.int64(0), received[:-1]]
        before[batch.head] = self._latest[device[batch.head]]
        before_ts = np.r_[np.int64(0), batch.reading_ts[:-1]]
        before_ts[batch.head] = self._latest_ts[device[batch.head]]
        # Neighbours only: a backlog is overtaken as a whole, and is no disorder within itself.
        mark = received < before
        waited = received - batch.reading_ts
        if not self._slow_ms:
            usual = np.quantile(waited[:: max(1, len(waited) // _WAITS_SAMPLED)], _WAITS_SHARE)
            self._slow_ms = max(_WAITS_FACTOR * float(usual), _WAITS_LEAST_MS)
            self._usual_ms = float(usual)
        slow = np.flatnonzero(waited > self._slow_ms)
        gap, arrived = batch.reading_ts[slow] - before_ts[slow], received[slow] - before[slow]
        # No gap: the copy of a reading of an earlier batch. Overtaken: no heap either, a heap comes in its order.
        alone = slow[(gap > 0) & ((arrived >= _IN_A_HEAP * gap) | (arrived < 0))]
        waits = np.zeros(len(mark), dtype=bool)
        waits[alone] = True
        after = np.r_[False, waits[:-1]]
        after[batch.head] = self._waited[device[batch.head]]
        # A message that waits and the one it was overtaken by are one, not two; and of two that were sent within the time
        # that any message takes, either may come first.
        mark &= ~after & (batch.reading_ts - before_ts > _RACE * self._usual_ms)
        mark |= waits
        self._waited[device[batch.tail]] = waits[batch.tail]
        self._windows.add(device, batch.reading_ts, mark)
        self._latest[device[batch.tail]] = received[batch.tail]
        self._latest_ts[device[batch.tail]] = batch.reading_ts[batch.tail]


class Backlog:
    """A stretch of messages that arrive at once, in order: the device kept them and then sent them all."""

    kind, rule, column, unit = "late", "delivery.backlog", "", "messages"

    def __init__(self, devices: int) -> None:
        self._rows = np.zeros(devices)
        self._best = np.zeros(devices)
        self._since, self._until = (np.zeros(devices, dtype=np.int64) for _ in range(2))
        self._usual_ms = 0.0
        self._open_run, self._open_span = np.zeros(devices), np.zeros(devices)
        self._open_since = np.zeros(devices, dtype=np.int64)
        self._last_ts, self._last_received = (np.full(devices, -1, dtype=np.int64) for _ in range(2))

    def update(self, batch: Batch) -> None:
        """Find runs of neighbours whose arrivals are far closer than their event times."""
        device, ts, received = batch.reading_device, batch.reading_ts, batch.reading_received
        if not len(device):
            return
        self._rows += np.bincount(device, minlength=len(self._rows))
        before_ts, before_in = np.r_[np.int64(-1), ts[:-1]], np.r_[np.int64(-1), received[:-1]]
        before_ts[batch.head] = self._last_ts[device[batch.head]]
        before_in[batch.head] = self._last_received[device[batch.head]]
        gap, arrived = ts - before_ts, received - before_in
        real = before_ts >= 0
        if not self._usual_ms and (real & (gap > 0)).any():
            self._usual_ms = float(np.median(gap[real & (gap > 0)]))
        squeezed = real & (gap > 0.3 * self._usual_ms) & (arrived >= 0) & (arrived < _IN_A_HEAP * gap)
        self._runs(batch, device, ts, squeezed)
        self._last_ts[device[batch.tail]], self._last_received[device[batch.tail]] = (
            ts[batch.tail], received[batch.tail],
        )  # fmt: skip

    def _runs(self, batch: Batch, device: Array, ts: Array, squeezed: Array) -> None:
        begin = np.flatnonzero(np.r_[True, squeezed[1:] != squeezed[:-1]] | batch.head)
        length = np.diff(np.r_[begin, len(squeezed)]).astype(float)
        owner, is_run = device[begin], squeezed[begin]
        goes_on = is_run & batch.head[begin]
        length += np.where(goes_on, self._open_run[owner], 0)
        since = np.where(
            goes_on & (self._open_run[owner] > 0), self._open_since[owner], ts[np.maximum(begin - 1, 0)]
        )
        since = np.where(batch.head[begin] & ~goes_on, ts[begin], since)
        ended = ts[np.r_[begin[1:], len(ts)] - 1]
        length = np.where(is_run, length, 0)
        last = np.r_[owner[1:] != owner[:-1], True]
        self._open_run[owner[last]], self._open_since[owner[last]] = length[last], since[last]
        who, at = peaks(owner, length)
        better = length[at] > self._best[who]
        who, at = who[better], at[better]
        self._best[who], self._since[who], self._until[who] = length[at], since[at], ended[at]

    def scores(self, now_ms: int) -> Scores:
        """The longest such stretch."""
        raw = np.log(np.where(self._best >= _BACKLOG_LEAST, self._best, 0.7))
        return Scores(
            raw, self._rows >= _ROWS_LEAST, self._since, self._until, self._best, np.ones(len(raw)),
            np.zeros(len(raw), dtype=bool), 0.12,
        )  # fmt: skip


class Conflicts:
    """The same instant delivered twice with different values: one of the two is wrong."""

    kind, rule, column, unit = "conflict", "delivery.conflict", "", "messages"

    def __init__(self, devices: int) -> None:
        self._rows, self._count = np.zeros(devices), np.zeros(devices)
        self._since, self._until = (np.zeros(devices, dtype=np.int64) for _ in range(2))

    def update(self, batch: Batch) -> None:
        """Count contradictions."""
        self._rows += np.bincount(batch.device, minlength=len(self._rows))
        hit = np.flatnonzero(batch.conflict)
        device, ts = batch.device[hit], batch.ts[hit]
        new = np.flatnonzero(self._count[device] == 0)[::-1]
        self._since[device[new]] = ts[new]
        self._until[device] = ts
        self._count += np.bincount(device, minlength=len(self._rows))

    def scores(self, now_ms: int) -> Scores:
        """Any contradiction is certain, unless the whole fleet contradicts itself."""
        rare = float((self._count > 0).mean()) < 0.2
        return Scores(
            np.log(self._count + 0.5), self._rows > 0, self._since, self._until, self._count,
            np.zeros(len(self._count)), (self._count > 0) & rare,
        )  # fmt: skip
