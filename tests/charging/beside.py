"""A home node as a process of its own, callers that keep count, and what must be true of them in the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.charging.world import CATALOGUE, EUR
from workbench.charging.framed import STATUS, Caller
from workbench.charging.messages import Balance, Command, Debit, Open, TopUp, decode_answer, encode

SMS_NANO = 50_000_000


class Program:
    """``workbench charge`` with some words; ready when it has said so."""

    def __init__(self, folder: Path, *words: str, before: tuple[str, ...] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.socket = folder, folder / "node.sock"
        self.words = [*before, sys.executable, "-m", "workbench", "charge", str(folder), *words, "--json"]
        self.start()

    def start(self) -> None:
        """Run it (again)."""
        with (self.folder / "said.txt").open("ab") as errors:
            self.process = subprocess.Popen(
                self.words, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.folder / "said.txt").read_text()[-3000:]
        self.ready: dict[str, Any] = json.loads(line)

    def caller(self) -> Caller:
        return Caller(self.socket, 30)

    def status(self) -> dict[str, Any]:
        caller = self.caller()
        try:
            return dict(json.loads(caller.ask(STATUS)))
        finally:
            caller.close()

    def kill(self) -> None:
        """This process only: kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(90)


def prices(folder: Path) -> str:
    path = folder / "prices.yaml"
    path.write_text(CATALOGUE)
    return str(path)


def fill(caller: Caller, names: list[str], pools: int = 0) -> None:
    """Accounts with money; the first ones in pools of three that share a gift."""
    messages: list[Command] = []
    for number, name in enumerate(names):
        pool = f"pool{number // 3}" if number < 3 * pools else ""
        messages.append(Open(account=name, id=f"open {name}", offers=("car",), pool=pool))
        messages.append(TopUp(account=name, id=f"money {name}", amount_nano=1000 * EUR))
        if pool and number % 3 == 0:
            messages.append(TopUp(account=name, id=f"gift {name}", amount_nano=EUR, bucket="gift", pool=pool))
    for at in range(0, len(messages), 500):
        caller.send(*map(encode, messages[at : at + 500]))
        for _ in messages[at : at + 500]:
            assert decode_answer(caller.receive()).ok


class Wave(threading.Thread):
    """One caller that debits account after account at a rate, and keeps every answer; asks again until it has one."""

    def __init__(self, path: Path, tag: str, names: list[str], rate: float) -> None:
        super().__init__(daemon=True)
        self.path, self.tag, self.names, self.gap = path, tag, names, 1 / rate
        self.ends = threading.Event()
        self.answered: dict[str, tuple[str, bytes]] = {}
        self.again = 0
        self.slowest = 0.0

    def run(self) -> None:
        caller: Caller | None = None
        number, due = 0, time.monotonic()
        while not self.ends.is_set():
            name, key = self.names[number % len(self.names)], f"{self.tag}-{number}"
            body = encode(Debit(account=name, id=key, meter="car.sms", units=1))
            began = time.monotonic()
            while True:
                try:
                    caller = caller or Caller(self.path, 10)
                    said = decode_answer(answer := caller.ask(body))
                except OSError:
                    caller = None
                    self.again += 1
                    time.sleep(0.05)
                    continue
                if said.code in ("busy", "read_only"):
                    self.again += 1
                    time.sleep(0.02)
                    continue
                break
            assert said.ok, said
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.answered[key] = (name, answer)
            number += 1
            due += self.gap
            time.sleep(max(0.0, due - time.monotonic()))


def until(what: Callable[[], bool], seconds: float, why: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"in {seconds} s: {why()}"
        time.sleep(0.1)


def check(caller: Caller, names: list[str], waves: list[Wave], gifts: int = 0) -> int:
    """Every answered debit is there once, every balance is exact, and asking again gives the same bytes."""
    spent = dict.fromkeys(names, 0)
    for wave in waves:
        for name, _ in wave.answered.values():
            spent[name] += 1
    total = 0
    for name in names:
        said = decode_answer(caller.ask(encode(Balance(account=name))))
        assert said.ok, (name, said)
        if not gifts or int(name[1:]) >= 3 * gifts:
            assert said.balance == (1000 * EUR - spent[name] * SMS_NANO) * said.denominator, name
        total += said.balance // said.denominator
    gone = 1000 * EUR * len(names) - total
    made = sum(spent.values()) * SMS_NANO
    assert max(0, made - gifts * EUR) <= gone <= made
    for wave in waves:
        for key in list(wave.answered)[:: max(1, len(wave.answered) // 40)]:
            name, answer = wave.answered[key]
            body = encode(Debit(account=name, id=key, meter="car.sms", units=1))
            assert caller.ask(body) == answer, key
    return sum(spent.values())


def kill_group(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
