"""Gateway mediation: what travels is a twelfth of what was said, and is what the centre would have made itself."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

import simulators
from tests.live.conftest import SCENE
from workbench.clock import ReplayClock
from workbench.collectors.http import HttpCollector
from workbench.collectors.source import HttpSource
from workbench.journal.journal import Journal
from workbench.journal.message import RawMessage
from workbench.journal.reader import Batch, JournalReader
from workbench.lake.lake import Lake
from workbench.live.edge import Forwarder
from workbench.live.node import LiveNode, Settings
from workbench.mediation.intake import Intake
from workbench.mediation.packs import CONTENT_TYPE, table_of
from workbench.mediation.routes import Route, Routes
from workbench.model.ids import device_key
from workbench.showcase.cast import cast_of, mapping_of, policy

END = datetime(2026, 3, 2, 2)


def said() -> list[RawMessage]:
    """An hour of lamps without copies: the reference case, 60 messages a lamp."""
    fleet = simulators.fleet("streetlights", 25, seed=3, start=datetime(2026, 3, 2))
    return [
        RawMessage("main", "wire", "", m.topic, "application/json", m.payload,
                   int((m.received_at - datetime(1970, 1, 1)) / timedelta(microseconds=1)) * 1000)
        for m in fleet.messages(1 / 24)
    ]  # fmt: skip


def test_records_made_at_the_edge_are_the_centre_s(tmp_path: Path) -> None:
    """The link is down at first: records wait. Then upstream has them, once, and they are the centre's to the byte."""
    messages = said()
    routes = Routes([Route(mapping_of(cast_of("streetlights")), "streetlights/+")])
    with Journal(tmp_path / "edge" / "journals" / "wire-0") as journal:
        journal.append(messages)
        journal.flush()
    node = LiveNode(
        tmp_path / "edge" / "lake", tmp_path / "edge" / "journals", routes, policy(),
        clock=ReplayClock(SCENE.period.start), settings=Settings(rate_seconds=0),
    ).start()  # fmt: skip
    assert node.settled(60)
    node.stop()
    down = Forwarder(node, tmp_path / "edge", "http://127.0.0.1:9", "north")
    with Lake.open(tmp_path / "edge" / "lake") as lake:
        assert down.gather(lake, END) == 100
        assert down.send() is False
        assert down.waiting == 1
    with Journal(tmp_path / "centre" / "http-0") as kept:
        source = HttpSource(name="edges", port=0, plain_text_allowed=True)
        with HttpCollector(source, kept) as http:
            up = Forwarder(node, tmp_path / "edge", f"http://127.0.0.1:{http.port}", "north")
            assert up.send() is True
            with Lake.open(tmp_path / "edge" / "lake") as lake:
                assert up.gather(lake, END) == 0
            assert up.send() is True
        kept.flush()
        batch = JournalReader(kept.folder).read()
    assert batch is not None
    (arrived,) = batch.messages
    assert (arrived.topic, arrived.content_type) == ("edge/north/lamps.energy", CONTENT_TYPE)
    pack = json.loads(arrived.payload)
    raw = sum(len(message.payload) + len(message.topic) for message in messages)
    assert len(arrived.payload) <= raw * 8 // 100

    with Lake.open(tmp_path / "whole", create=True) as lake, lake.writer():
        Intake(lake, routes, policy()).take([Batch("wire-0", 0, messages)])
        central = lake.segments("records")
    keys = pa.array([device_key("main", name) for name in pack["columns"]["device_id"]], pa.int64())
    rows = table_of(pack).add_column(0, "device_key", keys)
    partitions = pa.compute.strftime(rows["window_start"], format="%Y-%m-%dT%H")
    with Lake.open(tmp_path / "again", create=True) as lake, lake.writer():
        written = [
            lake.write("records", rows.filter(pa.compute.equal(partitions, segment.partition)), stream="lamps.energy",
                       partition=segment.partition, order_by=["device_key", "window_start"])
            for segment in central
        ]  # fmt: skip
    assert [segment.sha256 for segment in written] == [segment.sha256 for segment in central]
