"""Registers: deltas, resets, rollovers, silences and impossible jumps (I11)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.mediation.streams import REGISTER, START, contents, lake_of


def _readings(*pairs: tuple[int, int]) -> list[dict]:
    return [
        {
            "device_id": "m",
            "ends_at": START + timedelta(minutes=minute),
            "event_id": "",
            "fcnt": 0,
            "units": 0,
            "reading": reading,
            "received_at": START + timedelta(minutes=minute),
            "lux": 0,
            "network": None,
        }
        for minute, reading in pairs
    ]


@pytest.mark.parametrize(
    ("readings", "units", "flags"),
    [
        ([(0, 100), (15, 130)], 30, 0),  # plain use
        ([(0, 990), (15, 20)], 30, 2),  # 990 -> 1000 rolls over -> 20
        ([(0, 500), (15, 20)], 20, 1),  # 520 over the top is more than 400: a reset, counted from zero
        ([(0, 100), (90, 150)], 50, 4),  # the silence's use is booked where it arrives, and flagged
        ([(0, 100), (15, 600)], 0, 8),  # 500 in one step is held
    ],
)
def test_a_step(readings: list, units: int, flags: int) -> None:
    """Each kind of step has its units and its flag."""
    with lake_of([_readings(*readings)], REGISTER) as (lake, _):
        records, held, _ = contents(lake)
    assert sum(row[2] for row in records) == units
    assert records[-1][8] == flags
    assert [row[5] for row in held] == ([500] if flags == 8 else [])


def test_a_dip_to_zero_and_back_bills_no_lifetime() -> None:
    """1000 -> 0 -> 1001 would bill the register's whole life; the jump back is held."""
    with lake_of([_readings((0, 900), (15, 0), (30, 905))], REGISTER) as (lake, _):
        records, held, _ = contents(lake)
    assert sum(row[2] for row in records) <= 100
    assert [row[5] for row in held] == [905]


def test_a_late_reading_splits_the_delta_it_falls_into() -> None:
    """The sum stays; the parts move to the windows they belong to, across partitions too."""
    with lake_of([_readings((50, 100), (130, 300))], REGISTER) as (lake, _):
        before = contents(lake)[0]
    with lake_of([_readings((50, 100), (130, 300)), _readings((70, 140))], REGISTER, mediate_each=True) as (
        lake,
        _,
    ):
        after = contents(lake)[0]
    assert [row[2] for row in before] == [0, 200]
    assert [row[2] for row in after] == [0, 40, 160]


def test_a_late_reading_of_one_device_leaves_its_neighbours_alone() -> None:
    """The neighbour's last reading is carried from its own latest hour, not from the hour before the late one."""

    def of(device: str, *pairs: tuple[int, int]) -> list[dict]:
        return [{**row, "device_id": device} for row in _readings(*pairs)]

    on_time = of("late", (10, 100), (70, 150), (130, 200)) + of("other", (10, 100), (70, 180), (130, 250))
    with lake_of([on_time + of("late", (80, 160))], REGISTER) as (lake, _):
        once = contents(lake)
    with lake_of([on_time, of("late", (80, 160))], REGISTER, mediate_each=True) as (lake, _):
        again = contents(lake)
    assert sum(row[2] for row in again[0]) == 100 + 150
    assert again == once
