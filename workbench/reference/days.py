"""Local days and billing periods: half-open, in a zone, 23 or 25 hours long when they are."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta

from workbench.reference.zones import zone_named

ONE_DAY = timedelta(days=1)
MONTHS = {"month": 1, "quarter": 3, "year": 12}


def first_instant(day: date, zone: str) -> datetime:
    """The UTC instant at which a local day begins.

    Where the clock jumps over midnight, that is the instant of the jump; where midnight happens twice, the
    first.
    """
    return datetime(day.year, day.month, day.day, tzinfo=zone_named(zone)).astimezone(UTC)


def local_day(instant: datetime, zone: str) -> date:
    """The local day an instant lies in."""
    return instant.astimezone(zone_named(zone)).date()


def days_between(first: date, end: date, zone: str) -> list[date]:
    """The days ``[first, end)`` that the zone really had (Apia went without 30 December 2011)."""
    days = []
    day = first
    while day < end:
        if first_instant(day, zone) < first_instant(day + ONE_DAY, zone):
            days.append(day)
        day += ONE_DAY
    return days


def month_start(year: int, month: int, anchor_day: int) -> date:
    """The day on which the period of a month starts: "the n-th period from the original anchor (31 Jan → 29
    Feb → 31 Mar)".
    """
    return date(year, month, min(anchor_day, calendar.monthrange(year, month)[1]))


def nth_month_start(first_year: int, first_month: int, n: int, anchor_day: int) -> date:
    """The start of the n-th period (0, 1, ...) of one month each; always from the anchor, never from the
    period before.
    """
    months = first_year * 12 + (first_month - 1) + n
    return month_start(months // 12, months % 12 + 1, anchor_day)


def period_of(
    instant: datetime, zone: str, anchor_day: int = 1, kind: str = "month"
) -> tuple[datetime, datetime]:
    """The billing period that holds an instant, as UTC instants ``[start, end)``.

    Weeks begin on Monday, quarters in January, April, July and October, years in January, each on the
    anchor's day.
    """
    day = local_day(instant, zone)
    if kind == "day":
        return first_instant(day, zone), first_instant(day + ONE_DAY, zone)
    if kind == "week":
        monday = day - timedelta(days=day.weekday())
        return first_instant(monday, zone), first_instant(monday + 7 * ONE_DAY, zone)
    length = MONTHS[kind]
    n = (day.month - 1) // length  # the n-th period of this year, if its anchor has been reached
    start = nth_month_start(day.year, 1, n * length, anchor_day)
    if day < start:
        n = n - 1
        start = nth_month_start(day.year, 1, n * length, anchor_day)
    end = nth_month_start(day.year, 1, (n + 1) * length, anchor_day)
    return first_instant(start, zone), first_instant(end, zone)


def periods_from(
    instant: datetime, count: int, zone: str, anchor_day: int = 1, kind: str = "month"
) -> list[tuple[datetime, datetime]]:
    """The period that holds ``instant`` and those after it, ``count`` in all; they tile time."""
    periods = []
    for _ in range(count):
        period = period_of(instant, zone, anchor_day, kind)
        periods.append(period)
        instant = period[1]
    return periods
