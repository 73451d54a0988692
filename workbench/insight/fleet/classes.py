"""Sizes by class of message: a car's firmware piece is no spike of its telemetry, and a spike of telemetry may be far smaller."""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import Batch

_ROWS_LEAST = 30  # readings from which a class has a size of its own
_ROWS_SAMPLED = 2_000
_KEPT = 9  # batches whose middles are remembered


class Classes:
    """The usual size of a column in each class, over the fleet.

    Args:
        column: the numbers.
        by: the column of words that says what a message is about (its destination); empty: one class, of size 1.
    """

    def __init__(self, column: str, by: str = "") -> None:
        self._column, self._by = column, by
        self._middles: dict[int, list[float]] = {}
        self._whole: list[float] = []
        self._added: Batch | None = None
        self._answer: Array = np.zeros(0)

    def sizes(self, batch: Batch, value: Array) -> Array | None:
        """For each of a batch's known readings what is usual in its class; None when there are no classes."""
        if not self._by:
            return None
        if batch is self._added:
            return self._answer
        word = batch.words[self._by][batch.first]
        there = np.isfinite(batch.values[self._column][batch.first])
        word = word if there.all() else word[there]
        if len(value):
            _remember(self._whole, value)
        order = np.argsort(word, kind="stable")
        begin = (
            np.flatnonzero(np.r_[True, np.diff(word[order]) != 0]) if len(word) else np.zeros(0, dtype=int)
        )
        size = np.full(len(value), _middle(self._whole))
        for mine in np.split(order, begin[1:]):
            if not len(mine):
                continue
            code = int(word[mine[0]])
            middles = self._middles.get(code, [])
            if len(mine) >= _ROWS_LEAST:
                _remember(self._middles.setdefault(code, middles), value[mine])
            if middles:
                size[mine] = _middle(middles)
        self._added, self._answer = batch, size
        return size


def _remember(middles: list[float], value: Array) -> None:
    thin = value[:: max(1, len(value) // _ROWS_SAMPLED)]
    middles.append(float(np.median(np.abs(thin))))
    del middles[:-_KEPT]


def _middle(middles: list[float]) -> float:
    found = float(np.median(middles)) if middles else 1.0
    return found if found > 0 else 1.0
