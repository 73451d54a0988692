"""Topics of a Pulsar cluster. The subscription's cursor is the broker's; a message moves it when the journal has it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.clock import nanoseconds
from workbench.collectors.collector import Collector
from workbench.collectors.source import PulsarSource
from workbench.errors import SourceError
from workbench.journal.journal import Journal

_BATCH = 1000
_POLL_MS = 50


class PulsarCollector(Collector):
    """One consumer. ``failover`` keeps the order of a partition, ``shared`` spreads it; unacknowledged messages come
    again when this process ends, to whichever consumer is there.
    """

    def __init__(
        self,
        source: PulsarSource,
        journal: Journal,
        now_ns: Callable[[], int] = nanoseconds,
        worker: str = "0",
    ) -> None:
        super().__init__(source, journal, now_ns, worker)
        self.source = source
        if source.mode not in {"failover", "shared", "key_shared"}:
            raise SourceError(
                f"mode {source.mode!r} is none.",
                where=f"source {source.name}",
                cure="failover, shared, key_shared",
            )
        self._client: Any = None
        self._consumer: Any = None
        self._durable: deque[list[Any]] = deque()
        self._in_flight = 0

    def start(self) -> None:
        """Subscribe. Raises ``SourceError`` when the client is not installed or the broker does not let us."""
        try:
            import pulsar
        except ImportError:
            raise SourceError(
                "Pulsar needs a client.",
                where=f"source {self.name}",
                cure="pip install 'iot-tariff-workbench[pulsar]'",
            ) from None
        self._pulsar = pulsar
        said: dict[str, Any] = {}
        if self.source.token_file:
            said["authentication"] = pulsar.AuthenticationToken(
                Path(self.source.token_file).read_text().strip()
            )
        if self.source.trust_certificates:
            said["tls_trust_certs_file_path"] = self.source.trust_certificates
        kinds = {
            "failover": pulsar.ConsumerType.Failover,
            "shared": pulsar.ConsumerType.Shared,
            "key_shared": pulsar.ConsumerType.KeyShared,
        }
        try:
            self._client = pulsar.Client(
                self.source.url,
                operation_timeout_seconds=15,
                # A logger of Python's would be called by the client's own threads, and now and then after the
                # interpreter has ended: the process then aborts (apache/pulsar-client-python, issue 256).
                logger=pulsar.FileLogger(
                    pulsar.LoggerLevel.Warn, str(self.journal.folder / "pulsar-client.log")
                ),
                **said,
            )
            self._consumer = self._client.subscribe(
                list(self.source.topics),
                self.source.subscription,
                consumer_type=kinds[self.source.mode],
                consumer_name=f"{self.name}-{self.worker}",
                receiver_queue_size=min(self.source.in_flight_max, 1000),
                initial_position=pulsar.InitialPosition.Earliest,
                batch_receive_policy=pulsar.ConsumerBatchReceivePolicy(_BATCH, 4 << 20, _POLL_MS),
            )
        except Exception as problem:  # the client raises its own tree, one class an error code
            raise SourceError(
                f"Pulsar cannot be used: {problem}.",
                where=self.source.url,
                cure="Is it running? Check `url`.",
            ) from None
        self.stats.connected = True
        self.begin_thread("pulsar", self._run)

    def stop(self, for_good: bool = False) -> None:
        """Take no more, acknowledge what became durable, give the rest back."""
        self.end_thread()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._acknowledge()
            if self.held_back() or self._in_flight > 5 * self.source.in_flight_max:
                time.sleep(0.02)
                continue
            try:
                batch = self._consumer.batch_receive()
            except Exception as problem:
                self.stats.connected = False
                self.note(f"Pulsar says: {problem}")
                self._stopping.wait(1)
                continue
            self.stats.connected = True
            if batch:
                self._take(list(batch))
        self.journal.flush(10)
        self._acknowledge()
        self._client.close()

    def _take(self, batch: list[Any]) -> None:
        messages = []
        for each in batch:
            place = each.message_id()
            if each.redelivery_count():
                self.stats.redelivered += 1
            topic = each.topic_name()
            messages.append(
                self.message(
                    topic.split("://", 1)[-1],
                    each.data(),
                    each.properties().get("content-type", ""),
                    facts={"key": each.partition_key()} if each.partition_key() else {},
                    channel=topic,
                    # A ledger holds 50,000 entries by default, an entry a batch: unique, and in the order of the topic.
                    offset=((place.ledger_id() << 40 | place.entry_id() << 16) + max(place.batch_index(), 0))
                    & (2**63 - 1),
                )
            )
        self._in_flight += len(messages)
        ids = [each.message_id() for each in batch]
        self.keep(messages, None, lambda: self._durable.append(ids))

    def _acknowledge(self) -> None:
        while self._durable:
            ids = self._durable.popleft()
            self._in_flight -= len(ids)
            try:
                for each in ids:
                    self._consumer.acknowledge(each)
            except Exception as problem:
                self.note(f"Pulsar did not take an acknowledgement, it will send again: {problem}")
                continue
            self.stats.acknowledged += len(ids)
