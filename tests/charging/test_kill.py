"""kill -9 at random moments, also while a snapshot is made and while the log is read: what was answered is there, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.charging.world import EUR
from workbench.charging.follow import follow
from workbench.charging.framed import Caller
from workbench.charging.messages import Balance, Debit, Open, TopUp, decode_answer, encode
from workbench.charging.recovery import recover

SMS_NANO = 50_000_000


def start(folder: Path, path: Path, snapshots: int = 300) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.charging.killing", str(folder), str(path), str(snapshots)],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def ready(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    return process.stdout.readline() == "ready\n"


def kill(process: subprocess.Popen[str]) -> None:
    """The node and whatever it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Load:
    """One caller that counts what it was answered, across the lives of the node."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path, self.rng = path, random.Random(seed)
        self.answered: dict[str, bytes] = {}
        self.maybe: dict[str, bytes] = {}
        self.number = 0

    def run(self, seconds: float) -> None:
        """Keep sixteen requests under way until the time is over or the node is gone."""
        caller, under_way = Caller(self.path, 5), list[str]()
        until = time.perf_counter() + seconds
        try:
            if self.number == 0:
                for message in (
                    Open(account="a", id="o", offers=("car",)),
                    TopUp(account="a", id="t", amount_nano=10**6 * EUR),
                ):
                    assert decode_answer(caller.ask(encode(message))).ok
            for key in list(self.maybe):  # what was not heard about is asked again, as a caller would
                self.answered[key] = caller.ask(self.maybe[key])
                del self.maybe[key]
            while time.perf_counter() < until:
                while len(under_way) < 16:
                    self.number += 1
                    key = f"d{self.number}"
                    self.maybe[key] = encode(Debit(account="a", id=key, meter="car.sms", units=1))
                    caller.send(self.maybe[key])
                    under_way.append(key)
                key = under_way.pop(0)
                self.answered[key] = caller.receive()
                del self.maybe[key]
        except (ConnectionError, TimeoutError, OSError):
            pass  # killed: what is under way is a maybe
        caller.close()


def check(folder: Path, load: Load) -> None:
    """Every answer is in the log, the same, and every debit that is there is there once."""
    node = recover(folder, ("main",)).node
    account = node.accounts["main", "a"]
    made = node.seq - 3  # the catalogue, the account, its money
    assert len(load.answered) <= made <= load.number
    assert account.balance == 10**6 * EUR * node.scale - made * SMS_NANO * node.scale


def lives(tmp_path: Path, count: int, seed: int) -> Load:
    folder, path = tmp_path / "node", tmp_path / "s"
    load, rng = Load(path, seed), random.Random(seed)
    for number in range(count):
        process = start(folder, path)
        if number and number % 3 == 0:  # while it reads its log
            time.sleep(rng.random() * 0.6)
            kill(process)
            process = start(folder, path)
        assert ready(process)
        waiter = subprocess.Popen(["sleep", str(0.15 + rng.random() * 0.5)])
        killer = threading.Thread(target=lambda w=waiter, p=process: (w.wait(), kill(p)))
        killer.start()
        load.run(30)
        killer.join()
        if number % 10 == 9:
            check(folder, load)
            follow(folder, ("main",))  # lives here are too short for one to be finished beside them
    process = start(folder, path, 0)
    assert ready(process)
    load.run(0)  # asks again what it never heard about
    caller = Caller(path)
    for key in random.Random(seed).sample(list(load.answered), 50):
        body = encode(Debit(account="a", id=key, meter="car.sms", units=1))
        assert caller.ask(body) == load.answered[key]
    left = decode_answer(caller.ask(encode(Balance(account="a"))))
    assert left.balance == (10**6 * EUR - load.number * SMS_NANO) * left.denominator
    assert len(load.answered) == load.number
    kill(process)
    check(folder, load)
    return load


def test_a_few_kills(tmp_path: Path) -> None:
    load = lives(tmp_path, 3, 1)
    assert load.number > 0


@pytest.mark.faults
def test_a_hundred_kills(tmp_path: Path) -> None:
    load = lives(tmp_path, 100, 2)
    assert load.number > 1000
    assert list((tmp_path / "node").glob("*.snapshot"))


@pytest.mark.faults
def test_kills_while_a_snapshot_is_made(tmp_path: Path) -> None:
    """The process beside the node dies at any moment: the next one makes the snapshot, and nothing differs."""
    folder, path = tmp_path / "node", tmp_path / "s"
    process = start(folder, path, 0)
    assert ready(process)
    load = Load(path, 3)
    load.run(3)
    for number in range(20):
        follower = subprocess.Popen([sys.executable, "-m", "workbench.charging.follow", str(folder), "main"])
        time.sleep(random.Random(number).random() * 1.2)
        follower.kill()
        follower.wait()
        load.run(0.2)
    kill(process)
    check(folder, load)
    made = follow(folder, ("main",))
    assert recover(folder, ("main",)).requests == 0
    assert made["answers"] == made["seq"]
    check(folder, load)
