"""What must hold for every fleet: reproducible, independent of how time is cut, unique keys, a usable inventory."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simulators
from simulators import inventory
from simulators.errors import ArgumentBad, FleetUnknown

NAMES = list(simulators.REGISTRY)
DEVICES = 40


def everything(fleet: simulators.Fleet, days: float = 0.25) -> pa.Table:
    return pa.concat_tables([table for _, table in fleet.hours(days)]).combine_chunks()


def true_events(fleet: simulators.Fleet, table: pa.Table) -> pa.Table:
    """The deliveries without their copies."""
    names = [name for name in table.column_names if name != "received_at"]
    return table.group_by(names).aggregate([("received_at", "count")])


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_bytes(name: str) -> None:
    digests = []
    for _ in range(2):
        sink = pa.BufferOutputStream()
        fleet = simulators.fleet(name, DEVICES, seed=9)
        with pa.ipc.new_stream(sink, fleet.schema) as writer:
            writer.write_table(everything(fleet))
        digests.append(hashlib.sha256(sink.getvalue()).hexdigest())
    assert digests[0] == digests[1]
    assert not everything(simulators.fleet(name, DEVICES, seed=10)).equals(everything(fleet))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=4, deadline=None)
@given(cuts=st.lists(st.integers(1, 13), max_size=4, unique=True))
def test_any_cut_of_time_gives_the_same_rows(name: str, cuts: list[int]) -> None:
    fleet = simulators.fleet(name, DEVICES, seed=5, start="2026-03-02T20:00")
    edges = [datetime(2026, 3, 2 + (20 + hour) // 24, (20 + hour) % 24) for hour in (0, *sorted(cuts), 14)]
    whole = fleet.table(edges[0], edges[-1]).combine_chunks()
    fresh = simulators.fleet(name, DEVICES, seed=5, start="2026-03-02T20:00")
    pieces = [fresh.table(low, high) for low, high in reversed(list(pairwise(edges)))]
    assert pa.concat_tables(list(reversed(pieces))).combine_chunks().equals(whole)


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_unique_and_types_are_small(name: str) -> None:
    fleet = simulators.fleet(name, DEVICES, seed=5)
    table = everything(fleet, 1.0)
    assert table.schema.equals(fleet.schema)
    assert table.num_rows > 0
    assert all(table[column].null_count == 0 for column in table.column_names)
    assert not any(pa.types.is_floating(field.type) for field in table.schema)
    true = true_events(fleet, table)
    assert true.group_by(list(fleet.key)).aggregate([]).num_rows == true.num_rows
    received = table["received_at"].cast(pa.int64()).to_numpy()
    assert (np.diff(received) >= 0).all()
    start = datetime(2026, 3, 2)
    assert pc.min(table["received_at"]).as_py() >= start
    copies = table.num_rows / true.num_rows - 1
    assert copies == pytest.approx(fleet.traffic.duplicates, abs=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_the_day_has_a_shape_and_nothing_is_sent_after_the_end(name: str) -> None:
    fleet = simulators.fleet(name, DEVICES, seed=5)
    table = everything(fleet, 1.0)
    late = pc.max(table["received_at"]).as_py() - datetime(2026, 3, 3)
    assert late.total_seconds() * 1000 <= fleet.delay_ms_max


@pytest.mark.parametrize("name", NAMES)
def test_inventory_names_every_device(name: str) -> None:
    fleet = simulators.fleet(name, DEVICES, seed=5)
    table = fleet.inventory()
    assert table.schema.equals(inventory.SCHEMA)
    assert table["device_id"].to_pylist() == fleet.dictionary("device_id").to_pylist()
    assert pc.count_distinct(table["device_id"]).as_py() == DEVICES
    assert 49.3 < pc.min(table["lat"]).as_py() < pc.max(table["lat"]).as_py() < 49.6
    assert everything(fleet).group_by("device_id").aggregate([]).num_rows <= DEVICES
    for kind in ("iccid", "imsi", "imei", "eid"):
        known = table[kind].drop_null()
        assert pc.count_distinct(known).as_py() == len(known)


@pytest.mark.parametrize("name", NAMES)
def test_category_columns_of_sims_agree_with_the_inventory(name: str) -> None:
    fleet = simulators.fleet(name, DEVICES, seed=5)
    table, devices = everything(fleet), fleet.inventory()
    for column in {"imsi", "imei", "iccid"} & set(table.column_names):
        pairs = table.group_by(["device_id", column]).aggregate([]).to_pylist()
        known = dict(zip(devices["device_id"].to_pylist(), devices[column].to_pylist(), strict=True))
        assert all(known[pair["device_id"]] == pair[column] for pair in pairs)


def test_start_may_be_text_a_date_or_an_instant_with_a_zone() -> None:
    wanted = simulators.esims(5, start="2026-03-02").table()
    assert simulators.esims(5, start=date(2026, 3, 2)).table().equals(wanted)
    assert simulators.esims(5, start="2026-03-02T01:00+01:00").table().equals(wanted)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"devices": 0}, "devices_bad"),
        ({"devices": -3}, "devices_bad"),
        ({"devices": 2.5}, "devices_bad"),
        ({"devices": 10, "seed": -1}, "seed_bad"),
        ({"devices": 10, "start": "yesterday"}, "date_bad"),
        ({"devices": 10, "start": "2026-03-02T00:30"}, "date_bad"),
        ({"devices": 10, "start": "9999-01-01"}, "date_bad"),
        ({"devices": 10, "duplicates": 1.5}, "share_bad"),
        ({"devices": 10, "loss": -0.1}, "share_bad"),
        ({"devices": 10, "loss": float("nan")}, "share_bad"),
    ],
)
def test_bad_arguments_are_named_with_a_cure(arguments: dict[str, object], code: str) -> None:
    with pytest.raises(ArgumentBad) as caught:
        simulators.fleet("streetlights", **arguments)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert caught.value.cure


@pytest.mark.parametrize("days", [0, -1, 0.3, float("inf"), float("nan"), 1e9])
def test_bad_days_are_refused(days: float) -> None:
    with pytest.raises(ArgumentBad) as caught:
        list(simulators.buttons(3).hours(days))
    assert caught.value.code == "days_bad"


def test_an_unknown_fleet_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(FleetUnknown, match="street") as caught:
        simulators.fleet("street-lights")
    assert "streetlights" in caught.value.cure
