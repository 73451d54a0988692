"""From gateways to the centre's records and back to the events: over a link that goes down, byte for byte."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from tests.live.conftest import SCENE
from tests.live.test_edge import END, said
from workbench.api.raw import RawServer
from workbench.cli.main import run
from workbench.clock import ReplayClock
from workbench.collectors.http import HttpCollector
from workbench.collectors.source import HttpSource
from workbench.errors import UsageError
from workbench.journal.journal import Journal
from workbench.journal.message import RawMessage
from workbench.journal.reader import Batch
from workbench.lake.lake import Lake
from workbench.live.edge import Forwarder
from workbench.live.node import LiveNode, Settings
from workbench.live.raw import fetched
from workbench.mediation.deadletters import letters
from workbench.mediation.intake import Intake
from workbench.mediation.lineage import members_of, stream_named
from workbench.mediation.packs import CONTENT_TYPE, EDGE
from workbench.mediation.routes import Route, Routes
from workbench.model.ids import device_key
from workbench.showcase.cast import cast_of, mapping_of, policy
from workbench.verify.run import verify

ROUTES = Routes([Route(mapping_of(cast_of("streetlights")), "streetlights/+")])
NAME = "lamps.energy"


def gateway(folder: Path, messages: Sequence[RawMessage], port: int) -> Forwarder:
    """A gateway that has taken these messages, in two parts, and what it would send."""
    with Journal(folder / "journals" / "wire-0") as journal:
        journal.append(messages)
        journal.flush()
    node = LiveNode(
        folder / "lake", folder / "journals", ROUTES, policy(), clock=ReplayClock(SCENE.period.start),
        settings=Settings(rate_seconds=0),
    ).start()  # fmt: skip
    assert node.settled(60)
    node.stop()
    return Forwarder(node, folder, f"http://127.0.0.1:{port}", folder.name)


def gathered(forwarder: Forwarder) -> int:
    with Lake.open(forwarder.outbox.parent / "lake") as lake:
        return forwarder.gather(lake, END)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def central(path: Path, messages: Sequence[RawMessage]) -> dict[str, str]:
    """Partition to the hash of the records that the centre makes of the events itself."""
    with Lake.open(path, create=True) as lake, lake.writer():
        Intake(lake, ROUTES, policy()).take([Batch("wire-0", 0, list(messages))])
        return {segment.partition: segment.sha256 for segment in lake.segments("records")}


def test_two_gateways_and_a_link_that_goes_down(tmp_path: Path, port: int) -> None:
    messages = said()
    first = [m for m in messages if int(m.topic.rpartition("-")[2]) % 2]
    second = [m for m in messages if m not in first]
    late, first = first[-40:], first[:-40]
    north, south = gateway(tmp_path / "north", first, port), gateway(tmp_path / "south", second, port)
    assert gathered(north) > 0
    assert north.send() is False  # nobody is there
    assert north.waiting == 1
    centre = LiveNode(
        tmp_path / "centre" / "lake", tmp_path / "centre" / "journals", ROUTES, policy(),
        clock=ReplayClock(SCENE.period.start), settings=Settings(rate_seconds=0),
    )  # fmt: skip
    with Journal(tmp_path / "centre" / "journals" / "edges-0") as journal:
        source = HttpSource(name="edges", port=port, plain_text_allowed=True)
        with HttpCollector(source, journal):
            assert north.send()
        centre.start()
        gathered(south)
        assert south.send() is False  # down again
        with HttpCollector(source, journal):
            assert south.send()
            assert centre.settled(60)
            # Late events change windows that were sent: they are sent again, and take the place of what was there.
            again = gateway(tmp_path / "north", late, port)
            assert gathered(again) > 0
            assert again.send()
            for path in sorted(
                (tmp_path / "south" / "sent").glob("*.json")
            ):  # and one pack comes a second time
                request = urllib.request.Request(
                    f"http://127.0.0.1:{port}/v1/events/edge/south/{NAME}",
                    path.read_bytes(),
                    {"Content-Type": CONTENT_TYPE},
                )
                assert urllib.request.urlopen(request, timeout=10).status == 202
        assert centre.settled(60)
        centre.stop()
    wanted = central(tmp_path / "whole", messages)
    with Lake.open(tmp_path / "centre" / "lake") as lake:
        made = lake.segments("records")
        assert {segment.partition: segment.sha256 for segment in made} == wanted
        assert {name for segment in made for name in segment.meta[EDGE]} == {"north", "south"}
        assert set(lake.facts(EDGE)) == {"north", "south"}
        report = verify(lake, full=True)
        assert report.ok, report.first_failure


def test_raw_events_come_back_with_their_proof(tmp_path: Path, port: int) -> None:
    messages = said()
    north = gateway(tmp_path / "north", messages, port)
    gathered(north)
    packs = [json.loads(path.read_text()) for path in sorted(north.outbox.glob("*.json"))]
    arrived = [
        RawMessage(
            "main", "edges", "", f"edge/north/{NAME}", CONTENT_TYPE, json.dumps(pack).encode(), 10**18 + n
        )
        for n, pack in enumerate(packs)
    ]
    with Lake.open(tmp_path / "centre", create=True) as lake, lake.writer():
        taken = Intake(lake, ROUTES, policy()).take([Batch("edges-0", 0, arrived)])
        assert (taken.landed, taken.dead) == (100, 0)
        device = packs[0]["columns"]["device_id"][7]
        window = datetime(1970, 1, 1) + timedelta(microseconds=packs[0]["columns"]["window_start"][7])
        here = fetched(lake, str(tmp_path / "north" / "lake"), NAME, device, window)
        assert here.proven
        assert here.rows.num_rows == packs[0]["columns"]["n_events"][7]
        with RawServer(tmp_path / "north" / "lake", "main", "127.0.0.1", 0, "secret") as server:
            base = f"http://127.0.0.1:{server.port}"
            there = fetched(lake, base, NAME, device, window, "secret")
            assert there.proven
            assert there.rows.equals(here.rows)
            with pytest.raises(UsageError, match="401"):
                fetched(lake, base, NAME, device, window, "wrong")
            with pytest.raises(UsageError, match="404"):
                fetched_unknown(base)
            words = ["edge-fetch", str(tmp_path / "centre"), "--from", base, "--stream", NAME, "--device", device,
                     "--window", f"{window.isoformat()}Z", "--json"]  # fmt: skip
            token = tmp_path / "token"
            token.write_text("secret\n")
            assert run([*words, "--token-file", str(token)]) == 0
        forged = here.rows.drop_columns(["is_event", "is_conflict"])
        units = pa.array([unit + 1 for unit in forged["units"].to_pylist()], forged["units"].type)
        forged = forged.set_column(forged.schema.get_field_index("units"), "units", units)
        stream, key = stream_named(lake, NAME), device_key("main", device)
        assert not members_of(lake, stream, key, window, forged).proven
    with pytest.raises(UsageError, match="open to others"):
        RawServer(tmp_path, "main", "0.0.0.0", 0)


def fetched_unknown(base: str) -> None:
    from workbench.live.raw import _asked

    _asked(base, "no.stream", "x", datetime(2026, 3, 2), "secret")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda pack: pack.update(policy="other"), "bad_pack"),
        (lambda pack: pack["kept"].update(grid_seconds=60), "bad_pack"),
        (lambda pack: pack["columns"].pop("units"), "bad_pack"),
        (lambda pack: pack["columns"]["units"].__setitem__(0, -1), "bad_pack"),
        (lambda pack: pack["columns"]["n_events"].__setitem__(0, 0), "bad_pack"),
        (lambda pack: pack["columns"]["window_start"].__setitem__(0, 1), "bad_pack"),
        (lambda pack: pack["columns"]["device_id"].__setitem__(0, ""), "bad_pack"),
    ],
)
def test_packs_that_say_nonsense_are_dead_letters(tmp_path: Path, port: int, spoil, reason: str) -> None:
    north = gateway(tmp_path / "north", said()[:300], port)
    gathered(north)
    (path,) = north.outbox.glob("*.json")
    good, bad = json.loads(path.read_text()), json.loads(path.read_text())
    spoil(bad)
    bodies = [json.dumps(bad).encode(), b"[", json.dumps(good).encode()]
    arrived = [RawMessage("main", "e", "", f"edge/n/{NAME}", CONTENT_TYPE, body, 10**18) for body in bodies]
    with Lake.open(tmp_path / "centre", create=True) as lake, lake.writer():
        intake = Intake(lake, ROUTES, policy())
        taken = intake.take([Batch("e", 0, arrived)])
        assert taken.landed == len(good["columns"]["units"])
        assert taken.dead == 2
        assert {letter["reason"] for letter in letters(lake)} == {reason, "bad_pack"}
        # A device of the gateway's that now reports to the centre: what the gateway counted stays, the event is refused.
        before = [segment.sha256 for segment in lake.segments("records")]
        late = intake.take([Batch("w", 0, said()[:300])])
        assert late.reasons == {"at_gateways": late.messages}
        assert (late.landed, [segment.sha256 for segment in lake.segments("records")]) == (0, before)
        # Devices that report to the centre themselves, for the same time: one of the two would count twice.
        other = said()[:300]
        with Lake.open(tmp_path / "direct", create=True) as direct, direct.writer():
            both = Intake(direct, ROUTES, policy())
            both.take([Batch("w", 0, other)])
            mixed = both.take([Batch("e", 0, arrived[2:])])
            assert mixed.reasons == {"pack_mixed": 1}
