"""Single streams watched as they come: how far is a reading from what the last day suggests? No look ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.insight.arrays import Array


def windowed_gaussian(values: Array, window: int = 600) -> Array:
    """The simple rule: distance from the mean of the last readings, in their standard deviations."""
    past = pd.Series(values).shift(1).rolling(window, min_periods=20)
    return np.asarray(((values - past.mean()).abs() / (past.std() + 1e-9)).fillna(0.0).clip(0, 50))


def causal(values: Array, season: int = 288, memory: int = 2000) -> Array:
    """How rare the reading's surprise is among the surprises so far.

    Two guesses are made of each reading: the one before, and the same time yesterday; the better one counts. The
    surprise is ranked among the device's own past, and a lasting one counts more than a single one.
    """
    series = pd.Series(values)
    guesses = pd.concat([(series - series.shift(1)).abs(), (series - series.shift(season)).abs()], axis=1)
    level = (series - series.shift(1).rolling(season, min_periods=20).median()).abs()
    surprise = np.log1p(guesses.min(axis=1).fillna(0.0)) + np.log1p(level.fillna(0.0))
    usual = surprise.rolling(memory, min_periods=30)
    z = (surprise - usual.median().shift(1)) / (usual.std().shift(1) + 1e-9)
    short = z.fillna(0.0).ewm(halflife=3).mean()
    quiet = (
        short.rolling(season, min_periods=1).max().shift(1).fillna(0.0)
    )  # an alarm just raised is not raised again
    return np.asarray((short - 0.5 * quiet.clip(lower=0)).clip(-5, 50))
