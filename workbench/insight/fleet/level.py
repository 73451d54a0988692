"""Spikes and sentinel values: readings far outside the range in which a device and its peers live."""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import Batch, peaks
from workbench.insight.fleet.classes import Classes
from workbench.insight.fleet.samples import Samples
from workbench.insight.fleet.scores import Scores

SENTINELS = (-9999.0, -999.0, -99.0, -32768.0, -2147483648.0)
"""What loggers write for "no data": never a measurement."""

_READINGS_LEAST = 12
_SELDOM_LEAST = 4  # readings of a device that is judged by its peers' range
_PEERS_LEAST = 20
_SPREAD_LEAST, _SPREAD_SELDOM = 0.12, 0.27
_NEAR = 0.5  # ranges: closer to the range than this, one reading is as good as another
_OUTSIDE = 0.5  # ranges beyond the usual range from which a reading belongs to the episode
_BEYOND = 1.0  # and from which it is counted
_EVERYBODY = 0.05
_FAR = 12.0  # ranges outside that need no statistics, where hardly a peer comes near
_SENTINEL_MOST = max(SENTINELS)
_NEGATIVE_SHARE = 1e-3
_DEVICE_SHARE = 0.25  # a device's own range counts at least this share of its peers'


_Taken = tuple[Array, Array, Array | None]
"""Codes for "no data", distances in ranges, and the usual size of each reading's class."""


class _Worst:
    """The worst reading of each device so far, and the span of those outside."""

    def __init__(self, devices: int) -> None:
        self.far, self.value, self.size = (
            np.full(devices, -np.inf),
            np.full(devices, np.nan),
            np.ones(devices),
        )
        self._at, self._since, self._until = (np.zeros(devices, dtype=np.int64) for _ in range(3))
        self.count, self._outside = (np.zeros(devices, dtype=np.int64) for _ in range(2))

    def keep(self, device: Array, far: Array, value: Array, ts: Array, size: Array | None) -> None:
        """Rows sorted by device and time; those beyond half a range are outside."""
        who, at = peaks(device, far)
        worse = far[at] > self.far[who]
        who, at = who[worse], at[worse]
        self.far[who], self.value[who], self._at[who] = far[at], value[at], ts[at]
        if size is not None:
            self.size[who] = size[at]
        out = np.flatnonzero(far > _OUTSIDE)
        device, ts = device[out], ts[out]
        new = np.flatnonzero(self._outside[device] == 0)[::-1]
        self._since[device[new]] = ts[new]
        self._until[device] = ts
        self._outside += np.bincount(device, minlength=len(self.count))
        self.count += np.bincount(device[far[out] > _BEYOND], minlength=len(self.count))

    @property
    def span(self) -> tuple[Array, Array]:
        """First and last reading outside; the worst one where none was."""
        out = self._outside > 0
        return np.where(out, self._since, self._at), np.where(out, self._until, self._at)


class Ranges:
    """Where each device's readings of a column live; the rules that look outside share one."""

    def __init__(self, devices: int, classes: Classes | None = None) -> None:
        self._samples = Samples(devices)
        self._classes = classes
        self._measured, self._negative = 0, 0
        self._added: Batch | None = None
        self._answer: _Taken | None = None
        self._now: tuple[Array, Array, Array] | None = None

    @property
    def seen(self) -> Array:
        """Readings of each device that were measurements."""
        return self._samples.seen

    @property
    def peers_known(self) -> bool:
        """Whether there are enough devices to say where one that speaks seldom should live."""
        return int((self.seen > 0).sum()) >= _PEERS_LEAST

    @property
    def never_negative(self) -> bool:
        """Whether hardly any measurement of the fleet is below zero."""
        return self._negative <= _NEGATIVE_SHARE * self._measured

    def take(self, batch: Batch, device: Array, value: Array) -> _Taken:
        """Which of a batch's readings are codes for "no data", and how far each lies outside.

        What a device did before this batch says more than a batch that may itself be full of bad readings.
        """
        if batch is self._added and self._answer is not None:
            return self._answer
        low = np.flatnonzero(value <= _SENTINEL_MOST)
        code = np.zeros(len(value), dtype=bool)
        code[low] = np.isin(value[low], SENTINELS)
        size = self._classes.sizes(batch, value) if self._classes else None
        value = value if size is None else value / size
        measured = (device, value) if not code.any() else (device[~code], value[~code])
        self._measured += len(measured[1])
        self._negative += int((measured[1] < 0).sum())
        before, known_before = self.now(), self.seen >= _READINGS_LEAST
        self._samples.add(*measured)
        self._now = None
        low_, high, width = (
            np.where(known_before, old, new) for old, new in zip(before, self.now(), strict=True)
        )
        far = np.maximum(value - high[device], low_[device] - value) / width[device]
        self._added, self._answer = batch, (code, far, size)
        return self._answer

    def now(self) -> tuple[Array, Array, Array]:
        """10th and 90th percentile and their distance, per device, leaning on the fleet's where that is wider."""
        if self._now is None:
            self._now = self._range()
        return self._now

    def _range(self) -> tuple[Array, Array, Array]:
        low, high = self._samples.quantiles(0.1, 0.9)
        width = high - low
        known = np.isfinite(width)
        fleet = float(np.median(width[known])) if known.any() else 1.0
        magnitude = float(np.median(np.abs(high[known]))) if known.any() else 1.0
        few = self._samples.seen < _READINGS_LEAST
        if known.sum() >= _PEERS_LEAST:  # a device seen seldom lives where its peers live
            low = np.where(few, np.quantile(low[known], 0.05), low)
            high = np.where(few, np.quantile(high[known], 0.95), high)
            width = np.where(few, high - low, width)
        least = max(_DEVICE_SHARE * fleet, 0.02 * magnitude, 1e-9)
        return np.nan_to_num(low), np.nan_to_num(high), np.maximum(np.nan_to_num(width), least)


