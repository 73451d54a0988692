"""Silence by hours: hours in which peers spoke and this device did not, each weighed by how sure it was to speak.

Messages come in clumps: a trip of forty messages that was not driven is one surprise and not forty. An hour counts as
``-log(1 - chance)``, the chance that this device speaks in it. What the peers did in that very hour sets the chance, so that
nights, weekends and an outage of the whole fleet are no silence of a device; the device's own habit at that hour of day
moves it.
"""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import HOUR_MS, Batch, peaks, tally
from workbench.insight.fleet.scores import Scores

_HOURS_LEAST = 4  # hours with a message; the rest is borrowed from the peers
_PRIOR_ACTIVE = 6.0  # hours' worth of the peers' liveliness that a device starts from
_STEPS = 4
_PRIOR_DAYS = 5.0  # days' worth of the peers' habit at an hour of day


class Quiet:
    """Deliveries of a stream, hour by hour."""

    kind, rule, column, unit = "silent", "silence.hours", "", "hours"

    def __init__(self, devices: int) -> None:
        self._first, self._last = (np.full(devices, -1, dtype=np.int64) for _ in range(2))  # hours
        self._last_ts = np.zeros(devices, dtype=np.int64)
        self._spoke = np.zeros((devices, 24), dtype=np.int32)
        self._begun = -1  # the first hour that anything was heard of
        self._active, self._known = (
            np.zeros(0),
            np.zeros(0),
        )  # per hour: devices that spoke, devices there are
        self._worst = np.zeros(devices)
        self._gap = np.zeros((2, devices), dtype=np.int64)  # first and last quiet hour of the worst gap
        self._gap_ms = np.zeros((2, devices), dtype=np.int64)

    def update(self, batch: Batch) -> None:
        """Note who spoke in which hour, and the gaps that ended."""
        device, ts, hour = batch.reading_device, batch.reading_ts, batch.reading_hour
        if not len(device):
            return
        before = np.r_[np.int64(-1), hour[:-1]]
        before[batch.head] = self._last[device[batch.head]]
        before = np.maximum(before, self._last[device])
        new = np.flatnonzero(hour > before)  # a straggler opens no new hour
        owner, at, since = device[new], hour[new], before[new]
        heads = device[batch.head]
        self._first[heads] = np.where(self._first[heads] < 0, hour[batch.head], self._first[heads])
        self._note(at)
        self._spoke += tally(owner, at % 24, self._spoke.shape).astype(np.int32)
        known = np.flatnonzero((since >= 0) & (at > since + 1))
        if len(known):
            clock = np.r_[0.0, np.cumsum(self._weights())]
            low, high = since[known] + 1 - self._begun, at[known] - self._begun
            quiet = clock[high] - clock[np.maximum(low, 0)]
            who, place = peaks(owner[known], quiet)
            worse = quiet[place] > self._worst[who]
            who, place = who[worse], known[place[worse]]
            self._worst[who] = quiet[np.searchsorted(known, place)]
            self._gap[:, who] = since[place] + 1, at[place] - 1
            row = new[place]
            last = np.where(batch.head[row], self._last_ts[device[row]], ts[np.maximum(row - 1, 0)])
            self._gap_ms[:, who] = last, ts[row]
        tails = device[batch.tail]
        later = hour[batch.tail] >= self._last[tails]
        self._last[tails[later]] = hour[batch.tail][later]
        self._last_ts[tails] = np.maximum(self._last_ts[tails], ts[batch.tail])

    def _note(self, hour: Array) -> None:
        """Count who spoke by hour of the calendar."""
        if not len(hour):
            return
        low, high = int(hour.min()), int(hour.max())
        if self._begun < 0:
            self._begun = low
        if low < self._begun:
            early = np.zeros(self._begun - low)
            self._active, self._known = np.r_[early, self._active], np.r_[early, self._known]
            self._begun = low
        more = high - self._begun + 1 - len(self._active)
        if more > 0:
            self._active, self._known = (
                np.r_[self._active, np.zeros(more)], np.r_[self._known, np.zeros(more)],
            )  # fmt: skip
        self._active += np.bincount(hour - self._begun, minlength=len(self._active))
        self._known[low - self._begun :] = float((self._first >= 0).sum())

    def _share(self) -> Array:
        """Of the devices there were, how many spoke in each hour; never all of them."""
        return np.asarray(np.minimum(self._active / (self._known + 2.0), 1.0 - 1.0 / (self._known + 2.0)))

    def _weights(self) -> Array:
        return np.asarray(-np.log1p(-self._share()))

    def scores(self, now_ms: int) -> Scores:
        """The worst gap, the open one up to ``now_ms`` included, weighed by the device's own habits."""
        devices = len(self._last)
        heard = self._last >= 0
        clock = np.r_[0.0, np.cumsum(self._weights())]
        if len(clock) < 2:
            zero = np.zeros(devices)
            return Scores(
                np.full(devices, -np.inf), heard & False, self._gap_ms[0], self._gap_ms[1], zero, zero, heard & False
            )  # fmt: skip
        end = min(now_ms // HOUR_MS, self._begun + len(clock) - 1)  # the hour that runs is not over
        begin = np.where(heard, self._last + 1, self._begun)
        is_open = clock[np.maximum(end - self._begun, 0)] - clock[
            np.minimum(begin - self._begun, len(clock) - 1)
        ] > np.maximum(self._worst, 1e-9)
        low = np.where(is_open, begin, self._gap[0])
        high = np.where(is_open, end - 1, self._gap[1])
        since = np.where(is_open, self._last_ts, self._gap_ms[0])
        until = np.where(is_open, np.maximum(now_ms, since), self._gap_ms[1])
        quiet = (is_open | (self._worst > 0)) & heard
        nats, rate = self._weighed(np.where(quiet, low, self._begun), np.where(quiet, high, self._begun - 1))
        return Scores(
            np.where(quiet, nats, 0.0), self._spoke.sum(axis=1) >= _HOURS_LEAST, np.where(quiet, since, 0),
            np.where(quiet, until, 0), np.where(quiet, (until - since) / HOUR_MS, 0.0), 1.0 / np.maximum(rate, 1e-9),
            np.zeros(devices, dtype=bool),
        )  # fmt: skip

    def _weighed(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Surprise [nats] of each device's quiet hours low .. high, and its active hours per hour outside them."""
        share = self._share()
        of_day = (self._begun + np.arange(len(share))) % 24
        by_hour = of_day[:, None] == np.arange(24)
        weights = np.vstack([np.zeros(24), np.cumsum(by_hour * self._weights()[:, None], axis=0)])
        expected = np.vstack([np.zeros(24), np.cumsum(by_hour * share[:, None], axis=0)])
        hours = np.vstack([np.zeros(24), np.cumsum(by_hour, axis=0)])
        first = np.maximum(self._first - self._begun, 0)
        last = np.maximum(np.maximum(self._last, high) - self._begun + 1, first)
        inside = (low - self._begun, high - self._begun + 1)

        def outside(table: Array) -> Array:
            return np.asarray(table[last] - table[first] - (table[inside[1]] - table[inside[0]]))

        watched, usual = outside(hours), outside(expected)
        active = self._spoke.sum(axis=1) + _PRIOR_ACTIVE
        lively = active / (usual.sum(axis=1) + _PRIOR_ACTIVE)
        peers = weights[-1] / np.maximum(hours[-1], 1)  # mean weight by hour of day
        for _ in range(_STEPS):  # how much livelier than its peers, so that it comes to the hours it spoke in
            lively *= active / (-(np.expm1(-lively[:, None] * peers) * watched).sum(axis=1) + _PRIOR_ACTIVE)
        prior = -np.expm1(-lively[:, None] * peers)
        chance = (self._spoke + _PRIOR_DAYS * prior) / (np.maximum(watched, self._spoke) + _PRIOR_DAYS)
        own = -np.log1p(-np.minimum(chance, 1.0 - 1e-6)) / np.maximum(peers, 1e-9)
        gap = weights[inside[1]] - weights[inside[0]]
        rate = self._spoke.sum(axis=1) / np.maximum(watched.sum(axis=1), 1.0)
        # How lively a device is was learned from few hours: the chance of so quiet a stretch over all that it may be.
        return active * np.log1p((own * gap).sum(axis=1) / active), rate
