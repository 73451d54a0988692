"""Callers over HTTP that hang up, do not read, stop half way or vanish: the others are served all along."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.charging.wire import dial, running
from tests.charging.world import CATALOGUE, EUR
from workbench.charging.framed import Caller
from workbench.charging.messages import Balance, Command, Debit, Open, TopUp, decode_answer, encode
from workbench.charging.serve import Doors, Threaded

SMS_NANO = 50_000_000


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Threaded]:
    with running(tmp_path) as found:
        yield found


def http(message: Command, length: int | None = None) -> bytes:
    body = encode(message)
    head = f"POST /v1/charge HTTP/1.1\r\nHost: x\r\nContent-Length: {length or len(body)}\r\n\r\n"
    return head.encode() + body


def ask(node: Threaded, message: Command) -> dict[str, object]:
    url = f"http://127.0.0.1:{node.running.ports['http']}/v1/charge"
    with urllib.request.urlopen(urllib.request.Request(url, encode(message)), timeout=10) as response:
        return dict(json.load(response))


def test_callers_that_misbehave_never_stall_the_commit_pipeline(node: Threaded) -> None:
    rude: list[socket.socket] = []
    for number in range(60):
        one = dial(node)
        match number % 6:
            case 0:  # hangs up before the answer can come
                one.sendall(http(Debit(account="a", id=f"gone{number}", meter="car.sms", units=1)))
                one.close()
                continue
            case 1:  # hangs up with a reset
                one.sendall(http(Debit(account="a", id=f"gone{number}", meter="car.sms", units=1)))
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
                one.close()
                continue
            case 2:  # asks again and again and never reads
                one.setblocking(False)
                try:
                    for _ in range(2_000):
                        one.send(http(Balance(account="a")) * 50)
                except BlockingIOError:
                    pass
            case 3:  # stops in the middle of the head
                one.sendall(b"POST /v1/charge HTTP/1.1\r\nHost: x\r\nContent-Le")
            case 4:  # stops in the middle of the body
                one.sendall(http(Balance(account="a"), 5_000))
            case 5:  # half open: asks, then is silent for ever
                one.sendall(http(Debit(account="a", id=f"kept{number}", meter="car.sms", units=1)))
        rude.append(one)
    slowest = 0.0
    for number in range(200):
        began = time.perf_counter()
        assert ask(node, Debit(account="a", id=f"good{number}", meter="car.sms", units=1))["ok"]
        slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 5
    for one in rude:
        one.close()
    # All that was asked whole is done, once: ten that hung up, ten that reset, ten that are half open, two hundred good ones.
    said = ask(node, Balance(account="a"))
    spent = 1000 * EUR * int(str(said.get("denominator", 1))) - int(str(said["balance"]))
    done = spent // SMS_NANO // int(str(said.get("denominator", 1)))
    assert 220 <= done <= 230, "what hung up with a reset may not have arrived; everything else has"
    assert node.call(lambda: node.running.service.durable.idle) in (True, False)
    assert ask(node, Debit(account="a", id="good0", meter="car.sms", units=1))[
        "ok"
    ]  # asked again: done before
    assert ask(node, Balance(account="a"))["balance"] == said["balance"]


def test_a_caller_that_reads_slowly_gets_everything_and_holds_up_nobody(node: Threaded) -> None:
    """Each answer waits for its reader, and nobody else does."""
    slow = dial(node)
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for number in range(300):
        slow.sendall(http(Debit(account="a", id=f"slow{number}", meter="car.sms", units=1)))
    began = time.perf_counter()
    for number in range(50):
        assert ask(node, Debit(account="a", id=f"fast{number}", meter="car.sms", units=1))["ok"]
    assert time.perf_counter() - began < 10
    seen, deadline = b"", time.monotonic() + 30
    while seen.count(b'"ok":true') < 300 and time.monotonic() < deadline:
        seen += slow.recv(512)
    assert seen.count(b'"ok":true') == 300
    slow.close()


def test_a_webhook_that_never_answers_stalls_no_request(tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(1)
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        doors = Doors(tmp_path / "n", catalogue=CATALOGUE, socket=tmp_path / "w", webhook=url, secret="k")
        with Threaded(doors):
            caller = Caller(tmp_path / "w")
            caller.ask(encode(Open(account="a", id="o", offers=("car",), low_nano=(10**12,))))
            caller.ask(encode(TopUp(account="a", id="t", amount_nano=EUR)))
            began = time.perf_counter()
            for number in range(20):
                assert decode_answer(
                    caller.ask(encode(Debit(account="a", id=f"{number}", meter="car.sms", units=1)))
                ).ok
            assert time.perf_counter() - began < 5
            deaf.close()  # who still waits for it need not wait until the end
