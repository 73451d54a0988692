"""Stuck-at: the longest run of equal readings, against the sensor's own resolution and its peers'."""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import HOUR_MS, Batch, peaks, tally
from workbench.insight.fleet.scores import Scores

_BINS = 24  # run lengths by powers of the square root of two
_READINGS_LEAST = 24
_PLACE = np.minimum(2 * np.log2(np.maximum(np.arange(4096), 1)), _BINS - 1).astype(np.int64)
_SELDOM_LEAST = 4
_LIVELY = 0.9
_HELD_LEAST_MS = 60_000.0
_SLOW = 0.5  # of a value that moves more often, the count of readings says all
_HELD_SPREAD = 0.04  # a slow value stays in one place equally long on all devices
_GAP_BINS, _GAP_USUAL = 60, 0.995  # gaps by powers of the square root of two, from a second on
_GAPS_SAMPLED = 20_000
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
        self._held = np.zeros(devices, dtype=np.int64)
        self._gaps = np.zeros(_GAP_BINS)
        self.holds = Holds(devices)
        self._added: Batch | None = None

    def update(self, batch: Batch) -> None:
        """Close the runs that ended, keep the longest."""
        device, ts, value = batch.known(self.column)
        if not len(device) or batch is self._added:
            return
        self._added = batch
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
        carried = device[new]
        self._close(carried, self._run[carried])
        last = np.r_[owner[1:] != owner[:-1], True]
        self._close(owner[~last], length[~last])
        self._seen += np.bincount(device, minlength=len(self._seen))
        self._changed += np.bincount(device[moved], minlength=len(self._seen))
        if self.is_slow:
            held = ended - ts[begin] - self._unheard(device, ts, head, begin, goes_on)
            held += np.where(goes_on, self._held[owner] + ts[begin] - self._until[owner], 0)
            self.holds.close(carried, self._begun[carried], self._until[carried], self._held[carried])
            self.holds.close(owner[~last], since[~last], ended[~last], held[~last])
            self._held[owner[last]] = held[last]
        self._keep(owner, length, since, ended)
        self._run[owner[last]], self._begun[owner[last]] = length[last], since[last]
        self._until[owner[last]] = ended[last]
        tail = np.flatnonzero(np.r_[head[1:], True])
        self._last[device[tail]] = value[tail]

    def _unheard(self, device: Array, ts: Array, head: Array, begin: Array, goes_on: Array) -> Array:
        """Of each run, the time in gaps beyond what is usual [ms]: nobody knows what was held in a silence."""
        gap = np.diff(ts, prepend=ts[:1])
        gap[head] = np.where(self._until[device[head]] > 0, ts[head] - self._until[device[head]], 0)
        thin = gap[:: max(1, len(gap) // _GAPS_SAMPLED)]
        thin = thin[thin > 0]
        self._gaps += np.bincount(_bin_of(thin), minlength=len(self._gaps))
        gap[begin[~goes_on]] = 0  # between two runs
        below = np.cumsum(self._gaps) / max(self._gaps.sum(), 1)
        most = 1000.0 * 2.0 ** ((np.argmax(below >= _GAP_USUAL) + 1) / 2)
        long = np.flatnonzero(gap > most) if self._gaps.sum() else np.zeros(0, dtype=int)
        run = np.searchsorted(begin, long, side="right") - 1
        return np.bincount(run, gap[long] - most, len(begin)).astype(np.int64)

    def _close(self, owner: Array, length: Array) -> None:
        real = length > 0
        place = _PLACE[np.minimum(length[real], len(_PLACE) - 1)]
        self._lengths += tally(owner[real], place, self._lengths.shape).astype(np.int32)

    def _keep(self, owner: Array, length: Array, since: Array, ended: Array) -> None:
        who, at = peaks(owner, length)
        longer = length[at] > self._longest[who]
        who, at = who[longer], at[longer]
        self._longest[who], self._since[who], self._ended[who] = length[at], since[at], ended[at]

    @property
    def open_run(self) -> tuple[Array, Array, Array]:
        """First and last reading of the run that each device is in, and how long it lasts [ms]."""
        return self._begun, self._until, self._held

    @property
    def activity(self) -> float:
        """Share of the fleet's readings that differ from the one before."""
        return float(self._changed.sum() / max(self._seen.sum(), 1.0))

    @property
    def is_slow(self) -> bool:
        """Whether the value mostly stays where it was from one reading to the next."""
        return self.activity < _SLOW

    @property
    def enough(self) -> Array:
        """Devices that were seen enough, and have moved."""
        return np.asarray((self._seen >= _READINGS_LEAST) & (self._changed >= 3))

    def scores(self, now_ms: int) -> Scores:
        """The longest run: its chance given how often this sensor moves, and against its own usual longest."""
        fleet = self.activity
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
        enough = self.enough
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


class Holds:
    """How long values were held, the longest and the second longest of each device; only runs that ended."""

    def __init__(self, devices: int) -> None:
        self.longest, self.second, self.since, self.until = (
            np.zeros(devices, dtype=np.int64) for _ in range(4)
        )

    def close(self, owner: Array, since: Array, until: Array, length: Array) -> None:
        """Runs that ended, sorted by device."""
        for _ in range(2):  # the second longest of a device may be in the same batch
            who, at = peaks(owner, length)
            one = length[at]
            self.second[who] = np.maximum(self.second[who], np.minimum(one, self.longest[who]))
            longer = one > self.longest[who]
            to, of = who[longer], at[longer]
            self.longest[to], self.since[to], self.until[to] = length[of], since[of], until[of]
            length = length.copy()
            length[at] = 0


class Held:
    """The same by the clock: the longest time a value was held, against the device's second longest and its peers.

    Of a slow value that is read by chance, such as a battery's, runs are as long as the traffic is dense. How long it stays
    in one place does not depend on that.
    """

    kind, rule, unit = "stuck", "stuck.held", "hours"

    def __init__(self, column: str, devices: int, runs: Stuck | None = None) -> None:
        self.column = column
        self._runs = Stuck(column, devices) if runs is None else runs

    def update(self, batch: Batch) -> None:
        """Take the batch in, unless the count of readings did already."""
        self._runs.update(batch)

    def scores(self, now_ms: int) -> Scores:
        """The longest time, the run that is still open included."""
        holds, (begun, until, held) = self._runs.holds, self._runs.open_run
        is_open = held > holds.longest
        longest = np.where(is_open, held, holds.longest)
        second = np.where(is_open, holds.longest, np.maximum(holds.second, held))
        enough = self._runs.enough & self._runs.is_slow
        peers = float(np.median(longest[enough])) if enough.any() else 0.0
        usual = np.maximum(np.maximum(second, peers), _HELD_LEAST_MS)
        return Scores(
            np.log(np.maximum(longest, 1.0) / usual), enough, np.where(is_open, begun, holds.since),
            np.where(is_open, until, holds.until), longest / HOUR_MS, usual / HOUR_MS, np.zeros(len(usual), dtype=bool),
            _HELD_SPREAD,
        )  # fmt: skip


def _bin_of(gap: Array) -> Array:
    return np.clip(2 * np.log2(np.maximum(gap / 1000.0, 1.0)), 0, _GAP_BINS - 1).astype(np.int64)
