from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from workbench.errors import LakeMissing, SegmentDamaged, UsageError
from workbench.lake import devices
from workbench.lake.open import open_lake

CHARGES = """SELECT 1::INTEGER AS line_no, device_key, window_start, units, units * 50 AS amount, 0::SMALLINT AS step
             FROM {records} UNION ALL SELECT 1, NULL, TIMESTAMP '2026-01-01', 0, 7, 0::SMALLINT"""
LINES = """SELECT 1::INTEGER AS line_no, 'a1' AS account_id, 'lamp' AS offer_id, 1 AS offer_version,
           'energy' AS component_id, 'usage' AS kind, 'energy' AS meter, TIMESTAMP '2026-01-01' AS period_start,
           TIMESTAMP '2026-02-01' AS period_end, 'EUR' AS currency, 20::DECIMAL(38,0) AS price_denominator,
           'S' AS tax_category, 190000 AS tax_rate_ppm"""
LANDED = """SELECT i::BIGINT AS device_key, TIMESTAMP '2026-01-01' + INTERVAL (i) MINUTE AS ends_at, 5::BIGINT AS units,
            TIMESTAMP '2026-01-01' AS received_at, 20.5::DOUBLE AS lux FROM range(120) t(i)"""
PERIOD = "2026-01-01/2026-02-01"


@pytest.fixture
def filled(lake, add_hour):
    with lake.writer():
        add_hour(lake, 0)
        _, names = devices.register(lake, ["lamp-1"], "lamps")
        charges = lake.write(
            "charges", CHARGES.format(records=lake.scan("records")), stream="lamps.energy", period=PERIOD
        )
        lines = lake.write("lines", LINES, period=PERIOD)
        landed = lake.write("landed", LANDED, stream="lamps.energy", partition="2026-01-01")
        lake.commit({"stage": "rate"}, add=[charges, lines, landed, names])
    return lake


@pytest.fixture
def door(filled):
    with open_lake(filled.root.parent) as opened:
        yield opened


def test_money_and_keys_stay_exact(door, units):
    charges = door.charges()
    assert str(charges["amount"].dtype) == "int64"
    assert charges["device_id"].isna().any()
    assert all(isinstance(value, Decimal) for value in charges["price_denominator"])
    keys = door.sql("SELECT device_key, sum(amount) AS amount FROM charges GROUP BY 1 ORDER BY 1")
    assert str(keys["device_key"].dtype) == "Int64", "a gap does not turn keys into floats"
    assert all(isinstance(value, Decimal) for value in keys["amount"])
    assert sum(keys["amount"]) == sum(charges["amount"])


def test_tables_streams_and_periods(door):
    assert {"records", "charges", "records_lamps_energy", "landed_lamps_energy"} <= set(door.tables)
    assert door.streams == ["lamps.energy"]
    assert door.periods == [PERIOD]
    assert door.tenant == "main"
    assert len(door.table("lines")) == 1
    assert set(door.records()["stream"]) == {"lamps.energy"}
    assert len(door.records("lamps.energy")) == 200
    assert "lux" in door.table("landed_lamps_energy").columns
    assert door.table("invoices").empty


def test_events_are_cut_by_instants_with_or_without_a_zone(door):
    start, end = datetime(2026, 1, 1, 0, 30), datetime(2026, 1, 1, 1, 0)
    assert len(door.events("lamps.energy", start, end)) == 30
    assert len(door.events("lamps.energy", start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))) == 30


def test_placeholders(door):
    frame = door.sql("SELECT count(*) AS n FROM records WHERE units > $least", {"least": 200})
    assert 0 < frame["n"][0] < 200
    assert door.sql("SELECT ? AS x", ["it's"])["x"][0] == "it's"


def test_it_shows_one_version_until_refreshed(door, filled, add_hour):
    with filled.writer():
        add_hour(filled, 1)
        assert len(door.table("records")) == 200
        assert len(door.refresh().table("records")) == 400


@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO '{root}/x.parquet'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{root}/x.parquet'",
        "SELECT 1; SELECT 2",
        "DROP VIEW records",
        "ATTACH '{root}/x.duckdb'",
        "SET threads=8",
        "SELECT * FROM nowhere",
        "SELEC 1",
        "",
    ],
)
def test_it_answers_one_select_and_nothing_else(door, filled, query):
    with pytest.raises(UsageError):
        door.sql(query.format(root=filled.root))
    assert not (filled.root / "x.parquet").exists()
    assert not (filled.root / "x.duckdb").exists()


def test_describe_and_summarize_work(door):
    assert "units" in set(door.sql("DESCRIBE records")["column_name"])
    assert len(door.sql("SUMMARIZE invoices")) > 0


def test_a_large_result_is_refused_not_cut(door):
    with pytest.raises(UsageError, match="more than 10 rows"):
        door.table("records", limit=10)
    assert len(door.table("records", limit=None)) == 200


def test_unknown_names_are_told(door, tmp_path):
    with pytest.raises(UsageError, match="no table 'bills'"):
        door.table("bills")
    with pytest.raises(UsageError, match=r"hubs\.bytes"):
        door.events("hubs.bytes", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(LakeMissing):
        open_lake(tmp_path / "nowhere")


def test_a_damaged_segment_is_named_not_read(door, filled):
    path = filled.root / filled.segments("charges")[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(SegmentDamaged, match="bytes differ"):
        door.table("charges")
    assert len(door.table("records")) == 200, "other files are still read"


def test_it_shows_itself_in_a_notebook(door, filled):
    html = door._repr_html_()
    assert "lamps.energy" in html
    assert "<script" not in html
    assert "lamps.energy" in repr(door)


def test_an_empty_lake_says_so(lake):
    with open_lake(lake.root.parent) as door:
        assert "empty" in door._repr_html_()
        assert door.table("records").empty