class Level:
    """One numeric column: ``kind`` spike looks for far values, ``kind`` sentinel for codes that mean "no data"."""

    def __init__(
        self,
        column: str,
        devices: int,
        kind: str = "spike",
        of_steps: bool = False,
        ranges: Ranges | None = None,
    ) -> None:
        self.column, self.kind, self.rule, self.unit = column, kind, f"level.{kind}", column
        self._of_steps = of_steps  # of a register, what was added since the reading before
        self._last = np.full(devices, np.nan)
        self._ranges = Ranges(devices) if ranges is None else ranges
        self._worst = _Worst(devices)
        self._heard = np.zeros(devices, dtype=np.int64)

    def update(self, batch: Batch) -> None:
        """Measure each reading's distance from the range, in ranges."""
        device, ts, value = batch.known(self.column)
        if not len(device):
            return
        if self._of_steps:
            head = np.r_[True, device[1:] != device[:-1]]
            before = np.r_[np.nan, value[:-1]]
            before[head] = self._last[device[head]]
            tail = np.flatnonzero(np.r_[head[1:], True])
            self._last[device[tail]] = value[tail]
            step = np.where(value >= before, value - before, np.nan)  # a fall is the register's own matter
            device, ts, value = (part[np.isfinite(step)] for part in (device, ts, step))
        self._heard[batch.reading_device[batch.tail]] = batch.reading_ts[batch.tail]
        code, far, size = self._ranges.take(batch, device, value)
        if self.kind == "spike":
            return self._worst.keep(device, far, value, ts, size)
        candidate = np.flatnonzero(code)
        if not len(candidate) or len(candidate) > _EVERYBODY * len(value):  # then it is a measurement
            return
        device, ts, value, far = (part[candidate] for part in (device, ts, value, far))
        size = None if size is None else size[candidate]
        if self._ranges.never_negative:
            # What is never negative does not become -9999, however wide its range is.
            far = np.maximum(far, np.where(value < 0, np.nextafter(_OUTSIDE, 1), 0.0))
        out = far > _OUTSIDE
        self._worst.keep(device[out], far[out], value[out], ts[out], None if size is None else size[out])

    def scores(self, now_ms: int) -> Scores:
        """The worst reading; a sentinel value needs no statistics."""
        worst = self._worst
        low, high, _ = self._ranges.now()
        expected = np.where(worst.value > high * worst.size, high, low) * worst.size
        seen = np.isfinite(worst.far)
        sentinel = np.full(len(worst.far), self.kind == "sentinel") & seen
        raw = (
            np.log(np.maximum(_NEAR + worst.far, _NEAR / 4)) if self.kind == "spike" else np.zeros(len(seen))
        )
        alone = worst.far > max(_FAR, 4.0 * float(np.quantile(np.where(seen, worst.far, 0.0), 0.9)))
        enough = self._ranges.seen >= _READINGS_LEAST
        if self._ranges.peers_known:  # peers say where a device that speaks seldom should live
            enough |= (self._ranges.seen >= _SELDOM_LEAST) | (worst.count > 0)
        seldom = np.median(self._ranges.seen) < _READINGS_LEAST
        since, until = worst.span
        return Scores(
            raw, enough | alone, since, until, np.nan_to_num(worst.value), np.nan_to_num(expected), sentinel | alone,
            _SPREAD_SELDOM if seldom else _SPREAD_LEAST,
        )  # fmt: skip

    @property
    def readings_out(self) -> Array:
        """How many readings of each device lay outside: a spike is a few, more is something else."""
        return self._worst.count

    @property
    def goes_on(self) -> Array:
        """Devices whose last reading lay outside: a spike comes back, what runs away does not."""
        return np.asarray((self._worst.count > 1) & (self._worst.span[1] >= self._heard))
