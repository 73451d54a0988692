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


def test_minutes_and_hours_begin_on_the_local_clock() -> None:
    start = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
    minutes = counter_windows(Period(start, start + timedelta(minutes=2)), "UTC", "minute")
    edges = [
        start,
        *(start.replace(second=0) + timedelta(minutes=n) for n in (1, 2)),
        start + timedelta(minutes=2),
    ]
    assert minutes == list(pairwise(edges))
    # Kathmandu is five hours and three quarters ahead: its hours begin at a quarter past
    hours = counter_windows(Period(start, start + timedelta(hours=1)), "Asia/Kathmandu", "hour")
    assert [begin.strftime("%H:%M:%S") for begin, _ in hours] == ["00:00:30", "00:15:00"]


def test_weeks_and_months_are_cut_by_the_period() -> None:
    period = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 14, tzinfo=UTC))
    mondays = [period.start, datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC), period.end]
    assert counter_windows(period, "UTC", "week") == list(pairwise(mondays))
    assert counter_windows(period, "UTC", "month") == [(period.start, period.end)]
    assert counter_windows(period, "UTC", "billing") == [(period.start, period.end)]


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 1, day, hour, minute, tzinfo=UTC)


NIGHT = TimeWindow(22 * 60, 6 * 60)


@pytest.mark.parametrize(
    ("windows", "found"),
    [
        ([NIGHT], [(at(5, 22), at(6, 6)), (at(6, 22), at(7))]),
        # two that touch, and one inside another, are one stretch
        ([TimeWindow(540, 600), TimeWindow(600, 660)], [(at(5, 9), at(5, 11)), (at(6, 9), at(6, 11))]),
        ([TimeWindow(540, 720), TimeWindow(600, 660)], [(at(5, 9), at(5, 12)), (at(6, 9), at(6, 12))]),
        ([TimeWindow(540, 541), TimeWindow(542, 543)], [(at(d, 9, m), at(d, 9, m + 1)) for d in (5, 6) for m in (0, 2)]),
        # from noon to noon holds all day, and so does midnight to midnight
        ([TimeWindow(720, 720)], [(at(5, 6), at(7))]),
        ([TimeWindow(0, 0)], [(at(5, 6), at(7))]),
        ([TimeWindow(0, 1440, (1,))], [(at(6), at(7))]),
        ([TimeWindow(22 * 60, 6 * 60, (0,))], [(at(5, 22), at(6, 6))]),  # it is Monday's, although it ends on Tuesday
        ([TimeWindow(22 * 60, 7 * 60, (6,))], [(at(5, 6), at(5, 7))]),  # Sunday's reaches into the period
        ([TimeWindow(0, 1440, (4,))], []),
    ],
)  # fmt: skip
def test_windows_as_stretches_of_a_period(
    windows: list[TimeWindow], found: list[tuple[datetime, datetime]]
) -> None:
    """From Monday 06:00 to Wednesday: whole stretches, none that is empty, none that touches the next."""
    assert expand(windows, Period(at(5, 6), at(7)), {}) == found


def test_a_window_over_a_change_of_the_clock_is_one_stretch_of_another_length() -> None:
    march = Period(datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 29, 12, tzinfo=UTC))
    found = expand([TimeWindow(60, 240, zone="Europe/Berlin")], march, {})
    # 01:00 to 04:00 of Berlin is 00:00 to 02:00 UTC, as 02:00 does not happen
    assert found == [(datetime(2026, 3, 29, 0, tzinfo=UTC), datetime(2026, 3, 29, 2, tzinfo=UTC))]


def test_a_change_at_the_very_end_of_a_period_is_the_next_ones() -> None:
    change = datetime(2026, 4, 4, 15, tzinfo=UTC)
    hours = counter_windows(Period(change - timedelta(hours=2), change), "Australia/Lord_Howe", "hour")
    assert hours == [
        (change - timedelta(hours=2), change - timedelta(hours=1)),
        (change - timedelta(hours=1), change),
    ]
    after = counter_windows(Period(change, change + timedelta(hours=1)), "Australia/Lord_Howe", "hour")
    half = change + timedelta(minutes=30)
    assert after == [(change, half), (half, change + timedelta(hours=1))]


