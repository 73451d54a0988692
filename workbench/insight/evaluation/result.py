"""What an evaluation says: one line per measure, the baseline beside ours, and how sure the gain is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


class Scarce(Exception):
    """A folder has the row's files, but too little in them to measure anything; the text says what is missing."""


def need(there: object, what: str) -> None:
    """Say what is missing unless it is there.

    Raises:
        Scarce: it is not.
    """
    if not there:
        raise Scarce(what)


@dataclass(frozen=True)
class Measured:
    """One measure of one capability.

    Attributes:
        row: the capability, as in the bar's table.
        measure: what is measured, in words.
        baseline, ours: the two figures; baseline is None where there is nothing to compare, ours where nothing could be
            measured (the note says why).
        low, high: 95 % bootstrap interval of the gain over devices (positive = ours is better), None if not drawn.
        units: how many devices the interval was drawn over.
        prevalence: share of positives, for ranking measures.
        lower_is_better: whether a smaller figure is the better one.
        note: what a reader must know (the rule that is the baseline, ranks, small samples).
    """

    row: str
    measure: str
    baseline: float | None
    ours: float | None
    low: float | None = None
    high: float | None = None
    units: int = 0
    prevalence: float | None = None
    lower_is_better: bool = False
    note: str = ""

    @classmethod
    def nothing(cls, row: str, why: str) -> Measured:
        """A row that could not be measured, and why: never a silent gap in the table."""
        return cls(row, "-", None, None, note=why)

    @property
    def sure(self) -> bool:
        """Whether the interval of the gain excludes zero on the good side."""
        return self.low is not None and self.low > 0

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, rounded to what the sample can carry."""
        plain = {key: round(v, 5) if isinstance(v, float) else v for key, v in asdict(self).items()}
        return plain | {"sure": self.sure}
