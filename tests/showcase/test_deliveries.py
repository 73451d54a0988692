"""Deliveries made while they are landed: every file once, resumable anywhere, little on disk, errors handed over."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import simulators
from workbench.showcase.cast import cast_of, mapping_of
from workbench.showcase.deliveries import Feed, Inbox, parcels


def feed(source: str = "lamps", devices: int = 40, hours: int = 1, faults: str = "") -> Feed:
    cast = cast_of(source)
    fleet = simulators.fleet(cast.fleet, devices)
    return Feed(fleet.with_faults(faults) if faults else fleet, mapping_of(cast), hours)


class Landing:
    """Stands for a lake: remembers the files it was given, with their rows."""

    def __init__(self) -> None:
        self.rows: dict[str, pa.Table] = {}

    def names(self) -> set[str]:
        return set(self.rows)

    def take(self, inbox: Inbox, most: int | None = None) -> None:
        for number, delivery in enumerate(inbox):
            if number == most:
                break
            self.rows[delivery.path.name] = pq.read_table(delivery.path)


def sorted_rows(landing: Landing) -> list[tuple[object, ...]]:
    tables = [table.to_pylist() for table in landing.rows.values()]
    return sorted(tuple(row.values()) for rows in tables for row in rows)


@pytest.fixture
def whole(tmp_path: Path) -> Landing:
    """Four hours of lamps and of trackers, without interruption."""
    landing = Landing()
    landing.take(Inbox(tmp_path / "whole", [feed(), feed("trackers", hours=3)], 4, landing.names))
    return landing


def test_files_come_in_the_order_of_time(whole: Landing) -> None:
    assert list(whole.rows) == [
        "lamps-2026-03-02T00.parquet",
        "trackers-2026-03-02T00.parquet",
        "lamps-2026-03-02T01.parquet",
        "lamps-2026-03-02T02.parquet",
        "lamps-2026-03-02T03.parquet",
        "trackers-2026-03-02T03.parquet",
    ]


def test_files_hold_what_the_fleet_delivers(whole: Landing) -> None:
    lamps = simulators.fleet("streetlights", 40)
    expected = pa.concat_tables([table for _, table in lamps.hours(4 / 24)])
    found = [table for name, table in whole.rows.items() if name.startswith("lamps")]
    assert sum(table.num_rows for table in found) == expected.num_rows
    assert pa.concat_tables(found)["energy_mwh"].to_pylist() == expected["energy_mwh"].to_pylist()


@pytest.mark.parametrize("most", range(6))
def test_a_run_that_stopped_goes_on_with_nothing_lost_or_doubled(
    whole: Landing, tmp_path: Path, most: int
) -> None:
    landing, feeds = Landing(), [feed(), feed("trackers", hours=3)]
    landing.take(Inbox(tmp_path / "in", feeds, 4, landing.names), most)
    landing.take(Inbox(tmp_path / "in", feeds, 4, landing.names))
    assert set(landing.rows) == set(whole.rows)
    assert sorted_rows(landing) == sorted_rows(whole)


def test_at_most_three_files_lie_on_disk_and_none_in_the_end(tmp_path: Path) -> None:
    landing, seen = Landing(), 0
    for delivery in Inbox(tmp_path / "in", [feed()], 6, landing.names):
        landing.rows[delivery.path.name] = pq.read_table(delivery.path)
        seen = max(seen, len(list((tmp_path / "in").iterdir())))
    assert 1 <= seen <= 3
    assert not (tmp_path / "in").exists()


def test_kept_files_stay_and_serve_the_next_run(tmp_path: Path) -> None:
    landing = Landing()
    landing.take(Inbox(tmp_path / "in", [feed()], 3, landing.names, keep=True))
    files = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "in").iterdir()}
    assert len(files) == 3
    again = Landing()
    again.take(Inbox(tmp_path / "in", [feed()], 3, again.names, keep=True))
    assert again.rows == landing.rows
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "in").iterdir()} == files


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "lamps-2026-03-02T00.parquet.tmp").write_bytes(b"half a fi")
    (tmp_path / "in" / "lamps-2026-03-02T01.parquet").write_bytes(b"of who knows what")
    landing = Landing()
    landing.take(Inbox(tmp_path / "in", [feed()], 2, landing.names))
    assert sum(table.num_rows for table in landing.rows.values()) > 2 * 40 * 60


def test_what_goes_wrong_in_the_thread_is_raised_where_deliveries_are_landed(tmp_path: Path) -> None:
    class Broken(Exception):
        """Planted."""

    bad = feed()

    def refuse(*_: object, **__: object) -> None:
        raise Broken

    bad.fleet.batches = refuse  # type: ignore[method-assign,assignment]
    with pytest.raises(Broken):
        Landing().take(Inbox(tmp_path / "in", [bad], 2, set))


def test_everything_in_a_file_had_arrived_when_it_was_received(tmp_path: Path) -> None:
    names: set[str] = set()
    for delivery in Inbox(
        tmp_path / "in", [feed("chargers", 60, 4, "all"), feed("trackers", 60, 4, "all")], 8, lambda: names
    ):
        arrived = pq.read_table(delivery.path)["received_at"].to_pylist()
        latest = max(arrived, default=datetime(2026, 1, 1))
        assert latest <= delivery.received_at.replace(tzinfo=None), delivery.path.name


def test_the_last_file_is_marked_last() -> None:
    found = parcels([feed(hours=3)], 7)
    assert [(parcel.end - parcel.begin).total_seconds() / 3600 for parcel in found] == [3, 3, 1]
    assert [parcel.last for parcel in found] == [False, False, True]
