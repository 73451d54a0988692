"""Simulate is production: a day by files, the same day live, and the live day simulated make the same charges, byte by byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.twin.conftest import PERIOD
from workbench.cli.main import run
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.twin.reconcile import assert_reconciles
from workbench.twin.scenario import Scenario
from workbench.twin.simulate import simulate


def content(charges: list[Segment]) -> dict[tuple[str, str], str]:
    """The SHA-256 of the charges of each stream and partition."""
    return {(segment.stream, segment.partition): segment.sha256 for segment in charges}


def test_the_day_by_files_live_and_simulated(
    town: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    live = tmp_path / "live"
    words = ["replay", str(town), "--to", str(live), "--speed", "3600", "--port", "0", "--json"]
    assert run(words) == 0, capsys.readouterr()
    capsys.readouterr()
    with Lake.open(town) as by_files, Lake.open(live) as lake:
        rated = content(lake.segments("charges", period=PERIOD))
        assert rated == content(by_files.segments("charges", period=PERIOD))
        assert sum(segment.rows for segment in lake.segments("charges", period=PERIOD)) > 100
    with simulate(live, Scenario("as it is"), depth="record") as sim:
        pair = sim.cell().pair
        assert pair is not None
        assert content(list(pair.after.segments["charges"])) == rated
        assert pair.after.plan.sha256 == pair.before.plan.sha256
        assert all(change.delta == 0 for change in sim.cell().changes)
        assert_reconciles(sim)
