"""What a live node deletes: only what lives on elsewhere, and the proof knows which files those are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.live.conftest import QUICK, journaled, node_on
from tests.live.test_node import rated
from workbench.clock import ReplayClock
from workbench.journal.message import RawMessage
from workbench.lake import passing
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.verify.report import Result
from workbench.verify.run import verify

UNRATED = replace(QUICK, rate_seconds=0)


def lived(folder: Path, clock: ReplayClock, batches: list[list[RawMessage]]) -> None:
    """A node's life from start to stop, with a batch after the other."""
    node = node_on(folder, clock, UNRATED).start()
    for batch in batches:
        journaled(folder, batch)
        assert node.settled(20)
    node.stop()


def proven_bytes(lake: Lake) -> Result:
    """What the full proof says about the files' bytes."""
    return next(result for result in verify(lake, full=True).results if result.name == "segment_bytes")


def test_a_full_proof_does_not_miss_what_a_live_node_let_go(
    messages: list[RawMessage], tmp_path: Path, clock: ReplayClock
) -> None:
    lived(tmp_path, clock, [messages[at : at + 300] for at in range(0, 1500, 300)])
    with Lake.open(tmp_path / "lake") as lake:
        report = verify(lake, full=True)
        assert report.ok, report.verdict()
        gone = passing.may_go(lake.history(), lake.state.segments)
        assert proven_bytes(lake).counts["let_go"] == len(gone) > 0


def test_what_charges_were_made_from_stays(
    messages: list[RawMessage], tmp_path: Path, clock: ReplayClock
) -> None:
    """Later batches replace the records, the charges still name the old ones: these can be looked at, and are missed."""
    lived(tmp_path, clock, [messages[:700]])
    assert rated(tmp_path / "lake")
    lived(tmp_path, clock, [messages[700:1400]])
    with Lake.open(tmp_path / "lake") as lake:
        every = [Segment.from_json(data) for entry in lake.history() for data in entry["add"]]
        named = {parent for charges in lake.segments("charges") for parent in charges.parents}
        old = [s for s in every if s.id in named and s.id not in lake.state.segments]
        assert old
        assert all((lake.root / segment.path).exists() for segment in old)
        assert proven_bytes(lake).verdict == "holds"
        (lake.root / old[0].path).unlink()
        assert proven_bytes(lake).verdict == "fails"
