"""Devices about to fail: error counters that begin to move, and batteries that will be empty soon."""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import DAY_MS, Batch
from workbench.insight.fleet.scores import Scores, nothing

_DAYS_LEAST = 4
_DAYS_KEPT = 60
_EMPTY = 0.1  # of a full scale that begins at zero, such as percent
_EMPTY_VOLTS = 0.8  # of the fleet's fullest, for voltages
_SOON_DAYS = 60.0


class _Daily:
    """One figure per device and day, NaN where nothing was read."""

    def __init__(self, column: str, devices: int) -> None:
        self.column, self._devices = column, devices
        self._days: dict[int, Array] = {}

    def _add(self, batch: Batch, largest: bool) -> None:
        value = batch.values[self.column][batch.first]
        known = np.isfinite(value) & (value >= 0)
        device, ts, value = batch.reading_device[known], batch.reading_ts[known], value[known]
        better = np.fmax if largest else np.fmin
        for day in np.unique(ts // DAY_MS):
            mine = ts // DAY_MS == day
            found = np.full(self._devices, np.nan)
            heads = np.flatnonzero(np.r_[True, device[mine][1:] != device[mine][:-1]])
            reduced = np.maximum if largest else np.minimum
            found[device[mine][heads]] = reduced.reduceat(value[mine], heads)
            before = self._days.get(int(day))
            self._days[int(day)] = found if before is None else better(before, found)
        for old in sorted(self._days)[:-_DAYS_KEPT]:
            del self._days[old]

    def _table(self) -> tuple[Array, Array]:
        days = sorted(self._days)
        return np.array(days, dtype=np.int64), np.array([self._days[day] for day in days]).T.reshape(
            self._devices, -1
        )


class Errors(_Daily):
    """One error counter (or count of errors): that it moved in the last week says more than how high it stands."""

    kind, rule, unit = "failing", "failing.errors", "errors in a week"

    def update(self, batch: Batch) -> None:
        """Keep each day's largest value."""
        self._add(batch, largest=True)

    def scores(self, now_ms: int) -> Scores:
        """The worst week: how much the counter rose, and on how many days, against the device's other weeks."""
        days, value = self._table()
        if len(days) < _DAYS_LEAST:
            return nothing(self._devices)
        carried = _carried(value)
        rise = np.clip(np.nan_to_num(np.diff(carried, axis=1)), 0, None)
        width = min(7, rise.shape[1])
        week = np.lib.stride_tricks.sliding_window_view(rise, width, axis=1)
        total, moved = week.sum(axis=2), (week > 0).sum(axis=2)
        odd = np.log1p(total) + 0.5 * moved
        at = odd.shape[1] - 1 - odd[:, ::-1].argmax(axis=1)  # of equal weeks the latest
        rows = np.arange(self._devices)
        usual = np.median(total, axis=1)
        raw = odd[rows, at] - np.log1p(usual)
        return Scores(
            raw, np.isfinite(value).sum(axis=1) >= _DAYS_LEAST, days[at] * DAY_MS, (days[at + width] + 1) * DAY_MS - 1,
            total[rows, at], usual, np.zeros(self._devices, dtype=bool), 0.7,
        )  # fmt: skip


class Battery(_Daily):
    """A battery: the day on which it will be empty, by the slope of its last weeks."""

    kind, rule, unit = "failing", "failing.battery", "days left"

    def update(self, batch: Batch) -> None:
        """Keep each day's lowest value."""
        self._add(batch, largest=False)

    def scores(self, now_ms: int) -> Scores:
        """How soon it is empty, and how sure the slope is; a battery that does not fall is not judged by its level."""
        days, value = self._table()
        if len(days) < _DAYS_LEAST or not np.isfinite(value).any():
            return nothing(self._devices)
        left, slope, sure = self._left(days, value)
        soon = np.isfinite(left) & (slope < 0) & (sure > 3.0)
        fleet = float(np.median(left[soon])) if soon.any() else _SOON_DAYS
        raw = np.where(soon, np.log(np.maximum(max(fleet, _SOON_DAYS) / np.maximum(left, 0.5), 1e-3)), -1.0)
        last = np.where(np.isfinite(value), days, 0).max(axis=1)
        first = np.where(np.isfinite(value), days, days[-1]).min(axis=1)
        return Scores(
            raw, np.isfinite(value).sum(axis=1) >= _DAYS_LEAST, first * DAY_MS, np.maximum(last, first) * DAY_MS + DAY_MS - 1,
            np.where(soon, left, 1e4), np.full(self._devices, fleet), np.zeros(self._devices, dtype=bool), 0.5,
        )  # fmt: skip

    def _left(self, days: Array, value: Array) -> tuple[Array, Array, Array]:
        """Days left until empty, slope a day, and slope in its standard errors."""
        known = np.isfinite(value)
        count = np.maximum(known.sum(axis=1), 1)
        x = (days - days[-1]).astype(float)
        mean_x = (known * x).sum(axis=1) / count
        mean_y = np.nansum(value, axis=1) / count
        away = np.where(known, x - mean_x[:, None], 0.0)
        spread = np.maximum((away**2).sum(axis=1), 1e-9)
        slope = (away * np.nan_to_num(value - mean_y[:, None])).sum(axis=1) / spread
        rest = np.where(known, value - mean_y[:, None] - slope[:, None] * away, 0.0)
        error = np.sqrt((rest**2).sum(axis=1) / np.maximum(count - 2, 1) / spread)
        now = mean_y - slope * mean_x
        full = float(np.nanquantile(value, 0.99))
        empty = full * (_EMPTY if full <= 100.0 else _EMPTY_VOLTS)
        with np.errstate(divide="ignore", invalid="ignore"):
            left = np.where(slope < 0, np.maximum(now - empty, 0.0) / -slope, np.inf)
        return left, slope, np.abs(slope) / np.maximum(error, 1e-3 * np.abs(slope) + 1e-12)


def _carried(value: Array) -> Array:
    """The last known value where nothing was read."""
    place = np.where(np.isfinite(value), np.arange(value.shape[1]), 0)
    return np.asarray(np.take_along_axis(value, np.maximum.accumulate(place, axis=1), axis=1))
