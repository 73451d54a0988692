"""``workbench city`` and ``demo``: exactly one object with ``--json``, a summary without, code 1 when not proven."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Said
from workbench.cli.summary import money

Say = Callable[..., Said]

KEYS = {
    "events_delivered", "events_accepted", "duplicates", "rejects", "records", "reduction_percent", "revenue_nano",
    "currency", "shares", "invoices", "invoiced_nano", "rounding_nano", "verify_ok", "wall_seconds", "peak_rss_mb",
    "lamps", "days", "rent_nano", "energy_units", "energy_nano_numerator", "energy_nano_denominator",
}  # fmt: skip


def test_a_city_prints_one_object(say: Say, tmp_path: Path) -> None:
    said = say("city", "--lamps", "20", "--hours", "1", "--lake", tmp_path / "lake", "--json")
    assert said.code == 0
    found = said.object
    assert set(found) >= KEYS
    assert (found["lamps"], found["days"], found["verify_ok"]) == (20, 1, True)
    assert found["rent_nano"] == 20 * 100_000_000
    assert sum(found["shares"].values()) == found["revenue_nano"]


def test_a_city_is_summed_up_for_people(say: Say, town: Path) -> None:
    said = say("city", "--lamps", "30", "--hours", "2", "--lake", town)
    assert said.code == 0
    for words in ("events delivered", "operator", "promises hold"):
        assert words in said.out


def test_another_city_in_the_same_folder_is_refused(say: Say, town: Path) -> None:
    said = say("city", "--lamps", "31", "--lake", town, "--json")
    assert said.code == 2
    assert said.error["code"] == "scene_differs"


@pytest.mark.parametrize("words", [("--start", "2025-12-31"), ("--hours", "25"), ("--start", "tomorrow")])
def test_a_city_that_makes_no_sense_is_refused(say: Say, tmp_path: Path, words: tuple[str, str]) -> None:
    said = say("city", "--lamps", "5", "--lake", tmp_path / "lake", *words, "--json")
    assert said.code == 2
    assert not (tmp_path / "lake").exists()


@pytest.mark.slow  # the demo in full is a suite of its own in .ci/run
def test_a_demo_without_pages_ends(say: Say, tmp_path: Path) -> None:
    words = ("demo", "--headless", "--scale", "60", "--days", "1", "--lake", tmp_path / "demo", "--json")
    found = say(*words).object
    assert found["verify_ok"] is True
    assert found["streams"] == 11
    again = say(*words).object
    assert again["resumed"] is True
    assert again["revenue_nano"] == found["revenue_nano"]
    fresh = say(*words, "--fresh").object
    assert fresh["resumed"] is False
    assert fresh["revenue_nano"] == found["revenue_nano"]


def test_a_lake_that_cannot_be_proven_ends_with_code_1(say: Say, tmp_path: Path) -> None:
    words = ("city", "--lamps", "5", "--hours", "1", "--lake", tmp_path / "lake", "--json")
    assert say(*words).code == 0
    charges = next((tmp_path / "lake" / "main" / "charges").rglob("*.parquet"))
    data = bytearray(charges.read_bytes())
    data[len(data) // 2] ^= 1
    charges.chmod(0o644)
    charges.write_bytes(data)
    said = say(*words)
    assert said.code in (1, 2)
    assert "segment" in said.err


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (20_012_345_678_901, "20,012.35 EUR"),
        (0, "0.00 EUR"),
        (-5_000_000, "-0.01 EUR"),
        (10**18, "1,000,000,000.00 EUR"),
    ],
)
def test_money_is_written_as_people_write_it(nano: int, text: str) -> None:
    assert money(nano, "EUR") == text
