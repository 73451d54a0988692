from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.brokers.broker import free_port
from tests.collectors.reading import everything, wait_until
from tests.contract.wires import HttpWire
from workbench.cli.collect import _bounds
from workbench.collectors.scaling import Decision, Look, Rules, Scaler
from workbench.collectors.source import HttpSource
from workbench.collectors.supervisor import DECISIONS, Supervisor
from workbench.errors import SourceError, UsageError


def decided(rules: Rules, looks: list[Look]) -> list[tuple[int, int]]:
    scaler = Scaler(rules)
    found = [(at, scaler.decide(look)) for at, look in enumerate(looks)]
    return [(at, decision.workers) for at, decision in found if isinstance(decision, Decision)]


def test_a_lag_that_stays_adds_workers_one_at_a_time_up_to_the_most() -> None:
    rules = Rules(least=1, most=3, lag_most=100, looks_to_grow=3, looks_to_settle=2)
    looks = [Look(1, 1000, (0.5,))] * 5 + [Look(2, 1000, (0.5, 0.5))] * 5 + [Look(3, 1000, (0.5,) * 3)] * 20
    assert decided(rules, looks) == [(2, 2), (7, 3)]


def test_a_lag_that_shrinks_needs_nobody() -> None:
    rules = Rules(lag_most=100, looks_to_grow=2)
    assert decided(rules, [Look(1, lag, (0.5,)) for lag in (5000, 4000, 3000, 2000, 1000, 500, 200)]) == []


def test_busy_workers_ask_for_one_more_also_where_no_wire_says_its_lag() -> None:
    rules = Rules(most=2, looks_to_grow=3)
    assert decided(rules, [Look(1, None, (0.95,))] * 4) == [(2, 2)]
    assert decided(rules, [Look(2, None, (0.95, 0.1))] * 9) == []


def test_idle_workers_go_and_the_least_stay() -> None:
    rules = Rules(least=1, looks_to_shrink=5, looks_to_settle=0)
    looks = [Look(3, 0, (0.1, 0.05, 0.05))] * 5 + [Look(2, 0, (0.1, 0.1))] * 5 + [Look(1, 0, (0.1,))] * 20
    assert decided(rules, looks) == [(4, 2), (9, 1)]
    assert decided(rules, [Look(2, 0, (0.4, 0.4))] * 20) == []  # one could not do it


@pytest.mark.parametrize(
    ("said", "bounds"), [("3", (3, 3)), ("1-4", (1, 4)), ("auto", (1, max(2, os.cpu_count() or 2)))]
)
def test_numbers_of_workers(said: str, bounds: tuple[int, int]) -> None:
    assert _bounds(said) == bounds


@pytest.mark.parametrize("said", ["", "0", "many", "4-2", "1-", "-1", "65"])
def test_what_is_no_number_of_workers(said: str) -> None:
    with pytest.raises(UsageError, match="no number of workers"):
        _bounds(said)


def _sources(tmp_path: Path, port: int) -> Path:
    path = tmp_path / "sources.yaml"
    path.write_text(f"sources: {{lamps: {{kind: http, port: {port}, identity: 'topic:{{device}}'}}}}\n")
    return path


def test_a_worker_that_is_killed_comes_back_and_nothing_is_lost(tmp_path: Path) -> None:
    wire = HttpWire()
    root = tmp_path / "journal"
    with Supervisor(_sources(tmp_path, wire.port), root, Rules(most=1)) as supervisor:
        wire.publish([b"1", b"2"])
        pid = supervisor.statuses()[0]["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_until(
            lambda: supervisor.look().get(0, {"pid": pid})["pid"] != pid
        )  # it goes when its last thread has gone
        wire.publish([b"3"])
        assert supervisor.statuses()[0]["pid"] != pid
    assert [each.payload for each in everything(root)] == [b"1", b"2", b"3"]
    said = [json.loads(line) for line in (root / DECISIONS).read_text().splitlines()]
    assert [each["decision"] for each in said] == ["start", "restart"]


def test_a_source_that_cannot_be_used_is_said_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(
        f"sources: {{lamps: {{kind: mqtt, url: 'mqtt://127.0.0.1:{free_port()}', topics: [a]}}}}\n"
    )
    with pytest.raises(SourceError, match="broker cannot be used"), Supervisor(path, tmp_path / "j", Rules()):
        raise AssertionError("it started")


def test_the_command_collects_until_it_is_told_to_stop(tmp_path: Path) -> None:
    wire = HttpWire()
    command = [sys.executable, "-m", "workbench", "collect", str(_sources(tmp_path, wire.port)), "--json"]
    process = subprocess.Popen(
        [*command, "--journal", str(tmp_path / "j")], stdout=subprocess.PIPE, text=True
    )
    wire.publish([b"1", b"2", b"3"])
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    found = json.loads(said)
    assert found["sources"]["lamps"]["acknowledged"] == 3
    assert found["sources"]["lamps"]["port"] == wire.port
    assert [each["decision"] for each in found["decisions"]] == ["start"]
    assert isinstance(wire.source(), HttpSource)
