"""What was answered is on disk, once, whatever ends the process; and a log that says otherwise is refused."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.charging.world import CATALOGUE, EUR, SECOND, T0
from workbench.charging import answers, pricing, snapshot
from workbench.charging.batches import Batch
from workbench.charging.durable import FREED_AT_ONCE, LocalNode, deliver
from workbench.charging.follow import follow
from workbench.charging.messages import (
    Answer,
    Balance,
    Command,
    Commit,
    Debit,
    Open,
    Publish,
    Refund,
    Reserve,
    TopUp,
    decode_answer,
    encode,
)
from workbench.charging.node import OPERATOR
from workbench.charging.recovery import recover
from workbench.errors import ChargingError, JournalDamaged
from workbench.journal.reader import JournalReader


class Clock:
    """Nanoseconds since 1970, moved by hand."""

    def __init__(self) -> None:
        self.micros = T0

    def __call__(self) -> int:
        return self.micros * 1000


def ask(node: LocalNode, message: Command) -> Answer:
    return decode_answer(node.ask(message))


def begin(folder: Path, clock: Callable[[], int], names: str = "abc") -> LocalNode:
    node = LocalNode(folder, now_ns=clock)
    assert ask(node, Publish(tenant=OPERATOR, id="catalogue", text=CATALOGUE)).ok
    for name in names:
        assert ask(node, Open(account=name, id=f"open {name}", offers=("car",), pool="all")).ok
        assert ask(node, TopUp(account=name, id=f"money {name}", amount_nano=50 * EUR)).ok
    if not names:
        return node
    assert ask(node, TopUp(account="a", id="pack", meter="car.data", units=500, bucket="pack", pool="all")).ok
    assert ask(node, TopUp(account="b", id="gift", amount_nano=EUR, bucket="gift", promotional=True)).ok
    return node


def traffic(node: LocalNode, clock: Clock, seed: int, count: int) -> dict[str, bytes]:
    """Random requests; what each was answered."""
    rng = random.Random(seed)
    said: dict[str, bytes] = {}
    open_: list[tuple[str, int, int]] = []
    for number in range(count):
        clock.micros += rng.randrange(2 * SECOND)
        name, key = rng.choice("abc"), f"{seed}-{number}"
        kind = rng.randrange(4)
        meter, units = rng.choice(
            [("car.data", rng.randrange(1, 400)), ("car.sms", 1), ("car.energy", 12_345)]
        )
        message: Command
        if kind == 0:
            message = Reserve(account=name, id=key, meter=meter, units=units, seconds=rng.randrange(5, 60))
        elif kind == 1 and open_:
            name, session, units = open_.pop(rng.randrange(len(open_)))
            message = Commit(account=name, id=key, reservation=session, used=rng.randrange(units + 1))
        elif kind == 2 and said:
            message = Refund(account=name, id=key, of=rng.choice(list(said)))
        else:
            message = Debit(account=name, id=key, meter=meter, units=units)
        said[key] = node.ask(message)
        answer = decode_answer(said[key])
        if kind == 0 and answer.ok:
            open_.append((name, answer.reservation, answer.granted))
    return said


def state(node: LocalNode) -> list[object]:
    return [snapshot.account_out(account) for account in node.durable.node.accounts.values()]


def test_a_restart_changes_nothing_and_answers_the_same(tmp_path: Path) -> None:
    clock = Clock()
    with begin(tmp_path, clock) as node:
        said = traffic(node, clock, 1, 300)
        before, seq, exposure = state(node), node.durable.node.seq, node.durable.node.exposure
    with LocalNode(tmp_path, now_ns=clock) as node:
        assert (state(node), node.durable.node.seq, node.durable.node.exposure) == (before, seq, exposure)
        again = {key: node.durable.node.answers[f"main\x1f{key}"][1] for key in said}
        assert again == said


def test_snapshots_hold_everything_and_memory_lets_go(tmp_path: Path) -> None:
    clock = Clock()
    with begin(tmp_path, clock) as node:
        said = traffic(node, clock, 2, 200)
        made = follow(tmp_path, ("main",))
        assert made["seq"] == node.durable.node.seq
        said |= traffic(node, clock, 3, 100)
        assert node.durable.let_go(made["seq"], made["position"]) == made["seq"]
        assert len(node.durable.node.answers) == 100
        refused = Debit(account="a", id="2-0", meter="car.sms", units=99)
        assert ask(node, refused).code == "key_reused"
        for key in ("open a", "2-7", "3-7"):
            assert node.durable.node.older is not None
            assert key in said or node.durable.node.older(f"main\x1f{key}") is not None
        assert node.durable.node.older("main\x1f2-7")[1] == said["2-7"]  # type: ignore[index]
        assert node.durable.node.older("main\x1fnever") is None
        before = state(node)
    found = recover(tmp_path, ("main",))
    assert found.requests == 100
    with LocalNode(tmp_path, now_ns=clock) as node:
        assert state(node) == before


def test_answers_that_reached_the_table_before_their_snapshot_are_no_harm(tmp_path: Path) -> None:
    """Killed between the two: the log is carried out again although its ids are known."""
    clock = Clock()
    with begin(tmp_path, clock) as node:
        traffic(node, clock, 4, 120)
        before = state(node)
        rows = [(key, digest, said, T0) for key, (digest, said, _) in node.durable.node.answers.items()]
    answers.write(tmp_path, rows, T0)
    with LocalNode(tmp_path, now_ns=clock) as node:
        assert state(node) == before


def test_a_damaged_snapshot_is_moved_aside_and_the_one_before_it_used(tmp_path: Path) -> None:
    clock = Clock()
    with begin(tmp_path, clock) as node:
        follow(tmp_path, ("main",))
        traffic(node, clock, 5, 50)
        follow(tmp_path, ("main",))
        traffic(node, clock, 6, 50)
        before = state(node)
    newest = snapshot.listed(tmp_path)[-1]
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 4
    newest.write_bytes(data)
    with LocalNode(tmp_path, now_ns=clock) as node:
        assert state(node) == before
        assert node.durable.recovered.requests == 100
    assert newest.with_suffix(".damaged").exists()


def test_a_flipped_bit_in_the_log_stops_the_start(tmp_path: Path) -> None:
    clock = Clock()
    with begin(tmp_path, clock) as node:
        traffic(node, clock, 7, 50)
    file = next((tmp_path / "log").glob("*.journal"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(JournalDamaged):
        LocalNode(tmp_path, now_ns=clock)


def test_a_log_that_gives_other_answers_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    with begin(tmp_path, clock) as node:
        traffic(node, clock, 8, 20)
    monkeypatch.setattr(pricing.Price, "linear", lambda self, index, units, events=1: units)
    with pytest.raises(ChargingError, match="charging_replay"):
        LocalNode(tmp_path, now_ns=clock)


def test_expiry_without_requests_is_in_the_log(tmp_path: Path) -> None:
    clock = Clock()
    with begin(tmp_path, clock) as node:
        assert ask(node, Reserve(account="c", id="r", meter="car.sms", units=4, seconds=5)).ok
        clock.micros += 6 * SECOND
        node.durable.tick()
        assert node.durable.node.expired == 1
        assert node.durable.journal.flush(10)
    found = recover(tmp_path, ("main",))
    assert (found.node.expired, found.node.exposure) == (1, 0)
    assert found.node.now == clock.micros


def test_reads_wait_for_what_they_saw(tmp_path: Path) -> None:
    """A balance that shows money still on its way to the disk is not told before it is there."""
    clock = Clock()
    order: list[str] = []

    class Noted:
        def answer(self, token: object, answer: bytes) -> None:
            order.append(str(token))

        def flush(self) -> None:
            """Nothing is buffered."""

    with begin(tmp_path, clock) as node:
        durable = node.durable
        hold = threading.Event()
        real = durable.journal.append
        durable.journal.append = lambda m, done: threading.Thread(  # type: ignore[method-assign,misc,assignment]
            target=lambda: (hold.wait(10), real(m, done=done))
        ).start()
        durable.take(encode(TopUp(account="a", id="slow", amount_nano=5)), Noted(), "written")
        durable.flush()
        durable.take(encode(Balance(account="a")), Noted(), "read")
        durable.flush()
        assert order == []
        hold.set()
        for _ in range(1000):
            if len(order) == 2:
                break
            threading.Event().wait(0.01)
        assert order == ["written", "read"]


def test_a_sink_that_fails_loses_its_own_answers_only() -> None:
    class Broken:
        def answer(self, token: object, answer: bytes) -> None:
            raise ConnectionResetError

        def flush(self) -> None:
            raise ConnectionResetError

    class Whole:
        def __init__(self) -> None:
            self.said: list[bytes] = []
            self.flushed = 0

        def answer(self, token: object, answer: bytes) -> None:
            self.said.append(answer)

        def flush(self) -> None:
            self.flushed += 1

    whole, broken = Whole(), Broken()
    deliver([(broken, 1, b"x"), (whole, 2, b"y"), (broken, 3, b"z"), (whole, 4, b"w")])
    assert (whole.said, whole.flushed) == ([b"y", b"w"], 1)


def test_batches_are_small(tmp_path: Path) -> None:
    clock = Clock()
    with begin(tmp_path, clock) as node:
        ask(node, Debit(account="a", id="d", meter="car.sms", units=1))
    read = JournalReader(tmp_path / "log", 0).read()
    assert read is not None
    last = msgspec.msgpack.decode(read.messages[-1].payload, type=Batch)
    assert last.records == [b'{"op":"debit","account":"a","id":"d","meter":"car.sms","units":1}']


def test_answers_of_before_a_snapshot_are_a_page_that_goes_as_a_whole(tmp_path: Path) -> None:
    """Repeated requests get their answers before, while and after the page is let go; memory is freed bit by bit."""
    clock = Clock()
    with begin(tmp_path, clock) as node:
        durable = node.durable
        said = traffic(node, clock, 2, 200)
        durable.turn_page()
        assert (len(durable.node.former), len(durable.node.answers)) == (durable.node.seq, 0)
        page = durable.node.former
        said |= traffic(node, clock, 3, 100)
        made = follow(tmp_path, ("main",), durable.journal.end)
        durable.turn_page()  # a snapshot that failed before: nothing is turned a second time
        assert durable.node.former is page
        before = durable.answers_in_memory
        assert durable.let_go(made["seq"], made["position"]) == before
        assert (durable.node.former, durable.node.answers) == ({}, {})
        assert page
        again = Debit(account="a", id="2-0", meter="car.sms", units=99)
        assert ask(node, again).code == "key_reused"
        assert len(page) < FREED_AT_ONCE
        for _ in range(4):  # two pages leave, and each is seen to be empty
            durable.free()
        assert not page
        found = {key: durable.node.older(f"main\x1f{key}") for key in said}  # type: ignore[misc]
        assert {key: known[1] for key, known in found.items() if known} == said


def test_a_page_is_asked_while_it_is_there(tmp_path: Path) -> None:
    clock = Clock()
    with begin(tmp_path, clock) as node:
        said = traffic(node, clock, 2, 50)
        made = follow(tmp_path, ("main",))
        node.durable.turn_page()
        seq = node.durable.node.seq
        for key in said:
            reused = Debit(account="a", id=key, meter="car.sms", units=98)
            assert ask(node, reused).code == "key_reused"
        newer = traffic(node, clock, 3, 30)
        assert node.durable.let_go(made["seq"], made["position"]) == seq
        assert [key.partition("\x1f")[2] for key, _ in node.durable.node.remembered()] == list(newer)


SLIP = CATALOGUE.replace(
    "    split:", "    fees: [{id: late, amount: 1, from_period: 5, to_period: 2}]\n    split:"
)


def test_a_log_with_a_slip_in_its_catalogue_is_read_again(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "apart").mkdir()
    node = LocalNode(tmp_path / "node", now_ns=clock)
    assert ask(node, Publish(tenant=OPERATOR, id="catalogue", text=SLIP)).ok
    assert ask(node, Open(account="a", id="open a", offers=("car",))).ok
    assert ask(node, TopUp(account="a", id="money", amount_nano=EUR)).ok
    kept = snapshot.read(snapshot.write(tmp_path / "apart", node.durable.node, 0))
    node.durable.close()
    again = LocalNode(tmp_path / "node", now_ns=clock)
    assert ask(again, Debit(account="a", id="d", meter="car.sms", units=2)).ok
    again.durable.close()
    assert snapshot.restore(kept, ("main",)).tariffs.text == SLIP
