"""Learning from analysts: how good is the ranker after 50 and 100 verdicts the product chose to ask for?"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from workbench.insight.arrays import Array
from workbench.insight.evaluation.bootstrap import ranking_gain
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.measures import average_precision
from workbench.insight.evaluation.result import Measured, need
from workbench.insight.methods import learning, subscribers

FILES = ("telecom_users",)
ROW = "learning from analysts"
ASKED = (50, 100)
_REPEATS = 3


def rows(folder: Folder) -> list[Measured]:
    """AP on users no verdict was asked about; half of the users may be asked about, drawn anew in each repeat."""
    users = folder.read("telecom_users", "user_id", "label")
    label = users.label.to_numpy(dtype=float)
    need(len(label) > 2 * max(ASKED) and 0 < label.sum() < len(label), f"no more than {2 * max(ASKED)} users")
    features = subscribers.features(users)
    ranked = learning.ranks(features)
    prior = subscribers.domain_rule(users)
    rows_ = np.column_stack([ranked, learning.ranks(prior[:, None])])
    figures: dict[int, list[tuple[Array, Array, Array]]] = {count: [] for count in ASKED}
    for repeat in range(_REPEATS):
        order = np.random.default_rng(repeat).permutation(len(label))
        pool, rest = order[: len(order) // 2], order[len(order) // 2 :]
        chosen = _ask(rows_[pool], prior[pool], label[pool], repeat)
        for count in ASKED:
            ours = learning.ranker(rows_[pool[chosen[:count]]], label[pool[chosen[:count]]], rows_[rest])
            drawn = pool[:count]
            plain = HistGradientBoostingClassifier(max_iter=60, min_samples_leaf=5, random_state=0)
            plain.fit(features[drawn], label[drawn])
            figures[count].append((rest, ours, plain.predict_proba(features[rest])[:, 1]))
    return [_measured(count, figures[count], label) for count in ASKED]


def _ask(rows_: Array, prior: Array, truth: Array, seed: int) -> Array:
    """The order in which the product asks; each answer is used before the next ten are chosen."""
    seen = learning.first_cases(prior)
    while len(seen) < max(ASKED):
        count = min(learning.BATCH, max(ASKED) - len(seen))
        seen = np.r_[seen, learning.next_cases(rows_, seen, truth[seen], count, seed)]
    return seen


def _measured(count: int, found: list[tuple[Array, Array, Array]], label: Array) -> Measured:
    ours = [average_precision(label[rest], best) for rest, best, _ in found]
    plain = [average_precision(label[rest], base) for rest, _, base in found]
    gains = [ranking_gain(label[rest], best, base, np.arange(len(rest)), 200) for rest, best, base in found]
    low = float(np.mean([gain[0] for gain in gains if gain[0] is not None]))
    high = float(np.mean([gain[1] for gain in gains if gain[1] is not None]))
    return Measured(
        ROW, f"AP after {count} verdicts", float(np.mean(plain)), float(np.mean(ours)), low, high,
        len(found[0][0]), float(label.mean()),
        note=f"mean of {len(found)} draws, {min(ours):.3f} to {max(ours):.3f}; baseline: {count} random verdicts, boosting",
    )  # fmt: skip
