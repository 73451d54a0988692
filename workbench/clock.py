"""The only places that may ask what time it is.

Rating, mediation and settlement never read a clock: they are given instants. Commands pass a ``SystemClock``;
a replay or a simulation passes a ``ReplayClock``, and nothing else changes.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
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


class PacedClock:
    """A clock that starts at an instant of the past and runs so many times as fast as the machine's.

    >>> PacedClock(datetime(2026, 1, 1, tzinfo=UTC), speed=60).now().year
    2026
    """

    def __init__(self, at: datetime, speed: float = 60.0) -> None:
        self._at, self.speed, self._since = at.astimezone(UTC), speed, time.monotonic()

    def now(self) -> datetime:
        """The instant that has come, UTC."""
        return self._at + timedelta(seconds=(time.monotonic() - self._since) * self.speed)

    def now_ns(self) -> int:
        """The same in nanoseconds since 1970: what stamps a raw message's receipt."""
        return int(self.now().timestamp() * 1e6) * 1000

    def wait_until(self, at: datetime, longest: float = 0.25) -> bool:
        """Sleep until ``at`` has come, but no longer than ``longest`` seconds; whether it has."""
        left = (at - self.now()).total_seconds() / self.speed
        if left > 0:
            time.sleep(min(left, longest))
        return left <= longest


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
