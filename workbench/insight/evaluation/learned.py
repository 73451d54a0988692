"""What "learned" means when a folder is scored.

Parameters fitted on the development part are shipped (``models/``). A folder of *other* devices is scored by them as
they are: nothing is learned from the folder, its labels only score. A folder with any device the parameters have seen
(the development part itself) is scored by held-out folds instead: each device by a model of the others. The baseline
is treated in exactly the same way, and the note of a row says which of the two it was. Rows with other columns than
the parameters know are scored by folds, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from workbench.insight import stored
from workbench.insight.arrays import Array

SHIPPED = "parameters fitted on the development part, none of these devices among them"


@dataclass(frozen=True)
class Learner:
    """Two functions over plain arrays: learn from rows and labels, score rows."""

    fit: Callable[[Array, Array], dict[str, Array]]
    score: Callable[[Mapping[str, Array], Array], Array]


@dataclass(frozen=True)
class Task:
    """Rows to be scored, by ours and by the baseline.

    Attributes:
        name: of the stored model.
        ours, plain: features of each row.
        label: 0 or 1 per row.
        seen: a fingerprint per device.
        parts: the two learners, ours first.
        folds: gives (positions to learn from, positions to score); every position is scored, repeats are averaged.
        how: how the folds are made, in words.
    """

    name: str
    ours: Array
    plain: Array
    label: Array
    seen: Array
    parts: tuple[Learner, Learner]
    folds: Callable[[], Iterator[tuple[Array, Array]]]
    how: str

    def scores(self) -> tuple[Array, Array, str]:
        """Scores by ours and by the baseline, and what they were learned from."""
        model = stored.load(self.name)
        both = (self.ours, self.plain)
        if model is not None and self._fits(model) and not model.knows(self.seen):
            found = [
                learner.score(model.part(part), rows)
                for learner, rows, part in zip(self.parts, both, ("ours", "plain"), strict=True)
            ]
            return found[0], found[1], SHIPPED
        totals, times = np.zeros((2, len(self.label))), np.zeros(len(self.label))
        for learn, score in self.folds():
            times[score] += 1
            for which, (learner, rows) in enumerate(zip(self.parts, both, strict=True)):
                if self.label[learn].any():
                    fitted = learner.fit(rows[learn], self.label[learn])
                    totals[which, score] += learner.score(fitted, rows[score])
        totals /= np.maximum(times, 1)
        return totals[0], totals[1], self.how

    def _fits(self, model: stored.Stored) -> bool:
        """Whether rows have the columns the parameters are about."""
        return list(model.arrays["columns"]) == [self.ours.shape[1], self.plain.shape[1]]

    def fitted(self) -> dict[str, Array]:
        """Both learners fitted on all rows: the arrays that are shipped."""
        columns = {"columns": np.array([self.ours.shape[1], self.plain.shape[1]])}
        return columns | {
            f"{part}/{name}": value
            for part, learner, rows in zip(
                ("ours", "plain"), self.parts, (self.ours, self.plain), strict=True
            )
            for name, value in learner.fit(rows, self.label).items()
        }
