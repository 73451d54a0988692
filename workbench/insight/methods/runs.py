"""Runs of equal values: is a sensor frozen, judged against its own resolution?

Hours alone say little: a probe with a coarse scale repeats for hours when healthy, and water under ice stays at
0.0 degrees for days. A run is suspicious when it is long for this sensor, long for this *level* of this sensor, at a
level the sensor seldom visits, and entered or left by a jump no healthy reading makes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.insight.arrays import Array

RUN_MIN = 8
"""Shorter runs are not looked at: any sensor repeats itself a few times."""

_NEAR_STEPS = 2.0  # levels this many usual steps apart count as the same level
_ENOUGH = 20  # runs at a level from which its own 99th percentile is trusted
_SHARE_FLOOR = 1e-4


@dataclass(frozen=True)
class Runs:
    """All runs of equal values of one series, in order.

    Attributes:
        start, length: position of the first reading and number of readings.
        level: the value held.
        q99: the 99th percentile of this series' run lengths.
        step: the usual (median non-zero) change between neighbours, 0 when nothing ever changes.
        jump: the larger of the changes on the way in and out, in usual steps.
        readings: how many readings the series has.
    """

    start: Array
    length: Array
    level: Array
    q99: float
    step: float
    jump: Array
    readings: int

    @property
    def activity(self) -> float:
        """Share of readings that differ from the one before."""
        return len(self.start) / max(self.readings, 1)


def runs_of(values: Array) -> Runs:
    """The runs of a series; NaN never equals its neighbour, so gaps end a run."""
    count = len(values)
    if count == 0:
        empty = np.zeros(0)
        return Runs(empty.astype(int), empty.astype(int), empty, 1.0, 0.0, empty, 0)
    start = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    length = np.diff(np.r_[start, count])
    change = np.abs(np.diff(values))
    moved = change[np.isfinite(change) & (change > 0)]
    step = float(np.median(moved)) if len(moved) else 0.0
    into = np.nan_to_num(np.r_[0.0, change[start[1:] - 1]])
    jump = np.maximum(into, np.r_[into[1:], 0.0]) / step if step else np.zeros(len(start))
    return Runs(start, length, values[start], float(np.quantile(length, 0.99)), step, jump, count)


def ratio(runs: Runs) -> Array:
    """Length of each run over the series' own 99th percentile: the plain rule, and the baseline."""
    return np.asarray(runs.length / max(runs.q99, 1.0), dtype=float)


def surprise(runs: Runs, values: Array) -> tuple[Array, Array]:
    """What makes each run suspicious, as log terms that add up.

    Returns: ``(static, tail)``. A run of n readings scores ``static + log n - tail``: ``static`` is known with its
    first reading (how seldom the level is, how far from usual, the jump into it), ``tail`` the log of the
    length that would be unremarkable here.
    """
    finite = values[np.isfinite(values)]
    if not len(finite) or not runs.step:
        return np.zeros(len(runs.start)), np.zeros(len(runs.start))
    middle = float(np.median(finite))
    spread = float(np.median(np.abs(finite - middle))) or runs.step
    far = np.abs(np.nan_to_num(runs.level, nan=middle) - middle) / spread
    usual, share = _at_level(runs)
    static = np.log1p(far) + np.log1p(runs.jump / _large_step(values, runs.step))
    static -= 0.5 * np.log(share + _SHARE_FLOOR)
    return static, np.log(np.maximum(runs.q99, usual))


def score(runs: Runs, values: Array) -> Array:
    """Suspicion of each run; comparable between sensors, since every term is in the sensor's own units."""
    static, tail = surprise(runs, values)
    return np.asarray(static + np.log(runs.length) - tail, dtype=float)


def score_while_running(runs: Runs, values: Array) -> Array:
    """Suspicion at each reading, with the run only as long as it was by then; runs below ``RUN_MIN`` score least."""
    static, tail = surprise(runs, values)
    so_far = np.arange(runs.readings) - np.repeat(runs.start, runs.length) + 1
    spread = np.repeat(static - tail, runs.length) + np.log(so_far)
    return np.where(so_far >= RUN_MIN, spread, -50.0 + 1e-6 * so_far)


def _large_step(values: Array, step: float) -> float:
    """A large but healthy change, in usual steps."""
    change = np.abs(np.diff(values))
    moved = change[np.isfinite(change) & (change > 0)]
    return float(np.quantile(moved, 0.99)) / step if len(moved) else 1.0


def _at_level(runs: Runs) -> tuple[Array, Array]:
    """For each long run: the usual longest run near its level, and the share of all readings spent there, itself left out."""
    order = np.argsort(runs.level, kind="stable")
    level, length = runs.level[order], runs.length[order]
    usual, share = np.ones(len(order)), np.zeros(len(order))
    for place in np.flatnonzero(length >= RUN_MIN):
        reach = _NEAR_STEPS * runs.step
        low, high = np.searchsorted(level, [level[place] - reach, level[place] + reach])
        others = np.delete(length[low:high], place - low) if low <= place < high else length[low:high]
        if len(others):
            longest = np.quantile(others, 0.99) if len(others) > _ENOUGH else others.max()
            usual[order[place]] = max(1.0, float(longest))
            share[order[place]] = others.sum() / runs.readings
    return usual, share
