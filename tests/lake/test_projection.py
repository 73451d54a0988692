"""I47: the DuckDB file is a projection; deleted, damaged or stale, it comes back the same."""

from __future__ import annotations

import hashlib
import json

import pytest

from workbench.lake import projection
from workbench.lake.engine import one
from workbench.lake.lake import Lake
from workbench.lake.row_hash import row_hash


@pytest.fixture
def filled(lake, add_hour):
    with lake.writer():
        add_hour(lake, 0)
        add_hour(lake, 1)
        lake.commit(
            {"stage": "land"},
            facts={
                "delivery": {
                    "d1": {"source": "lamps", "file": "it's.csv", "streams": {"lamps.energy": {"rows": 7}}}
                }
            },
        )
    return lake


def test_it_holds_sums_of_the_large_and_all_of_the_small(filled, units):
    with projection.read(filled) as con:
        assert one(con, "SELECT sum(units)::BIGINT, count(*) FROM records_hourly") == (units(filled), 2)
        assert one(con, "SELECT delivery_id, file, rows FROM deliveries") == ("d1", "it's.csv", 7)
        assert one(con, "SELECT count(*) FROM segments") == (2,)
        assert one(con, "SELECT version FROM about") == (3,)


def test_deleted_it_comes_back_with_the_same_rows(filled):
    before = projection.row_hashes(filled)
    projection.path_of(filled).unlink()
    assert projection.row_hashes(filled) == before
    with Lake.open(filled.root.parent, threads=1) as other:
        projection.build(other)
        assert projection.row_hashes(other) == before


def test_it_follows_the_manifest(filled, add_hour):
    first = projection.ensure(filled).stat().st_ino
    assert projection.ensure(filled).stat().st_ino == first, "nothing changed, so nothing is built"
    with filled.writer():
        add_hour(filled, 2)
    with projection.read(filled) as con:
        assert one(con, "SELECT count(*) FROM records_hourly") == (3,)


def test_a_reader_keeps_what_it_opened_while_another_is_built(filled, add_hour):
    with projection.read(filled) as old:
        with filled.writer():
            add_hour(filled, 2)
        with projection.read(filled) as new:
            assert one(new, "SELECT count(*) FROM records_hourly") == (3,)
        assert one(old, "SELECT count(*) FROM records_hourly") == (2,)


def test_readers_cannot_write(filled):
    import duckdb

    with projection.read(filled) as con:
        for sql in ("DELETE FROM segments", "CREATE TABLE x(i INT)", "COPY segments TO 'x.csv'"):
            with pytest.raises(duckdb.Error):
                con.execute(sql)


@pytest.mark.parametrize("harm", ["flip", "cut", "zero tail", "empty", "text", "no seal", "bad seal"])
def test_a_damaged_file_is_moved_aside_and_rebuilt(filled, harm):
    before = projection.row_hashes(filled)
    path = projection.path_of(filled)
    seal = path.with_name(path.name + ".seal")
    data = bytearray(path.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 4
    elif harm == "cut":
        del data[len(data) - 4096 :]
    elif harm == "zero tail":
        data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    elif harm == "empty":
        data = bytearray()
    elif harm == "text":
        data = bytearray(b"not a database")
    elif harm == "no seal":
        seal.unlink()
    else:
        seal.write_text(json.dumps({"version": "x"}))
    path.unlink()
    path.write_bytes(data)
    assert projection.row_hashes(filled) == before
    aside = path.with_name(path.name + ".damaged-1")
    assert aside.read_bytes() == bytes(data), "moved aside, never deleted"


def test_a_branch_and_the_past_have_projections_of_their_own(filled, add_hour):
    now = projection.row_hashes(filled)
    with filled.branch("b") as branch, branch.writer():
        add_hour(branch, 2)
        with projection.read(branch) as con:
            assert one(con, "SELECT count(*) FROM records_hourly") == (3,)
    with Lake.open(filled.root.parent, version=1) as past, projection.read(past) as con:
        assert one(con, "SELECT count(*) FROM records_hourly") == (1,)
    assert projection.row_hashes(filled) == now


def test_row_hash_looks_at_rows_and_nothing_else(lake):
    def hashed(sql: str) -> str:
        return row_hash(lake.con, f"({sql})")

    base = "SELECT i::BIGINT AS i, 'x' || i AS t FROM range(1000) r(i)"
    assert hashed(base) == hashed(f"SELECT t, i FROM ({base}) ORDER BY i DESC")
    assert hashed(base) != hashed(f"{base} UNION ALL SELECT 5, 'x5'")
    assert hashed(base) != hashed(f"SELECT i, replace(t, 'x7', 'x8') AS t FROM ({base})")
    assert hashed("SELECT 'a' AS a, 'bc' AS b") != hashed("SELECT 'ab' AS a, 'c' AS b")
    assert hashed("SELECT NULL::VARCHAR AS a") != hashed("SELECT '-' AS a")
    assert hashed("SELECT 1 AS a UNION ALL SELECT 1") != hashed("SELECT 1 AS a")


def test_row_hash_can_be_recomputed_without_duckdb(lake):
    """The recipe in the docstring, in plain Python: no engine version can move it unnoticed."""
    sql = (
        "(SELECT 1::BIGINT AS a, 'é' AS b, TIMESTAMP '2026-01-01' AS c, NULL::INTEGER AS d, 1.50::DECIMAL(38,2) AS e "
        "UNION ALL SELECT -7, '', NULL, 3, 0)"
    )
    rows = ["1:1" + "2:é" + "16:1767225600000000" + "-" + "4:1.50", "2:-7" + "0:" + "-" + "1:3" + "4:0.00"]
    digests = [hashlib.md5(row.encode(), usedforsecurity=False).digest() for row in rows]
    lower, upper = (
        str(sum(int.from_bytes(digest[part], "little") for digest in digests))
        for part in (slice(8, 16), slice(0, 8))
    )
    expected = hashlib.sha256(f"a,b,c,d,e|{(2, lower, upper)}".encode()).hexdigest()
    assert row_hash(lake.con, sql) == expected
