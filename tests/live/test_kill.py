"""kill -9 of the live pipeline at random moments: every acknowledged event is in exactly one record, none is doubled (I44).

    WORKBENCH_KILLS=200 python -m pytest -m faults tests/live/test_kill.py

A separate process owns listener, journal and lake and is killed; a publisher outside it sends at QoS 1, counts what was
acknowledged, and sends again what was not, as devices do.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from workbench.lake.lake import Lake
from workbench.verify.run import verify

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("WORKBENCH_KILLS", "12"))
SEED = int(os.environ.get("WORKBENCH_SEED", "7"))
PROGRAM = """
import sys, time
from pathlib import Path
from tests.live.test_kill import POLICY, routes
from workbench.live.node import LiveNode, Settings
from workbench.live.wire import Wire
folder, port = Path(sys.argv[1]), int(sys.argv[2])
with Wire(folder / "journals", port=port):
    node = LiveNode(folder / "lake", folder / "journals", routes(), POLICY,
                    settings=Settings(linger_seconds=0.02, rate_seconds=0))
    node.start()
    print("ready", flush=True)
    sys.stdin.read()
    node.stop()
"""
MAPPING = """
source: lamps
time: {zone: UTC, ends_at: ts}
device: {column: device}
meters:
  energy: {column: mwh, unit: mWh}
"""


def routes():
    from workbench.mediation.mapping_file import parse_mapping
    from workbench.mediation.routes import Route, Routes

    return Routes([Route(parse_mapping(MAPPING), "lamps/+")])


def _policy():
    from workbench.mediation.policy import parse_policy

    return parse_policy("grid: 15m\npartition: hour\n")


POLICY = _policy()


class Devices:
    """Sends events without end over connections that break; remembers which were acknowledged."""

    def __init__(self, port: int) -> None:
        self.port, self.acknowledged, self._sent = port, set[int](), dict[int, int]()
        self._heard, self._next, self._stop = deque[int](), 0, threading.Event()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="devices", clean_session=False)
        self.client.on_publish = self._told
        self.client.max_inflight_messages_set(200)
        self.client.reconnect_delay_set(1, 1)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _told(self, client, userdata, mid, *_) -> None:
        self._heard.append(mid)  # no lock here: the client holds its own, which ``publish`` wants as well

    def _note(self) -> None:
        """What was acknowledged since; called by one thread, between two messages."""
        while self._heard:
            self.acknowledged.add(self._sent.pop(self._heard.popleft()))

    def _say(self, number: int, row: dict[str, object]) -> None:
        told = json.dumps(row, separators=(",", ":"))
        self._sent[self.client.publish(f"lamps/d{number % 7}", told, qos=1).mid] = number

    def start(self) -> None:
        self.client.connect_async("127.0.0.1", self.port, keepalive=30)
        self.client.loop_start()
        self._thread.start()

    def _run(self) -> None:
        begin = datetime.now(UTC).replace(tzinfo=None)
        while not self._stop.wait(0.004):
            self._note()
            if self._next - len(self.acknowledged) > 400:
                continue
            number = self._next
            self._next += 1
            at = begin - timedelta(days=1) + timedelta(seconds=number)
            row = {"device": f"d{number % 7}", "ts": at.isoformat(timespec="seconds"), "mwh": 10**6 + number}
            self._say(number, row)
            if number % 11 == 0:  # and what every network does: say it twice
                self._say(number, row)

    def stop(self) -> int:
        """Say no more; wait until all is acknowledged; returns how many were said."""
        self._stop.set()
        self._thread.join()
        deadline = time.monotonic() + 120
        while len(self.acknowledged) < self._next and time.monotonic() < deadline:
            time.sleep(0.1)
            self._note()
        self.client.loop_stop()
        return self._next


def started(folder: Path, port: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", PROGRAM, str(folder), str(port)]
    log = (folder / "stderr.log").open("a")
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout.readline() == "ready\n", (folder / "stderr.log").read_text()[-3000:]
    return process


@pytest.mark.slow
def test_killed_at_random_moments_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    devices = Devices(port)
    process = started(tmp_path, port)
    devices.start()
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.05, 2.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = started(tmp_path, port)
    said = devices.stop()
    assert devices.acknowledged == set(range(said))
    process.communicate("", timeout=120)
    assert process.returncode == 0
    with Lake.open(tmp_path / "lake") as lake:
        events, units = lake.con.execute(
            f"SELECT sum(n_events)::BIGINT, sum(units)::BIGINT FROM {lake.scan('records')}"
        ).fetchall()[0]
        # Each event's quantity names it: the sum tells a lost one and a doubled one apart from none.
        assert (events, units) == (said, sum(10**6 + number for number in range(said)))
        report = verify(lake, full=True)
        assert report.ok, report.verdict()
