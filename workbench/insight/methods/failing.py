"""Devices about to fail: error counters that began to move, day by day.

How high a counter stands says little: some devices live for years with a high one. That it moved in the last week, and
how often, says most. Fewer than a hundred failures are known, so the model is a straight line, held back.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from workbench.insight.arrays import Array

AHEAD_DAYS = 7
"""A day counts as bad when the device fails on it or within this many days after."""


def features(days: pd.DataFrame, counters: list[str]) -> pd.DataFrame:
    """What is known of each device at the end of each day.

    Args:
        days: one row per device and day, sorted by both: ``device`` and the counters.

    Returns: per counter the log of today's rise, of the largest rise of the week, and how many of the last 7 and 30
    days saw a rise. Rows in the order of ``days``.
    """
    device = days["device"]
    found: dict[str, pd.Series] = {}
    for counter in counters:
        rise = days.groupby("device", sort=False)[counter].diff().clip(lower=0).fillna(0.0)
        found[f"{counter}_rise"] = np.log1p(rise)
        found[f"{counter}_rise_7d"] = np.log1p(_rolling(rise, device, 7, "max"))
        moved = (rise > 0).astype(float)
        found[f"{counter}_moves_7d"] = _rolling(moved, device, 7, "sum")
        found[f"{counter}_moves_30d"] = np.log1p(_rolling(moved, device, 30, "sum"))
    return pd.DataFrame(found, index=days.index)


def ever_and_week(days: pd.DataFrame, counters: list[str]) -> pd.DataFrame:
    """The baseline's features: has the counter ever been seen, and its largest value of the last seven days."""
    found: dict[str, pd.Series] = {}
    for counter in counters:
        found[f"{counter}_ever"] = (days.groupby("device", sort=False)[counter].cummax() > 0).astype(float)
        found[f"{counter}_max_7d"] = np.log1p(_rolling(days[counter], days["device"], 7, "max"))
    return pd.DataFrame(found, index=days.index)


def _rolling(values: pd.Series, device: pd.Series, window: int, how: str) -> pd.Series:
    rolled = values.groupby(device, sort=False).rolling(window, min_periods=1).agg(how)
    return rolled.reset_index(level=0, drop=True).reindex(values.index)


def soon(days: pd.DataFrame) -> Array:
    """1 on days at most ``AHEAD_DAYS`` before a device's failure; needs ``failure`` and a daily ``date``."""
    failed = days.loc[days["failure"] == 1].groupby("device")["date"].max()
    left = (days["device"].map(failed) - days["date"]).dt.days
    return ((left >= 0) & (left <= AHEAD_DAYS)).to_numpy(dtype=float)


def fit(known: Array, truth: Array, strength: float = 0.05) -> dict[str, Array]:
    """A held-back straight line on standardised features, as plain arrays for ``score``."""
    middle, width = known.mean(axis=0), known.std(axis=0)
    width = np.where(width > 0, width, 1.0)
    line = LogisticRegression(C=strength, max_iter=500, class_weight="balanced")
    line.fit((known - middle) / width, truth)
    return {"middle": middle, "width": width, "slope": line.coef_[0], "level": line.intercept_}


def fit_plain(known: Array, truth: Array) -> dict[str, Array]:
    """The baseline's line, hardly held back."""
    return fit(known, truth, 1.0)


def score(model: Mapping[str, Array], rows: Array) -> Array:
    """Log odds that a device fails soon."""
    return np.asarray((rows - model["middle"]) / model["width"] @ model["slope"] + model["level"][0])


def terms(model: Mapping[str, Array], rows: Array) -> Array:
    """What each feature adds to a row's log odds, compared with the mean device: the largest is the reason."""
    return np.asarray((rows - model["middle"]) / model["width"] * model["slope"])
