"""The chain notices every change, gap and swap; the checks say which entry (I31-I33)."""

from __future__ import annotations

import pytest

from tests.ledger.conftest import NOW, PERIOD
from workbench.lake.lake import Lake
from workbench.ledger.book import book, head, post, table, write
from workbench.ledger.chain import Head, extend, genesis, micros
from workbench.ledger.checks import entries_are_chained, keys_are_unique, ledger_checks


@pytest.fixture
def three(lake, posting):
    for number in (1, 2, 3):
        post(lake, [posting(f"line:{number}", number)], period=PERIOD, now=NOW)
    return lake


def forge(lake: Lake, sql: str) -> None:
    """Replace the whole ledger by a doctored copy that the manifest vouches for."""
    old = lake.segments("ledger")
    new = lake.write(
        "ledger", sql.format(ledger=lake.scan("ledger")), order_by=("entry_no",), meta={"forged": True}
    )
    lake.commit({"stage": "forge"}, add=[new], remove=old)


def test_an_honest_ledger_passes(three):
    results = {result.invariant: result for result in ledger_checks(three)}
    assert all(result.ok for result in results.values())
    assert results["I32"].counts == {"entries": 3}


@pytest.mark.parametrize(
    ("doctored", "says"),
    [
        ("* REPLACE (amount_nano + (entry_no = 2)::INT::DECIMAL(38,0) AS amount_nano)", "entry 2"),
        ("* REPLACE (if(entry_no = 2, 'acme2', memo) AS memo)", "entry 2"),
        ("* REPLACE (if(entry_no = 3, 'line:9', posting_key) AS posting_key)", "entry 3"),
        ("* REPLACE (booked_at + INTERVAL 1 DAY AS booked_at)", "entry 1"),
        ("* FROM {ledger} WHERE entry_no <> 2", "entry 2 is missing"),
        ("* FROM {ledger} WHERE entry_no <> 1", "entry 1 is missing"),
        ("* REPLACE (if(entry_no > 1, 5 - entry_no, 1) AS entry_no)", "entry 2"),
    ],
)
def test_i32_every_forgery_is_named(three, doctored, says):
    columns = three.con.execute(f"DESCRIBE SELECT * FROM {three.scan('ledger')}").fetchall()
    casts = ", ".join(f"{name}::{type_} AS {name}" for name, type_, *_ in columns)
    doctored += "" if "FROM" in doctored else " FROM {ledger}"
    forge(three, f"SELECT {casts} FROM (SELECT {doctored})")
    result = entries_are_chained(three)
    assert not result.ok
    assert says in result.counter_example


def test_i33_a_key_booked_twice_is_named(three):
    forge(three, "SELECT * REPLACE ('line:1' AS posting_key) FROM {ledger}")
    assert "line:1 was booked 3 times" in keys_are_unique(three).counter_example


def test_a_ledger_belongs_to_its_tenant(tmp_path, posting):
    assert genesis("main") != genesis("other")
    with Lake.open(tmp_path / "l", "other", create=True) as lake, lake.writer():
        assert head(lake) == genesis("other")


def test_segments_written_in_steps_make_one_chain(lake, posting):
    for number in range(4):
        booked = book(lake, table([posting(f"line:{number}"), posting(f"tax:{number}")]), NOW)
        lake.commit({}, add=[write(lake, booked, period=PERIOD, partition=str(number))])
    assert entries_are_chained(lake).counts == {"entries": 8}
    assert head(lake).entry_no == 8


def test_extend_is_linking_one_by_one():
    start = genesis("main")
    both = extend(start, ["a", "b"], ["p", "q"], NOW)
    first = extend(start, ["a"], ["p"], NOW)
    assert both == [*first, *extend(Head(1, first[0]), ["b"], ["q"], NOW)]


def test_instants_without_a_zone_are_utc():
    assert micros(NOW) == micros(NOW.replace(tzinfo=None)) == 1769947200_000_000
