"""The same usage in every format, the RFC's own SenML examples, and what makes a CloudEvent one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import cbor2
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.mediation.reading import ENERGY, NOW, at, connection, read, read_bytes, rows
from workbench.errors import FileUnreadable, MappingError
from workbench.mediation.decode import decode, format_of
from workbench.mediation.formats.request import Request

SAME = [("lamp-1", "2026-01-01 00:00:00", "1.5"), ("lamp-2", "2026-01-01 00:15:00", "0.000001")]
OBJECTS = [{"id": device, "ts": time, "kwh": float(kwh)} for device, time, kwh in SAME]


def write(folder: Path, kind: str) -> Path:
    path = folder / f"usage.{kind}"
    if kind == "parquet":
        columns = list(zip(*SAME, strict=True))
        kwh = pa.array([pa.scalar(value).cast(pa.decimal128(18, 6)) for value in columns[2]])
        times = pa.array([datetime.fromisoformat(value) for value in columns[1]], pa.timestamp("ms"))
        pq.write_table(pa.table({"id": columns[0], "ts": times, "kwh": kwh}), path)
    elif kind == "csv":
        path.write_text("﻿id;ts;kwh\r\n" + "".join(";".join(each) + "\r\n" for each in SAME))
    elif kind == "tsv":
        path.write_text("id\tts\tkwh\n" + "".join("\t".join(each) + "\n" for each in SAME))
    elif kind == "ndjson":
        path.write_text("\n".join(json.dumps(each) for each in OBJECTS))
    else:
        path.write_text(json.dumps(OBJECTS, indent=1))
    return path


@pytest.mark.parametrize("kind", ["parquet", "csv", "tsv", "ndjson", "json"])
def test_the_same_usage_in_every_format_is_the_same(tmp_path: Path, kind: str) -> None:
    found = read(write(tmp_path, kind))[0]
    assert [(item["device_id"], item["ends_at"], item["units"]) for item in found.items] == [
        ("lamp-1", at(2026, 1, 1), 1_500_000),
        ("lamp-2", at(2026, 1, 1, 0, 15), 1),
    ]
    assert found.rejects == []


def resolved(tmp_path: Path, name: str, content: bytes, received_at: datetime = NOW) -> list[dict[str, str]]:
    """All rows of a SenML file, empty cells left out."""
    path = tmp_path / name
    path.write_bytes(content)
    con = connection()
    found = decode(con, path, Request(tmp_path, received_at))
    listed = rows(con, f"SELECT * FROM {found.relation}")
    hidden = {"__item_no", "__raw", "__sha"}
    return [{k: v for k, v in row.items() if v is not None and k not in hidden} for row in listed]


def test_rfc8428_single_datapoint(tmp_path: Path) -> None:
    pack = b'[ {"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1} ]'
    assert resolved(tmp_path, "a.senml", pack, datetime.fromtimestamp(1_700_000_000, UTC)) == [
        {"name": "urn:dev:ow:10e2073a01080063", "unit": "Cel", "value": "23.1", "time": "1700000000"}
    ]


RFC_PACK = (
    b'[ {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},'
    b'{"n":"current","t":-5,"v":1.2}, {"n":"current","t":-4,"v":1.3}, {"n":"current","t":-3,"v":1.4},'
    b'{"n":"current","t":-2,"v":1.5}, {"n":"current","t":-1,"v":1.6}, {"n":"current","v":1.7} ]'
)
# RFC 8428, section 6: the same pack in CBOR.
RFC_CBOR = bytes.fromhex(
    "87a721781b75726e3a6465763a6f773a3130653230373361303130383030363a22fb41d303a15b001062236141200500"
    "67766f6c7461676501615602fb405e066666666666a3006763757272656e74062402fb3ff3333333333333a300676375"
    "7272656e74062302fb3ff4cccccccccccda3006763757272656e74062202fb3ff6666666666666a30067637572726"
    "56e74062102f93e00a3006763757272656e74062002fb3ff999999999999aa3006763757272656e74060002fb3ffb33"
    "3333333333"
)


@pytest.mark.parametrize("name, content", [("a.senml", RFC_PACK), ("a.senmlc", RFC_CBOR)])
def test_rfc8428_multiple_datapoints_json_and_cbor(tmp_path: Path, name: str, content: bytes) -> None:
    found = resolved(tmp_path, name, content)
    assert found[0] == {
        "name": "urn:dev:ow:10e2073a0108006:voltage",
        "unit": "V",
        "value": "120.1",
        "time": "1276020076.001",
    }
    assert [(row["time"], row["value"], row["unit"]) for row in found[1:]] == [
        (f"{1276020071 + step}.001", f"1.{step + 2}", "A") for step in range(6)
    ]
    assert {row["name"] for row in found[1:]} == {"urn:dev:ow:10e2073a0108006:current"}


def test_rfc8428_multiple_data_types_and_collection(tmp_path: Path) -> None:
    pack = (
        b'[ {"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1}, {"n":"label","vs":"Machine Room"},'
        b'{"n":"open","vb":false}, {"n":"nfc-reader","vd":"aGkgCg"} ]'
    )
    found = resolved(tmp_path, "a.senml", pack)
    assert [
        row.get("value") or row.get("string") or row.get("boolean") or row.get("data") for row in found
    ] == [
        "23.1",
        "Machine Room",
        "false",
        "aGkgCg",
    ]
    pack = b'[ {"bn":"2001:db8:1234:5678::1/","n":"temperature","u":"Cel","v":25.2},{"n":"humidity","u":"%RH","v":30} ]'
    assert [row["name"] for row in resolved(tmp_path, "b.senml", pack)] == [
        "2001:db8:1234:5678::1/temperature",
        "2001:db8:1234:5678::1/humidity",
    ]


def test_senml_base_values_add_and_relative_times_count_from_receipt(tmp_path: Path) -> None:
    pack = (
        b'[{"bn":"a:","bv":0.1,"bs":100},{"n":"x","v":0.2,"t":-60},{"n":"y","s":1.5},{"bv":5,"n":"z","v":1}]'
    )
    found = resolved(tmp_path, "a.senml", pack, datetime.fromtimestamp(1_700_000_060, UTC))
    assert [(row["name"], row.get("value"), row.get("sum"), row["time"]) for row in found] == [
        ("a:x", "0.3", None, "1700000000"),
        ("a:y", None, "101.5", "1700000060"),
        ("a:z", "6", None, "1700000060"),
    ]


def test_senml_records_that_break_the_rfc_are_bad_rows(tmp_path: Path) -> None:
    pack = [
        {"n": "a", "v": 1},
        {"n": "a"},
        {"n": "a", "v": 1, "vs": "x"},
        {"n": "a b", "v": 1},
        {"v": 1},
        {"n": "a", "v": 1, "label_": 1},
        {"n": "a", "v": "x"},
        {"n": "a", "v": True},
        5,
        {"n": "b", "v": 2},
        {"bver": 11, "n": "b", "v": 2},
    ]
    found = resolved(tmp_path, "a.senml", json.dumps(pack).encode())
    assert [row.get("__problem") for row in found] == [
        None,
        "missing_value",
        "senml_two_values",
        "senml_name",
        "senml_name",
        "senml_must_understand",
        "not_a_number",
        "not_a_number",
        "not_an_object",
        None,
        "senml_version",
    ]


def test_senml_base_values_end_with_their_pack(tmp_path: Path) -> None:
    two = b'[{"bn":"a:","n":"x","v":1}]\n[{"n":"y","v":2}]\n'
    assert [row["name"] for row in resolved(tmp_path, "a.senml", two)] == ["a:x", "y"]
    packs = cbor2.dumps([{-2: "a:", 0: "x", 2: 1}]) + cbor2.dumps([{0: "y", 2: 2}])
    assert [row["name"] for row in resolved(tmp_path, "a.senmlc", packs)] == ["a:x", "y"]


def test_senml_becomes_usage_by_a_mapping(tmp_path: Path) -> None:
    mapping = """
