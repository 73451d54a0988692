"""Notices reach their receiver signed, once each, also when it is down for a while and across a restart."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.charging.beside import Program
from tests.charging.world import CATALOGUE, EUR
from workbench.charging import notify, watch
from workbench.charging.framed import Caller
from workbench.charging.messages import Debit, Open, TopUp, decode_answer, encode
from workbench.charging.serve import Doors, Threaded


class Receiver:
    """A webhook's other end."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.down = False
        self.answers = threading.Event()  # cleared: what was heard is not answered yet
        self.answers.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not outer.down:
                    outer.heard.append((dict(self.headers), body))
                outer.answers.wait(30)
                self.send_response(503 if outer.down else 204)
                self.end_headers()

            def log_message(self, *words: Any) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/notices"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.server.shutdown()
    found.server.server_close()


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def doors(tmp_path: Path, receiver: Receiver) -> Doors:
    return Doors(
        tmp_path / "node", catalogue=CATALOGUE, socket=tmp_path / "s", webhook=receiver.url, secret="key"
    )


def spend(path: Path, first: int, count: int) -> None:
    caller = Caller(path)
    for number in range(first, first + count):
        answer = caller.ask(encode(Debit(account="a", id=f"d{number}", meter="car.sms", units=1)))
        assert decode_answer(answer).ok
    caller.close()


