"""Fraudulent SIMs from a month of aggregates: who they call, how often again, on which days, from how many handsets."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neural_network import MLPClassifier

from workbench.insight.arrays import Array
from workbench.insight.methods import trees
from workbench.insight.methods.learning import ranks

NOT_FEATURES = ("user_id", "label")
RULE = {
    "voc_calltype1": 1.0, "imeis": 1.0,
    "phone2opposite_mean": -1.0, "voc_day_nunique": -1.0, "day_nunique": -1.0,
}  # fmt: skip
"""Fraudsters call out to strangers: mostly outgoing calls, many handsets, nobody twice, on few days."""

_SHARES = np.linspace(0.0, 1.0, 129)
_NET_WEIGHT = 0.5
_MANY = 1_000  # users from which six hundred trees have something to learn

_RATIOS = {
    "new_callee_share": ("opposite_unique", "opposite_count"),
    "busiest_hour_share": ("voc_hour_mode_count", "opposite_count"),
    "busiest_day_share": ("voc_day_mode_count", "opposite_count"),
    "calls_per_day": ("opposite_count", "voc_day_nunique"),
    "sms_per_call": ("sms_count", "opposite_count"),
    "bill_range": ("arpu_max", "arpu_min"),
    "data_per_bill": ("flow_sum", "arpu_sum"),
    "handsets_per_month": ("imeis", "month_ids"),
    "sms_days_per_call_day": ("day_nunique", "voc_day_nunique"),
    "bill_unrest": ("arpu_sem", "arpu_mean"),
}


def features(users: pd.DataFrame) -> Array:
    """All aggregates, and ratios of them that mean the same for a heavy and a light user."""
    plain = users.drop(columns=[name for name in NOT_FEATURES if name in users])
    known = {
        name: plain[top] / (plain[below] + 1.0)
        for name, (top, below) in _RATIOS.items()
        if top in plain and below in plain
    }
    empty = pd.DataFrame({"zeros": (plain == 0).sum(axis=1), "missing": plain.isna().sum(axis=1)})
    return pd.concat([plain, pd.DataFrame(known, index=plain.index), empty], axis=1).to_numpy(dtype=float)


def domain_rule(users: pd.DataFrame) -> Array:
    """Suspicion without any label: the sum of ranks in ``RULE``; also the prior from which learning starts."""
    named = [name for name in RULE if name in users]
    ranked = ranks(users[named].to_numpy(dtype=float))
    return np.asarray(ranked @ np.array([RULE[name] for name in named]))


def fit_plain(known: Array, label: Array) -> dict[str, Array]:
    """The baseline: gradient boosting as it comes."""
    return trees.of_boosting([HistGradientBoostingClassifier(random_state=0).fit(known, label)])


def fit(known: Array, label: Array, seeds: int = 2) -> dict[str, Array]:
    """Many small boosted trees that see a seventh of the features each, and a small net on ranks.

    The two err on different users; where one user in a hundred is a fraudster the net keeps the top of the list clean.

    Returns: plain arrays for ``score``.
    """
    boosted = [
        HistGradientBoostingClassifier(
            max_iter=600 if len(known) >= _MANY else 60, learning_rate=0.025, l2_regularization=10.0,
            max_leaf_nodes=8, min_samples_leaf=10, max_features=0.15, random_state=seed,
        ).fit(known, label)
        for seed in range(seeds)
    ]  # fmt: skip
    found = {f"trees/{name}": value for name, value in trees.of_boosting(boosted).items()}
    return found | {f"net/{name}": value for name, value in _fit_net(known, label).items()}


def score(model: Mapping[str, Array], rows: Array) -> Array:
    """Log odds of fraud by the arrays of ``fit`` or ``fit_plain``."""
    if "root" in model:
        return trees.raw_score(model, rows)
    part = {name.removeprefix("trees/"): v for name, v in model.items() if name.startswith("trees/")}
    net = {name.removeprefix("net/"): v for name, v in model.items() if name.startswith("net/")}
    return np.asarray(trees.raw_score(part, rows) + _NET_WEIGHT * _net(net, rows))


def _fit_net(known: Array, label: Array, seeds: int = 3) -> dict[str, Array]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # columns that are always absent; stopping at a fixed number of rounds is meant
        usual = np.nan_to_num(np.nanquantile(known, _SHARES, axis=0).T)
        rows = _as_normal(usual, known)
        nets = [
            MLPClassifier((48,), alpha=3.0, max_iter=60, random_state=seed).fit(rows, label)
            for seed in range(seeds)
        ]
    return {
        "usual": usual, "first": np.stack([net.coefs_[0] for net in nets]),
        "first_bias": np.stack([net.intercepts_[0] for net in nets]), "second": np.stack([net.coefs_[1] for net in nets]),
        "second_bias": np.stack([net.intercepts_[1] for net in nets]),
    }  # fmt: skip


def _net(model: Mapping[str, Array], rows: Array) -> Array:
    """Mean log odds of the nets."""
    normal = _as_normal(model["usual"], rows)
    hidden = np.maximum(
        np.einsum("rf,sfh->srh", normal, model["first"]) + model["first_bias"][:, None, :], 0.0
    )
    odds = np.einsum("srh,sho->sr", hidden, model["second"]) + model["second_bias"]
    return np.asarray(np.clip(odds, -7.0, 7.0).mean(axis=0))


def _as_normal(usual: Array, rows: Array) -> Array:
    """Each feature by its rank among the users learned from, on the normal scale; 0 where absent."""
    out = np.zeros(rows.shape)
    for column in range(rows.shape[1]):
        low = np.searchsorted(usual[column], rows[:, column], side="left")
        high = np.searchsorted(usual[column], rows[:, column], side="right")
        out[:, column] = norm.ppf(np.clip((low + high) / 2 / len(_SHARES), 0.002, 0.998))
    return np.where(np.isfinite(rows), out, 0.0)
