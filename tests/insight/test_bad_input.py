"""Devices and labels nobody would wish for, through the public doors: no crash, no score out of thin air, said in words."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from tests.insight.conftest import failures, flows, meters, river, streams, subscribers, thieves
from workbench.cli.main import run
from workbench.errors import UsageError
from workbench.insight.evaluation import suite
from workbench.insight.evaluation.folder import Folder
from workbench.insight.finding import Findings

MAPPING = """
mapping: 1
source: probes
time: {zone: UTC, ends_at: at, received_at: received}
device: probe
key: {columns: [device, ends_at]}
meters:
  heat: {column: wh, unit: Wh}
samples: {temperature: float, pressure: float}
"""
BEGIN, DAYS, A_DAY, PEERS = datetime(2026, 1, 1), 100, 2, 30
STREAM = "probes.heat"
ODD = ("one-reading", "constant", "gap-of-months", "all-nan", "twin-a", "twin-b")


def readings() -> pd.DataFrame:
    """Thirty sound probes read twice a day for a hundred days, and one of each odd kind. Pressure is never read."""
    generator = np.random.default_rng(12)
    steps = DAYS * A_DAY
    parts = []
    for number, name in enumerate([*(f"probe-{n:02d}" for n in range(PEERS)), *ODD]):
        at = [BEGIN + timedelta(hours=24 // A_DAY * step, seconds=number) for step in range(steps)]
        warm = np.round(20 + 3 * np.sin(np.arange(steps)) + generator.normal(0, 1, steps), 1)
        table = pd.DataFrame(
            {"at": at, "received": at, "probe": name, "wh": generator.integers(50, 90, steps)}
        )
        table["temperature"], table["pressure"] = warm.astype(str), "nan"
        if name == "one-reading":
            table = table.iloc[steps // 2 :][:1]
        elif name == "constant":
            table["temperature"] = "7.0"
        elif name == "gap-of-months":
            table = table[(table.index < 0.1 * steps) | (table.index >= 0.85 * steps)]
        elif name == "all-nan":
            table["temperature"] = "nan"
        elif name == "twin-b":
            table[["wh", "temperature"]] = parts[-1][["wh", "temperature"]]
        parts.append(table)
    return pd.concat(parts, ignore_index=True).sort_values("at")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    readings().to_csv(folder / "readings.csv", index=False)
    (folder / "mapping.yaml").write_text(MAPPING)
    words = [folder / "readings.csv", "--mapping", folder / "mapping.yaml", "--lake", folder / "lake"]
    assert run(["ingest", *map(str, words)]) == 0
    return folder / "lake"


@pytest.fixture(scope="module")
def found(lake: Path) -> Findings:
    with wb.open_lake(lake) as opened:
        return wb.detect(opened, priced=False)


def test_every_device_is_judged_or_learning_and_no_figure_is_made_up(found: Findings) -> None:
    assert found.judged[STREAM] + len(found.learning[STREAM]) == PEERS + len(ODD)
    assert found.judged[STREAM] >= PEERS
    for one in found:
        figures = [figure for reason in one.reasons for figure in (reason.surprise, reason.observed)]
        assert np.isfinite([*figures, one.chance]).all(), one
        assert one.state == "judged" and not {one.device_id} & set(found.learning[STREAM])


def test_a_device_with_one_reading_is_learning(found: Findings) -> None:
    assert found.learning[STREAM] == ["one-reading"]
    assert not [one for one in found if one.device_id == "one-reading"]


def test_a_gap_of_months_is_a_silence_with_its_dates(found: Findings) -> None:
    (gap,) = [one for one in found if one.device_id == "gap-of-months"]
    assert gap.kind == "silent" and gap.reasons[0].observed == pytest.approx(75.5 * 24, abs=1)
    assert (gap.since.date(), gap.until.date()) == (
        datetime(2026, 1, 10).date(),
        datetime(2026, 3, 27).date(),
    )


def test_what_is_never_read_raises_nothing(found: Findings) -> None:
    columns = {(one.device_id, reason.column) for one in found for reason in one.reasons}
    assert ("all-nan", "temperature") not in columns
    assert not [pair for pair in columns if pair[1] == "pressure"]


def test_the_same_series_under_two_names_is_judged_alike(found: Findings) -> None:
    said = {name: [one.kind for one in found if one.device_id == name] for name in ("twin-a", "twin-b")}
    assert said["twin-a"] == said["twin-b"]


def test_sound_devices_stay_sound_beside_odd_ones(found: Findings) -> None:
    assert {one.device_id for one in found} <= {"gap-of-months", "constant"}
    assert {one.kind for one in found if one.device_id == "constant"} <= {"stuck"}


def test_a_lake_of_a_single_reading_is_all_learning(tmp_path: Path) -> None:
    readings().iloc[:1].to_csv(tmp_path / "one.csv", index=False)
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    words = [tmp_path / "one.csv", "--mapping", tmp_path / "mapping.yaml", "--lake", tmp_path / "lake"]
    assert run(["ingest", *map(str, words)]) == 0
    with wb.open_lake(tmp_path / "lake") as opened:
        found = wb.detect(opened)
    assert len(found) == 0 and found.judged[STREAM] == 0 and len(found.learning[STREAM]) == 1


def both_ways(table: pd.DataFrame, *labels: str) -> pd.DataFrame:
    """Each row a second time, labelled the other way."""
    return pd.concat([table, table.assign(**{name: 1 - table[name] for name in labels})], ignore_index=True)


def test_labels_that_contradict_give_no_figure_and_say_how_often(tmp_path: Path) -> None:
    stolen, truth = thieves()
    stolen.to_parquet(tmp_path / "theft_halfhourly.parquet")
    made = {
        "sensors_lro": both_ways(river(), "label", "stuck"), "telecom_users": both_ways(subscribers(), "label"),
        "theft_labels": both_ways(truth, "label"), "device_failures": both_ways(failures(), "failure"),
        "lead_meters": both_ways(meters(), "label"), "iot23_flows": both_ways(flows(), "label"),
        "nab": both_ways(streams(), "label"),
    }  # fmt: skip
    for name, table in made.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
    there = [one for one in suite.evaluate(Folder(tmp_path)) if not one.note.startswith("not in this folder")]
    assert {one.row for one in there} >= {"frozen sensor", "fraudulent SIM", "theft and arbitrage", "NAB"}
    for one in there:
        assert one.ours is None and not one.sure, one
        assert one.note.startswith("not enough data: labels contradict each other"), one
    with pytest.raises(UsageError, match="Nothing here can be learned"):
        suite.learn(Folder(tmp_path), tmp_path)


def test_the_same_label_twice_is_no_contradiction(tmp_path: Path, made_up: Path) -> None:
    truth = pd.read_parquet(made_up / "theft_labels.parquet")
    pd.concat([truth, truth], ignore_index=True).to_parquet(tmp_path / "theft_labels.parquet")
    (tmp_path / "theft_halfhourly.parquet").write_bytes((made_up / "theft_halfhourly.parquet").read_bytes())
    once = [one.ours for one in suite.evaluate(Folder(made_up), ["theft"])]
    assert [one.ours for one in suite.evaluate(Folder(tmp_path), ["theft"])] == once
