"""Times in a price list: which instants a rate holds for, in the words of a wall clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

MINUTES_PER_DAY = 1440


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The instants whose local time in ``zone`` lies in ``[start_minute, end_minute)`` on one of ``days``.

    Minutes count from local midnight (0..1440). ``end_minute <= start_minute`` runs over midnight into the next day;
    the day that counts is then the one the window *started* on. ``days`` are 0 = Monday .. 6 = Sunday.
    ``holidays``: ``ignore`` (dates do not matter), ``only`` (the date must be one; ``days`` is not looked at),
    ``except`` (never on a holiday of ``calendar``). It is a set of instants: a local time that happens twice in
    autumn belongs to the window twice, one that does not happen in spring never does.
    """

    start_minute: int = 0
    end_minute: int = MINUTES_PER_DAY
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    holidays: str = "ignore"
    zone: str = "UTC"
    calendar: str = ""


@dataclass(frozen=True, slots=True)
class HolidayCalendar:
    """A named list of holidays (local dates)."""

    id: str
    dates: tuple[date, ...]