def test_periods_of_every_kind_and_their_neighbours() -> None:
    moment = datetime(2026, 5, 20, 12, tzinfo=UTC)
    found = {
        (kind, anchor, shift): tuple(
            local_day(instant, "UTC").isoformat()
            for instant in (
                period_at(moment, "UTC", kind, anchor, shift).start,
                period_at(moment, "UTC", kind, anchor, shift).end,
            )
        )
        for kind, anchor, shift in (
            ("day", 1, 0), ("day", 1, 2), ("week", 1, 0), ("week", 1, -1), ("month", 1, 0), ("month", 20, 0), ("month", 21, 0),
            ("month", 31, 9), ("quarter", 1, 0), ("quarter", 1, 3), ("quarter", 15, -2), ("year", 1, 0), ("year", 1, -1),
        )
    }  # fmt: skip
    assert found == {
        ("day", 1, 0): ("2026-05-20", "2026-05-21"),
        ("day", 1, 2): ("2026-05-22", "2026-05-23"),
        ("week", 1, 0): ("2026-05-18", "2026-05-25"),
        ("week", 1, -1): ("2026-05-11", "2026-05-18"),
        ("month", 1, 0): ("2026-05-01", "2026-06-01"),
        ("month", 20, 0): ("2026-05-20", "2026-06-20"),
        ("month", 21, 0): ("2026-04-21", "2026-05-21"),
        ("month", 31, 9): ("2027-01-31", "2027-02-28"),
        ("quarter", 1, 0): ("2026-04-01", "2026-07-01"),
        ("quarter", 1, 3): ("2027-01-01", "2027-04-01"),
        ("quarter", 15, -2): ("2025-10-15", "2026-01-15"),
        ("year", 1, 0): ("2026-01-01", "2027-01-01"),
        ("year", 1, -1): ("2025-01-01", "2026-01-01"),
    }


def test_days_touch_a_period_and_are_billed_where_they_end() -> None:
    period = Period(datetime(2026, 1, 5, 12, tzinfo=UTC), datetime(2026, 1, 7, 12, tzinfo=UTC))
    assert [day.day for day, _, _ in days_of(period, "UTC")] == [5, 6, 7]
    assert [(day.day, start, end) for day, start, end in billed_days(period, "UTC")] == [
        (5, at(5), at(6)),
        (6, at(6), at(7)),
    ]
    midnights = Period(at(5), at(7))
    assert [day.day for day, _, _ in days_of(midnights, "UTC")] == [5, 6]
    assert [day.day for day, _, _ in billed_days(midnights, "UTC")] == [5, 6]


def test_a_name_that_is_no_zones_is_refused() -> None:
    for name in (
        "",
        "Europe/Nowhere",
        "Europe/Berlin/",
        "Europe/../UTC",
        "zone.tab",
        "__init__.py",
        "tzdata.zi",
        "a/b/c/d",
    ):
        with pytest.raises(KeyError) as caught:
            zone_of(name)
        assert caught.value.args == (name,)
    assert zone_of("America/Argentina/Ushuaia").key == "America/Argentina/Ushuaia"


def test_an_empty_period_has_nothing() -> None:
    empty = Period(at(5), at(5))
    assert expand([TimeWindow()], empty, {}) == []
    for kind in ("minute", "hour", "day", "week", "month"):
        assert counter_windows(empty, "Europe/Berlin", kind) == []


def test_a_window_of_yesterday_is_found_west_of_greenwich_too() -> None:
    # from 20:00 to 18:00 of New York, five hours behind: at 16:00 there, yesterday's still holds for two hours
    found = expand([TimeWindow(1200, 1080, zone="America/New_York")], Period(at(5, 21), at(6, 2)), {})
    assert found == [(at(5, 21), at(5, 23)), (at(6, 1), at(6, 2))]


def test_holidays_are_left_out_or_all_there_is() -> None:
    calendars = {"c": HolidayCalendar("c", (date(2026, 1, 6),))}
    for rule, days in (("ignore", [5, 6, 7]), ("only", [6]), ("except", [5, 7])):
        found = expand([TimeWindow(540, 600, holidays=rule, calendar="c")], Period(at(5), at(8)), calendars)
        assert found == [(at(day, 9), at(day, 10)) for day in days]
