from __future__ import annotations

import json
from pathlib import Path

import pytest

import workbench as wb
from workbench.cli.main import run
from workbench.errors import UsageError
from workbench.insight.finding import KINDS, Findings
from workbench.showcase.build import play
from workbench.showcase.scene import Scene


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A billed lake of lamps and meters in which some things go wrong."""
    path = tmp_path_factory.mktemp("troubled") / "lake"
    play(path, Scene({"lamps": 60, "meters": 40, "esims": 40}, days=1, faults="stuck=2,silent=2,conflict=1"))
    return path


@pytest.fixture(scope="module")
def found(troubled: Path) -> Findings:
    with wb.open_lake(troubled) as lake:
        return wb.detect(lake)


def test_what_was_planted_is_found_and_hardly_anything_else(troubled: Path, found: Findings) -> None:
    import pyarrow.parquet as pq

    truth = {
        row["device_id"]: row["kind"]
        for row in pq.read_table(troubled / "truth" / "faults.parquet").to_pylist()
    }
    named = {one.device_id: one.kind for one in found}
    # A silent meter whose register went on is a metering outage: the same fault, told more closely.
    same = {"silent": {"silent", "metering_outage"}}
    hit = [device for device, kind in truth.items() if named.get(device) in same.get(kind, {kind})]
    silent = {device for device, kind in truth.items() if kind == "silent" and device.startswith("meter-")}
    assert any(named.get(device) == "metering_outage" for device in silent)
    assert len(hit) >= 0.7 * len(truth)
    assert len(set(named) - set(truth)) <= 3


def test_a_finding_says_why_shows_its_evidence_and_keeps_its_id(troubled: Path, found: Findings) -> None:
    with wb.open_lake(troubled) as lake:
        again = wb.detect(lake)
        assert [one.finding_id for one in again] == [one.finding_id for one in found]
        for index, one in enumerate(found):
            assert one.kind in KINDS and one.since <= one.until and 0 <= one.chance < 0.05
            assert len(lake.sql(one.query)) > 0, one.query
            said = found.explain(index)
            assert one.device_id in said and one.clears in said and "evidence: SELECT" in said
    assert len(found.frame()) == len(found)


def test_money_is_asked_of_the_price_list_and_exact(found: Findings) -> None:
    priced = [one for one in found if one.money is not None]
    assert priced, "meters and lamps are billed by use"
    for one in priced:
        assert one.money is not None
        assert one.money.at_risk == abs(one.money.billed - one.money.expected)
        assert one.money.currency == "EUR"
    lamps = [one for one in priced if one.kind == "silent" and one.stream == "lamps.energy"]
    assert all(one.money is not None and one.money.expected > one.money.billed for one in lamps)


def test_a_stream_that_is_not_there_is_refused(troubled: Path) -> None:
    with wb.open_lake(troubled) as lake, pytest.raises(UsageError, match="no stream"):
        wb.detect(lake, "weather")


def test_the_command_prints_one_object(troubled: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["detect", "run", str(troubled), "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["findings"] and said["judged"]["meters.energy"] == 40
    assert run(["detect", "run", str(troubled), "--stream", "meters.energy"]) == 0
    assert "meter-" in capfd.readouterr().out