def test_each_threshold_is_told_once_and_signed(tmp_path: Path, receiver: Receiver) -> None:
    with Threaded(doors(tmp_path, receiver)):
        caller = Caller(tmp_path / "s")
        caller.ask(encode(Open(account="a", id="o", offers=("car",), low_nano=(EUR // 2, EUR // 4))))
        caller.ask(encode(TopUp(account="a", id="t", amount_nano=EUR)))
        receiver.down = True
        spend(tmp_path / "s", 0, 11)  # half is left: the first threshold, and nobody listens
        time.sleep(0.3)
        receiver.down = False
        until(lambda: len(receiver.heard) == 1)
    with Threaded(doors(tmp_path, receiver)):
        spend(tmp_path / "s", 11, 5)  # a quarter is left: the second one
        until(lambda: len(receiver.heard) == 2)
        spend(tmp_path / "s", 16, 2)
        time.sleep(0.3)
    told = [json.loads(body) for _, body in receiver.heard]
    assert [(n["kind"], n["threshold"]) for n in told] == [
        ("balance_low", EUR // 2),
        ("balance_low", EUR // 4),
    ]
    for headers, body in receiver.heard:
        stamp, signature = (part.split("=", 1)[1] for part in headers["X-Workbench-Signature"].split(","))
        assert hmac.compare_digest(
            signature, hmac.new(b"key", stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        )
        assert headers["Idempotency-Key"] == json.loads(body)["id"]


def test_what_was_not_told_is_told_after_a_restart(tmp_path: Path, receiver: Receiver) -> None:
    receiver.down = True
    with Threaded(doors(tmp_path, receiver)):
        caller = Caller(tmp_path / "s")
        caller.ask(encode(Open(account="a", id="o", offers=("car",), low_nano=(EUR // 2,))))
        caller.ask(encode(TopUp(account="a", id="t", amount_nano=EUR)))
        spend(tmp_path / "s", 0, 12)
        time.sleep(0.2)
    assert receiver.heard == []
    receiver.down = False
    with Threaded(doors(tmp_path, receiver)):
        until(lambda: len(receiver.heard) == 1)
        time.sleep(0.3)
    assert len(receiver.heard) == 1


def test_a_stop_between_a_notice_and_its_answer_tells_it_once(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers.clear()
    with Threaded(doors(tmp_path, receiver)):
        caller = Caller(tmp_path / "s")
        caller.ask(encode(Open(account="a", id="o", offers=("car",), low_nano=(EUR // 2, EUR // 4))))
        caller.ask(encode(TopUp(account="a", id="t", amount_nano=EUR)))
        spend(tmp_path / "s", 0, 16)
        until(lambda: len(receiver.heard) == 1)
        later = threading.Timer(0.5, receiver.answers.set)  # by then the node is stopping
        later.start()
    later.join()
    with Threaded(doors(tmp_path, receiver)):
        until(lambda: len(receiver.heard) >= 2)
        time.sleep(0.3)
    assert [json.loads(body)["threshold"] for _, body in receiver.heard] == [EUR // 2, EUR // 4]


def test_every_notice_is_told_once_after_crashes(tmp_path: Path, receiver: Receiver) -> None:
    """kill -9 while thresholds are crossed: each is told, under one id; a receiver that keeps ids hears each once."""
    prices_, secret = tmp_path / "prices.yaml", tmp_path / "secret"
    prices_.write_text(CATALOGUE)
    secret.write_text("key")
    lows = tuple(EUR * part // 40 for part in range(1, 40))
    node = Program(
        tmp_path / "node", "--catalog", str(prices_), "--webhook", receiver.url, "--secret", str(secret)
    )
    caller = node.caller()
    for account in ("a", "b", "c"):
        caller.ask(
            encode(
                Open(account=account, id=f"o{account}", offers=("car",), low_nano=lows[:16], usage_percent=())
            )
        )
        caller.ask(encode(TopUp(account=account, id=f"t{account}", amount_nano=EUR)))
    for life in range(4):
        for number in range(life * 5, life * 5 + 5):
            for account in ("a", "b", "c"):
                answer = caller.ask(
                    encode(Debit(account=account, id=f"{account}{number}", meter="car.sms", units=1))
                )
                assert decode_answer(answer).ok
        node.kill()  # some are told, some are in the outbox, some are only in the log
        node.start()
        caller = node.caller()
    try:
        until(lambda: len({json.loads(body)["id"] for _, body in receiver.heard}) >= 48)
        time.sleep(0.5)
    finally:
        node.stop()
    told = {json.loads(body)["id"]: json.loads(body) for _, body in receiver.heard}
    crossed = [(notice["account"], notice["threshold"]) for notice in told.values()]
    assert sorted(crossed) == sorted((account, low) for account in ("a", "b", "c") for low in lows[:16])
    assert len(receiver.heard) - len(told) <= 4, (
        "only the one that was on its way at a crash comes again, with its id"
    )


def test_no_notice_is_sent_or_passed_by_a_snapshot_before_it_is_on_disk(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power fails: of the outbox only what was synced is left. Every notice is told all the same, under one id."""
    outbox, synced, real = tmp_path / "node" / "notices.ndjson", [0], os.fdatasync

    def fdatasync(handle: int) -> None:
        real(handle)
        if outbox.exists() and os.path.samestat(os.fstat(handle), outbox.stat()):
            synced[0] = os.fstat(handle).st_size

    monkeypatch.setattr(notify.os, "fdatasync", fdatasync)
    early: list[str] = []
    post = notify.Notifier._post

    def posted(self: notify.Notifier, notice: watch.Notice, body: bytes) -> bool:
        if body not in outbox.read_bytes()[: synced[0]]:
            early.append(notice.id)
        return post(self, notice, body)

    monkeypatch.setattr(notify.Notifier, "_post", posted)
    lows, fallen = tuple(EUR * part // 20 for part in range(1, 17)), tmp_path / "fallen"
    receiver.down = True
    with Threaded(replace(doors(tmp_path, receiver), snapshot_requests=10)) as node:
        caller = Caller(tmp_path / "s")
        caller.ask(encode(Open(account="a", id="o", offers=("car",), low_nano=lows, usage_percent=())))
        caller.ask(encode(TopUp(account="a", id="t", amount_nano=EUR)))
        for part in range(4):
            spend(tmp_path / "s", part * 5, 5)
            until(lambda: not node.running.service.following)
            time.sleep(0.1)
        until(lambda: bool(list((tmp_path / "node").glob("*.snapshot"))))
        shutil.copytree(tmp_path / "node", fallen, ignore=shutil.ignore_patterns("lock", "*.tmp"))
        kept = synced[0]
    assert early == []
    os.truncate(fallen / "notices.ndjson", kept)
    monkeypatch.undo()
    receiver.down = False
    with Threaded(replace(doors(tmp_path, receiver), folder=fallen)):
        until(lambda: len({json.loads(body)["id"] for _, body in receiver.heard}) >= len(lows))
        time.sleep(0.3)
    told = [json.loads(body) for _, body in receiver.heard]
    assert sorted(notice["threshold"] for notice in told) == sorted(lows)
