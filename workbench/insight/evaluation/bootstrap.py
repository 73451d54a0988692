"""How sure a gain is: devices are drawn with replacement, both methods are scored on the same draw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.evaluation.measures import Ranking

DRAWS = 400
_SEED = 20_251


def draws(units: int, count: int = DRAWS, seed: int = _SEED) -> Array:
    """How often each unit was drawn, one row per draw."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(units, np.full(units, 1.0 / units), size=count)


def interval(gains: list[float]) -> tuple[float, float]:
    """The middle 95 % of the gains; draws in which nothing could be measured (NaN) do not count."""
    low, high = np.nanquantile(np.asarray(gains), [0.025, 0.975])
    return float(low), float(high)


def paired(
    units: int, gain: Callable[[Array], float], count: int = DRAWS, seed: int = _SEED
) -> tuple[float, float] | tuple[None, None]:
    """Interval of ``gain(times each unit was drawn)``; without two units there is none."""
    if units < 2:
        return None, None
    return interval([gain(times) for times in draws(units, count, seed)])


def ranking_gain(
    label: Array, ours: Array, baseline: Array, unit: Array, count: int = DRAWS
) -> tuple[float, float] | tuple[None, None]:
    """Interval of the gain in average precision, pooled over rows, drawn over units (the device of each row)."""
    names, place = np.unique(unit, return_inverse=True)
    first, second = Ranking(label, ours), Ranking(label, baseline)
    return paired(
        len(names),
        lambda times: (
            first.average_precision(times[place]) - second.average_precision(times[place])
            if (label * times[place]).any()
            else float("nan")  # a draw without any positive measures nothing
        ),
        count,
    )


def mean_gain(ours: Array, baseline: Array, count: int = DRAWS) -> tuple[float, float] | tuple[None, None]:
    """Interval of the gain in a mean over units (one figure per unit)."""
    difference = np.asarray(ours, dtype=float) - np.asarray(baseline, dtype=float)
    return paired(len(difference), lambda times: float((difference * times).sum() / times.sum()), count)
