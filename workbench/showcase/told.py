"""What a run tells while it runs, and what it took: progress, seconds and memory by stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from workbench.pipeline import Watch
from workbench.showcase.memory import Peak, release


@dataclass(slots=True)
class Built:
    """What building took.

    Attributes:
        seconds: wall seconds by stage (``parties``, the stages of the path, and what the caller adds).
        peak_mb: highest resident memory by stage, where the system tells.
        resumed: whether the lake held a part of the scene already.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    peak_mb: dict[str, int] = field(default_factory=dict)
    resumed: bool = False


class Told:
    """Passes progress on, fills in totals that only we know, and notes seconds and memory by stage."""

    def __init__(self, watch: Watch, built: Built) -> None:
        self._watch, self._built = watch, built
        self.totals: dict[str, Callable[[], int]] = {}
        self._stage, self._begun = "", 0.0
        self._peak: Peak | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self, stage: str, total: int | None) -> None:
        """The stage before is over; ``total`` is its number of rows where that is known."""
        self.end()
        self._stage, self._begun, self._peak = stage, time.perf_counter(), Peak()
        known = self.totals.get(stage)
        self._watch.begin(stage, known() if known and total is None else total)

    def advance(self, rows: int) -> None:
        """So many more rows of the stage are done."""
        self._watch.advance(rows)

    def end(self) -> None:
        """Note what the running stage took."""
        if self._stage:
            self._built.seconds[self._stage] = round(time.perf_counter() - self._begun, 3)
            self._built.peak_mb[self._stage] = self._peak.stop() if self._peak else 0
            release()
        self._stage = ""
