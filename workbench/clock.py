"""The only places that may ask what time it is.

Rating, mediation and settlement never read a clock: they are given instants. Commands pass a ``SystemClock``;
a replay or a simulation passes a ``ReplayClock``, and nothing else changes.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Anything that can say what instant it is."""

    def now(self) -> datetime:
        """The current instant, time zone UTC."""
        ...


def nanoseconds() -> int:
    """The machine's time in nanoseconds since 1970 UTC: what stamps a raw message's receipt."""
    return time.time_ns()


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The machine's current instant, UTC."""
        return datetime.now(UTC)


class ReplayClock:
    """A clock that stands where it is put: a replayed hour costs no hour.

    >>> clock = ReplayClock(datetime(2026, 1, 1, tzinfo=UTC))
    >>> clock.advance_to(datetime(2026, 1, 2, tzinfo=UTC)); clock.now().day
    2
    """

    def __init__(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        """The instant last set, UTC."""
        return self._at

    def advance_to(self, at: datetime) -> None:
        """Move to ``at``; going backwards is ignored, as late data does not turn time back."""
        self._at = max(self._at, at.astimezone(UTC))
