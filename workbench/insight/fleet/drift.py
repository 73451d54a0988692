"""Drift: a device's daily distance from its peers, against the days it kept with them. Never against its own past alone."""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import DAY_MS, HOUR_MS, Batch
from workbench.insight.fleet.classes import Classes
from workbench.insight.fleet.scores import Scores

_DAYS_LEAST = 4
_OF_DAY = 0.25
_PER_HOUR = 4_000  # readings that set an hour's middle and spread of the fleet
_FAR = 8.0  # spreads: a spike or a sentinel value is no drift
_READINGS_TRUSTED = 20.0  # of an hour; the spread of fewer leans on the usual hour's
_NOISE_LEAST = (
    0.05  # spreads: what a longer day or a brighter week does to a device that differs from its peers
)
_OF_USUAL = 0.05  # no hour is believed to be quieter than this share of the usual one


class Drift:
    """One numeric column. Each reading counts as its distance from the fleet's middle in that hour, in spreads of that hour.

    By night lamps agree to a few lux and by day to thousands: one scale for both would see a drift in neither.
    """

    kind, rule, unit = "drift", "drift.peers", "spreads of its peers"

    def __init__(self, column: str, devices: int, classes: Classes | None = None) -> None:
        self.column = column
        self._devices, self._classes = devices, classes
        self._total: dict[int, Array] = {}
        self._count: dict[int, Array] = {}
        self._scale: list[float] = []

    def update(self, batch: Batch) -> None:
        """Add the hour's distances to the day's sums."""
        device, ts, value = batch.known(self.column)
        if not len(device):
            return
        size = self._classes.sizes(batch, value) if self._classes else None
        value = value if size is None else value / size
        hour = ts // HOUR_MS
        low = int(hour.min())
        place = hour - low
        middle, spread = self._hours(place, value)
        away = value - middle[place]
        away = np.clip(away / spread[place], -_FAR, _FAR)
        day = ts // DAY_MS
        for one in np.unique(day):
            mine = day == one
            total = np.bincount(device[mine], weights=away[mine], minlength=self._devices)
            count = np.bincount(device[mine], minlength=self._devices)
            self._total[int(one)] = self._total.get(int(one), 0.0) + total
            self._count[int(one)] = self._count.get(int(one), 0) + count

    def _hours(self, place: Array, value: Array) -> tuple[Array, Array]:
        """Middle and spread of the fleet in each hour of a batch, by some of its readings."""
        hours = int(place.max()) + 1
        stride = max(1, len(value) // (_PER_HOUR * hours))
        thin_place, thin = place[::stride], value[::stride]
        order = np.argsort(thin_place, kind="stable")
        edges = np.searchsorted(thin_place[order], np.arange(hours + 1))
        ordered = thin[order]
        middle, spread, count = np.zeros(hours), np.zeros(hours), np.diff(edges)
        for at in np.flatnonzero(count):
            part = ordered[edges[at] : edges[at + 1]]
            middle[at] = np.median(part)
            spread[at] = np.median(np.abs(part - middle[at]))
        self._scale.append(float(np.median(np.abs(thin - middle[thin_place]))))
        usual = max(float(np.median(self._scale)), 1e-9)
        spread = (count * spread + _READINGS_TRUSTED * usual) / (count + _READINGS_TRUSTED)
        return middle, np.maximum(spread, _OF_USUAL * usual)

    def scores(self, now_ms: int) -> Scores:
        """The largest sustained distance of two neighbouring days from the device's usual day."""
        days = sorted(self._total)
        count = np.array([self._count[day] for day in days], dtype=float).T.reshape(self._devices, -1)
        if len(days) < _DAYS_LEAST:
            zero = np.zeros(self._devices, dtype=np.int64)
            return Scores(
                np.full(self._devices, -np.inf), np.zeros(self._devices, dtype=bool), zero, zero,
                zero.astype(float), zero.astype(float), np.zeros(self._devices, dtype=bool),
            )  # fmt: skip
        total = np.array([self._total[day] for day in days]).T
        with np.errstate(invalid="ignore", divide="ignore"):
            # A day of which only its edge was seen says nothing of the day.
            whole = count >= _OF_DAY * _quiet(np.nanmedian, np.where(count > 0, count, np.nan))[:, None]
            daily = np.where((count > 0) & whole, total / count, np.nan)
        pair = (daily[:, 1:] + daily[:, :-1]) / 2
        known = np.isfinite(pair)
        top, bottom = np.where(known, pair, -np.inf), np.where(known, pair, np.inf)
        at, low = top.argmax(axis=1), bottom.argmin(axis=1)
        rows = np.arange(self._devices)
        worst = np.where(known.any(axis=1), top[rows, at] - bottom[rows, low], 0.0)
        bend = (
            np.abs(daily[:, 2:] - 2 * daily[:, 1:-1] + daily[:, :-2]) / 2.45
        )  # a steady drift does not bend
        noise = _quiet(np.nanmedian, bend)
        seen = np.isfinite(noise)
        fleet = float(np.median(noise[seen])) if seen.any() else 1.0
        noise = np.nan_to_num(noise, nan=fleet) * 0.5 + 0.5 * fleet + _NOISE_LEAST
        days_ms = np.array(days, dtype=np.int64) * DAY_MS
        rose = at > low
        at, signed = np.where(rose, at, low), np.where(rose, worst, -worst)
        return Scores(
            worst / noise, (count > 0).sum(axis=1) >= _DAYS_LEAST,
            np.minimum(days_ms[at], days_ms[np.minimum(at, low)]), days_ms[at + 1] + DAY_MS - 1, signed, np.zeros(self._devices),
            np.zeros(self._devices, dtype=bool),
        )  # fmt: skip


def _quiet(reduce: object, table: Array) -> Array:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # devices without a day are NaN, and stay so
        return np.asarray(reduce(table, axis=1))  # type: ignore[operator]
