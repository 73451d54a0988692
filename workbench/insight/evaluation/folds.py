"""Learned parts are scored on devices they never saw: a device is in one fold with all its rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from workbench.insight.arrays import Array


def held_out(label: Array, unit: Array, folds: int = 5, seed: int = 0) -> Iterator[tuple[Array, Array]]:
    """Positions to learn from and positions to score; every position is scored once.

    Folds hold equal shares of bad devices as far as can be. With fewer bad devices than folds there are fewer folds.
    """
    names, place = np.unique(unit, return_inverse=True)
    worst = np.zeros(len(names))
    np.maximum.at(worst, place, label)
    count = max(2, min(folds, int(worst.sum()), int((worst == 0).sum())))
    split = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    yield from split.split(np.zeros(len(label)), worst[place], place)
