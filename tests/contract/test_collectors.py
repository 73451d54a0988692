"""The contract of every collector, against the real thing behind each wire.

What was acknowledged to a device is in the journal, whatever is killed when; who sent it is what the wire proves; one
source's trouble is no other's. Repetition is allowed here and counted: one event again is mediation's to make of it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.collectors.reading import everything, wait_until
from tests.contract.conftest import Work
from tests.contract.wires import WIRES, KafkaWire, Wire
from workbench.collectors.collector import Collector
from workbench.collectors.kafka import KafkaCollector
from workbench.collectors.kinds import collector_for
from workbench.journal.consumers import keep_position
from workbench.journal.journal import Journal
from workbench.journal.reader import JournalReader
from workbench.journal.settings import JournalSettings

behind_broker = pytest.mark.wires(*(name for name, (_, broker) in WIRES.items() if broker))
shared_by_workers = pytest.mark.wires(*(name for name, (made, _) in WIRES.items() if made.several))
of_kafka = pytest.mark.wires("kafka")

SETTINGS = JournalSettings(segment_bytes=1 << 20, retry_seconds=0.05, sweep_seconds=0.05)


def numbers(first: int, count: int) -> list[bytes]:
    return [b'{"event_id":"%06d"}' % number for number in range(first, first + count)]


def in_background(what: Callable[[], None]) -> tuple[threading.Thread, list[BaseException]]:
    failed: list[BaseException] = []

    def run() -> None:
        try:
            what()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failed


def opened(root: Path, worker: str = "0", settings: JournalSettings = SETTINGS) -> Journal:
    return Journal(root / "journals" / f"worker-{worker}", settings)


def payloads(root: Path) -> list[bytes]:
    return [each.payload for each in everything(root / "journals")]


def check_all_there(root: Path, wanted: list[bytes], seconds: float = 60) -> Counter[bytes]:
    """Waits until every wanted payload is in some journal; how often each is there."""
    deadline = time.monotonic() + seconds
    while missing := set(wanted) - set(payloads(root)):
        assert time.monotonic() < deadline, f"{len(missing)} did not come, among them {min(missing)[:60]!r}"
        time.sleep(0.05)
    found = Counter(payloads(root))
    assert set(found) == set(wanted)
    return found


def test_all_come_once_with_the_device_that_the_wire_proves(wire: Wire, tmp_path: Path) -> None:
    lied = [b'{"device_id":"another","tenant":"another"}']
    with opened(tmp_path) as journal, collector_for(wire.source(), journal) as collector:
        wire.publish(numbers(0, 200), device="7")
        wire.publish(lied, device="8")
        found = check_all_there(tmp_path, numbers(0, 200) + lied)
        wait_until(lambda: collector.stats.acknowledged >= 201)
        assert set(found.values()) == {1}
        messages = everything(tmp_path / "journals")
        assert {(each.device, each.tenant, each.source) for each in messages if each.payload != lied[0]} == {
            ("7", "main", "lamps")
        }
        assert {(each.device, each.tenant) for each in messages if each.payload == lied[0]} == {("8", "main")}
        assert [each.payload for each in messages if each.device == "7"] == numbers(0, 200)
        assert collector.stats.connected and collector.stats.last_received_ns >= messages[-1].received_at_ns
    with opened(tmp_path) as journal, collector_for(wire.source(), journal):
        wire.publish(numbers(500, 1))
        found = check_all_there(tmp_path, numbers(0, 200) + lied + numbers(500, 1))
        assert set(found.values()) == {1}  # what was acknowledged did not come again


def test_what_is_sent_twice_is_kept_twice(wire: Wire, tmp_path: Path) -> None:
    with opened(tmp_path) as journal, collector_for(wire.source(), journal):
        wire.publish(numbers(0, 10) + numbers(0, 10))
        wait_until(lambda: sum(Counter(payloads(tmp_path)).values()) >= 20)
        assert set(Counter(payloads(tmp_path)).values()) == {2}


def test_late_and_reordered_messages_are_taken_as_they_come(wire: Wire, tmp_path: Path) -> None:
    shuffled = numbers(50, 50) + numbers(0, 50)
    with opened(tmp_path) as journal, collector_for(wire.source(), journal):
        wire.publish(shuffled)
        check_all_there(tmp_path, shuffled)
        assert payloads(tmp_path) == shuffled
        times = [each.received_at_ns for each in everything(tmp_path / "journals")]
        assert times == sorted(times)


def test_i10_poison_in_the_middle_stops_nothing(wire: Wire, tmp_path: Path) -> None:
    poison = [b"\x00", b"\xff\xfe\x80", b"[" * 5000, b'{"a":1,"a":2}', b"NaN", b"1e400", b"x" * 200_000]
    with opened(tmp_path) as journal, collector_for(wire.source(), journal):
        wire.publish(numbers(0, 5))
        check_all_there(tmp_path, numbers(0, 5))
        wire.publish(poison)
        begun = time.monotonic()
        wire.publish(numbers(5, 5))
        check_all_there(tmp_path, numbers(0, 10) + poison)
        assert time.monotonic() - begun < 2


@behind_broker
def test_what_waited_while_nobody_collected_comes(wire: Wire, tmp_path: Path) -> None:
    with opened(tmp_path) as journal, collector_for(wire.source(), journal):
        pass
    wire.publish(numbers(0, 100))
    with opened(tmp_path) as journal, collector_for(wire.source(), journal):
        assert set(check_all_there(tmp_path, numbers(0, 100)).values()) == {1}


@pytest.mark.parametrize("place", ["before", "after"])
def test_i1_killed_before_or_after_the_commit_loses_nothing(
    wire: Wire, work: Work, tmp_path: Path, place: str
) -> None:
    first = work("0")
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 0  # the subscription exists now
    armed = work("0", place, 3)
    publisher, failed = in_background(
        lambda: [wire.publish(numbers(at, 20)) for at in range(0, 400, 20)] and None
    )
    assert armed.wait(60) == -signal.SIGKILL
    work("0")
    publisher.join()
    assert not failed, failed
    found = check_all_there(tmp_path, numbers(0, 400))
    repeated = sum(found.values()) - len(found)
    assert repeated <= 400  # the groups that were not acknowledged, and no more than what was in flight


@behind_broker
def test_a_broker_that_is_killed_and_comes_back(wire: Wire, tmp_path: Path) -> None:
    assert wire.broker is not None
    with opened(tmp_path) as journal, collector_for(wire.source(), journal):
        wire.publish(numbers(0, 50))
        check_all_there(tmp_path, numbers(0, 50))
        time.sleep(1.5)  # mosquitto saves its sessions once a second
        wire.broker.kill()
        publisher, failed = in_background(lambda: wire.publish(numbers(50, 50)))
        wire.broker.start()
        publisher.join()
        assert not failed, failed
        check_all_there(tmp_path, numbers(0, 100), 120)


@shared_by_workers
def test_two_workers_share_and_one_may_go(wire: Wire, work: Work, tmp_path: Path) -> None:
    one, two = work("0"), work("1")
    publisher, failed = in_background(
        lambda: [wire.publish(numbers(at, 20), device=str(at)) for at in range(0, 1000, 20)] and None
    )
    wait_until(lambda: len(payloads(tmp_path)) > 100)
    two.send_signal(signal.SIGTERM)
    assert two.wait(60) == 0
    work("1")
    wait_until(lambda: len(payloads(tmp_path)) > 600, 90)
    one.kill()
    publisher.join()
    if wire.waits_for_its_own:
        work("0")
    assert not failed, failed
    found = check_all_there(tmp_path, numbers(0, 1000), 90)
    assert sum(found.values()) < 1600


def test_pressure_holds_the_wire_back_and_lets_it_go(wire: Wire, tmp_path: Path) -> None:
    settings = JournalSettings(segment_bytes=64 << 10, sweep_seconds=0.02, backlog_bytes_max=200_000)
    wanted = [each + b" " * 1000 for each in numbers(0, 5000)]  # a Kafka client may hand over 2,000 at once
    with opened(tmp_path, settings=settings) as journal:
        keep_position(journal.folder, "lake", 0)
        collector: Collector
        with collector_for(wire.source(), journal) as collector:
            publisher, failed = in_background(lambda: wire.publish(wanted))
            wait_until(lambda: collector.stats.pauses > 0)
            time.sleep(1)
            taken = collector.stats.received
            assert taken < 4000, "the wire was not held back"
            deadline = time.monotonic() + 90
            seen: set[bytes] = set()
            reader = JournalReader(journal.folder)
            while seen != set(wanted):
                assert time.monotonic() < deadline, f"{len(seen)} of {len(wanted)} came"
                if batch := reader.read(bytes_max=100_000, wait_seconds=0.1):
                    seen |= {each.payload for each in batch.messages}
                    keep_position(journal.folder, "lake", batch.end)
            publisher.join()
            assert not failed, failed


# ---- Kafka's offsets -------------------------------------------------------------------------------------------


def _kafka(collector: Collector) -> KafkaCollector:
    assert isinstance(collector, KafkaCollector)
    return collector


@of_kafka
def test_the_journal_knows_better_than_kafka_how_far_we_are(wire: Wire, tmp_path: Path) -> None:
    """The broker's committed offset is set back and forth; what counts is what is durable here."""
    from confluent_kafka import Consumer, TopicPartition

    assert isinstance(wire, KafkaWire)
    wire.make(partitions=1)
    for said in (0, 90):
        with opened(tmp_path) as journal, collector_for(wire.source(), journal):
            wire.publish(numbers(said, 10))
            check_all_there(tmp_path, sorted(set(payloads(tmp_path)) | set(numbers(said, 10))))
        consumer = Consumer(
            {"bootstrap.servers": wire.broker.url if wire.broker else "", "group.id": wire.topic}
        )
        consumer.commit(offsets=[TopicPartition(wire.topic, 0, said // 9)], asynchronous=False)
        consumer.close()
    with opened(tmp_path) as journal, collector_for(wire.source(), journal):
        wire.publish(numbers(200, 1))
        found = check_all_there(tmp_path, numbers(0, 10) + numbers(90, 10) + numbers(200, 1))
    assert set(found.values()) == {1}


@of_kafka
def test_an_offset_that_kafka_no_longer_has_is_a_gap_that_is_said(wire: Wire, tmp_path: Path) -> None:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    assert isinstance(wire, KafkaWire) and wire.broker is not None
    wire.make(partitions=1)
    with opened(tmp_path) as journal, collector_for(wire.source(), journal):
        wire.publish(numbers(0, 10))
        check_all_there(tmp_path, numbers(0, 10))
    wire.publish(numbers(10, 10))
    admin = AdminClient({"bootstrap.servers": wire.broker.url})
    for future in admin.delete_records([TopicPartition(wire.topic, 0, 15)]).values():
        future.result(30)
    with opened(tmp_path) as journal, collector_for(wire.source(), journal) as collector:
        check_all_there(tmp_path, numbers(0, 10) + numbers(15, 5))
        assert any("gap" in each and "5 are lost" in each for each in _kafka(collector).stats.notes)


@of_kafka
def test_an_offset_beyond_kafkas_log_reads_all_again_and_says_so(wire: Wire, tmp_path: Path) -> None:
    assert isinstance(wire, KafkaWire)
    wire.make(partitions=1)
    with opened(tmp_path) as journal:
        journal.append([], {("lamps", f"{wire.topic}/0"): 5000})
        assert journal.flush(10)
        with collector_for(wire.source(), journal) as collector:
            wire.publish(numbers(0, 10))
            check_all_there(tmp_path, numbers(0, 10))
            assert any("reading all" in each for each in _kafka(collector).stats.notes)
