"""A city from an empty folder to proven figures: exact, the same every time, and resumable after a kill."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import UsageError
from workbench.lake.lake import Lake
from workbench.showcase.build import forget, play
from workbench.showcase.scene import Scene, city, demo

LAMPS, HOURS = 40, 3


def content(path: Path) -> set[tuple[str, str, str]]:
    """What a lake holds, by kind and hash of bytes: everything that was billed and why."""
    kinds = ("landed", "records", "charges", "lines", "invoices", "invoice_lines", "statements", "ledger")
    with Lake.open(path) as lake:
        return {
            (kind, segment.partition, segment.sha256) for kind in kinds for segment in lake.segments(kind)
        }


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    path = tmp_path_factory.mktemp("city") / "lake"
    return path, play(path, city(LAMPS, hours=HOURS), full_verify=True)


def test_every_event_is_told(small: tuple[Path, dict[str, Any]]) -> None:
    found = small[1]
    assert found["events_accepted"] == LAMPS * 60 * HOURS
    assert found["events_delivered"] == found["events_accepted"] + found["duplicates"]
    assert found["duplicates"] > 0
    assert found["records"] == LAMPS * 4 * HOURS
    assert found["reduction_percent"] == 93.33
    assert (found["rejects"], found["quarantined"], found["uncharged"]) == (0, 0, 0)


def test_the_money_is_exact_and_so_are_the_shares(small: tuple[Path, dict[str, Any]]) -> None:
    found = small[1]
    energy = Fraction(found["energy_nano_numerator"], found["energy_nano_denominator"])
    assert found["rent_nano"] == LAMPS * 100_000_000
    assert energy == Fraction(found["energy_units"] * 50_000, 1_000_000)
    assert Fraction(found["revenue_nano_exact"]) == found["rent_nano"] + energy
    assert abs(found["revenue_nano"] - Fraction(found["revenue_nano_exact"])) <= Fraction(1, 2)
    assert sum(found["shares"].values()) == found["revenue_nano"]
    assert abs(found["shares"]["operator"] - Fraction(7, 10) * Fraction(found["revenue_nano_exact"])) < 1
    assert found["rounding_nano"] == found["invoiced_nano"] - found["revenue_nano"]
    with Lake.open(small[0]) as lake:
        assert found["invoices"] == sum(segment.rows for segment in lake.segments("accounts"))


def test_it_is_proven_and_its_stages_are_timed(small: tuple[Path, dict[str, Any]]) -> None:
    found = small[1]
    assert found["verify_ok"] is True
    assert found["verify_full"] is True
    stages = ("parties", "land", "mediate", "rate", "settle", "verify")
    assert set(found["wall_seconds"]) == {*stages, "total"}
    assert all(found["peak_rss_mb_by_stage"][stage] > 0 for stage in stages)
    assert found["peak_rss_mb"] >= max(found["peak_rss_mb_by_stage"].values())


def test_the_inbox_is_gone(small: tuple[Path, dict[str, Any]]) -> None:
    assert sorted(path.name for path in small[0].iterdir()) == ["main", "sales.yaml"]


def test_running_again_changes_nothing_and_tells_the_same(small: tuple[Path, dict[str, Any]]) -> None:
    path, before = small
    held = content(path)
    after = play(path, city(LAMPS, hours=HOURS))
    assert content(path) == held
    assert after["resumed"] is True
    told = {
        name
        for name in before
        if name not in ("wall_seconds", "resumed") and "rss" not in name and "verify" not in name
    }
    assert {name: after[name] for name in told} == {name: before[name] for name in told}


def test_another_city_in_the_same_lake_is_refused(small: tuple[Path, dict[str, Any]]) -> None:
    with pytest.raises(UsageError, match=r"lamps=40 \(asked: lamps=41\)") as caught:
        play(small[0], city(41, hours=HOURS))
    assert caught.value.code == "scene_differs"


def test_one_thread_and_other_files_bill_the_same(small: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    bills = {"charges", "lines", "invoices", "invoice_lines", "statements", "ledger", "records"}
    play(tmp_path / "lake", Scene({"lamps": LAMPS}, hours=HOURS, hours_per_file=2), threads=1)
    assert {row for row in content(tmp_path / "lake") if row[0] in bills} == {
        row for row in content(small[0]) if row[0] in bills
    }


def test_a_demo_has_every_fleet_and_its_truth_aside(tmp_path: Path) -> None:
    found = play(tmp_path / "demo", demo(1, scale=40, hours=4))
    assert found["verify_ok"] is True
    assert found["streams"] == 11
    assert sum(found["shares"].values()) == found["revenue_nano"]
    assert "rent_nano" not in found
    assert (tmp_path / "demo" / "truth" / "faults.parquet").exists()
    forget(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_only_a_showcase_is_thrown_away(tmp_path: Path) -> None:
    with Lake.open(tmp_path / "mine", create=True):
        pass
    with pytest.raises(UsageError) as caught:
        forget(tmp_path / "mine")
    assert caught.value.code == "not_a_showcase"
    forget(tmp_path / "nothing-there")


@pytest.mark.parametrize("wrong", [{"days": 0}, {"hours": 25}, {"days": 400}])
def test_a_scene_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Scene({"lamps": 1}, **wrong)
