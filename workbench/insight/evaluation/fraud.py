"""Fraudulent SIMs: all users, and a population in which one user in a hundred is a fraudster."""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.evaluation.bootstrap import DRAWS, interval, ranking_gain
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.folds import held_out
from workbench.insight.evaluation.measures import average_precision, precision_at
from workbench.insight.evaluation.result import Measured
from workbench.insight.methods import subscribers

FILES = ("telecom_users",)
ROW = "fraudulent SIM"
_RARE = 0.01


def rows(folder: Folder) -> list[Measured]:
    """AP on users held out in turn; AP and precision at k where fraud is 1 % (k = as many as there are fraudsters)."""
    users = folder.read("telecom_users", "user_id", "label", *subscribers.RULE)
    label, features = users.label.to_numpy(dtype=float), subscribers.features(users)
    plain = np.asarray(users.drop(columns=list(subscribers.NOT_FEATURES)).to_numpy(dtype=float))
    ours, base, rule = np.zeros(len(label)), np.zeros(len(label)), subscribers.domain_rule(users)
    for learn, score in held_out(label, np.arange(len(label))):
        ours[score] = subscribers.fraud(features[learn], label[learn], features[score])
        base[score] = subscribers.boosted(plain[learn], label[learn], plain[score])
    low, high = ranking_gain(label, ours, base, np.arange(len(label)))
    rule_low, rule_high = ranking_gain(label, ours, rule, np.arange(len(label)))
    return [
        Measured(ROW, "AP, against boosting", average_precision(label, base), average_precision(label, ours), low, high,
                 len(label), float(label.mean()), note="five folds over users; baseline: gradient boosting as it comes"),
        Measured(ROW, "AP, against the domain rule", average_precision(label, rule), average_precision(label, ours),
                 rule_low, rule_high, len(label), float(label.mean())),
        *_rare(label, ours, base, "boosting"),
        *_rare(label, ours, rule, "the domain rule"),
    ]  # fmt: skip


def _rare(label: Array, ours: Array, base: Array, name: str) -> list[Measured]:
    """Draw users again and thin the fraudsters to one in a hundred; both methods on the same draw."""
    good, bad = np.flatnonzero(label == 0), np.flatnonzero(label == 1)
    count = max(1, round(len(good) * _RARE / (1 - _RARE)))
    generator = np.random.default_rng(11)
    figures = []
    for _ in range(DRAWS):
        drawn = np.r_[generator.choice(good, len(good)), generator.choice(bad, count)]
        truth = label[drawn]
        figures.append(
            [average_precision(truth, s[drawn]) for s in (base, ours)]
            + [precision_at(truth, s[drawn], count) for s in (base, ours)]
        )
    seen = np.array(figures)
    return [
        Measured(ROW, f"{what} at 1 % fraud, against {name}", float(seen[:, at].mean()), float(seen[:, at + 1].mean()),
                 *interval((seen[:, at + 1] - seen[:, at]).tolist()), len(label), _RARE)
        for what, at in (("AP", 0), (f"precision at {count}", 2))
    ]  # fmt: skip
