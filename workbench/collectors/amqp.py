"""A queue of RabbitMQ, or another AMQP 0-9-1 broker: pika, a prefetch window, one acknowledgement for many messages."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from workbench.clock import nanoseconds
from workbench.collectors.collector import Collector
from workbench.collectors.source import AmqpSource
from workbench.errors import SourceError
from workbench.journal.journal import Journal
from workbench.journal.message import RawMessage

_AGAIN_SECONDS = (0.2, 5.0)
_GATHER_SECONDS = 0.01


class AmqpCollector(Collector):
    """One consumer. While the journal holds back nothing is acknowledged, and the prefetch window stops the broker.

    Messages become durable in the order they came, so one ``multiple`` acknowledgement covers all up to a tag. A tag
    means nothing on another channel: after a reconnect old ones are dropped, and the broker sends those again.
    """

    def __init__(
        self, source: AmqpSource, journal: Journal, now_ns: Callable[[], int] = nanoseconds, worker: str = "0"
    ) -> None:
        super().__init__(source, journal, now_ns, worker)
        self.source = source
        self._fresh: list[RawMessage] = []
        self._last_tag = 0
        self._durable: deque[tuple[int, int, int]] = deque()
        self._connection = 0
        self._ready = threading.Event()
        self._problem = ""
        self._waiting: int | None = None

    def start(self) -> None:
        """Connect and consume. Raises ``SourceError`` when the client is not installed or the broker refuses."""
        try:
            import pika
        except ImportError:
            raise SourceError(
                "AMQP needs a client.",
                where=f"source {self.name}",
                cure="pip install 'iot-tariff-workbench[amqp]'",
            ) from None
        self._pika = pika
        self.begin_thread("amqp", self._run)
        while not self._ready.wait(0.05):
            if self._problem:
                self.stop()
                raise SourceError(
                    f"The broker cannot be used: {self._problem}.",
                    where=self.source.url.rsplit("@", 1)[-1],
                    cure="Is it running? Check the address, the name and the password.",
                )

    def stop(self, for_good: bool = False) -> None:
        """Take no more and acknowledge what became durable; the broker keeps the rest."""
        self.end_thread()

    def lag(self) -> int | None:
        """Messages that wait in the queue."""
        return self._waiting

    def _run(self) -> None:
        pause = _AGAIN_SECONDS[0]
        while not self._stopping.is_set():
            try:
                self._converse()
                pause = _AGAIN_SECONDS[0]
            except (self._pika.exceptions.AMQPError, OSError) as problem:
                said = str(problem) or type(problem).__name__
                self._problem = "" if self._ready.is_set() else said
                self.note(f"the broker cannot be reached: {said}")
            self.stats.connected = False
            self._connection += 1
            self._fresh = []
            self._stopping.wait(pause)
            pause = min(pause * 2, _AGAIN_SECONDS[1])

    def _converse(self) -> None:
        connection = self._pika.BlockingConnection(self._pika.URLParameters(self.source.url))
        try:
            channel = connection.channel()
            channel.queue_declare(self.source.queue, durable=True)
            for exchange, routing_key in self.source.bind.items():
                channel.queue_bind(self.source.queue, exchange, routing_key)
            channel.basic_qos(prefetch_count=min(self.source.in_flight_max, 65_535))
            tag = channel.basic_consume(self.source.queue, self._message)
            self.stats.connected = True
            self._ready.set()
            looked = 0.0
            while not self._stopping.is_set():
                connection.process_data_events(time_limit=0.05 if self.held_back() else _GATHER_SECONDS)
                self._hand_over()
                self._acknowledge(channel)
                if time.monotonic() - looked > 1:
                    looked = time.monotonic()
                    self._waiting = channel.queue_declare(
                        self.source.queue, passive=True
                    ).method.message_count
            channel.basic_cancel(tag)
            self._hand_over()
            self.journal.flush(10)
            self._acknowledge(channel)
        finally:
            if connection.is_open:
                connection.close()

    def _message(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        if method.redelivered:
            self.stats.redelivered += 1
        facts = {"user_id": properties.user_id} if properties.user_id else {}
        topic = method.routing_key or self.source.queue
        self._fresh.append(
            self.message(topic, body, properties.content_type or "", facts=facts, channel=self.source.queue)
        )
        self._last_tag = method.delivery_tag

    def _hand_over(self) -> None:
        if not self._fresh:
            return
        fresh, self._fresh = self._fresh, []
        mark = (self._connection, self._last_tag, len(fresh))
        self.keep(fresh, None, lambda: self._durable.append(mark))

    def _acknowledge(self, channel: Any) -> None:
        highest = 0
        while self._durable:
            connection, tag, count = self._durable.popleft()
            if connection == self._connection:
                highest = tag
                self.stats.acknowledged += count
        if highest:
            channel.basic_ack(highest, multiple=True)
