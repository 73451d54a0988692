"""Consumption that is not as usual: an hour-of-week profile for those without labels, value changes for those with.

Real consumption anomalies are mostly meters that stop or report too little, so a fall counts more than a rise, and a
reading that repeats where the profile moves counts as well.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from workbench.insight.arrays import Array
from workbench.insight.methods import trees

LAGS = (1, 2, 3, 24, 48, 168)
_FALL = 1.5  # a fall below the profile weighs this much more than a rise
_WEEK = 168


def profile(meter: pd.DataFrame) -> pd.DataFrame:
    """Distance of each hour from the meter's own week, its level followed over seven days.

    Args:
        meter: one meter's ``ts`` and ``value``, hourly, in time order.

    Returns: ``z`` (signed robust distance), ``plain`` (the baseline: distance without level or hourly spread), ``run``
    (log of how long the value has not moved), ``weekly`` (log ratio to what was expected).
    """
    value = meter["value"]
    slot = (meter["ts"].dt.day_of_week * 24 + meter["ts"].dt.hour).to_numpy()
    usual = value.groupby(slot).transform("median")
    away = value - usual
    level = away.rolling(_WEEK, center=True, min_periods=24).median().fillna(0.0)
    rest = away - level
    middle = float(value.median())
    spread = (
        rest.abs().groupby(slot).transform("median") + 0.5 * float(rest.abs().median()) + 1e-3 * middle + 1e-6
    )
    run = value.groupby((value != value.shift()).cumsum()).transform("size")
    floor = 0.01 * middle + 1e-9
    expected = (usual + level).clip(lower=floor)
    return pd.DataFrame(
        {
            "z": rest / spread,
            "plain": away.abs() / max(float(away.abs().median()), 1e-6),
            "run": np.log(run.astype(float)),
            "weekly": np.log((value + floor) / expected).clip(-8, 8),
        },
        index=meter.index,
    ).fillna(0.0)


def suspicion(found: pd.DataFrame) -> Array:
    """Suspicion of each hour without any label."""
    z = found["z"]
    near = z.abs().rolling(5, center=True, min_periods=2).median().fillna(0.0)
    fall, rise = np.log1p((-z).clip(lower=0)), np.log1p(z.clip(lower=0))
    return np.asarray(_FALL * fall + rise + np.log1p(near) + found["run"])


def lags(meter: pd.DataFrame) -> pd.DataFrame:
    """The published winner's features: changes against the hours, days and week before and after, and the clock."""
    value = meter["value"]
    width = float(value.quantile(0.9) - value.quantile(0.1)) + 1e-6
    found = {f"before_{lag}": (value - value.shift(lag)) / width for lag in LAGS}
    found |= {f"after_{lag}": (value - value.shift(-lag)) / width for lag in LAGS}
    return pd.DataFrame(
        found | {"hour": meter["ts"].dt.hour, "day": meter["ts"].dt.day_of_week}, index=meter.index
    )


def features(meter: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """All that a trained model sees: value changes, the profile, and the days around."""
    value = meter["value"]
    width = float(value.quantile(0.9) - value.quantile(0.1)) + 1e-6
    middle, far = float(value.median()), found["z"].abs()
    day = value.rolling(24, center=True, min_periods=6)
    wide = value.rolling(25, center=True, min_periods=6)
    return lags(meter).assign(
        z=found["z"], far=far, run=found["run"], weekly=found["weekly"], zero=(value == 0).astype(float),
        level=(value - middle) / width, day_mean=(day.mean() - middle) / width, day_spread=day.std() / width,
        far_day=far.rolling(24, center=True, min_periods=6).median(),
        far_near=far.rolling(5, center=True, min_periods=2).median(),
        below=(wide.max() - value) / width, above=(value - wide.min()) / width,
    )  # fmt: skip


def fit(known: Array, label: Array) -> dict[str, Array]:
    """Small boosted trees that see part of the features each, as plain arrays for ``score``."""
    model = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.05, max_leaf_nodes=12, l2_regularization=5.0, min_samples_leaf=60,
        max_features=0.4, random_state=0,
    )  # fmt: skip
    return trees.of_boosting([model.fit(known, label)])


def fit_plain(known: Array, label: Array) -> dict[str, Array]:
    """The baseline: boosting as it comes."""
    return trees.of_boosting([HistGradientBoostingClassifier(random_state=0).fit(known, label)])


def score(model: Mapping[str, Array], rows: Array) -> Array:
    """Log odds of an anomaly, kept within what so few buildings can say."""
    return np.asarray(np.clip(trees.raw_score(model, rows), -6.9, 6.9))
