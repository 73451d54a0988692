"""Topics of a Kafka cluster: a member of a consumer group whose offsets are those in our journals.

The broker's committed offset is only a courtesy to its tools. Where we read on is what the journals say, because there
the offset and the messages are one commit; when broker and journals disagree, the journals are right, and a gap is said.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from workbench.clock import nanoseconds
from workbench.collectors.collector import Collector
from workbench.collectors.source import KafkaSource
from workbench.errors import SourceError
from workbench.journal.journal import Journal
from workbench.journal.message import RawMessage
from workbench.journal.recovery import stored_offsets
from workbench.journal.several import journals

_BATCH = 2000
_POLL_SECONDS = 0.1
_COMMIT_SECONDS = 0.5
_CONNECT_SECONDS = 30.0


class KafkaCollector(Collector):
    """One member of a group. Before it gives a partition away, everything read from it is durable in its journal, so
    the member that takes it over finds the offset there; a member that was killed left its journal behind.
    """

    def __init__(
        self,
        source: KafkaSource,
        journal: Journal,
        now_ns: Callable[[], int] = nanoseconds,
        worker: str = "0",
    ) -> None:
        super().__init__(source, journal, now_ns, worker)
        self.source = source
        self._batch = min(_BATCH, source.in_flight_max)
        self._consumer: Any = None
        self._ready = threading.Event()
        self._durable: deque[tuple[dict[tuple[str, int], int], int]] = deque()
        self._in_flight = 0
        self._held = False
        self._mine: set[tuple[str, int]] = set()
        self._begins: dict[tuple[str, int], int] = {}
        self._lag: int | None = None

    def start(self) -> None:
        """Join the group. Raises ``SourceError`` when the client is not installed or no broker answers."""
        try:
            import confluent_kafka
        except ImportError:
            raise SourceError(
                "Kafka needs a client.",
                where=f"source {self.name}",
                cure="pip install 'iot-tariff-workbench[kafka]'",
            ) from None
        self._kafka = confluent_kafka
        self._consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.source.servers,
                "group.id": self.source.group,
                "client.id": f"workbench-{self.name}-{self.worker}",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
                "queued.max.messages.kbytes": 16_384,
                "logger": _quiet(),
                **self.source.options,
            }
        )
        self._ask_broker()
        self._consumer.subscribe(
            list(self.source.topics), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )
        self.begin_thread("kafka", self._run)
        self._ready.wait(_CONNECT_SECONDS)

    def stop(self, for_good: bool = False) -> None:
        """Leave the group in order: durable first, then the partitions are free."""
        self.end_thread()

    def lag(self) -> int | None:
        """Messages of our partitions that were not read yet."""
        return self._lag

    @property
    def partitions(self) -> set[tuple[str, int]]:
        """(topic, partition) that this member has now."""
        return set(self._mine)

    def _ask_broker(self) -> None:
        try:
            self._consumer.list_topics(timeout=_CONNECT_SECONDS)
        except self._kafka.KafkaException as problem:
            self._consumer.close()
            raise SourceError(
                f"Kafka cannot be reached: {problem.args[0].str()}.",
                where=self.source.servers,
                cure="Is it running? Check `servers`.",
            ) from None

    # ---- partitions come and go ----------------------------------------------------------------------------------

    def _assigned(self, consumer: Any, partitions: list[Any]) -> None:
        stored = stored_offsets(journals(self.journal.folder.parent))
        for each in partitions:
            found = stored.get((self.name, f"{each.topic}/{each.partition}"))
            if found is not None:
                each.offset = self._checked(consumer, each, found[0])
                self._begins[each.topic, each.partition] = each.offset
            self._mine.add((each.topic, each.partition))
        consumer.assign(partitions)
        consumer.resume(partitions)  # the client remembers that one was paused when it was ours before
        self._held = False
        self.stats.connected = True
        self._ready.set()

    def _checked(self, consumer: Any, partition: Any, stored: int) -> int:
        """The stored offset, or where the broker's log begins when it has no such offset (any more)."""
        place = f"{partition.topic}/{partition.partition}"
        try:
            low, high = consumer.get_watermark_offsets(partition, timeout=10)
        except self._kafka.KafkaException as problem:
            self.note(f"{place}: the broker does not say what it has ({problem}); going on at {stored}")
            return stored
        if stored < low:
            self.note(
                f"gap: {place} was read to {stored}, the broker's log begins at {low}: {low - stored} are lost there"
            )
            return int(low)
        if stored > high:
            self.note(
                f"{place} was read to {stored}, the broker's log ends at {high}: it lost or replaced it; reading all"
            )
            return int(low)
        return stored

    def _revoked(self, consumer: Any, partitions: list[Any]) -> None:
        self.journal.flush(30)
        self._settle(wait=True)
        self._mine -= {(each.topic, each.partition) for each in partitions}

    def _lost(self, consumer: Any, partitions: list[Any]) -> None:
        self._mine -= {(each.topic, each.partition) for each in partitions}

    # ---- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        committed = 0.0
        while not self._stopping.is_set():
            self._regulate()
            self._take(self._consumer.consume(self._batch, _POLL_SECONDS))
            if time.monotonic() - committed > _COMMIT_SECONDS:
                committed = time.monotonic()
                self._settle(wait=False)
                self._measure()
        self.journal.flush(30)
        self._settle(wait=True)
        self._consumer.close()

    def _regulate(self) -> None:
        hold = self.held_back() or self._in_flight > self.source.in_flight_max * 10
        if hold == self._held or not self._mine:
            return
        partitions = self._consumer.assignment()
        (self._consumer.pause if hold else self._consumer.resume)(partitions)
        self._held = hold

    def _take(self, batch: list[Any]) -> None:
        messages: list[RawMessage] = []
        offsets: dict[tuple[str, int], int] = {}
        for each in batch:
            if each.error() is not None:
                if each.error().code() != self._kafka.KafkaError._PARTITION_EOF:
                    self.note(f"Kafka says: {each.error().str()}")
                continue
            topic, partition, offset = each.topic(), each.partition(), each.offset()
            key = each.key()
            facts = {"key": key.decode("utf-8", "backslashreplace")} if key else {}
            messages.append(
                self.message(
                    topic,
                    each.value() or b"",
                    _header(each.headers()),
                    facts=facts,
                    channel=f"{topic}/{partition}",
                    offset=offset,
                )
            )
            offsets[topic, partition] = offset + 1
        if messages:
            self._in_flight += len(messages)
            moved = {(self.name, f"{topic}/{number}"): offset for (topic, number), offset in offsets.items()}
            self.keep(messages, moved, lambda: self._durable.append((offsets, len(messages))))

    def _settle(self, wait: bool) -> None:
        """Tell the broker what is durable, for its tools and for lag; nothing depends on it."""
        done: dict[tuple[str, int], int] = {}
        while self._durable:
            offsets, count = self._durable.popleft()
            self._in_flight -= count
            self.stats.acknowledged += count
            done |= offsets
        mine = [
            self._kafka.TopicPartition(topic, partition, offset)
            for (topic, partition), offset in done.items()
            if (topic, partition) in self._mine
        ]
        if mine:
            try:
                self._consumer.commit(offsets=mine, asynchronous=not wait)
            except self._kafka.KafkaException as problem:
                self.note(f"the broker was not told how far we are: {problem.args[0].str()}")

    def _measure(self) -> None:
        """How far we are behind: by the broker's last answers, or by asking where it has not answered yet."""
        try:
            waiting = 0
            for place in self._consumer.position(self._consumer.assignment()):
                low, high = self._consumer.get_watermark_offsets(place, cached=True)
                if high < 0:
                    low, high = self._consumer.get_watermark_offsets(place, timeout=1)
                # Nothing was read of a partition that has just become ours: what waits there begins where we begin.
                read = (
                    place.offset
                    if place.offset >= 0
                    else self._begins.get((place.topic, place.partition), low)
                )
                waiting += max(0, high - read)
            self._lag = waiting
        except self._kafka.KafkaException:
            self._lag = None


def _header(headers: Any) -> str:
    for name, value in headers or ():
        if name.lower() == "content-type" and value:
            return str(value.decode("utf-8", "replace"))
    return ""


def _quiet() -> Any:
    import logging

    return logging.getLogger("workbench.collectors.kafka.client")
