"""Which rate of a component prices a use: dimensions and the wall clock."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from workbench.model.offer import Catalogue, Component, Rate
from workbench.model.when import TimeWindow
from workbench.reference.zones import zone_named


def is_open(window: TimeWindow, at: datetime, catalogue: Catalogue) -> bool:
    """Whether an instant lies in a window: start inclusive, end exclusive, by the clock on the wall of its
    zone.
    """
    local = at.astimezone(zone_named(window.zone))
    since_midnight = timedelta(
        hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond
    )
    start = timedelta(minutes=window.start_minute)
    end = timedelta(minutes=window.end_minute)
    if start < end:
        return start <= since_midnight < end and is_on_day(window, local.date(), catalogue)
    # Over midnight: the day that counts is the one the window started on.
    if since_midnight >= start:
        return is_on_day(window, local.date(), catalogue)
    if since_midnight < end:
        return is_on_day(window, local.date() - timedelta(days=1), catalogue)
    return False


def is_on_day(window: TimeWindow, day: date, catalogue: Catalogue) -> bool:
    """Whether a window opens on a local day: by weekday, or by holiday."""
    holiday = False
    for calendar in catalogue.holidays:
        if calendar.id == window.calendar and day in calendar.dates:
            holiday = True
    if window.holidays == "only":
        return holiday
    if window.holidays == "except" and holiday:
        return False
    return day.weekday() in window.days


def matches(match: tuple[tuple[str, tuple[str, ...]], ...], dims: dict[str, str]) -> bool:
    """Whether all the named dimensions have one of the accepted values."""
    return all(dims.get(dimension) in accepted for dimension, accepted in match)


def rate_for(component: Component, at: datetime, dims: dict[str, str], catalogue: Catalogue) -> Rate | None:
    """The first rate whose ``match`` and ``windows`` fit; ``None`` when none does."""
    for rate in component.rates:
        if not matches(rate.match, dims):
            continue
        if not rate.windows:
            return rate
        for window in rate.windows:
            if is_open(window, at, catalogue):
                return rate
    return None
