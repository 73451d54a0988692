"""Measures for detectors and forecasts: ranking, precision at k, probabilities.

Average precision with the prevalence beside it, precision for one analyst's day, Brier, calibration error, pinball
and coverage. Point-adjusted F1 is not here: a random score reaches 0.9 with it.
"""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array


class Ranking:
    """Labels in the order of a score, so that average precision under many sets of weights costs one sort.

    Args:
        label: 0 or 1 per row.
        score: higher is more suspicious; equal scores share a threshold.
    """

    def __init__(self, label: Array, score: Array) -> None:
        self.order = np.argsort(-np.asarray(score, dtype=float), kind="stable")
        ranked = np.asarray(score, dtype=float)[self.order]
        self._last = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])
        self._label = np.asarray(label, dtype=float)[self.order]

    def average_precision(self, weight: Array | None = None) -> float:
        """Step-wise average precision; 0 when nothing is positive."""
        mass = np.ones(len(self.order)) if weight is None else np.asarray(weight, dtype=float)[self.order]
        hits = np.cumsum(self._label * mass)[self._last]
        seen = np.cumsum(mass)[self._last]
        if not len(hits) or hits[-1] <= 0:
            return 0.0
        precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
        return float(np.sum(precision * np.diff(np.r_[0.0, hits / hits[-1]])))

    def precision_at(self, k: float, weight: Array | None = None) -> float:
        """Share of true ones among the most suspicious rows that weigh ``k`` together."""
        mass = np.ones(len(self.order)) if weight is None else np.asarray(weight, dtype=float)[self.order]
        before = np.r_[0.0, np.cumsum(mass)[:-1]]
        taken = np.clip(k - before, 0.0, mass)
        return float((taken * self._label).sum() / max(float(taken.sum()), 1e-12))


def average_precision(label: Array, score: Array) -> float:
    """Average precision of one score."""
    return Ranking(label, score).average_precision()


def precision_at(label: Array, score: Array, k: int) -> float:
    """Share of true ones among the k most suspicious."""
    best = np.argsort(-np.asarray(score, dtype=float), kind="stable")[:k]
    return float(np.asarray(label, dtype=float)[best].mean()) if len(best) else 0.0


def brier(label: Array, chance: Array) -> float:
    """Mean squared error of a probability."""
    return float(np.mean((np.asarray(chance, dtype=float) - np.asarray(label, dtype=float)) ** 2))


def calibration_error(label: Array, chance: Array, bins: int = 10) -> float:
    """Expected calibration error: mean gap between promised and seen shares, by tenths of probability."""
    label, chance = np.asarray(label, dtype=float), np.asarray(chance, dtype=float)
    place = np.clip((chance * bins).astype(int), 0, bins - 1)
    return float(
        sum(
            abs(chance[place == one].mean() - label[place == one].mean()) * float((place == one).mean())
            for one in range(bins)
            if (place == one).any()
        )
    )


def pinball(truth: Array, quantiles: Array, levels: Array) -> float:
    """Mean pinball loss; ``quantiles`` has one column per level."""
    gap = np.asarray(truth, dtype=float)[:, None] - np.asarray(quantiles, dtype=float)
    level = np.asarray(levels, dtype=float)[None]
    return float(np.maximum(level * gap, (level - 1) * gap).mean())
