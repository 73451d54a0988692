"""The Numenta benchmark's score: early alarms inside a window earn, alarms outside cost, a missed window costs most.

100 is perfect, 0 is a detector that never speaks. The best single threshold over all files is used, as published.
"""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.evaluation.budget import segments

_FALSE_COST = 0.11
_PROBATION_SHARE, _PROBATION_MOST = 0.15, 750


def nab_score(truth: dict[str, tuple[Array, Array]], scores: dict[str, Array]) -> float:
    """Score of a detector over files.

    Args:
        truth: per file the window labels (0 or 1 per reading) and times.
        scores: per file one figure per reading.
    """
    packs = [_pack(label, scores[name]) for name, (label, _) in truth.items()]
    pool = np.concatenate([score[ready:] for score, _, _, ready in packs])
    levels = np.unique(
        np.quantile(pool, np.r_[np.linspace(0.5, 0.99, 200), np.linspace(0.99, 0.9999, 400), 1.0])
    )
    total, windows = np.zeros(len(levels)), 0
    for score, worth, window, ready in packs:
        outside = (window < 0) & (np.arange(len(score)) >= ready)
        order = np.argsort(score[outside])
        cost = np.r_[np.cumsum((worth[outside][order] * _FALSE_COST)[::-1])[::-1], 0.0]
        total += cost[np.searchsorted(score[outside][order], levels, side="left")]
        for one in range(int(window.max(initial=-1)) + 1):
            windows += 1
            total += _window(score, worth, (window == one) & (np.arange(len(score)) >= ready), levels)
    if not windows:
        return 0.0
    silent = -float(windows)
    return float(100 * (total.max() - silent) / (windows - silent))


def _window(score: Array, worth: Array, mine: Array, levels: Array) -> Array:
    """What a window earns at each threshold: its earliest alarm counts; without one it costs 1."""
    if not mine.any():
        return np.full(len(levels), -1.0)
    order = np.argsort(score[mine])
    best = np.r_[np.maximum.accumulate(worth[mine][order][::-1])[::-1], -1.0]
    return np.asarray(best[np.searchsorted(score[mine][order], levels, side="left")])


def _pack(label: Array, score: Array) -> tuple[Array, Array, Array, int]:
    """Scores, what an alarm at each reading is worth, the window it lies in (-1: none), and the probation's end."""
    count = len(label)
    worth, window = np.full(count, -1.0), np.full(count, -1)
    found = segments(label)
    for number, (begin, end) in enumerate(found):
        place = np.arange(begin, end)
        worth[place] = _sigmoid(-(end - place) / (end - begin)) / _sigmoid(np.array(-1.0))
        window[place] = number
        after = np.arange(end, found[number + 1][0] if number + 1 < len(found) else count)
        worth[after] = _sigmoid((after - end + 1) / max(end - begin - 1, 1))
    return np.asarray(score, dtype=float), worth, window, int(min(_PROBATION_SHARE * count, _PROBATION_MOST))


def _sigmoid(x: Array) -> Array:
    return np.where(x > 3, -1.0, 2 / (1 + np.exp(5 * np.clip(x, -50, 50))) - 1)
