"""Street lamps: exact counts, unique keys, the same bytes whichever way they are cut."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import simulators
from simulators.devices import streetlights as devices_streetlights

PAYLOAD = ["device_id", "ts", "energy_mwh", "lux", "status"]


def everything(fleet: simulators.Fleet, days: float) -> pa.Table:
    return pa.concat_tables([table for _, table in fleet.hours(days)])


@pytest.mark.parametrize(
    ("devices", "lamps_per_block"), [(1, 100_000), (7, 100_000), (3_000, 100_000), (3_000, 300)]
)
def test_every_lamp_reads_once_a_minute_and_keys_are_unique(
    devices: int, lamps_per_block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices_streetlights, "LAMPS_PER_BLOCK", lamps_per_block)
    table = everything(simulators.streetlights(devices=devices, seed=3), 1 / 24).combine_chunks()
    true = table.group_by(["device_id", "ts"]).aggregate([("lux", "count_distinct"), ("energy_mwh", "count")])
    assert true.num_rows == devices * 60
    assert pc.max(true["lux_count_distinct"]).as_py() == 1, "a copy must carry the same payload"
    minutes = pc.floor_temporal(true["ts"], unit="minute")
    per_minute = (
        pa.table({"d": true["device_id"], "m": minutes}).group_by(["d", "m"]).aggregate([("m", "count")])
    )
    assert per_minute.num_rows == devices * 60


def test_hours_equal_the_day_and_any_hour_can_be_made_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices_streetlights, "LAMPS_PER_BLOCK", 100)  # blocks of 5 s, as in a city
    lamps = simulators.streetlights(devices=1_200, seed=11)
    hours = [table for _, table in lamps.hours(3 / 24)]
    whole = lamps.table("2026-03-02", "2026-03-02T03:00").combine_chunks()
    assert pa.concat_tables(hours[:3]).combine_chunks().equals(whole)
    alone = simulators.streetlights(devices=1_200, seed=11).table("2026-03-02T02:00", "2026-03-02T03:00")
    assert alone.combine_chunks().equals(hours[2].combine_chunks())


def test_another_seed_is_another_city() -> None:
    one, two = (
        simulators.streetlights(devices=50, seed=seed).table("2026-03-02", "2026-03-02T01:00")
        for seed in (1, 2)
    )
    assert not one.equals(two)


def test_arrival_is_sorted_and_duplicates_are_the_declared_share() -> None:
    table = everything(simulators.streetlights(devices=2_000, seed=5), 0.25)
    received = table["received_at"].cast(pa.int64()).to_numpy()
    assert (received[1:] >= received[:-1]).all()
    share = table.num_rows / (2_000 * 360) - 1
    assert 0.0135 < share < 0.0165
    none = simulators.streetlights(devices=100, seed=5, duplicates=0.0)
    assert everything(none, 1 / 24).num_rows == 6_000


def test_lamps_burn_at_night_and_the_sky_is_bright_at_noon() -> None:
    lamps = simulators.streetlights(devices=200, seed=5)
    night = lamps.table("2026-03-02T20:00", "2026-03-02T21:00")
    noon = lamps.table("2026-03-02T11:00", "2026-03-02T12:00")
    assert pc.mean(night["energy_mwh"]).as_py() > 50 * pc.mean(noon["energy_mwh"]).as_py()
    assert pc.min(noon["lux"]).as_py() > 100 * pc.max(night["lux"]).as_py() / 10


def test_summer_nights_are_shorter() -> None:
    evening = [
        pc.sum(
            simulators.streetlights(devices=50, seed=5, start=f"2026-{month}-20").table(
                f"2026-{month}-20T17:00", f"2026-{month}-20T19:00"
            )["energy_mwh"]
        ).as_py()
        for month in ("06", "12")
    ]
    assert evening[1] > 20 * evening[0]


@pytest.mark.parametrize("posts", [1, 3, 50, 6_000])
def test_the_city_has_exactly_the_posts_asked_for_each_in_its_own_place(posts: int) -> None:
    table = simulators.streetlights(devices=posts, seed=8).inventory()
    places = table.group_by(["lat", "lon"]).aggregate([])
    assert table.num_rows == places.num_rows == posts
    streets = table.group_by(["street", "district"]).aggregate([]).num_rows
    assert streets == table.group_by("street").aggregate([]).num_rows, "a street lies in one district"
    if posts > 1_000:
        assert pc.count_distinct(table["district"]).as_py() == 16
