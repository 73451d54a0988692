"""A SIM in strange company: rare destinations, another handset, more traffic, and hours nobody else keeps."""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import DAY_MS, HOUR_MS, Batch
from workbench.insight.fleet.scores import Scores

_ROWS_LEAST = 12
_RESTLESS = 0.02  # spread of a healthy device's counts beyond chance


class Rare:
    """One column of words (destination, handset). What a device says that few others do, and since when."""

    kind = "compromised"

    def __init__(self, column: str, devices: int, aspect: str) -> None:
        self.column, self.rule, self.unit = column, f"company.{aspect}", "sharing it"
        self._rows = np.zeros(devices)
        self._key = np.zeros(0, dtype=np.int64)
        self._count, self._first, self._last = (np.zeros(0, dtype=np.int64) for _ in range(3))

    def update(self, batch: Batch) -> None:
        """Count each (device, word) pair."""
        word = batch.words[self.column][batch.first]
        known = word >= 0
        device, ts = batch.reading_device[known], batch.reading_ts[known]
        self._rows += np.bincount(device, minlength=len(self._rows))
        key = device.astype(np.int64) << 32 | word[known]
        keys, place, count = np.unique(key, return_inverse=True, return_counts=True)
        first = np.full(len(keys), np.iinfo(np.int64).max)
        last = np.zeros(len(keys), dtype=np.int64)
        np.minimum.at(first, place, ts)
        np.maximum.at(last, place, ts)
        every = np.concatenate((self._key, keys))
        self._key, where = np.unique(every, return_inverse=True)
        self._count = np.bincount(where, np.concatenate((self._count, count))).astype(np.int64)
        merged_first = np.full(len(self._key), np.iinfo(np.int64).max)
        merged_last = np.zeros(len(self._key), dtype=np.int64)
        np.minimum.at(merged_first, where, np.concatenate((self._first, first)))
        np.maximum.at(merged_last, where, np.concatenate((self._last, last)))
        self._first, self._last = merged_first, merged_last

    def scores(self, now_ms: int) -> Scores:
        """A device's second word, by how few others use it; what everybody has of his own is no news."""
        owner, word = self._key >> 32, self._key & 0xFFFFFFFF
        devices = len(self._rows)
        sharing = np.bincount(word, minlength=1)[word] if len(word) else np.zeros(0)
        order = np.lexsort((-self._first, owner))  # a device's oldest word last
        oldest = np.zeros(devices, dtype=np.int64)
        oldest[owner[order]] = order
        later = np.ones(len(owner), dtype=bool)
        later[oldest[owner]] = False
        seldom = (sharing <= max(1.0, 0.02 * devices)) & later
        having = np.bincount(owner[seldom], minlength=devices) > 0
        share = max(float(having.mean()), 1.0 / max(devices, 1))
        best = np.zeros(devices, dtype=np.int64)
        best[owner[seldom]] = np.flatnonzero(seldom)
        raw = np.where(having, np.log1p(-np.log(share)), np.log(0.5))
        if not len(owner):
            best, first, last, common = best, np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1)
        else:
            first, last, common = self._first, self._last, sharing
        return Scores(
            raw, self._rows >= 2, np.where(having, first[best], 0), np.where(having, last[best], 0),
            np.where(having, common[best], 0.0), np.full(devices, float(devices)), having & (share < 0.05),
        )  # fmt: skip

    def word_of(self, device: int, since_ms: int) -> int:
        """Code of the word a device began to use at an instant; -1 when there is none."""
        hit = np.flatnonzero(((self._key >> 32) == device) & (self._first == since_ms))
        return int(self._key[hit[0]] & 0xFFFFFFFF) if len(hit) else -1


