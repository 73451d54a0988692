"""One bad row is one reject with a stable reason; the rows around it are usage."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from tests.mediation.reading import ENERGY, NOW, read, read_bytes
from workbench.errors import FileUnreadable, MappingError
from workbench.mediation.policy import AcceptWindow

GOOD = b'{"id":"lamp-1","ts":"2026-01-01T00:00:00","kwh":1.5}'


def row(id_: str = '"lamp-1"', ts: str = '"2026-01-01T00:15:00"', kwh: str = "1") -> bytes:
    return f'{{"id":{id_},"ts":{ts},"kwh":{kwh}}}'.encode()


BAD = {
    "NaN": (row(kwh="NaN"), "nan"),
    "quoted NaN": (row(kwh='"nan"'), "nan"),
    "infinity": (row(kwh="-Infinity"), "infinite"),
    "1e400": (row(kwh="1e400"), "number_out_of_range"),
    "huge int": (row(kwh="9" * 400), "number_out_of_range"),
    "one above int64": (row(kwh="9223372036854.775808"), "number_out_of_range"),
    "more decimals than can be kept": (row(kwh="0.1000000000000000055511"), "number_out_of_range"),
    "finer than the base unit": (row(kwh="1e-7"), "not_whole"),
    "negative": (row(kwh="-1"), "negative"),
    "text for a number": (row(kwh='"abc"'), "not_a_number"),
    "hex": (row(kwh='"0x10"'), "not_a_number"),
    "boolean for a number": (row(kwh="true"), "not_a_number"),
    "list for a number": (row(kwh="[1]"), "missing_value"),
    "no number": (row(kwh="null"), "missing_value"),
    "no device": (row(id_="null"), "missing_device"),
    "empty device": (row(id_='""'), "missing_device"),
    "blank device": (row(id_='" \\t"'), "missing_device"),
    "endless device": (row(id_='"' + "x" * 201 + '"'), "bad_device"),
    "no time": (row(ts="null"), "missing_time"),
    "leap second": (row(ts='"2026-01-01T23:59:60"'), "bad_time"),
    "month 13": (row(ts='"2025-13-01T00:00:00"'), "bad_time"),
    "30 February": (row(ts='"2025-02-30T00:00:00"'), "bad_time"),
    "infinite time": (row(ts='"infinity"'), "bad_time"),
    "number for a time": (row(ts="1767225600"), "bad_time"),
    "year 9999": (row(ts='"9999-12-31T23:59:59Z"'), "time_out_of_range"),
    "year 1": (row(ts='"0001-01-01T00:00:00Z"'), "time_out_of_range"),
    "too old": (row(ts='"2025-11-01T00:00:00Z"'), "time_too_old"),
    "in the future": (row(ts='"2026-01-02T00:05:01Z"'), "time_in_future"),
    "bad UTF-8": (b'{"id":"\xff\xfe","ts":"2026-01-01T00:15:00","kwh":1}', "bad_utf8"),
    "half a surrogate": (row(id_='"\\ud800"'), "bad_utf8"),
    "NUL": (b'{"id":"a\x00","ts":"2026-01-01T00:15:00","kwh":1}', "nul_byte"),
    "escaped NUL": (row(id_='"a\\u0000"'), "nul_byte"),
    "duplicate key": (b'{"id":"a","ts":"2026-01-01T00:15:00","kwh":1,"kwh":2}', "duplicate_key"),
    "hidden duplicate key": (
        b'{"id":"a","ts":"2026-01-01T00:15:00","kwh":1,"x":{"y":1,"y":2}}',
        "duplicate_key",
    ),
    "array depth bomb": (b"[" * 100_000, "too_deep"),
    "object depth bomb": (b'{"a":' * 100_000, "too_deep"),
    "nested too deep": (b'{"a":' * 9 + b"1" + b"}" * 9, "too_deep"),
    "cut off": (GOOD[:-1], "bad_json"),
    "two objects": (GOOD + GOOD, "bad_json"),
    "no JSON": (b"hello", "bad_json"),
    "a bare number": (b"5", "not_an_object"),
    "a line without end": (b'{"id":"' + b"x" * (1 << 21) + b'"}', "line_too_long"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_a_reject_and_the_rest_goes_on(tmp_path: Path, name: str) -> None:
    raw, reason = BAD[name]
    found = read_bytes(tmp_path, "usage.ndjson", b"\n".join([GOOD, raw, GOOD, b""]))
    assert [item["units"] for item in found.items] == [1_500_000, 1_500_000]
    assert found.reasons == [reason]
    reject = found.rejects[0]
    assert reject["item_no"] == 2
    assert reject["delivery_id"] == "d1"
    assert reject["stream"] == "grid.energy"
    assert len(reject["raw"]) <= 500
    if reason != "line_too_long":
        assert reject["raw_sha256"] == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize(
    "kwh, units",
    [
        ("-0", 0),
        ("-0.0", 0),
        ("1e-6", 1),
        ("1.5E3", 1_500_000_000),
        ("0.000001000", 1),
        ("007", 7_000_000),
        ("9223372036854.775807", 2**63 - 1),
        ('"2.5"', 2_500_000),
        ("123456789.123457", 123456789123457),
    ],
)
def test_odd_but_exact_numbers_are_usage(tmp_path: Path, kwh: str, units: int) -> None:
    quoted = kwh if not kwh.startswith("0") or kwh.startswith("0.") else f'"{kwh}"'
    assert [item["units"] for item in read_bytes(tmp_path, "a.ndjson", row(kwh=quoted)).items] == [units]


def test_a_sample_never_rejects_a_row(tmp_path: Path) -> None:
    mapping = ENERGY + "samples: {lux: float, state: {column: st, type: integer}}\n"
    raw = b'{"id":"a","ts":"2026-01-01T00:00:00","kwh":1,"lux":"NaN","st":"1.5"}'
    assert read_bytes(tmp_path, "a.ndjson", raw, mapping).items[0]["lux"] is None


def test_wrong_unit_is_a_reject(tmp_path: Path) -> None:
    mapping = ENERGY.replace("unit: mWh", "unit: mWh, unit_column: u")
    lines = b"\n".join(GOOD[:-1] + f',"u":"{unit}"}}'.encode() for unit in ("kWh", "Wh"))
    found = read_bytes(tmp_path, "a.ndjson", lines, mapping)
    assert (len(found.items), found.reasons) == (1, ["wrong_unit"])


def test_a_key_column_that_is_empty_or_no_integer_is_a_reject(tmp_path: Path) -> None:
    mapping = ENERGY.replace("columns: [device, ends_at]", "columns: {fcnt: integer}")
    lines = b"\n".join(
        f'{{"id":"a","ts":"2026-01-01T00:00:00","kwh":1,"fcnt":{value}}}'.encode()
        for value in ("7", "null", "7.5", "8.0")
    )
    found = read_bytes(tmp_path, "a.ndjson", lines, mapping)
    assert [item["fcnt"] for item in found.items] == [7, 8]
    assert found.reasons == ["missing_key", "missing_key"]


def test_an_event_id_may_be_joined_from_columns_and_must_be_there(tmp_path: Path) -> None:
    mapping = ENERGY.replace("columns: [device, ends_at]", "event_id: [src, n]")
    lines = GOOD[:-1] + b',"src":"x","n":1}\n' + GOOD[:-1] + b',"src":"x"}'
    found = read_bytes(tmp_path, "a.ndjson", lines, mapping)
    assert [item["event_id"] for item in found.items] == ["x|1"]
    assert found.reasons == ["missing_event_id"]


def test_the_accept_window_counts_from_the_rows_own_receipt(tmp_path: Path) -> None:
    mapping = ENERGY.replace("ends_at: ts", "ends_at: ts, received_at: at")
    lines = [
        b'{"id":"a","ts":"2020-05-01T00:00:00Z","kwh":1,"at":"2020-05-01T00:00:09Z"}',
        b'{"id":"a","ts":"2020-05-01T00:00:00Z","kwh":1,"at":"2020-07-01T00:00:09Z"}',
        b'{"id":"a","ts":"2026-01-01T00:00:00Z","kwh":1}',
        b'{"id":"a","ts":"2030-01-01T00:00:00Z","kwh":1,"at":"2030-01-01T00:00:00Z"}',
        b'{"id":"a","ts":"2026-01-01T00:00:00Z","kwh":1,"at":"yesterday"}',
    ]
    found = read_bytes(tmp_path, "a.ndjson", b"\n".join(lines), mapping)
    assert [item["received_at"].year for item in found.items] == [2020, 2026]
    assert found.reasons == ["time_too_old", "bad_received_at", "bad_received_at"]
    assert read_bytes(tmp_path, "a.ndjson", lines[1], mapping, accept=AcceptWindow(None, None)).items


def test_a_session_that_ends_before_it_starts_is_a_reject(tmp_path: Path) -> None:
    mapping = ENERGY.replace("ends_at: ts", "ends_at: ts, starts_at: t0")
    lines = b"\n".join(GOOD[:-1] + f',"t0":"2026-01-01T00:00:0{second}Z"}}'.encode() for second in (1, 0))
    found = read_bytes(tmp_path, "a.ndjson", lines, mapping)
    assert (len(found.items), found.reasons) == (1, ["ends_before_start"])


def test_every_row_speaks_of_every_meter(tmp_path: Path) -> None:
    mapping = ENERGY + "  uses: {count: true, unit: use}\n  gas: {column: m3, unit: m3, missing: skip}\n"
    path = tmp_path / "a.ndjson"
    path.write_bytes(b'broken\n{"id":"a","ts":"2026-01-01T00:00:00","kwh":-1,"m3":2}\n' + GOOD)
    energy, uses, gas = read(path, mapping)
    assert [(len(each.items), each.reasons, each.stream.not_selected) for each in (energy, uses, gas)] == [
        (1, ["bad_json", "negative"], 0),
        (2, ["bad_json"], 0),
        (1, ["bad_json"], 1),
    ]


def test_in_a_long_table_each_row_speaks_of_one_meter(tmp_path: Path) -> None:
    mapping = ENERGY.replace("meters:", "meter: metric\nmeters:").replace(
        "kWh, unit: mWh", "kWh, unit: mWh, named: [E, e]"
    )
    mapping += "  data: {column: kwh, unit: byte}\n"
    path = tmp_path / "a.csv"
    path.write_text(
        "id,ts,metric,kwh\na,2026-01-01 00:00,E,1\na,2026-01-01 00:00,data,7\na,2026-01-01 00:00,e,2\n"
        "a,2026-01-01 00:00,heat,7\na,2026-01-01 00:00,,7\na,2026-01-01 00:00\n"
    )
    energy, data = read(path, mapping)
    assert [item["units"] for item in energy.items] == [1_000_000, 2_000_000]
    assert energy.reasons == ["unknown_meter", "unknown_meter", "wrong_field_count"]
    assert [item["units"] for item in data.items] == [7]
    assert data.reasons == []
    assert energy.stream.rows + data.stream.rows == 6


def test_whole_files_that_are_no_input_are_named(tmp_path: Path) -> None:
    for name, content, code in [
        ("a.ndjson", b"hello\nworld\n", "file_unreadable"),
        ("a.csv", b"", "file_empty"),
        ("b.csv", b"\x89PNG\r\n\x1a\n\x00\x00", "file_unreadable"),
        ("c.csv", b"id,id,kwh\n", "csv_header"),
        ("d.csv", b"\xff\xfei\x00d\x00", "file_encoding"),
        ("e.csv", b"\x1f\x8b\x08\x00aaaa", "file_compressed"),
        ("a.parquet", b"PAR1 cut off", "file_unreadable"),
        ("a.senml", b'{"x": 1}', "file_unreadable"),
        ("a.cbor", b"\x9f\x01", "file_unreadable"),
        ("a.xlsx", b"PK\x03\x04", "file_format"),
    ]:
        with pytest.raises(FileUnreadable) as caught:
            read_bytes(tmp_path, name, content)
        assert caught.value.code == code
        assert name in caught.value.where
        assert caught.value.cure
    with pytest.raises(FileUnreadable, match="no such file"):
        read(tmp_path / "none.csv")


def test_a_cut_parquet_file_is_named_and_never_half_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": ["a"] * 1000, "ts": [NOW] * 1000, "kwh": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FileUnreadable, match=r"a\.parquet"):
        read(path)


def test_a_wrong_column_is_named_with_line_and_the_near_one(tmp_path: Path) -> None:
    with pytest.raises(MappingError) as caught:
        read_bytes(tmp_path, "a.csv", b"id,ts,kWh_total,kw\na,2026-01-01 00:00,1,1\n")
    assert caught.value.code == "mapping_unknown_column"
    assert "line 7" in caught.value.where
    assert "Did you mean 'kw'" in caught.value.cure


def test_times_without_a_zone_need_one_from_the_mapping(tmp_path: Path) -> None:
    bare = ENERGY.replace(", zone: UTC", "")
    with pytest.raises(MappingError) as caught:
        read_bytes(tmp_path, "a.ndjson", GOOD, bare)
    assert caught.value.code == "mapping_time_without_zone"
    mixed = GOOD + b"\n" + GOOD.replace(b"00:00:00", b"00:00:00+01:00")
    found = read_bytes(tmp_path, "a.ndjson", mixed, bare)
    assert (len(found.items), found.reasons) == (1, ["time_without_zone"])


def test_an_empty_delivery_is_no_error(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, "a.ndjson", b"").stream.rows == 0
    assert read_bytes(tmp_path, "a.csv", b"id,ts,kwh\n").stream.rows == 0
    assert read_bytes(tmp_path, "a.json", b"[]").stream.rows == 0


def test_a_naive_time_of_receipt_is_refused(tmp_path: Path) -> None:
    from workbench.errors import UsageError

    with pytest.raises(UsageError):
        read_bytes(tmp_path, "a.ndjson", GOOD, received_at=NOW.replace(tzinfo=None))


def test_hostile_names_reach_no_sql(tmp_path: Path) -> None:
    column = 'k"); DROP TABLE x; --'
    mapping = ENERGY.replace("column: kwh", f"column: '{column}'")
    content = (
        f'id,ts,"{column.replace(chr(34), chr(34) * 2)}"\n\'; DROP TABLE x; --,2026-01-01 00:00,1\n'.encode()
    )
    found = read_bytes(tmp_path, "a';.csv", content, mapping)
    assert found.items[0]["device_id"] == "'; DROP TABLE x; --"


def test_old_deliveries_are_taken_when_the_window_says_so(tmp_path: Path) -> None:
    raw = row(ts='"1999-01-01T00:00:00Z"')
    assert read_bytes(tmp_path, "a.ndjson", raw).reasons == ["time_too_old"]
    wide = AcceptWindow(past=timedelta(days=20_000))
    assert read_bytes(tmp_path, "a.ndjson", raw, accept=wide).reasons == []
