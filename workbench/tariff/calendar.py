"""Local time without a host: billing periods, local days and time-of-use windows as half-open UTC intervals.

Zones come from the pinned ``tzdata`` package, never from the machine, so that a bill does not depend on where it is
computed. All instants are aware ``datetime`` in UTC. A day, a period or a window is ``[start, end)``; consecutive
ones share their boundary, so they tile time over 23 h and 25 h days, leap years and anchors 29, 30 and 31.
"""

from __future__ import annotations

import calendar as months
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from workbench.model.plan import Period
from workbench.model.when import MINUTES_PER_DAY, HolidayCalendar, TimeWindow

Interval = tuple[datetime, datetime]
_ZONE_NAME = re.compile(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+){0,2}\Z", re.ASCII)
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_BETWEEN_CHANGES = timedelta(hours=6)
"""A zone's clock changes at most once in this time."""


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """The zone of that name from the pinned data.

    Raises:
        KeyError: there is no such zone.
    """
    if not _ZONE_NAME.match(name):
        raise KeyError(name)
    file = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    if not file.is_file():
        raise KeyError(name)
    with file.open("rb") as stream:
        if stream.read(4) != b"TZif":
            raise KeyError(name)
        stream.seek(0)
        return ZoneInfo.from_file(stream, key=name)


def local_midnight(day: date, zone: str) -> datetime:
    """The first instant of a local day: where midnight is skipped, the instant the clock jumped over it."""
    return datetime.combine(day, time(), zone_of(zone)).astimezone(UTC)


def local_day(at: datetime, zone: str) -> date:
    """The local date an instant falls on."""
    return at.astimezone(zone_of(zone)).date()


