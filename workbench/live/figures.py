"""What a live node counts: plain numbers that pages, metrics and the status command read while it works."""

from __future__ import annotations

import bisect
from collections import deque
from dataclasses import dataclass, field

from workbench.lake.lake import Lake

FRESH_SECONDS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets that freshness is counted in; the last bucket has none."""
_RECENT = 20_000


@dataclass(slots=True)
class SourceFigures:
    """One source: messages so far, and when the last one was received (nanoseconds since 1970)."""

    messages: int = 0
    last_ns: int = 0
    first_ns: int = 0

    def quiet_after_seconds(self) -> float:
        """How long it may say nothing before that is news: ten times its usual gap, at least ten seconds; five minutes
        while it is too new to have a habit.
        """
        if self.messages < 10:
            return 300.0
        usual = (self.last_ns - self.first_ns) / 1e9 / max(1, self.messages - 1)
        return max(10.0, 10 * usual)

    def quiet(self, now_ns: int) -> bool:
        """Whether it has gone quiet: no message is another thing than messages that say zero."""
        return self.messages > 0 and (now_ns - self.last_ns) / 1e9 > self.quiet_after_seconds()


@dataclass(slots=True)
class Figures:
    """Counters since the node started; ``fresh_counts`` has one place more than ``FRESH_SECONDS``.

    Attributes:
        events, duplicates, records, version: what the whole lake holds, as ``workbench status`` says it.
        lag_messages: journaled and not yet in the lake, at the last look.
        freshness: seconds from receipt to records, of the oldest message of each of the last batches.
        busy_seconds: time spent on batches.
        empty_turns: how often in a row the journals had nothing new.
    """

    messages: int = 0
    landed: int = 0
    events: int = 0
    duplicates: int = 0
    records: int = 0
    rejected: int = 0
    dead: int = 0
    batches: int = 0
    merged: int = 0
    rated: int = 0
    version: int = 0
    lag_messages: int = 0
    busy_seconds: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)
    sources: dict[str, SourceFigures] = field(default_factory=dict)
    fresh_counts: list[int] = field(default_factory=lambda: [0] * (len(FRESH_SECONDS) + 1))
    fresh_sum: float = 0.0
    freshness: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))
    empty_turns: int = 0

    def hold(self, lake: Lake) -> None:
        """Take over what the lake holds in its present version."""
        records = lake.segments("records")
        self.events = sum(segment.controls.get("events", 0) for segment in records)
        self.duplicates = sum(segment.controls.get("duplicates", 0) for segment in records)
        self.records = sum(segment.rows for segment in records)
        self.version = lake.state.version

    def source(self, name: str, messages: int, last_ns: int) -> None:
        """Count a batch's messages of one source."""
        figures = self.sources.setdefault(name, SourceFigures(first_ns=last_ns))
        figures.messages += messages
        figures.last_ns = max(figures.last_ns, last_ns)

    def fresh(self, seconds: float, messages: int) -> None:
        """Count how long a batch's messages took, the slowest of them."""
        self.fresh_counts[bisect.bisect_left(FRESH_SECONDS, seconds)] += messages
        self.fresh_sum += seconds * messages
        self.freshness.append(seconds)

    def freshness_at(self, part: float) -> float:
        """A quantile (0 ... 1) of the recent batches' freshness, seconds."""
        found = sorted(self.freshness)
        return found[min(len(found) - 1, int(part * len(found)))] if found else 0.0
