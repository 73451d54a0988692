"""An edge grants out of its leases while the link is down, never past them, and the centre comes to the same as alone."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.charging.world import CATALOGUE, EUR
from workbench.charging.alone import compare
from workbench.charging.framed import Caller
from workbench.charging.messages import (
    Answer,
    Balance,
    Command,
    Commit,
    Debit,
    Open,
    Reserve,
    TopUp,
    decode_answer,
    encode,
)
from workbench.charging.serve import Doors, Threaded


def said(caller: Caller, message: Command) -> Answer:
    return decode_answer(caller.ask(encode(message)))


def until(what: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def centre_at(tmp_path: Path) -> Threaded:
    return Threaded(Doors(tmp_path / "centre", catalogue=CATALOGUE, socket=tmp_path / "c"))


def edge_at(tmp_path: Path) -> Threaded:
    return Threaded(Doors(tmp_path / "edge", socket=tmp_path / "e", edge="edge-1", centre=tmp_path / "c"))


def ready(edge: Threaded) -> None:
    until(lambda: edge.running.edge is not None and edge.running.edge.up)


def told(edge: Threaded) -> None:
    link = edge.running.edge
    assert link is not None
    until(lambda: link.up and not link._pending)
    time.sleep(0.3)


def fill(caller: Caller, accounts: int, nano: int = 2 * EUR) -> None:
    for number in range(accounts):
        assert said(caller, Open(account=f"a{number}", id=f"o{number}", offers=("car",))).ok
        assert said(caller, TopUp(account=f"a{number}", id=f"t{number}", amount_nano=nano)).ok


def test_edge_and_centre_come_to_what_the_centre_alone_would(tmp_path: Path) -> None:
    rng, granted = random.Random(5), 0
    with centre_at(tmp_path):
        fill(Caller(tmp_path / "c"), 4, 50 * EUR)
        with edge_at(tmp_path) as edge:
            ready(edge)
            local, direct = Caller(tmp_path / "e"), Caller(tmp_path / "c")
            for number in range(120):
                name = f"a{rng.randrange(4)}"
                meter, units = rng.choice(
                    [("car.data", rng.randrange(1, 40)), ("car.sms", 1), ("car.call", 61)]
                )
                answer = said(local, Debit(account=name, id=f"e{number}", meter=meter, units=units))
                granted += answer.ok
                if number % 5 == 0:  # the centre charges the same accounts meanwhile
                    said(direct, Debit(account=name, id=f"c{number}", meter="car.data", units=7))
            session = said(local, Reserve(account="a0", id="s", meter="car.data", units=30))
            if session.ok:
                assert said(local, Commit(account="a0", id="k", reservation=session.reservation, used=11)).ok
            told(edge)
            assert edge.running.edge is not None
            assert edge.running.edge.refused == 0
    assert granted > 60
    found = compare(tmp_path / "centre", ("main",))
    assert found.ok, found.different
    assert found.events >= granted
    assert found.overshoot == 0


def test_offline_it_grants_its_lease_and_not_a_unit_more(tmp_path: Path) -> None:
    with centre_at(tmp_path):
        fill(Caller(tmp_path / "c"), 1)
        with edge_at(tmp_path) as edge:
            ready(edge)
            assert said(Caller(tmp_path / "e"), Debit(account="a0", id="first", meter="car.sms", units=1)).ok
            told(edge)
    granted = 1
    with edge_at(tmp_path) as edge:  # a new life, and no centre
        local = Caller(tmp_path / "e")
        for number in range(60):
            granted += said(local, Debit(account="a0", id=f"off{number}", meter="car.sms", units=1)).ok
        refused = said(local, Debit(account="a0", id="more", meter="car.sms", units=1))
        assert (refused.ok, refused.code, refused.affordable) == (False, "insufficient_balance", 0)
        assert (
            said(local, Debit(account="stranger", id="x", meter="car.sms", units=1)).code == "unknown_account"
        )
    assert granted == 20  # twenty times what was asked first
    with centre_at(tmp_path), edge_at(tmp_path) as edge:
        told(edge)
        balance = said(Caller(tmp_path / "c"), Balance(account="a0"))
        assert balance.balance == (2 * EUR - 20 * 50_000_000) * balance.denominator
    found = compare(tmp_path / "centre", ("main",))
    assert (found.ok, found.events, found.overshoot) == (True, 20, 0)


def test_what_is_told_twice_is_charged_once(tmp_path: Path) -> None:
    with centre_at(tmp_path):
        fill(Caller(tmp_path / "c"), 1)
        with edge_at(tmp_path) as edge:
            ready(edge)
            for number in range(10):
                assert said(
                    Caller(tmp_path / "e"), Debit(account="a0", id=f"{number}", meter="car.sms", units=1)
                ).ok
            told(edge)
        (tmp_path / "edge" / "edge.json").write_text(json.dumps({"seq": 0}))  # forgot how far it had told
        with edge_at(tmp_path) as edge:
            told(edge)
            assert edge.running.edge is not None and edge.running.edge.settled == 10
        balance = said(Caller(tmp_path / "c"), Balance(account="a0"))
        assert balance.balance == (2 * EUR - 10 * 50_000_000) * balance.denominator
    assert compare(tmp_path / "centre", ("main",)).ok


@pytest.mark.slow
def test_a_hundred_thousand_accounts_take_less_than_256_mb(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "workbench",
        "charge",
        str(tmp_path / "edge"),
        "--edge",
        "--lease",
        str(tmp_path / "c"),
        "--json",
    ]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline()
        caller = Caller(tmp_path / "edge" / "node.sock", 120)
        for first in range(0, 100_000, 1000):
            messages: list[Command] = []
            for number in range(first, first + 1000):
                messages.append(Open(account=f"car-{number}", id=f"o{number}"))
                bucket = TopUp(
                    account=f"car-{number}", id=f"t{number}", meter="car.data", units=10**6, bucket="lease 1"
                )
                messages += [
                    bucket,
                    Debit(account=f"car-{number}", id=f"d{number}", meter="car.data", units=10),
                ]
            caller.send(*map(encode, messages))
            assert all(decode_answer(caller.receive()).ok for _ in messages)
        resident = psutil.Process(process.pid).memory_info().rss / 2**20
        assert resident <= 256
        first = encode(Debit(account="car-0", id="d0", meter="car.data", units=10))
        before = json.loads(caller.ask(b'{"op":"status"}'))
        assert decode_answer(caller.ask(first)).ok  # answered long ago, from disk: not a second time
        after = json.loads(caller.ask(b'{"op":"status"}'))
        assert after["seq"] == before["seq"]
        assert after["to_tell"] == 100_000
    finally:
        process.terminate()
        process.wait(30)
