"""Visibility, branches, time travel, the writer's lock, and what a dead writer leaves behind."""

from __future__ import annotations

import contextlib
import multiprocessing

import pyarrow as pa
import pytest

from workbench.errors import LakeError, LakeLocked, LakeMissing, LakeReadOnly, UsageError
from workbench.lake.lake import Lake


def test_a_segment_is_invisible_until_its_commit(lake, add_hour, units):
    with lake.writer():
        segment = add_hour(lake, 0, commit=False)
        assert lake.segments("records") == []
        with Lake.open(lake.root.parent) as other:
            assert units(other) == 0
            lake.commit({"stage": "mediate"}, add=[segment])
            assert units(other) == 0
            other.refresh()
            assert units(other) == segment.controls["units"] > 0


def test_nothing_is_written_outside_writer(lake, add_hour):
    with pytest.raises(LakeReadOnly):
        add_hour(lake, 0)
    with pytest.raises(LakeReadOnly):
        lake.commit({"stage": "x"})


def test_a_lake_that_is_not_there_is_named(tmp_path):
    with pytest.raises(LakeMissing, match="no lake here"):
        Lake.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["", "../other", "a/b", ".hidden", "a b"])
def test_a_tenant_name_cannot_leave_its_folder(tmp_path, name):
    with pytest.raises(UsageError):
        Lake.open(tmp_path, name, create=True)


def test_a_branch_shares_production_and_keeps_its_own_work(lake, add_hour, units):
    with lake.writer():
        add_hour(lake, 0)
    before = units(lake)
    with lake.branch("what-if") as branch:
        with branch.writer():
            added = add_hour(branch, 1)
        assert units(branch) == before + added.controls["units"]
        lake.refresh()
        assert units(lake) == before
        with lake.writer():
            add_hour(lake, 2)
        branch.refresh()
        assert units(branch) == before + added.controls["units"], (
            "a branch never sees later versions of production"
        )
    assert lake.branches() == ["what-if"]
    assert lake.prove_manifest().version == 2
    lake.drop_branch("what-if")
    assert lake.branches() == []


def test_a_branch_writes_while_production_is_being_written(lake, add_hour):
    with lake.writer():
        add_hour(lake, 0)
    with lake.branch("b") as branch, lake.writer(), branch.writer():
        add_hour(branch, 1)
        add_hour(lake, 1)
        assert [len(each.segments("records")) for each in (branch, lake)] == [2, 2]


def test_a_branch_name_is_taken_once(lake):
    lake.branch("b").close()
    with pytest.raises(UsageError):
        lake.branch("b")


def test_time_travel_shows_the_past_and_writes_nothing(lake, add_hour, units):
    with lake.writer():
        first = add_hour(lake, 0)
        add_hour(lake, 1)
    with Lake.open(lake.root.parent, version=1) as past:
        assert units(past) == first.controls["units"]
        with pytest.raises(LakeReadOnly), past.writer():
            pass
    with pytest.raises(LakeMissing, match="no version 7"):
        Lake.open(lake.root.parent, version=7)


def test_a_replaced_segment_stays_for_history(lake, add_hour, units):
    with lake.writer():
        old = add_hour(lake, 0)
        new = add_hour(lake, 0, devices=10, commit=False)
        lake.commit({"stage": "late"}, add=[new], remove=[old])
    assert units(lake) == new.controls["units"]
    with Lake.open(lake.root.parent, version=1) as past:
        assert units(past) == old.controls["units"]


def test_the_same_rows_twice_need_an_origin(lake, add_hour):
    with lake.writer():
        segment = add_hour(lake, 0)
        with pytest.raises(LakeError) as error:
            lake.commit({"stage": "again"}, add=[segment])
        assert error.value.code == "segment_twice"
        rows = "SELECT 1::BIGINT AS device_key, 'd' AS device_id, 's' AS source"
        one = lake.write("devices", rows, origin="delivery 1")
        two = lake.write("devices", rows, origin="delivery 2")
        lake.commit({"stage": "land"}, add=[one, two])
    assert len(lake.segments("devices")) == 2


def test_history_tells_every_run(lake, add_hour):
    with lake.writer():
        add_hour(lake, 0)
        lake.commit({"stage": "note"}, facts={"delivery": {"d1": {"rows": 5}}})
    assert [entry["run"]["stage"] for entry in lake.history()] == ["mediate", "note"]
    assert lake.facts("delivery") == {"d1": {"rows": 5}}


def test_checkpoints_change_nothing(lake, units):
    with lake.writer():
        for number in range(130):
            lake.commit({"n": number}, facts={"delivery": {f"d{number}": {"rows": number}}})
    with Lake.open(lake.root.parent) as fresh:
        assert fresh.state.to_json() == fresh.prove_manifest().to_json()
    with Lake.open(lake.root.parent, version=100) as past:
        assert len(past.facts("delivery")) == 100


# -- the writer's lock -------------------------------------------------------------------------------------------


def _hold(path, ready, release):
    with Lake.open(path) as lake, lake.writer():
        ready.set()
        release.wait(30)


