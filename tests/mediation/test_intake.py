"""Micro-batches: however messages are cut into batches, and whatever is handed in twice, the records are a file's."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from workbench.clock import ReplayClock
from workbench.journal.message import RawMessage
from workbench.journal.reader import Batch
from workbench.lake.engine import one
from workbench.lake.lake import Lake
from workbench.mediation import deadletters
from workbench.mediation.delivery import Delivery
from workbench.mediation.intake import Intake
from workbench.mediation.mapping import Mapping
from workbench.mediation.mapping_file import parse_mapping
from workbench.mediation.merging import Merger
from workbench.mediation.messages import instant_of
from workbench.mediation.policy import parse_policy
from workbench.mediation.routes import Route, Routes
from workbench.pipeline import Job, land, mediate, run
from workbench.verify.run import verify

DAY = datetime(2026, 3, 2, tzinfo=UTC)
POLICY = parse_policy("grid: 15m\npartition: hour\n")
LAMPS = """
source: lamps
time: {zone: UTC, ends_at: ts}
device: {column: device}
meters:
  energy: {column: mwh, unit: mWh}
samples: {zone: {column: lux, type: integer}, lux: integer}
"""
KINDS = {
    "by time": LAMPS,
    "by event id": LAMPS.replace("meters:", "key: {event_id: id}\nmeters:"),
    "register": LAMPS.replace("unit: mWh}", "unit: mWh, cumulative: {max_delta: 1000000}}"),
    "two meters": LAMPS.replace("samples:", "  light: {column: lux, unit: lx}\nsamples:"),
}


def said(
    at: int, device: str = "d1", mwh: int = 5, *, received: int | None = None, **more: object
) -> RawMessage:
    """A device's message about the second ``at`` of the day, received so many seconds later."""
    row = {
        "device": device,
        "ts": f"{DAY + timedelta(seconds=at):%Y-%m-%dT%H:%M:%S}Z",
        "mwh": mwh,
        "lux": mwh % 3,
        **more,
    }
    payload = json.dumps(row, separators=(",", ":")).encode()
    came = DAY + timedelta(seconds=at + 1 if received is None else received)
    return RawMessage("main", "wire", "", f"lamps/{device}", "", payload, int(came.timestamp()) * 10**9)


def traffic(seed: int, count: int = 120) -> list[RawMessage]:
    """A few devices over three hours, with copies, conflicts and late ones, in order of receipt."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        at, device = chance.randrange(0, 10_800, 300), f"d{chance.randrange(4)}"
        mwh = chance.choice([5, 5, 5, 9]) if chance.random() < 0.3 else at + 7
        message = said(at, device, mwh, received=at + chance.choice([1, 1, 2, 4000]), id=f"{device}-{at}")
        found += [message] * chance.choice([1, 1, 1, 2])
        if number % 40 == 7:
            found.append(message._replace(payload=b'{"device": "d1", "ts": '))
    return sorted(found, key=lambda message: message.received_at_ns)


def cut(messages: Sequence[RawMessage], sizes: Sequence[int]) -> list[Batch]:
    """Batches of the given sizes, over and over."""
    found, at, turn = [], 0, 0
    while at < len(messages):
        size = sizes[turn % len(sizes)]
        found.append(Batch("wire-0", at, list(messages[at : at + size])))
        at, turn = at + size, turn + 1
    return found


@contextmanager
def taken(batches: Sequence[Batch], mapping: Mapping, merger: Merger | None = None):
    """A lake that took the batches one by one."""
    with TemporaryDirectory() as folder, Lake.open(Path(folder), create=True) as lake, lake.writer():
        intake = Intake(lake, Routes([Route(mapping, "lamps/+")]), POLICY, merger=merger)
        for batch in batches:
            intake.take([batch])
        yield lake, intake


def told(lake: Lake) -> tuple[list[str], list[tuple]]:
    """The bytes of the records' files, and what is in quarantine."""
    held = lake.con.execute(f"SELECT * FROM {lake.scan('quarantine')} ORDER BY ALL").fetchall()
    return [segment.sha256 for segment in lake.segments("records")], held


@pytest.mark.parametrize("kind", KINDS)
def test_batches_do_not_show_in_the_records(kind: str) -> None:
    """I6: one message at a time, odd batches, everything at once: the same bytes."""
    mapping, messages = parse_mapping(KINDS[kind]), traffic(3)
    with taken(cut(messages, [len(messages)]), mapping) as (lake, _):
        whole = told(lake)
        assert whole[0]
    with taken(cut(messages, [7, 1, 30]), mapping) as (lake, _):
        assert told(lake) == whole


def test_a_live_day_is_a_file_day(tmp_path: Path) -> None:
    """The same events from the wire and from a file give the same records, byte for byte."""
    mapping, messages = parse_mapping(LAMPS), [m for m in traffic(5) if m.payload.endswith(b"}")]
    in_file = parse_mapping(LAMPS.replace("ends_at: ts}", "ends_at: ts, received_at: came}"))
    path = tmp_path / "day.ndjson"
    rows = [{**json.loads(m.payload), "came": instant_of(m.received_at_ns).isoformat()} for m in messages]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    with Lake.open(tmp_path / "file", create=True, inputs=[tmp_path]) as lake, lake.writer():
        job = Job(
            lake, [Delivery(path, in_file, DAY + timedelta(hours=5))], POLICY, None, None, ReplayClock(DAY)
        )
        run((land, mediate), job)
        from_file = [segment.sha256 for segment in lake.segments("records")]
    with taken(cut(messages, [11]), mapping) as (lake, _):
        assert told(lake)[0] == from_file


