"""Event recall and delay when false alerts are limited: one threshold for the whole fleet.

Alerts of one device nearer than a day are one alert; an alert that touches a labelled event is true. Counts are kept
per device and threshold, so that drawing devices again for an interval costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.insight.arrays import Array

_THRESHOLDS = 60
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Watched:
    """One device's scores and labels in time order."""

    ts: Array
    score: Array
    label: Array


@dataclass(frozen=True)
class Curve:
    """Per device (row) and threshold (column): false alerts and events hit; per device: days and events."""

    thresholds: Array
    false: Array
    hit: Array
    delay: list[list[list[float]]]
    days: Array
    events: Array

    def at_budget(
        self, per_device_days: float = 30.0, times: Array | None = None
    ) -> tuple[float, float, float, int]:
        """The lowest threshold that keeps to one false alert per device and ``per_device_days``.

        Returns: event recall, false alerts per device and ``per_device_days``, median delay [h] (NaN: no hit), the
        threshold's position (-1: even the highest breaks the budget).
        """
        mass = np.ones(len(self.days)) if times is None else times
        false, days = mass @ self.false, float(mass @ self.days)
        over = np.flatnonzero(false > days / per_device_days)
        place = int(over[0]) - 1 if len(over) else len(self.thresholds) - 1
        if place < 0:
            return 0.0, 0.0, float("nan"), -1
        recall = float(mass @ self.hit[:, place]) / max(float(mass @ self.events), 1.0)
        delays = [late for device in self.delay for late in device[place]]
        middle = float(np.median(delays)) if delays else float("nan")
        return recall, float(false[place]) / days * per_device_days, middle, place

    def false_at(self, recall: float, per_device_days: float = 30.0, times: Array | None = None) -> float:
        """False alerts per device and ``per_device_days`` at the strictest threshold with this event recall (or best)."""
        mass = np.ones(len(self.days)) if times is None else times
        reached = mass @ self.hit / max(float(mass @ self.events), 1.0)
        there = np.flatnonzero(reached >= min(recall, float(reached.max())) - 1e-12)
        return float(mass @ self.false[:, there[0]]) / max(float(mass @ self.days), 1e-9) * per_device_days


def curve(devices: list[Watched]) -> Curve:
    """Count at sixty thresholds, from the strictest on."""
    every = np.concatenate([device.score for device in devices])
    levels = np.unique(np.quantile(every, 1 - np.geomspace(1e-5, 0.5, _THRESHOLDS)))[::-1]
    counted = [[_count(device, level) for level in levels] for device in devices]
    return Curve(
        thresholds=levels,
        false=np.array([[one[0] for one in row] for row in counted], dtype=float),
        hit=np.array([[one[1] for one in row] for row in counted], dtype=float),
        delay=[[one[2] for one in row] for row in counted],
        days=np.array([(device.ts[-1] - device.ts[0]) / _DAY for device in devices], dtype=float),
        events=np.array([len(segments(device.label)) for device in devices], dtype=float),
    )


def segments(flag: Array) -> list[tuple[int, int]]:
    """Stretches of true flags as [start, end)."""
    edge = np.diff(np.r_[0, np.asarray(flag, dtype=int), 0])
    return list(zip(np.flatnonzero(edge == 1).tolist(), np.flatnonzero(edge == -1).tolist(), strict=True))


def _count(device: Watched, level: float) -> tuple[int, int, list[float]]:
    alert = np.flatnonzero(device.score >= level)
    if not len(alert):
        return 0, 0, []
    delays = []
    for begin, end in segments(device.label):
        low, high = np.searchsorted(alert, [begin, end])
        if high > low:
            delays.append(float((device.ts[alert[low]] - device.ts[begin]) / np.timedelta64(1, "h")))
    outside = device.ts[alert[device.label[alert] == 0]]
    false = 1 + int((np.diff(outside) > _DAY).sum()) if len(outside) else 0
    return false, len(delays), delays