def test_one_writer_at_a_time_across_processes(lake, add_hour):
    spawn = multiprocessing.get_context("spawn")
    ready, release = spawn.Event(), spawn.Event()
    process = spawn.Process(target=_hold, args=(lake.root.parent, ready, release))
    process.start()
    try:
        assert ready.wait(30)
        with pytest.raises(LakeLocked, match=str(process.pid)), lake.writer():
            pass
        assert lake.segments("records") == []
    finally:
        release.set()
        process.join(30)
    with lake.writer():
        add_hour(lake, 0)


def test_a_commit_race_has_one_winner(lake, add_hour, units):
    """Two writers that both believe they are alone (a lock that does not work, as on some network disks)."""
    with Lake.open(lake.root.parent) as other, lake.writer():
        other._writing = True
        mine = add_hour(lake, 0, commit=False)
        theirs = add_hour(other, 1, commit=False)
        lake.commit({"who": "me"}, add=[mine])
        with pytest.raises(LakeLocked, match="same time"):
            other.commit({"who": "they"}, add=[theirs])
        other.refresh()
        assert units(other) == units(lake) == mine.controls["units"]
        other.commit({"who": "they"}, add=[theirs])
    assert [entry["run"]["who"] for entry in lake.history()] == ["me", "they"]


def fail_while_writing(lake, add_hour):
    strays = []
    with contextlib.suppress(RuntimeError), lake.writer():
        strays.append(add_hour(lake, 1, commit=False))
        raise RuntimeError("the stage fails")
    return strays[0]


def test_what_a_failed_writer_left_is_swept_and_nothing_else(lake, add_hour):
    with lake.writer():
        kept = add_hour(lake, 0)
    stray = fail_while_writing(lake, add_hour)
    half = lake.root / "records" / "lamps.energy" / ".123-1.tmp"
    half.write_bytes(b"PAR1 half a file")
    assert (lake.root / stray.path).exists()
    with lake.writer():
        pass
    assert not (lake.root / stray.path).exists()
    assert not half.exists()
    assert (lake.root / kept.path).exists()


# -- what a file may hold ----------------------------------------------------------------------------------------

LEDGERLIKE = (
    "SELECT 'p' AS partner_id, 'o' AS offer_id, 1 AS offer_version, TIMESTAMP '2026-01-01' AS period_start, "
)
STATEMENT = (
    LEDGERLIKE + "TIMESTAMP '2026-02-01' AS period_end, 'EUR' AS currency, {n} AS share_numerator, "
    "1::DECIMAL(38,0) AS share_denominator, 1::DECIMAL(38,0) AS statement_nano"
)


@pytest.mark.parametrize("number", ["0.5::DOUBLE", "avg(1)", "1.5::FLOAT", "1::DECIMAL(18,3)"])
def test_i22_money_that_is_not_exact_never_enters(lake, number):
    """The file that was written is what is checked, not the query."""
    with lake.writer():
        with pytest.raises(LakeError) as error:
            lake.write("statements", STATEMENT.format(n=number))
        assert error.value.code in ("segment_schema", "float_in_money")
    assert not list(lake.root.rglob("*.parquet"))


@pytest.mark.parametrize("number", [2**63, 10**37 + 1, -(10**37) - 1])
def test_i22_a_sum_reaches_the_file_exactly(lake, number):
    """The engine's own writer turns HUGEINT, the type of every sum, into DOUBLE without a word."""
    with lake.writer():
        segment = lake.write(
            "statements",
            STATEMENT.format(n=f"sum({number}::HUGEINT)"),
            controls={"n": "sum(share_numerator)"},
        )
    assert segment.controls["n"] == number


def test_i22_a_float_in_an_additional_money_column_is_refused(lake):
    sql = STATEMENT.format(n="1::DECIMAL(38,0)") + ", 0.1::DOUBLE AS residue_nano"
    with lake.writer(), pytest.raises(LakeError) as error:
        lake.write("statements", sql)
    assert error.value.code == "float_in_money"


def test_unknown_columns_and_missing_columns_are_refused(lake):
    with lake.writer():
        with pytest.raises(LakeError, match="no column extra"):
            lake.write("partners", "SELECT 'a' AS partner_id, 'b' AS name, 1 AS extra")
        with pytest.raises(LakeError, match="missing"):
            lake.write("partners", "SELECT 'a' AS partner_id")


def test_arrow_and_sql_rows_make_the_same_file(lake):
    with lake.writer():
        table = pa.table({"partner_id": ["b", "a"], "name": ["y", "x"]})
        from_arrow = lake.write("partners", table, order_by=("partner_id",))
        from_sql = lake.write(
            "partners", "FROM (VALUES ('a', 'x'), ('b', 'y')) t(partner_id, name)", order_by=("partner_id",)
        )
    assert from_arrow.sha256 == from_sql.sha256


@pytest.mark.parametrize("seed", [1, 2])
def test_a_total_order_gives_the_same_bytes_on_any_thread_count(tmp_path, seed):
    hashes = set()
    for threads in (1, 2):
        with Lake.open(tmp_path / f"{threads}", create=True, threads=threads) as lake, lake.writer():
            rows = f"""SELECT (hash(i + {seed}) % 100000)::BIGINT AS device_key, 'd' || i AS device_id,
                       's' || (i % 7) AS source FROM range(300000) t(i)"""
            shuffled = f"SELECT * FROM ({rows}) ORDER BY hash(device_id || '{threads}')"
            hashes.add(lake.write("devices", shuffled, order_by=("device_key", "device_id")).sha256)
    assert len(hashes) == 1
