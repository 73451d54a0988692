"""A batch of a stream's deliveries, as detectors read it: sorted once, copies told from readings once.

Devices are small integers, so that state is an array and no detector ever loops over devices.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from workbench.insight.arrays import Array

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True)
class Batch:
    """Deliveries of one stream, sorted by (device, event time, arrival).

    Attributes:
        device: code of the device, 0 .. devices - 1.
        ts, received: event time and arrival [ms since 1970].
        values: numbers by column (float64, NaN where absent).
        words: codes of words by column (int64, -1 where absent): destination, handset, network.
        copy: True for a second delivery of a reading that came before in the batch, same values.
        conflict: True for a second delivery of the same instant that says something else.
    """

    device: Array
    ts: Array
    received: Array
    values: dict[str, Array]
    words: dict[str, Array] = field(default_factory=dict)
    copy: Array = field(default_factory=lambda: np.zeros(0, dtype=bool))
    conflict: Array = field(default_factory=lambda: np.zeros(0, dtype=bool))
    _known: dict[str, tuple[Array, Array, Array]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        device: Array,
        ts: Array,
        received: Array,
        values: dict[str, Array],
        words: dict[str, Array] | None = None,
    ) -> Batch:
        """Sort deliveries and tell copies apart; input in any order."""
        order = _order(device, ts, received)
        device, ts, received = device[order], ts[order], received[order]
        values = {name: np.asarray(value, dtype=np.float64)[order] for name, value in values.items()}
        words = {name: np.asarray(value, dtype=np.int64)[order] for name, value in (words or {}).items()}
        same = np.zeros(len(device), dtype=bool)
        same[1:] = (device[1:] == device[:-1]) & (ts[1:] == ts[:-1])
        twice = np.flatnonzero(same)
        differs = np.zeros(len(twice), dtype=bool)
        for value in values.values():
            left, right = value[twice], value[twice - 1]
            differs |= (left != right) & ~(np.isnan(left) & np.isnan(right))
        conflict = np.zeros(len(device), dtype=bool)
        conflict[twice[differs]] = True
        return cls(device, ts, received, values, words, same & ~conflict, conflict)

    def __len__(self) -> int:
        return len(self.device)

    def prepare(self, pool: Executor) -> None:
        """Work out what detectors share, before several threads ask for it; what does not need each other at once."""
        positions = self.first
        stages: tuple[tuple[Callable[[], object], ...], ...] = (
            (lambda: (self.reading_device, self.head, self.tail), lambda: (self.reading_ts, self.reading_hour)),
            (lambda: self.reading_received, lambda: self.gap_ms, *(partial(self.known, name) for name in self.values)),
        )  # fmt: skip
        for stage in stages if len(positions) else ():
            for one in [pool.submit(part) for part in stage]:
                one.result()

    def known(self, column: str) -> tuple[Array, Array, Array]:
        """Device, event time and value of the readings that have a finite value of a column; worked out once for all rules."""
        found = self._known.get(column)
        if found is None:
            value = self.values[column][self.first]
            there = np.isfinite(value)
            if there.all():
                found = self.reading_device, self.reading_ts, value
            else:
                found = self.reading_device[there], self.reading_ts[there], value[there]
            self._known[column] = found
        return found

    @cached_property
    def first(self) -> Array:
        """Positions of readings: the first delivery of each instant of each device."""
        return np.flatnonzero(~(self.copy | self.conflict))

    @cached_property
    def reading_device(self) -> Array:
        """Device of each reading."""
        return np.asarray(self.device[self.first])

    @cached_property
    def reading_ts(self) -> Array:
        """Event time of each reading [ms]."""
        return np.asarray(self.ts[self.first])

    @cached_property
    def reading_hour(self) -> Array:
        """Hour of each reading since 1970."""
        return np.asarray(self.reading_ts // HOUR_MS)

    @cached_property
    def reading_received(self) -> Array:
        """Arrival of the first delivery of each reading [ms]."""
        return np.asarray(self.received[self.first])

    @cached_property
    def head(self) -> Array:
        """True for the first reading of each device in the batch."""
        device = self.reading_device
        return np.asarray(np.r_[True, device[1:] != device[:-1]]) if len(device) else np.zeros(0, dtype=bool)

    @cached_property
    def tail(self) -> Array:
        """Positions (among readings) of the last reading of each device."""
        return np.flatnonzero(np.r_[self.head[1:], True]) if len(self.head) else np.zeros(0, dtype=int)

    @cached_property
    def gap_ms(self) -> Array:
        """Time since the device's reading before, in this batch; 0 for its first."""
        gap = np.diff(self.reading_ts, prepend=self.reading_ts[:1])
        return np.where(self.head, 0, gap)


def _order(device: Array, ts: Array, received: Array) -> Array | slice:
    """The sort order; nothing is moved when deliveries come sorted, as a lake's sealed hours do."""
    if len(device) < 2:
        return slice(None)
    up = device[1:] > device[:-1]
    level = device[1:] == device[:-1]
    later = (ts[1:] > ts[:-1]) | ((ts[1:] == ts[:-1]) & (received[1:] >= received[:-1]))
    if bool((up | (level & later)).all()):
        return slice(None)
    return np.lexsort((received, ts, device))


def peaks(device: Array, value: Array) -> tuple[Array, Array]:
    """Per device its largest value's first position: (devices, positions). Rows come sorted by device, no NaN."""
    if not len(device):
        return device, np.zeros(0, dtype=int)
    heads = np.flatnonzero(np.r_[True, device[1:] != device[:-1]])
    top = np.maximum.reduceat(value, heads)
    hit = np.flatnonzero(value == np.repeat(top, np.diff(np.r_[heads, len(device)])))
    owner = device[hit]
    first = np.r_[True, owner[1:] != owner[:-1]]
    return owner[first], hit[first]


def tally(device: Array, place: Array, shape: tuple[int, int]) -> Array:
    """Counts by (device, place) as a table; one pass, far faster than adding at indices."""
    return np.bincount(device.astype(np.int64) * shape[1] + place, minlength=shape[0] * shape[1]).reshape(
        shape
    )
