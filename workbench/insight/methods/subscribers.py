"""Fraudulent SIMs from a month of aggregates: who they call, how often again, on which days, from how many handsets."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier

from workbench.insight.arrays import Array
from workbench.insight.methods.learning import log_odds, ranks

NOT_FEATURES = ("user_id", "label")
RULE = {
    "voc_calltype1": 1.0, "imeis": 1.0,
    "phone2opposite_mean": -1.0, "voc_day_nunique": -1.0, "day_nunique": -1.0,
}  # fmt: skip
"""Fraudsters call out to strangers: mostly outgoing calls, many handsets, nobody twice, on few days."""

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


def boosted(known: Array, label: Array, unknown: Array) -> Array:
    """The baseline: gradient boosting as it comes."""
    model = HistGradientBoostingClassifier(random_state=0).fit(known, label)
    return np.asarray(log_odds(model.predict_proba(unknown)[:, 1], 1e-3))


def fraud(known: Array, label: Array, unknown: Array, seeds: int = 3) -> Array:
    """Log odds of fraud: small boosted trees that see a third of the features each, and random trees, averaged.

    The two err on different users; the mean ranks better than either, most of all where fraud is rare.
    """
    total = np.zeros(len(unknown))
    for seed in range(seeds):
        model = HistGradientBoostingClassifier(
            max_iter=300, learning_rate=0.04, l2_regularization=5.0, max_leaf_nodes=12, min_samples_leaf=15,
            max_features=0.3, random_state=seed,
        ).fit(known, label)  # fmt: skip
        total += log_odds(model.predict_proba(unknown)[:, 1], 1e-3) / seeds
    forest = ExtraTreesClassifier(300, max_features=0.3, random_state=0)
    forest.fit(np.nan_to_num(known, nan=-1.0), label)
    return total + log_odds(forest.predict_proba(np.nan_to_num(unknown, nan=-1.0))[:, 1], 1e-3)
