"""Learning from an analyst's verdicts: which cases to show him, and the ranker made of his answers.

With a few dozen answers a forest of random trees and a straight line, both on ranks, do better than boosting; and
answers chosen for doubt and difference are worth twice as many as answers drawn at random.
"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression

from workbench.insight.arrays import Array

FIRST = 20
"""Cases of the first round: spread evenly over the prior's order, so that both ends and the middle are seen."""

BATCH = 10
_DOUBTFUL = 60  # of these most doubtful cases the most different ones are shown


def ranks(features: Array) -> Array:
    """Each feature as the share of rows below it, missing ones in the middle; the prior's scale-free input."""
    out = np.empty(features.shape)
    for column in range(features.shape[1]):
        value = features[:, column]
        known = np.isfinite(value)
        ordered = np.sort(value[known])
        low = np.searchsorted(ordered, value, side="left")
        high = np.searchsorted(ordered, value, side="right")
        out[:, column] = np.where(known, (low + high + 1) / 2 / max(len(ordered), 1), 0.5)
    return out


def log_odds(chance: Array, floor: float = 0.01) -> Array:
    """Log odds of a probability, kept finite."""
    return np.asarray(np.log((chance + floor) / (1 + floor - chance)))


def ranker(known: Array, verdicts: Array, unknown: Array, seed: int = 0, trees: int = 200) -> Array:
    """Suspicion of ``unknown`` rows learned from verdicts (1 confirmed, 0 benign) on ``known`` rows of ranks."""
    if len(np.unique(verdicts)) < 2:
        return np.zeros(len(unknown))
    forest = ExtraTreesClassifier(trees, max_features="sqrt", random_state=seed).fit(known, verdicts)
    line = LogisticRegression(C=0.3, max_iter=300).fit(known - 0.5, verdicts)
    first = log_odds(forest.predict_proba(unknown)[:, 1])
    return np.asarray(first + 0.5 * log_odds(line.predict_proba(unknown - 0.5)[:, 1]))


def first_cases(prior: Array) -> Array:
    """Positions to show first."""
    order = np.argsort(prior, kind="stable")
    return np.unique(order[np.linspace(0, len(order) - 1, min(FIRST, len(order))).astype(int)])


def next_cases(rows: Array, seen: Array, verdicts: Array, count: int = BATCH, seed: int = 0) -> Array:
    """Positions to show next: the most doubtful ones, and among them the most different from all seen and each other."""
    rest = np.setdiff1d(np.arange(len(rows)), seen)
    if len(np.unique(verdicts)) < 2:
        doubt = np.random.default_rng([seed, len(seen)]).random(len(rest))
    else:
        forest = ExtraTreesClassifier(100, max_features="sqrt", random_state=seed).fit(rows[seen], verdicts)
        doubt = -np.abs(forest.predict_proba(rows[rest])[:, 1] - 0.5)
    doubtful = rest[np.argsort(-doubt, kind="stable")[:_DOUBTFUL]]
    far = _squared(rows[doubtful], rows[seen]).min(axis=1)
    chosen: list[int] = []
    for _ in range(min(count, len(doubtful))):
        place = int(np.argmax(far))
        chosen.append(int(doubtful[place]))
        far = np.minimum(far, _squared(rows[doubtful], rows[doubtful[place]][None])[:, 0])
        far[place] = -1.0
    return np.array(chosen, dtype=int)


def _squared(left: Array, right: Array) -> Array:
    return np.asarray(((left[:, None, :] - right[None, :, :]) ** 2).sum(axis=2))