source: meters
time: {ends_at: {column: time, format: unix_s}}
device: {column: name, extract: "urn:dev:mac:([0-9a-f]+):.*"}
where: [{column: unit, equals: Wh}]
meters:
  energy: {column: value, column_unit: Wh, unit: mWh, cumulative: {}}
"""
    pack = b'[{"bn":"urn:dev:mac:0a1b:","bt":1767225600.5,"n":"e","u":"Wh","v":12.125},{"n":"t","u":"Cel","v":3}]'
    found = read_bytes(tmp_path, "a.senml.json", pack, mapping)
    assert found.items == [
        {
            "device_id": "0a1b",
            "ends_at": at(2026, 1, 1, 0, 0, 0, 500_000),
            "reading": 12_125,
            "received_at": at(2026, 1, 2),
        }
    ]
    assert found.stream.not_selected == 1


EVENT = {
    "specversion": "1.0",
    "id": "e1",
    "source": "/gw/7",
    "type": "usage.reported",
    "subject": "sim-1",
    "time": "2026-01-01T00:00:00.25Z",
    "data": {"bytes": 30},
}
EVENTS = """
source: gateway
time: {ends_at: time}
device: subject
key: {event_id: [source, id]}
meters:
  data: {column: data.bytes, unit: byte}
dimensions: {kind: {column: type}}
"""


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.json", json.dumps(EVENT)),
        ("b.json", json.dumps(EVENT, indent=2)),
        ("c.json", json.dumps([EVENT])),
        ("d.cloudevents.json", json.dumps([EVENT], indent=2)),
        ("e.ndjson", json.dumps(EVENT) + "\n"),
    ],
)
def test_cloudevents_alone_in_a_batch_and_by_line(tmp_path: Path, name: str, content: str) -> None:
    found = read_bytes(tmp_path, name, content.encode(), EVENTS)
    assert found.items == [
        {
            "device_id": "sim-1",
            "ends_at": at(2026, 1, 1, 0, 0, 0, 250_000),
            "event_id": "/gw/7|e1",
            "units": 30,
            "received_at": at(2026, 1, 2),
            "kind": "usage.reported",
        }
    ]


def test_what_is_no_cloudevent_is_a_reject(tmp_path: Path) -> None:
    bad = [
        {**EVENT, "specversion": "0.3"},
        {**EVENT, "id": ""},
        {k: v for k, v in EVENT.items() if k != "type"},
    ]
    found = read_bytes(tmp_path, "a.json", json.dumps([EVENT, *bad]).encode(), EVENTS)
    assert (len(found.items), found.reasons) == (1, ["not_a_cloudevent"] * 3)


def test_json_is_told_apart_by_its_first_object(tmp_path: Path) -> None:
    for content, form in [
        ('[{"bn":"a:","n":"x","v":1}]', "senml"),
        ('{"specversion":"1.0"}', "cloudevents"),
        ('{"n":1}', "ndjson"),
        ("", "ndjson"),
    ]:
        path = tmp_path / "x.json"
        path.write_text(content)
        assert format_of(path) == form


def test_csv_quotes_and_widths(tmp_path: Path) -> None:
    content = (
        b'id,ts,kwh\n"a,b",2026-01-01 00:00,1\nshort,2026-01-01 00:00\n"open,2026-01-01 00:00,2\n'
        b' g ,2026-01-01 00:00, 3 \n\xff,2026-01-01 00:00,2\n"two\nlines",2026-01-01 00:00,4\n'
        b'"say ""hi""",2026-01-01 00:00,5\nlast,2026-01-01 00:00,6'
    )
    found = read_bytes(tmp_path, "a.csv", content)
    assert [(item["device_id"], item["units"] // 10**6) for item in found.items] == [
        ("a,b", 1),
        ("g", 3),
        ("two\nlines", 4),
        ('say "hi"', 5),
        ("last", 6),
    ]
    assert [(reject["item_no"], reject["reason"]) for reject in found.rejects] == [
        (3, "wrong_field_count"),
        (4, "bad_quotes"),
        (6, "bad_utf8"),
    ]


def test_csv_options(tmp_path: Path) -> None:
    mapping = ENERGY + "options: {delimiter: semicolon, decimal: ',', encoding: latin-1}\n"
    found = read_bytes(
        tmp_path, "a.csv", "id;ts;kwh\nZähler;2026-01-01 00:00;1.234,5\n".encode("latin-1"), mapping
    )
    assert (found.items[0]["device_id"], found.items[0]["units"]) == ("Zähler", 1_234_500_000)
    headless = ENERGY.replace("device: id", "device: column_1").replace("ends_at: ts", "ends_at: column_2")
    headless = headless.replace("column: kwh", "column: column_3") + "options: {header: no}\n"
    assert (
        len(read_bytes(tmp_path, "b.csv", b"a,2026-01-01 00:00,1\nb,2026-01-01 00:00,2\n", headless).items)
        == 2
    )


def parquet(folder: Path, **columns: pa.Array) -> Path:
    path = folder / "a.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def test_a_float_column_needs_its_decimals(tmp_path: Path) -> None:
    path = parquet(tmp_path, id=["a"], ts=pa.array([NOW], pa.timestamp("us", "UTC")), kwh=[1.5])
    with pytest.raises(MappingError) as caught:
        read(path)
    assert caught.value.code == "mapping_float_without_decimals"


def test_floats_become_the_decimals_they_stand_for(tmp_path: Path) -> None:
    values = [45291.311, 0.1 + 0.2, 1e300, float("nan"), float("inf"), 0.0, -0.0, 12.3456]
    path = parquet(tmp_path, id=["a"] * 8, ts=pa.array([NOW] * 8, pa.timestamp("us", "UTC")), kwh=values)
    exact = read(path, ENERGY.replace("unit: mWh", "unit: mWh, decimals: 3"))[0]
    assert [item["units"] for item in exact.items] == [45_291_311_000, 0, 0]
    assert exact.reasons == ["not_exact", "number_out_of_range", "nan", "infinite", "not_exact"]
    rounded = read(path, ENERGY.replace("unit: mWh", "unit: mWh, decimals: 3, rounding: half_up"))[0]
    assert [item["units"] for item in rounded.items] == [45_291_311_000, 300_000, 0, 0, 12_346_000]


@pytest.mark.parametrize("rounding, units", [("half_up", [1, 2, 3]), ("up", [1, 2, 3]), ("down", [0, 1, 2])])
def test_rounding_after_scaling(tmp_path: Path, rounding: str, units: list[int]) -> None:
    mapping = ENERGY.replace("column_unit: kWh, unit: mWh", f"unit: mWh, scale: 1/2, rounding: {rounding}")
    path = parquet(tmp_path, id=["a"] * 3, ts=pa.array([NOW] * 3, pa.timestamp("us", "UTC")), kwh=[1, 3, 5])
    assert [item["units"] for item in read(path, mapping)[0].items] == units


def test_parquet_types_of_time(tmp_path: Path) -> None:
    seconds = 1_767_225_600
    for column, spec in [
        (pa.array([seconds], pa.int64()), "{column: ts, format: unix_s}"),
        (pa.array([seconds * 1000], pa.int64()), "{column: ts, format: unix_ms}"),
        (pa.array([seconds * 10**9], pa.int64()), "{column: ts, format: unix_ns}"),
        (pa.array([float(seconds)], pa.float64()), "{column: ts, format: unix_s}"),
        (pa.array([seconds * 10**9], pa.timestamp("ns")), "ts"),
        (pa.array([seconds], pa.timestamp("s", "America/New_York")), "ts"),
        (pa.array([20454], pa.date32()), "ts"),
        (pa.array(["01.01.2026 01:00"]), "{column: ts, format: '%d.%m.%Y %H:%M', zone: Europe/Paris}"),
        (pa.array(["2026-01-01 03:00 +0300"]), "{column: ts, format: '%Y-%m-%d %H:%M %z'}"),
    ]:
        path = parquet(tmp_path, id=["a"], ts=column, kwh=[1])
        mapping = ENERGY.replace("ends_at: ts", f"ends_at: {spec}")
        assert [item["ends_at"] for item in read(path, mapping)[0].items] == [at(2026, 1, 1)], spec


def test_plain_numbers_are_no_time_without_a_format(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="unix_s"):
        read(parquet(tmp_path, id=["a"], ts=[1767225600], kwh=[1]))


def test_date_and_time_in_two_columns(tmp_path: Path) -> None:
    mapping = ENERGY.replace("ends_at: ts", "ends_at: {columns: [day, clock]}")
    found = read_bytes(tmp_path, "a.csv", b"id,day,clock,kwh\na,2026-01-01,00:15,1\n", mapping)
    assert found.items[0]["ends_at"] == at(2026, 1, 1, 0, 15)


def test_devices_by_template_and_whole_floats_as_ids(tmp_path: Path) -> None:
    mapping = ENERGY.replace("device: id", "device: {template: 'lamp-{id}'}")
    times = pa.array([NOW] * 2, pa.timestamp("us", "UTC"))
    found = read(parquet(tmp_path, id=[7.0, None], ts=times, kwh=[1, 1]), mapping)[0]
    assert [item["device_id"] for item in found.items] == ["lamp-7"]
    assert found.reasons == ["missing_device"]


def test_an_identity_is_passed_on_for_landing_to_resolve(tmp_path: Path) -> None:
    mapping = ENERGY.replace("device: id", "device: {identity: imsi, column: id}")
    found = read_bytes(tmp_path, "a.csv", b"id,ts,kwh\n262011234567890,2026-01-01 00:00,1\n", mapping)
    assert found.stream.identity_kind == "imsi"
    assert found.items[0]["device_id"] == "262011234567890"


def test_parquet_items_are_lazy_and_in_place(tmp_path: Path) -> None:
    path = write(tmp_path, "parquet")
    found = read(path)[0].stream
    assert str(path) in found.items_sql
    assert not list(tmp_path.glob("staged-*"))


def test_a_locked_connection_says_so(tmp_path: Path) -> None:
    from workbench.errors import UsageError

    path = write(tmp_path, "parquet")
    con = duckdb.connect()
    con.execute("SET enable_external_access = false")
    with pytest.raises(UsageError, match="may not read"):
        decode(con, path, Request(tmp_path, NOW))
    with pytest.raises(FileUnreadable):
        decode(con, tmp_path / "nothing.parquet", Request(tmp_path, NOW))
