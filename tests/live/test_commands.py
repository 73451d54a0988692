"""The commands around a live lake: status tells sources apart, letters are listed and driven again, a past is played."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from tests.live.conftest import SCENE, journaled, node_on, raw, routes
from workbench.cli.main import run
from workbench.clock import PacedClock, ReplayClock
from workbench.lake.lake import Lake
from workbench.live import past
from workbench.live.node import LiveNode, Settings
from workbench.live.wire import Wire
from workbench.mediation.policy import Policy
from workbench.showcase.cast import policy
from workbench.showcase.publish import Publisher

NOW = datetime(2026, 3, 2, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake that took an hour of the scene, and one message nobody can read."""
    folder = tmp_path_factory.mktemp("commands")
    messages = list(islice(raw(), 1200))
    journaled(folder, [*messages, messages[-1]._replace(payload=b'{"device_id": ')])
    node = node_on(folder, ReplayClock(NOW)).start()
    assert node.settled(60)
    node.stop()
    return folder


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert run([*words, "--json"]) == 0
    found: dict = json.loads(capsys.readouterr().out)
    return found


def test_status_names_sources_journals_and_letters(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(capsys, "status", str(place / "lake"))
    assert {each["source"] for each in found["sources"]} >= {"lamps", "hubs"}
    assert {each["state"] for each in found["sources"]} == {"reporting"}
    assert found["journals"][0]["position"] == 1201
    assert found["dead_letters"] == 1


def test_a_letter_is_listed_shown_and_driven(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = str(place / "lake")
    (letter,) = asked(capsys, "deadletter", "list", lake, "--waiting")["letters"]
    shown = asked(capsys, "deadletter", "show", lake, letter["letter_id"])
    assert shown["payload"] == '{"device_id": '
    assert shown["reason"] == "bad_json"
    done = asked(capsys, "deadletter", "redrive", lake, letter["letter_id"])
    assert done["landed"] == 0
    assert run(["deadletter", "redrive", lake, "no-such-letter"]) == 2


def test_a_letter_is_driven_by_the_node_that_holds_the_lake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command asks the owner of the lake, and gets its answer."""
    message = raw()[0]
    journaled(tmp_path, [message._replace(topic="nowhere", source="nobody")])
    node = node_on(tmp_path, ReplayClock(NOW)).start()
    node.settled(30)
    found = asked(capsys, "deadletter", "redrive", str(tmp_path / "lake"), "--all")
    node.stop()
    assert found == {"messages": 1, "landed": 0, "rejected": 0}


def test_a_key_is_made_and_taken_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = str(tmp_path)
    made = asked(capsys, "keys", "add", lake, "--name", "ann", "--account", "a-1")
    assert made["key"].startswith("wbk_")
    assert [key["name"] for key in asked(capsys, "keys", "list", lake)["keys"]] == ["ann"]
    asked(capsys, "keys", "revoke", lake, "ann")
    assert asked(capsys, "keys", "list", lake)["keys"] == []


def test_a_past_played_again_has_the_same_records(place: Path, tmp_path: Path) -> None:
    """Through MQTT, journal and mediation on a fast clock: every record is the original's, byte for byte."""
    with Lake.open(place / "lake") as source:
        streams = past.streams_of(source)
        first, last = past.span_of(source)
        clock = PacedClock(first.replace(tzinfo=UTC), speed=20_000)
        with Wire(tmp_path / "journals", now_ns=clock.now_ns) as wire:
            node = LiveNode(
                tmp_path / "lake", tmp_path / "journals", past.routes_of(streams),
                past.policy_of(streams, Policy()), clock=clock, period=SCENE.period,
                settings=Settings(rate_seconds=0, clock_speed=clock.speed),
            ).start()  # fmt: skip
            publisher = Publisher("127.0.0.1", wire.port, clock)
            sent = publisher.run(past.said(source, streams, first, last + timedelta(seconds=1)))
            assert node.settled(60)
            node.stop()
        with Lake.open(tmp_path / "lake") as again:
            assert sent == sum(segment.rows for segment in source.segments("landed"))
            for stream in streams:
                assert [s.sha256 for s in again.segments("records", stream=stream.name)] == [
                    s.sha256 for s in source.segments("records", stream=stream.name)
                ]


def test_the_scene_has_a_policy_of_its_own() -> None:
    """What the replay is given is what landed the lake, stream by stream."""
    assert policy().for_stream("lamps.energy").partition == "hour"
    assert len(routes().routes) == len(SCENE.feeds())
