"""Fraudulent SIMs: all users, and the same users weighted so that one in a hundred is a fraudster."""

from __future__ import annotations

import numpy as np

from workbench.insight import stored
from workbench.insight.arrays import Array
from workbench.insight.evaluation.bootstrap import paired, ranking_gain
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.folds import held_out
from workbench.insight.evaluation.learned import Learner, Task
from workbench.insight.evaluation.measures import Ranking, average_precision
from workbench.insight.evaluation.result import Measured, need
from workbench.insight.methods import subscribers

FILES = ("telecom_users",)
ROW = "fraudulent SIM"
_RARE = 0.01


def task(folder: Folder) -> Task:
    """Users as rows: aggregates and ratios for ours, plain aggregates for the baseline."""
    users = folder.read("telecom_users", "user_id", "label", *subscribers.RULE)
    label = users.label.to_numpy(dtype=float)
    need(label.sum() >= 5 and (label == 0).sum() >= 5, "fewer than five users of each kind")
    plain = np.asarray(users.drop(columns=list(subscribers.NOT_FEATURES)).to_numpy(dtype=float))
    return Task(
        "fraud", subscribers.features(users), plain, label, stored.fingerprints(plain),
        (Learner(subscribers.fit, subscribers.score), Learner(subscribers.fit_plain, subscribers.score)),
        lambda: held_out(label, np.arange(len(label))), "five folds over users",
    )  # fmt: skip


def rows(folder: Folder) -> list[Measured]:
    """AP as recorded; AP and precision at k where fraud is 1 % (k = as many as there would be fraudsters)."""
    asked = task(folder)
    label = asked.label
    ours, base, how = asked.scores()
    rule = subscribers.domain_rule(folder.read("telecom_users"))
    unit = np.arange(len(label))
    result = []
    for name, other in (("boosting", base), ("the domain rule", rule)):
        low, high = ranking_gain(label, ours, other, unit)
        result.append(
            Measured(ROW, f"AP, against {name}", average_precision(label, other), average_precision(label, ours),
                     low, high, len(label), float(label.mean()), note=how)
        )  # fmt: skip
    for name, other in (("boosting", base), ("the domain rule", rule)):
        result += _rare(label, ours, other, name)
    return result


def _rare(label: Array, ours: Array, base: Array, name: str) -> list[Measured]:
    """Every user counts, fraudsters with the weight that makes them one in a hundred: no luck of a thin draw."""
    good, bad = float((label == 0).sum()), float((label == 1).sum())
    weight = np.where(label == 1, good / bad * _RARE / (1 - _RARE), 1.0)
    count = max(1, round(good * _RARE / (1 - _RARE)))
    first, second = Ranking(label, ours), Ranking(label, base)

    def precision(ranked: Ranking, mass: Array) -> float:
        return ranked.precision_at(count, mass)

    result = []
    for what, measure in (("AP", Ranking.average_precision), (f"precision at {count}", precision)):
        low, high = paired(
            len(label),
            lambda times, m=measure: m(first, weight * times) - m(second, weight * times),  # type: ignore[misc]
        )
        result.append(
            Measured(ROW, f"{what} at 1 % fraud, against {name}", measure(second, weight), measure(first, weight), low,
                     high, len(label), _RARE, note="fraudsters weighted down to 1 %")
        )  # fmt: skip
    return result