def test_a_batch_that_is_handed_in_twice_counts_once() -> None:
    """I7: the position is in the commit; what was read before is passed over, and half of a batch too."""
    messages = traffic(7)
    first, second = Batch("wire-0", 0, messages[:50]), Batch("wire-0", 30, messages[30:90])
    with taken([first, first, second], parse_mapping(LAMPS)) as (lake, intake):
        assert intake.position("wire-0") == 90
        assert sum(fact["messages"] for fact in lake.facts("delivery").values()) == 90
    with taken(cut(messages[:90], [90]), parse_mapping(LAMPS)) as (lake, _):
        assert sum(fact["messages"] for fact in lake.facts("delivery").values()) == 90


def test_merged_segments_tell_the_same_and_everything_verifies() -> None:
    """Small segments are merged beside the batches; records keep their bytes, and every promise holds."""
    mapping, messages = parse_mapping(LAMPS), traffic(11, 300)
    with taken(cut(messages, [len(messages)]), mapping) as (lake, _):
        whole = told(lake)
    merger = Merger(together=4, grace=timedelta(0))
    with taken(cut(messages, [9]), mapping, merger) as (lake, intake):
        for _ in range(200):
            intake.merge()
            if merger.idle:
                break
        merger.close()
        intake.merge()
        assert merger.merged > 10
        assert told(lake) == whole
        assert len(lake.segments("landed")) < len(messages) / 9
        report = verify(lake, full=True)
        assert report.ok, report.verdict()


def test_poison_is_a_letter_and_the_good_behind_it_is_taken() -> None:
    """I9, I10: refused with its reason, kept whole; the others are not held up."""
    bad = [
        said(1)._replace(payload=b"\xff\xfe"), said(2)._replace(payload=b'{"a":1,"a":2}'), said(3, mwh=-5),
        said(4)._replace(topic="pumps/p1"), said(5, "d2")._replace(device="d1"),
    ]  # fmt: skip
    with taken([Batch("wire-0", 0, [*bad, said(6)])], parse_mapping(LAMPS)) as (lake, intake):
        found = deadletters.letters(lake)
        assert sorted(letter["reason"] for letter in found) == [
            "bad_utf8", "duplicate_key", "negative", "no_route", "not_the_sender",
        ]  # fmt: skip
        assert one(lake.con, f"SELECT sum(n_events) FROM {lake.scan('records')}") == (1,)
        intake.take([Batch("wire-0", 6, bad[:1])])
        again = {letter["letter_id"]: letter["tries"] for letter in deadletters.letters(lake)}
        assert sorted(again.values()) == [1, 1, 1, 1, 2]


def test_a_letter_is_driven_again_with_the_time_it_first_came_at() -> None:
    """I9: mended by a better mapping, accepted once, however often it is driven; its receipt is the first one."""
    strict, mended = (
        parse_mapping(LAMPS),
        parse_mapping(LAMPS.replace("unit: mWh}", "unit: mWh, negative: allow}")),
    )
    with taken([Batch("wire-0", 0, [said(1, mwh=-5)])], strict) as (lake, intake):
        (letter,) = deadletters.letters(lake, waiting=True)
        again = intake.redrive([letter["letter_id"]], DAY + timedelta(hours=9))
        assert again.rejected == 1
        intake.routes = Routes([Route(mended, "lamps/+")])
        assert intake.redrive([letter["letter_id"]], DAY + timedelta(hours=10)).landed == 1
        assert intake.redrive([letter["letter_id"]], DAY + timedelta(hours=11)).messages == 0
        (letter,) = deadletters.letters(lake)
        assert (letter["state"], letter["tries"]) == ("accepted", 3)
        landed = lake.con.execute(f"SELECT units, received_at FROM {lake.scan('landed')}").fetchall()
        assert landed == [(-5, (DAY + timedelta(seconds=2)).replace(tzinfo=None))]


def test_a_device_that_two_mappings_of_a_batch_hear_of_is_registered_once(tmp_path: Path) -> None:
    """Two sources, one new device, one batch: one row in the registry, and the records of both."""
    other = LAMPS.replace("source: lamps", "source: hubs")
    routes = Routes([Route(parse_mapping(LAMPS), "lamps/#"), Route(parse_mapping(other), "hubs/#")])
    messages = [said(300, "d1"), said(600, "d1")._replace(topic="hubs/d1")]
    with Lake.open(tmp_path, create=True) as lake, lake.writer():
        Intake(lake, routes, POLICY).take(cut(messages, [2]))
        assert one(lake.con, f"SELECT count(*) FROM {lake.scan('devices')}") == (1,)
        assert one(
            lake.con, f"SELECT count(DISTINCT device_key), sum(n_events) FROM {lake.scan('records')}"
        ) == (1, 2)
