"""Proposals for files of many hands: the right columns, the right words, and always a valid mapping of the file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.mediation.reading import SHARED, read
from workbench.errors import FileUnreadable, MappingError
from workbench.mediation.mapping import Mapping
from workbench.mediation.policy import AcceptWindow
from workbench.mediation.propose import ProposedMapping, propose
from workbench.model.offer import Meter

ROOT = Path(__file__).resolve().parents[2]


def proposed(folder: Path, name: str, text: str) -> ProposedMapping:
    path = folder / name
    path.write_text(text)
    found = propose(path)
    for one in read(path, found.text, accept=AcceptWindow(None, None)):
        assert one.items, one.rejects
    return found


def roles(found: ProposedMapping) -> dict[str, str]:
    return {guess.role: guess.column.name for guess in found.guesses}


def only_meter(mapping: Mapping) -> tuple[str, str, bool]:
    (meter,) = mapping.meters
    return meter.name, meter.unit, meter.cumulative is not None


FILES = {
    "cdr.csv": (
        "Record ID;ICCID;Customer;Session End;Data Usage (MB);Country\n"
        + "".join(
            f"{n};89490000000000000{n % 3};ACME;{n:02}.03.2026 10:00:00;{n},5;DE\n" for n in range(1, 29)
        ),
        {"ends_at": "Session End", "device": "ICCID", "account": "Customer", "event_id": "Record ID"},
        ("data", "byte", False),
    ),
    "lamps.ndjson": (
        "".join(
            f'{{"lamp":"l{n % 5}","at":"2026-01-01T00:{n:02}:00Z","energy_mwh":{n}}}\n' for n in range(60)
        ),
        {"ends_at": "at", "device": "lamp", "quantity": "energy_mwh"},
        ("energy", "mWh", False),
    ),
    "meter.csv": (
        "serial,timestamp,register_kwh\n"
        + "".join(f"m1,{1767225600 + 60 * n},{5000 + n}.25\n" for n in range(60)),
        {"ends_at": "timestamp", "device": "serial", "quantity": "register_kwh"},
        ("energy", "mWh", True),
    ),
    "frames.csv": (
        "dev_eui,fcnt,time,payload_bytes,rssi\n"
        + "".join(f"a{n % 2},{n // 2},2026-01-01T00:{n:02}:00Z,{n % 7},-{n}\n" for n in range(60)),
        {"device": "dev_eui", "counter": "fcnt", "quantity": "payload_bytes"},
        ("payload", "byte", False),
    ),
    "presses.csv": (
        "button,when\n"
        + "".join(f"b{n % 4},2026-01-01 10:{n:02}\n" for n in range(40)).replace("button", "node"),
        {"ends_at": "when"},
        ("events", "event", False),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_proposals_find_the_columns(tmp_path: Path, name: str) -> None:
    text, expected, meter = FILES[name]
    found = proposed(tmp_path, name, text)
    assert expected.items() <= roles(found).items()
    assert only_meter(found.mapping) == meter


def test_each_line_of_a_proposal_says_why(tmp_path: Path) -> None:
    found = proposed(tmp_path, "cdr.csv", FILES["cdr.csv"][0])
    assert "# its values are times" in found.text
    assert "zone: UTC  # assumed" in found.text
    assert any("no zone" in note for note in found.notes)
    assert all(guess.reason and 0 < guess.sure <= 100 for guess in found.guesses)
    assert "<table>" in found._repr_html_()


def test_a_long_table_gets_a_meter_per_name(tmp_path: Path) -> None:
    text = "device,time,metric,value,unit\n" + "".join(
        f"d{n % 3},2026-01-01 00:{n:02},{'energy' if n % 2 else 'water'},{n},{'kWh' if n % 2 else 'l'}\n"
        for n in range(60)
    )
    found = proposed(tmp_path, "long.csv", text)
    assert {meter.name: meter.unit for meter in found.mapping.meters} == {"energy": "mWh", "water": "ml"}
    assert found.mapping.meter_column == "metric"


def test_rows_that_time_does_not_tell_apart_get_a_finer_key(tmp_path: Path) -> None:
    text = "device,time,direction,bytes\n" + "".join(
        f"d1,2026-01-01 00:{n:02},{way},{n + (way == 'up')}\n" for n in range(30) for way in ("up", "down")
    )
    found = proposed(tmp_path, "flows.csv", text)
    assert [item.column for item in found.mapping.key.fields] == ["direction"]
    assert found.mapping.key.with_time


def test_offered_meters_lend_their_names(tmp_path: Path) -> None:
    path = tmp_path / "cdr.csv"
    path.write_text(FILES["cdr.csv"][0])
    found = propose(path, [Meter("sim.volume", "byte", dimensions=("country",))])
    assert found.mapping.streams == ("sim.volume",)
    assert [item.name for item in found.mapping.dimensions] == ["country"]


def test_prices_are_no_usage(tmp_path: Path) -> None:
    text = "sim,time,cost_eur,total_amount,kb\n" + "".join(
        f"s1,2026-01-01 00:{n:02},{n},{n},{n}\n" for n in range(20)
    )
    assert [meter.column for meter in proposed(tmp_path, "a.csv", text).mapping.meters] == ["kb"]


def test_floats_get_the_decimals_they_carry(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    times = pa.array(range(0, 60_000_000 * 30, 60_000_000), pa.timestamp("us", "UTC"))
    pq.write_table(
        pa.table({"device": ["a"] * 30, "ts": times, "kwh": [0.125 * n % 3 for n in range(30)]}), path
    )
    assert propose(path).mapping.meters[0].decimals == 3


def test_files_that_say_nothing_are_refused_kindly(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("colour,size\nred,1\n")
    with pytest.raises(MappingError, match="time"):
        propose(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("")
    with pytest.raises(FileUnreadable):
        propose(tmp_path / "b.csv")


@pytest.mark.parametrize("name", ["lorawan-like/uplinks.parquet", "water-like/counter.parquet"])
def test_the_samples_are_understood(name: str) -> None:
    found = propose(ROOT / "datasets" / name)
    assert roles(found)["ends_at"] == "ts"
    assert found.mapping.ends_at.zone == "UTC"


@pytest.mark.skipif(not SHARED.exists(), reason="the recordings lie beside the project on some machines only")
@pytest.mark.parametrize(
    "name, device, quantity",
    [
        ("lorawan_uplinks", "device", "payload_bytes"),
        ("ev_sessions", "userId", "kwhTotal"),
        ("iot23_flows", "orig_h", "duration"),
        ("mqtt_benign_packets", "src", None),
    ],
)
def test_recordings_are_understood(name: str, device: str, quantity: str | None) -> None:
    found = propose(SHARED / f"{name}.parquet")
    assert roles(found)["device"] == device
    assert quantity in [meter.column for meter in found.mapping.meters]
