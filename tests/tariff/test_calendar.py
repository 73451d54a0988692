"""I12, I13: periods, days, windows and short counters tile time over odd days, odd anchors and odd zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.model.plan import Period
from workbench.model.when import HolidayCalendar, TimeWindow
from workbench.tariff.calendar import (
    billed_days,
    counter_windows,
    days_of,
    expand,
    local_day,
    local_midnight,
    period_at,
    zone_of,
)
from workbench.tariff.lookup import inside

ZONES = (
    "UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia",
    "America/St_Johns", "Africa/Cairo",
)  # fmt: skip
instants = st.datetimes(datetime(2008, 1, 1), datetime(2030, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))
zones = st.sampled_from(ZONES)


@given(
    at=instants,
    zone=zones,
    kind=st.sampled_from(("month", "quarter", "year", "week", "day")),
    anchor=st.integers(1, 31),
)
@settings(deadline=None)
def test_i12_every_instant_is_in_exactly_one_period(at: datetime, zone: str, kind: str, anchor: int) -> None:
    here = period_at(at, zone, kind, anchor)
    assert here.start <= at < here.end
    assert period_at(at, zone, kind, anchor, 1).start == here.end
    assert period_at(at, zone, kind, anchor, -1).end == here.start
    assert period_at(here.start, zone, kind, anchor) == here


@pytest.mark.parametrize(
    ("anchor", "days"),
    [
        (31, ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]),
        (30, ["2023-01-30", "2023-02-28", "2023-03-30"]),
        (29, ["2024-01-29", "2024-02-29", "2024-03-29"]),
        (28, ["2023-01-28", "2023-02-28", "2023-03-28"]),
    ],
)
def test_i13_each_start_is_computed_from_the_anchor(anchor: int, days: list[str]) -> None:
    first = local_midnight(date.fromisoformat(days[0]), "Europe/Berlin")
    starts = [period_at(first, "Europe/Berlin", "month", anchor, n).start for n in range(len(days))]
    assert [local_day(start, "Europe/Berlin").isoformat() for start in starts] == days


@given(at=instants, zone=zones)
@settings(deadline=None)
def test_days_tile_a_period(at: datetime, zone: str) -> None:
    period = period_at(at, zone, "month")
    days = billed_days(period, zone)
    assert days[0][1] == period.start
    assert days[-1][2] == period.end
    assert all(before[2] == after[1] for before, after in pairwise(days))
    assert all(timedelta(hours=22) < end - start < timedelta(hours=26) for _, start, end in days)


def test_days_of_23_and_25_hours_and_none() -> None:
    march = Period(datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC))
    assert [(end - start).total_seconds() / 3600 for _, start, end in days_of(march, "Europe/Berlin")] == [23]
    october = period_at(datetime(2026, 10, 25, 12, tzinfo=UTC), "Europe/Berlin", "day")
    assert (october.end - october.start).total_seconds() / 3600 == 25
    december = period_at(datetime(2011, 12, 15, tzinfo=UTC), "Pacific/Apia")
    assert len(billed_days(december, "Pacific/Apia")) == 30


@given(at=instants, zone=zones, kind=st.sampled_from(("billing", "month", "week", "day", "hour")))
@settings(deadline=None, max_examples=60)
def test_short_counters_tile_the_period(at: datetime, zone: str, kind: str) -> None:
    period = period_at(at, zone, "week")
    lives = counter_windows(period, zone, kind)
    assert (lives[0][0], lives[-1][1]) == (period.start, period.end)
    assert all(before[1] == after[0] for before, after in pairwise(lives))
    assert all(start < end for start, end in lives)


@given(
    at=instants,
    zone=zones,
    start=st.integers(0, 1439),
    end=st.integers(0, 1440),
    days=st.sets(st.integers(0, 6), min_size=1),
    rule=st.sampled_from(("ignore", "only", "except")),
    probe=st.integers(0, 7 * 86400 - 1),
)
@settings(deadline=None)
def test_a_window_is_the_set_of_instants_the_wall_clock_says(
    at: datetime, zone: str, start: int, end: int, days: set[int], rule: str, probe: int
) -> None:
    period = period_at(at, zone, "week")
    holiday = local_day(at, zone)
    calendars = {"c": HolidayCalendar("c", (holiday,))}
    window = TimeWindow(start, end, tuple(sorted(days)), rule, zone, "" if rule == "ignore" else "c")
    found = expand([window], period, calendars)
    moment = period.start + timedelta(seconds=probe)
    if moment >= period.end:
        return
    local = moment.astimezone(zone_of(zone))
    minutes = local.hour * 60 + local.minute
    length = end - start if end > start else end - start + 1440
    opened = local.date() if minutes >= start else local.date() - timedelta(days=1)
    since = minutes - start if minutes >= start else minutes - start + 1440
    fits = {
        "only": opened == holiday,
        "ignore": opened.weekday() in days,
        "except": opened.weekday() in days and opened != holiday,
    }[rule]
    assert inside(found, moment) == (since < length and fits)


def test_nothing_reads_the_hosts_zones() -> None:
    with pytest.raises(KeyError):
        zone_of("../../../etc/hostname")
    with pytest.raises(KeyError):
        zone_of("Europe")


@pytest.mark.parametrize("begins", range(8, 15))
def test_a_change_of_the_clock_near_a_periods_end_is_found_to_the_second(begins: int) -> None:
    """Lord Howe sets its clock back by half an hour at 15:00 UTC: its hours then begin at half past."""
    change = datetime(2026, 4, 4, 15, tzinfo=UTC)
    period = Period(change - timedelta(hours=15 - begins), change + timedelta(hours=2, minutes=45))
    starts = [start for start, _ in counter_windows(period, "Australia/Lord_Howe", "hour")]
    before = [period.start + timedelta(hours=n) for n in range(15 - begins)]
    assert starts == [
        *before, change, *(change + timedelta(minutes=minutes) for minutes in (30, 90, 150)),
    ]  # fmt: skip


@pytest.mark.parametrize("seconds", range(1, 9))
def test_a_change_seconds_before_the_end(seconds: int) -> None:
    change = datetime(2026, 4, 4, 15, tzinfo=UTC)
    period = Period(change - timedelta(hours=9), change + timedelta(seconds=seconds))
    assert counter_windows(period, "Australia/Lord_Howe", "hour")[-1] == (change, period.end)