def _anchored(year: int, month: int, anchor_day: int) -> date:
    """The anchor day of a month, or the month's last day when it is shorter; months beyond 1..12 carry over."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, min(anchor_day, months.monthrange(year, month)[1]))


def _period_days(at: date, kind: str, anchor_day: int, shift: int = 0) -> tuple[date, date]:
    """First day and day after the last of the period around ``at``, moved by ``shift`` periods.

    Every start is computed from the anchor itself, not from the period before (31 Jan, 29 Feb, 31 Mar).
    """
    if kind == "day":
        first = at + timedelta(days=shift)
        return first, first + timedelta(days=1)
    if kind == "week":
        first = at - timedelta(days=at.weekday()) + timedelta(weeks=shift)
        return first, first + timedelta(weeks=1)
    width = _MONTHS[kind]
    month = at.month - (at.month - 1) % width
    if at < _anchored(at.year, month, anchor_day):
        month -= width
    month += shift * width
    return _anchored(at.year, month, anchor_day), _anchored(at.year, month + width, anchor_day)


def period_at(at: datetime, zone: str, kind: str = "month", anchor_day: int = 1, shift: int = 0) -> Period:
    """The billing period that contains ``at`` (or the one ``shift`` periods later; negative: earlier).

    Args:
        at: any instant.
        zone: the account's zone.
        kind: month | week | day | quarter | year. Weeks begin on Monday, quarters and years in January.
        anchor_day: 1..31; a shorter month begins the period on its last day.
    """
    first, last = _period_days(local_day(at, zone), kind, anchor_day, shift)
    return Period(local_midnight(first, zone), local_midnight(last, zone))


def days_of(period: Period, zone: str) -> list[tuple[date, datetime, datetime]]:
    """The local days that touch a period, whole: (date, start, end)."""
    day = local_day(period.start, zone)
    found = []
    while (start := local_midnight(day, zone)) < period.end:
        after = day + timedelta(days=1)
        found.append((day, start, local_midnight(after, zone)))
        day = after
    return found


def billed_days(billing: Period, zone: str) -> list[tuple[date, datetime, datetime]]:
    """The local days a billing period owns: those that end inside it, so that consecutive periods share none.

    A day that a zone left out (Apia had no 30 December 2011) is none.
    """
    return [day for day in days_of(billing, zone) if day[1] < day[2] <= billing.end]


def counter_windows(period: Period, zone: str, kind: str) -> list[Interval]:
    """The lives of a short counter inside a period: ``month week day hour minute`` of local time, or ``billing``.

    The first and last may begin before and end after the period; the counter of the whole is cut there.
    """
    if kind == "billing":
        return [(period.start, period.end)]
    if kind in ("hour", "minute"):
        seconds = 3600 if kind == "hour" else 60
        return list(_fixed(period, zone, seconds))
    found: list[Interval] = []
    cursor = period.start
    while cursor < period.end:
        window = period_at(cursor, zone, kind)
        found.append((max(window.start, period.start), min(window.end, period.end)))
        cursor = window.end
    return found


def _fixed(period: Period, zone: str, seconds: int) -> Iterator[Interval]:
    """Hours or minutes of the local clock (zones with half-hour offsets begin theirs at half past UTC)."""
    step = timedelta(seconds=seconds)
    for start, end, offset in _offsets(period, zone):
        behind = (start + offset - datetime.min.replace(tzinfo=UTC)) % step
        cursor = start
        while cursor < end:
            after = min(cursor - behind + step, end)
            yield cursor, after
            cursor, behind = after, timedelta(0)


def _offsets(period: Period, zone: str) -> Iterator[tuple[datetime, datetime, timedelta]]:
    """Stretches of a period with one UTC offset: (start, end, offset); the last is empty where the clock changes there."""
    info = zone_of(zone)

    def offset_at(at: datetime) -> timedelta:
        offset = at.astimezone(info).utcoffset()
        assert offset is not None
        return offset

    start = cursor = period.start
    offset = offset_at(start)
    while cursor < period.end:
        ahead = min(cursor + _BETWEEN_CHANGES, period.end)
        if offset_at(ahead) != offset:
            change = _first_change(cursor, ahead, offset_at, offset)
            yield start, change, offset
            start, offset = change, offset_at(change)
        cursor = ahead
    yield start, period.end, offset


def _first_change(
    low: datetime, high: datetime, offset_at: Callable[[datetime], timedelta], offset: timedelta
) -> datetime:
    """The first instant after ``low`` whose offset differs, as it does at ``high``; zones change at whole seconds."""
    first, last = int(low.timestamp()), int(high.timestamp())
    while last - first > 1:
        middle = (first + last) // 2
        if offset_at(datetime.fromtimestamp(middle, UTC)) == offset:
            first = middle
        else:
            last = middle
    return datetime.fromtimestamp(last, UTC)


def expand(
    windows: Iterable[TimeWindow], period: Period, calendars: Mapping[str, HolidayCalendar]
) -> list[Interval]:
    """The instants of a period at which any of the windows holds, as merged, sorted UTC intervals."""
    found: list[Interval] = []
    for window in windows:
        days = frozenset(calendars[window.calendar].dates) if window.calendar else frozenset()
        for start, end, offset in _offsets(period, window.zone):
            found += _expand_one(window, start, end, offset, days)
    return merge(found)


def _expand_one(
    window: TimeWindow, start: datetime, end: datetime, offset: timedelta, holidays: frozenset[date]
) -> Iterator[Interval]:
    """One window inside a stretch of constant offset: there, local time is UTC plus the offset."""
    length = window.end_minute - window.start_minute
    length += MINUTES_PER_DAY if length <= 0 else 0
    day = (start + offset).date() - timedelta(days=1)
    while (opens := datetime.combine(day, time(), UTC) - offset) < end:
        begins = opens + timedelta(minutes=window.start_minute)
        interval = max(begins, start), min(begins + timedelta(minutes=length), end)
        if interval[0] < interval[1] and _day_fits(window, day, holidays):
            yield interval
        day += timedelta(days=1)


def _day_fits(window: TimeWindow, day: date, holidays: frozenset[date]) -> bool:
    if window.holidays == "only":
        return day in holidays
    return day.weekday() in window.days and not (window.holidays == "except" and day in holidays)


def merge(intervals: Sequence[Interval]) -> list[Interval]:
    """Sorted intervals without touching or overlapping neighbours."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
