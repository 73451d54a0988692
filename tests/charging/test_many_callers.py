"""Fifty callers on twenty accounts with shared pools: whatever is lost and retried, one sequence explains all answers.

A node answers each change with ``seq``, its place among all changes. So the sequence need not be searched for: carried out
again in that order by a node of its own, every answer must come out the same byte for byte, and the plain rules must hold
after each step. What a caller never heard back about is a "maybe": it is in the sequence once or not at all.
"""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

from tests.charging.world import CATALOGUE, EUR
from workbench.charging import funds
from workbench.charging.batches import _decode
from workbench.charging.framed import Caller
from workbench.charging.messages import (
    Answer,
    Commit,
    Debit,
    Open,
    Refund,
    Reserve,
    TopUp,
    Update,
    decode,
    decode_answer,
    encode,
)
from workbench.charging.node import Node
from workbench.charging.serve import Doors, Threaded
from workbench.journal.reader import JournalReader

CALLERS, ACCOUNTS, REQUESTS = 50, 20, 60


class Customer(threading.Thread):
    """A caller that waits, loses answers, and asks again under the same id."""

    def __init__(self, path: Path, number: int) -> None:
        super().__init__(daemon=True)
        self.path, self.number, self.rng = path, number, random.Random(number)
        self.heard: dict[str, bytes] = {}
        self.sent: dict[str, bytes] = {}
        self.different: list[str] = []
        self.sessions: list[tuple[str, int, int]] = []

    def run(self) -> None:
        caller = Caller(self.path)
        for step in range(REQUESTS):
            key = f"c{self.number}-{step}"
            body = self.message(key)
            self.sent[key] = body
            for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
                if self.rng.random() < 0.12:  # sent, and the answer lost
                    caller.send(body)
                    caller.close()
                    caller = Caller(self.path)
                    continue
                answer = caller.ask(body)
                if self.heard.setdefault(key, answer) != answer:
                    self.different.append(key)
                self.learn(body, decode_answer(answer))
            if self.rng.random() < 0.3:
                time.sleep(self.rng.random() / 500)
        caller.close()

    def message(self, key: str) -> bytes:
        rng, name = self.rng, f"a{self.rng.randrange(ACCOUNTS)}"
        kind = rng.randrange(10)
        if kind < 3:
            return encode(Reserve(account=name, id=key, meter="car.data", units=rng.randrange(1, 300)))
        if kind < 6 and self.sessions:
            name, number, units = self.sessions.pop()
            used = rng.randrange(units + 1)
            if kind == 3:
                return encode(Update(account=name, id=key, reservation=number, used=used, more=20))
            return encode(Commit(account=name, id=key, reservation=number, used=used))
        if kind == 6 and self.sent:
            return encode(Refund(account=name, id=key, of=rng.choice(list(self.sent))))
        if kind == 7:
            return encode(TopUp(account=name, id=key, amount_nano=20_000_000))
        return encode(Debit(account=name, id=key, meter="car.sms", units=rng.randrange(1, 4)))

    def learn(self, body: bytes, answer: Answer) -> None:
        if b'"op":"reserve"' in body and answer.ok:
            self.sessions.append((answer.account, answer.reservation, answer.granted))


def test_one_sequence_explains_every_answer(tmp_path: Path) -> None:
    with Threaded(Doors(tmp_path / "node", catalogue=CATALOGUE, socket=tmp_path / "s")) as node:
        caller = Caller(tmp_path / "s")
        for number in range(ACCOUNTS):
            name, pool = f"a{number}", f"pool{number % 4}"
            caller.ask(encode(Open(account=name, id=f"o{number}", offers=("car",), pool=pool)))
            caller.ask(encode(TopUp(account=name, id=f"m{number}", amount_nano=EUR // 2)))
            gift = TopUp(account=name, id=f"g{number}", amount_nano=EUR, bucket=f"b{number}", pool=pool)
            caller.ask(encode(gift))
        customers = [Customer(tmp_path / "s", number) for number in range(CALLERS)]
        for customer in customers:
            customer.start()
        for customer in customers:
            customer.join(120)
        assert not any(customer.is_alive() for customer in customers)
        assert node.call(lambda: node.running.service.durable.journal.flush(10))
    explained = _carry_out_again(tmp_path / "node")
    heard = {key: answer for customer in customers for key, answer in customer.heard.items()}
    assert not [key for customer in customers for key in customer.different]
    assert len(heard) > CALLERS * REQUESTS * 0.8
    assert {key: explained[key] for key in heard} == heard
    maybe = {key for customer in customers for key in customer.sent} - set(heard)
    assert maybe, "no answer was lost: the test lost its point"
    refusals = [answer for answer in map(decode_answer, heard.values()) if not answer.ok]
    assert any(answer.code == "insufficient_balance" for answer in refusals)


def _carry_out_again(folder: Path) -> dict[str, bytes]:
    """Every request of the log in its order, on a fresh node, one at a time; the limit is looked at after each."""
    node, explained = Node(), dict[str, bytes]()
    reader = JournalReader(folder / "log", 0)
    while (read := reader.read()) is not None:
        for message in read.messages:
            now = message.received_at_ns // 1000
            node.tick(now)
            for record in _decode(message.payload).records:
                ask = decode(record)
                answer = node.ask(ask, now).answer
                assert ask.id not in explained, "carried out twice"
                explained[ask.id] = answer
                for account in node.accounts.values():
                    assert account.balance - account.held >= -account.limit
                    assert account.held + sum(account.backing.values()) == account.required
                    spare = funds.available(account, now)
                    assert spare >= 0
                for pool in node.pools.values():
                    assert all(0 <= bucket.held <= bucket.left for bucket in pool.buckets)
    return explained