class Volume:
    """One numeric column summed by day: a day with many times what this device usually moves."""

    kind, rule = "compromised", "company.volume"

    def __init__(self, column: str, devices: int) -> None:
        self.column, self.unit = column, column
        self._devices = devices
        self._days: dict[int, Array] = {}
        self._readings = np.zeros(devices)

    def update(self, batch: Batch) -> None:
        """Add to the day's sums; negative values mean "no data" and add nothing."""
        value = batch.values[self.column][batch.first]
        known = np.isfinite(value) & (value >= 0)
        device, day, value = batch.reading_device[known], batch.reading_ts[known] // DAY_MS, value[known]
        self._readings += np.bincount(device, minlength=self._devices)
        for one in np.unique(day):
            mine = day == one
            count = np.bincount(device[mine], minlength=self._devices)
            total = np.bincount(device[mine], value[mine], minlength=self._devices)
            known_total, known_count = self._days.get(int(one), np.zeros((2, self._devices)))
            self._days[int(one)] = np.stack((known_total + total, known_count + count))

    def scores(self, now_ms: int) -> Scores:
        """Mean per reading on the three largest days against the quieter days: one spike does not move three days."""
        days = sorted(self._days)
        if not days:
            zero = np.zeros(self._devices, dtype=np.int64)
            none = np.zeros(self._devices, dtype=bool)
            return Scores(np.full(self._devices, -np.inf), none, zero, zero, zero * 1.0, zero * 1.0, none)
        total, count = np.array([self._days[day] for day in days]).transpose(1, 2, 0)
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        fleet = np.nanmedian(mean)
        ordered = np.sort(np.where(np.isnan(mean), fleet, mean), axis=1)
        high = ordered[:, -min(3, len(days))]
        usual = 0.5 * np.sqrt(np.maximum(ordered[:, len(days) // 5], 1e-9) * max(fleet, 1e-9)) + 0.5 * fleet
        over = np.nan_to_num(mean) >= np.maximum(high[:, None] * 0.8, 1e-9)
        days_ms = np.array(days, dtype=np.int64) * DAY_MS
        since = days_ms[over.argmax(axis=1)]
        until = days_ms[len(days) - 1 - over[:, ::-1].argmax(axis=1)] + DAY_MS - 1
        raw = np.log(np.maximum(high / usual, 1e-6))
        return Scores(
            raw,
            self._readings >= _ROWS_LEAST,
            since,
            until,
            high,
            usual,
            np.zeros(self._devices, dtype=bool),
            0.2,
        )


class Hours:
    """How many messages come in the hours of the night: an intruder keeps hours the fleet does not."""

    kind, rule, column, unit = "compromised", "company.hours", "", "messages"

    def __init__(self, devices: int) -> None:
        self._count = np.zeros((devices, 24))
        self._begun = np.full(devices, np.iinfo(np.int64).max)
        self._last = np.zeros(devices, dtype=np.int64)

    def update(self, batch: Batch) -> None:
        """Count readings by hour of day."""
        device, ts = batch.reading_device, batch.reading_ts
        key = device.astype(np.int64) * 24 + ts // HOUR_MS % 24
        self._count += np.bincount(key, minlength=self._count.size).reshape(self._count.shape)
        np.minimum.at(self._begun, device[batch.head], ts[batch.head])
        np.maximum.at(self._last, device[batch.tail], ts[batch.tail])

    def scores(self, now_ms: int) -> Scores:
        """The hour of day with the largest excess over what the peers' day and this device's quiet hours suggest."""
        fleet = np.median(self._count / np.maximum(self._count.mean(axis=1, keepdims=True), 1e-9), axis=0)
        fleet = (fleet + 0.1) / (fleet + 0.1).mean()
        level = np.quantile(self._count / fleet, 0.4, axis=1)
        typical = float(np.median(level))
        level = (level + 0.2 * typical)[:, None]
        expected = level * fleet + 0.5
        wide = expected + 1.0
        more = np.maximum(self._count - wide, 0.0)
        # Busy days differ by more than chance: the surprise of a count is damped where counts are large.
        excess = (self._count * np.log(np.maximum(self._count, 1e-9) / wide) - self._count + wide) * (
            more > 0
        )
        excess = excess / (1.0 + _RESTLESS * wide)
        at = excess.argmax(axis=1)
        rows = np.arange(len(at))
        raw = excess[rows, at]
        seen = self._count.sum(axis=1) >= _ROWS_LEAST
        since = np.where(seen, np.minimum(self._begun, self._last), 0)
        return Scores(
            raw,
            seen,
            since,
            self._last,
            self._count[rows, at],
            expected[rows, at],
            np.zeros(len(at), dtype=bool),
        )
