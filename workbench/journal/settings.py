"""How large and how patient a journal is, and what it counts."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field, replace

#: Upper bounds of the buckets that sync times are counted in, seconds; the last bucket has none.
SYNC_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """Sizes in bytes, times in seconds.

    Attributes:
        segment_bytes: size of one file. Files are let go whole, and made whole before they are needed.
        frame_bytes_max: a commit gathers no more than this (one append larger than it is one commit).
        waiting_bytes_max: with more appended and not yet durable, ``state`` is ``crowded``.
        backlog_bytes_max: with more on disk that a consumer has not taken, ``state`` is ``crowded``; None: no limit.
        retry_seconds: how often a full disk is tried again.
        idle_seconds: quiet time after which the last frame is confirmed.
        sweep_seconds: how often files that every consumer has read are looked for.
    """

    segment_bytes: int = 32 << 20
    frame_bytes_max: int = 4 << 20
    waiting_bytes_max: int = 32 << 20
    backlog_bytes_max: int | None = None
    retry_seconds: float = 0.25
    idle_seconds: float = 0.5
    sweep_seconds: float = 1.0


@dataclass(slots=True)
class JournalStats:
    """Counters since the journal was opened; ``sync_counts`` has one more place than ``SYNC_SECONDS``."""

    messages: int = 0
    bytes: int = 0
    commits: int = 0
    waiting_bytes: int = 0
    kept_bytes: int = 0
    sync_seconds_sum: float = 0.0
    sync_seconds_max: float = 0.0
    sync_counts: list[int] = field(default_factory=lambda: [0] * (len(SYNC_SECONDS) + 1))

    def committed(self, messages: int, size: int, seconds: float) -> None:
        """One group became durable."""
        self.messages += messages
        self.bytes += size
        self.commits += 1
        self.sync_seconds_sum += seconds
        self.sync_seconds_max = max(self.sync_seconds_max, seconds)
        self.sync_counts[bisect.bisect_left(SYNC_SECONDS, seconds)] += 1

    def copy(self) -> JournalStats:
        """The numbers as they are now."""
        return replace(self, sync_counts=list(self.sync_counts))
