"""Workers that come and go while devices publish: more under load, fewer after it, each event in one record.

The wire may send an event again when its worker changes; journals may then hold it twice, records never do. So the proof
is made where it matters: the journals of all workers that ever were are taken into a lake, and the units are counted.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from tests.collectors.reading import everything, wait_until
from tests.contract.wires import KafkaWire, Wire
from workbench.collectors.scaling import Rules
from workbench.collectors.supervisor import DECISIONS, Supervisor
from workbench.lake.lake import Lake
from workbench.live.node import LiveNode, Settings
from workbench.mediation.mapping_file import parse_mapping
from workbench.mediation.policy import parse_policy
from workbench.mediation.routes import Route, Routes
from workbench.verify.run import verify

BEGIN = datetime.now(UTC).replace(microsecond=0, tzinfo=None) - timedelta(hours=6)
MAPPING = """
source: lamps
time: {zone: UTC, ends_at: ts}
device: {column: device}
key: {event_id: id}
meters:
  energy: {column: mwh, unit: mWh}
"""
RULES = Rules(
    least=1,
    most=3,
    lag_most=300,
    busy_share=0.05,
    idle_share=0.6,
    looks_to_grow=2,
    looks_to_shrink=4,
    looks_to_settle=3,
)
"""Quick to decide, so that a test of a minute sees what takes a day."""


class Devices:
    """Publish without end, each device on a thread of its own, and count what was acknowledged to them."""

    def __init__(self, wire: Wire, count: int) -> None:
        self.wire, self.stop, self.quiet = wire, threading.Event(), threading.Event()
        self.batch = 5_000 if isinstance(wire, KafkaWire) else 200  # of 200, Kafka makes too little of a load
        self.said: dict[str, int] = {f"d{number}": 0 for number in range(count)}
        self.failed: list[BaseException] = []
        self.threads = [threading.Thread(target=self._run, args=(name,)) for name in self.said]

    def _run(self, name: str) -> None:
        try:
            while not self.stop.is_set():
                self.wire.publish(list(self._events(name, 2 if self.quiet.is_set() else self.batch)), name)
                if self.quiet.wait(0.02):
                    self.stop.wait(0.3)
        except BaseException as error:
            self.failed.append(error)

    def _events(self, name: str, count: int) -> Iterator[bytes]:
        for number in range(self.said[name], self.said[name] + count):
            at = BEGIN + timedelta(milliseconds=20 * number)
            row = {
                "device": name,
                "id": f"{name}-{number}",
                "ts": at.isoformat(timespec="milliseconds"),
                "mwh": 1000 + number,
            }
            yield json.dumps(row, separators=(",", ":")).encode()
        self.said[name] += count


@pytest.mark.wires("mosquitto", "kafka", "rabbitmq", "pulsar")
def test_workers_come_and_go_under_load_and_each_event_counts_once(wire: Wire, tmp_path: Path) -> None:
    source = wire.source()
    sources = tmp_path / "sources.yaml"
    sources.write_text(json.dumps({"sources": {source.name: msgspec.to_builtins(source)}}))
    devices = Devices(wire, 4)
    with Supervisor(sources, tmp_path / "journals", RULES) as supervisor:
        for thread in devices.threads:
            thread.start()
        try:
            _look_until(supervisor, 3, 120)
            devices.quiet.set()
            _look_until(supervisor, 1, 120)
        finally:
            devices.stop.set()
            for thread in devices.threads:
                thread.join()
        assert not devices.failed, devices.failed
        wait_until(lambda: _arrived(tmp_path / "journals") >= sum(devices.said.values()), 90)
    decided = [json.loads(line) for line in (tmp_path / "journals" / DECISIONS).read_text().splitlines()]
    _grew_and_shrank([each["workers"] for each in decided])
    assert all(each["why"] for each in decided)
    _each_event_in_one_record(tmp_path, devices.said)


def _grew_and_shrank(workers: list[int]) -> None:
    """From one to three under load, and back to one after it, one at a time.

    On the way up a step back is right where the devices stood still: a machine with much else to do may stop them.
    """
    assert workers[0] == 1 and all(abs(after - before) == 1 for before, after in pairwise(workers)), workers
    assert workers[workers.index(3) :] == [3, 2, 1], workers


@pytest.mark.parametrize(
    "workers",
    [[1, 3, 2, 1], [2, 3, 2, 1], [1, 2, 3, 2], [1, 2, 3, 2, 3, 2, 1], [1, 2, 3, 1], [1, 2, 2, 3, 2, 1]],
)
def test_what_is_no_growing_and_shrinking_is_seen(workers: list[int]) -> None:
    with pytest.raises(AssertionError):
        _grew_and_shrank(workers)


def _arrived(journals: Path) -> int:
    """How many different events all journals hold."""
    return len({message.payload for message in everything(journals)})


def _look_until(supervisor: Supervisor, workers: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while supervisor.workers != workers:
        assert time.monotonic() < deadline, f"{supervisor.workers} workers, {workers} were expected"
        supervisor.look()
        time.sleep(1.0)


def _each_event_in_one_record(folder: Path, said: dict[str, int]) -> None:
    routes = Routes([Route(parse_mapping(MAPPING), source="lamps")])
    node = LiveNode(
        folder / "lake", folder / "journals", routes, parse_policy("grid: 15m\npartition: hour\n"),
        settings=Settings(linger_seconds=0, rate_seconds=0),
    ).start()  # fmt: skip
    assert node.settled(120)
    node.stop()
    with Lake.open(folder / "lake") as lake:
        rows = lake.con.execute(
            f"SELECT d.device_id, sum(r.n_events)::BIGINT, sum(r.units)::BIGINT FROM {lake.scan('records')} r "
            f"JOIN {lake.scan('devices')} d USING (device_key) GROUP BY 1"
        ).fetchall()
        # An event's quantity is its number: one lost and another doubled would show.
        assert {name: (events, units) for name, events, units in rows} == {
            name: (count, sum(1000 + number for number in range(count))) for name, count in said.items()
        }
        report = verify(lake, full=True)
        assert report.ok, report.verdict()
