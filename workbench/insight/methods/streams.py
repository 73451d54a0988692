"""Single streams watched as they come: how far is a reading from what the last day suggests? No look ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.insight.arrays import Array


def windowed_gaussian(values: Array, window: int = 600) -> Array:
    """The simple rule: distance from the mean of the last readings, in their standard deviations."""
    past = pd.Series(values).shift(1).rolling(window, min_periods=20)
    return np.asarray(((values - past.mean()).abs() / (past.std() + 1e-9)).fillna(0.0).clip(0, 50))


def far_from_middle(values: Array) -> Array:
    """The trivial rule, looking at the whole series: distance from its median."""
    return (
        np.nan_to_num(np.abs(values - np.nanmedian(values)))
        if np.isfinite(values).any()
        else np.zeros(len(values))
    )


def odd_windows(values: Array, width: int = 100) -> Array:
    """How odd is the stretch around each reading, among all stretches of the series? Looks at the whole series.

    All windows are laid on their principal axes, each axis in its own spread, so that a small departure from a rigid
    pattern weighs as much as a large one from a loose pattern; a reading gets the mean of the windows over it.
    """
    series = pd.Series(np.asarray(values, dtype=float)).interpolate(limit_direction="both").to_numpy()
    width = min(width, len(series) // 4)
    if width < 2 or not np.isfinite(series).all() or np.ptp(series) == 0:
        return np.zeros(len(series))
    windows = np.lib.stride_tricks.sliding_window_view((series - series.mean()) / series.std(), width)
    away = (windows - windows.mean(axis=0)) / (windows.std(axis=0) + 1e-6)
    size, axes = np.linalg.eigh(away.T @ away / len(away))
    size = np.maximum(size, 1e-6 * size.max())
    odd = np.r_[0.0, np.cumsum(((away @ axes) ** 2 / size).sum(axis=1))]
    place = np.arange(len(series))
    first, last = np.maximum(place - width + 1, 0), np.minimum(place, len(away) - 1) + 1
    return np.asarray((odd[last] - odd[first]) / (last - first))


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
