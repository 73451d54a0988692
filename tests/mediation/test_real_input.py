"""The mappings of examples/ on the made-here samples, and on recordings nobody here made where they are at hand.

Expected numbers of the samples are those ``datasets/*/make.py`` counted while making them; those of the recordings
come from an independent walk over the rows in plain Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.mediation.reading import SHARED
from workbench.clock import ReplayClock
from workbench.lake.lake import Lake
from workbench.mediation.delivery import Delivery
from workbench.mediation.mapping_file import load_mapping
from workbench.mediation.policy import Policy, StreamPolicy
from workbench.pipeline import STAGES, Job, Outcome, run

ROOT = Path(__file__).resolve().parents[2]
LORAWAN, WATER = ROOT / "examples" / "lorawan.yaml", ROOT / "examples" / "water.yaml"
MONTHLY = Policy(default=StreamPolicy(grid=timedelta(hours=1), partition="month"))
NOW = datetime(2026, 6, 1, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
def landed(tmp_path: Path) -> Iterator[Lake]:
    with Lake.open(tmp_path / "lake", create=True, inputs=[ROOT / "datasets", SHARED]) as lake, lake.writer():
        yield lake


def mediated(lake: Lake, path: Path, mapping: Path, params: dict[str, str] | None = None) -> Outcome:
    delivery = Delivery(path, load_mapping(mapping, params), NOW)
    return run(STAGES, Job(lake, [delivery], MONTHLY, None, None, ReplayClock(NOW)))


def totals(lake: Lake, stream: str) -> tuple[int, int, int]:
    """Units, events and duplicates of a stream's records."""
    row = lake.con.execute(
        f"SELECT sum(units)::BIGINT, sum(n_events)::BIGINT, sum(n_duplicates)::BIGINT "
        f"FROM {lake.scan('records', stream=stream)}"
    ).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize(
    "params, rows, joins, frames, copies, payload",
    [
        ({}, 1609, 3, 1236, 370, 11_687),
        ({"device": "70b3d50000000001"}, 501, 0, 384, 117, 3_757),
        ({"device": "70b3d50000000002"}, 1108, 3, 852, 253, 7_930),
    ],
)
def test_lorawan_sample_bills_frames_not_copies(
    landed: Lake, params: dict[str, str], rows: int, joins: int, frames: int, copies: int, payload: int
) -> None:
    path = ROOT / "datasets" / "lorawan-like" / "uplinks.parquet"
    outcome = mediated(landed, path, LORAWAN, params)
    assert outcome.counts["delivered"] == 2 * rows
    assert outcome.counts["rejects"] == 2 * joins
    assert totals(landed, "lorawan.uplinks") == (frames, frames, copies)
    assert totals(landed, "lorawan.payload") == (payload, frames, copies)


@pytest.mark.parametrize(
    "params, stream",
    [({}, "utility.water"), ({"meter": "gas", "device": "h2", "column_unit": "dm3"}, "utility.gas")],
)
def test_water_sample_bills_the_deltas_over_an_exchange_and_a_silence(
    landed: Lake, params: dict[str, str], stream: str
) -> None:
    mediated(landed, ROOT / "datasets" / "water-like" / "counter.parquet", WATER, params)
    units, _, duplicates = totals(landed, stream)
    assert (units, duplicates) == (2_770_620, 0)


def walk(path: Path, device: str) -> tuple[int, int, int]:
    """Frames, their payload bytes, and copies, by walking the rows of one device in order of time."""
    found = duckdb.connect().execute(
        f"SELECT fcnt, ts, payload_bytes FROM '{path}' WHERE device = '{device}' AND fcnt IS NOT NULL ORDER BY ts"
    )
    last: dict[float, datetime] = {}
    frames = payload = copies = 0
    for fcnt, ts, size in found.fetchall():
        if fcnt in last and ts - last[fcnt] <= HALF_AN_HOUR:
            copies += 1
        else:
            frames, payload = frames + 1, payload + size
        last[fcnt] = ts
    return frames, payload, copies


RECORDED = SHARED / "lorawan_uplinks.parquet"
METERED = SHARED / "counter_water_minutely.parquet"


@pytest.mark.skipif(
    not RECORDED.exists(), reason="the recordings lie beside the project on some machines only"
)
@pytest.mark.parametrize(
    "device, rows, frames",
    [
        ("0018b20000020ca0", 13_318, 9_506),
        ("a81758fffe04b1c1", 26_665, 24_471),
        ("d1d1e80000000032", 19_888, 19_519),
    ],
)
def test_recorded_lorawan_devices(landed: Lake, device: str, rows: int, frames: int) -> None:
    outcome = mediated(landed, RECORDED, LORAWAN, {"device": device})
    expected, payload, copies = walk(RECORDED, device)
    assert expected == frames
    assert outcome.counts["delivered"] == 2 * rows
    assert totals(landed, "lorawan.uplinks") == (frames, frames, copies)
    assert totals(landed, "lorawan.payload") == (payload, frames, copies)


@pytest.mark.skipif(
    not METERED.exists(), reason="the recordings lie beside the project on some machines only"
)
def test_recorded_water_counter(landed: Lake) -> None:
    mediated(landed, METERED, WATER)
    units, _, duplicates = totals(landed, "utility.water")
    assert (units, duplicates) == (594_169_500 - 45_287_526, 0)
