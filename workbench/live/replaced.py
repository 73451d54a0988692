"""Files that batches replaced a moment later: deleted, after a while, so that a live lake does not grow by its history.

A version of a live lake is looked at by those who read it now, not in a year: its small segments live on in the merged
one, its records in later records. What stages of the main path replaced is kept, what charges were made from is kept
(``lake/passing.py``), and so is all a branch may look at.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable

from workbench.lake import passing
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment


class Replaced:
    """Remembers what was replaced and deletes it when readers have had time to look at a newer version."""

    def __init__(self, grace_seconds: float = 120.0) -> None:
        self._grace = grace_seconds
        self._waiting: deque[tuple[float, Segment]] = deque()
        self.deleted = 0

    def add(self, lake: Lake, segments: Iterable[Segment]) -> None:
        """Note segments a live commit took out; call it right after that commit."""
        now, present = time.monotonic(), {segment.path for segment in lake.state.segments.values()}
        self._waiting.extend(
            (now, segment)
            for segment in segments
            if segment.kind in passing.KINDS and segment.path not in present
        )

    def sweep(self, lake: Lake, everything: bool = False) -> None:
        """Delete what has waited long enough; nothing while the lake has branches, which see old versions."""
        now = time.monotonic()
        due = now - (0 if everything else self._grace)
        if not self._waiting or self._waiting[0][0] > due or lake.branches():
            return
        present = {segment.path for segment in lake.state.segments.values()}
        spared, again = passing.spared(lake.state.segments.values()), []
        while self._waiting and self._waiting[0][0] <= due:
            _, segment = self._waiting.popleft()
            if segment.id in spared:  # until the charges made from it are replaced as well
                again.append((now, segment))
            elif segment.path not in present:
                (lake.root / segment.path).unlink(missing_ok=True)
                self.deleted += 1
        self._waiting.extend(again)
