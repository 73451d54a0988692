"""What a query may reach: the lake, its inputs, nothing else (S7)."""

from __future__ import annotations

import duckdb
import pytest

from workbench.lake.engine import make_scratch, one, sweep_scratch
from workbench.lake.lake import Lake

ESCAPES = [
    "SELECT * FROM read_csv('{outside}/secret.csv')",
    "SELECT * FROM read_text('{outside}/secret.csv')",
    "SELECT * FROM '{lake}/../../secret.csv'",
    "SELECT * FROM read_text('{lake}/link.csv')",
    "COPY (SELECT 1) TO '{outside}/out.csv'",
    "ATTACH '{outside}/other.duckdb'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access=true",
    "SET allowed_directories=['/']",
    "SET lock_configuration=false",
    "RESET lock_configuration",
    "SELECT * FROM glob('{outside}/*')",
]


@pytest.mark.parametrize("sql", ESCAPES)
def test_the_connection_cannot_leave_the_lake(tmp_path, sql):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("a\n1\n")
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with Lake.open(tmp_path / "lake", create=True) as lake:
        (lake.root / "link.csv").symlink_to(outside / "secret.csv")
        with pytest.raises(duckdb.Error):
            lake.con.execute(sql.format(outside=outside, lake=lake.root)).fetchall()
    assert not (outside / "out.csv").exists()


def test_another_tenant_is_out_of_reach(tmp_path):
    with Lake.open(tmp_path, "a", create=True) as a, Lake.open(tmp_path, "b", create=True) as b:
        with a.writer():
            segment = a.write("partners", "SELECT 'canary' AS partner_id, '' AS name")
        with pytest.raises(duckdb.Error):
            b.con.execute(f"SELECT * FROM '{a.root / segment.path}'").fetchall()


def test_declared_inputs_are_readable(tmp_path):
    (tmp_path / "in.csv").write_text("a\n7\n")
    with Lake.open(tmp_path / "lake", create=True, inputs=[tmp_path / "in.csv"]) as lake:
        assert one(lake.con, f"SELECT a FROM '{tmp_path / 'in.csv'}'") == (7,)


def test_spill_folders_of_dead_processes_are_swept(tmp_path):
    dead = tmp_path / "spill-999999999-x"
    dead.mkdir()
    mine = make_scratch(tmp_path)
    sweep_scratch(tmp_path)
    assert not dead.exists()
    assert mine.exists()


def test_one_leaves_the_connection_free(lake):
    assert one(lake.con, "SELECT i FROM range(3) t(i)") == (0,)
    assert one(lake.con, "SELECT 1 WHERE false") is None
    lake.con.register("x", __import__("pyarrow").table({"a": [1]}))
    lake.con.unregister("x")
