"""What the collectors' contract needs of each wire: a source to collect from, and devices that publish until they are told.

``publish`` returns when every payload was acknowledged to the device's side: by the broker, or, where the workbench is the
endpoint itself, by the collector, however often the connection breaks in between.
"""

from __future__ import annotations

import itertools
import os
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt

from tests.brokers.broker import Broker, Kafka, Mosquitto, Pulsar, RabbitMq, free_port
from workbench.collectors.source import (
    AmqpSource,
    AnySource,
    HttpSource,
    KafkaSource,
    ListenerSource,
    MqttSource,
    PulsarSource,
)

_NUMBER = itertools.count(1)


class Wire(ABC):
    """One wire of the contract; every test gets a topic of its own."""

    broker: Broker | None = None
    several = True
    waits_for_its_own = False  # what a dead worker had not acknowledged comes to no other worker

    def __init__(self, broker: Broker | None = None) -> None:
        self.broker = broker
        self.topic = f"t{os.getpid()}x{next(_NUMBER)}"

    @abstractmethod
    def source(self) -> AnySource:
        """What is collected from."""

    @abstractmethod
    def publish(self, payloads: list[bytes], device: str = "7") -> None:
        """Publish for a device and wait until all are acknowledged to it."""


class OverMqtt(Wire):
    """Devices that speak MQTT: they keep what was not acknowledged and send it again after a reconnect."""

    version = mqtt.MQTTv5

    def where(self) -> tuple[str, int]:
        """Host and port."""
        assert self.broker is not None
        return "127.0.0.1", self.broker.port

    def publish(self, payloads: list[bytes], device: str = "7") -> None:
        """With paho's own loop, which reconnects by itself."""
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, f"{self.topic}-{device}-{next(_NUMBER)}", protocol=self.version
        )
        client.reconnect_delay_set(0.1, 0.5)
        client.max_inflight_messages_set(200)
        told: set[int] = set()
        client.on_publish = lambda *said: told.add(said[2])
        client.connect_async(*self.where())
        client.loop_start()
        try:
            deadline = time.monotonic() + 60
            while not client.is_connected():  # paho sends in another order what it was given before
                assert time.monotonic() < deadline, "the device cannot connect"
                time.sleep(0.01)
            sent = {client.publish(f"{self.topic}/{device}/up", each, qos=1).mid for each in payloads}
            while not sent <= told:
                assert time.monotonic() < deadline, "the device was not told that its messages are safe"
                time.sleep(0.02)
        finally:
            client.disconnect()
            with suppress(AttributeError):  # paho's thread may end, and take itself away, while it is joined
                client.loop_stop()


class MosquittoWire(OverMqtt):
    """MQTT 5 by mosquitto; a shared subscription, so that workers share it."""

    waits_for_its_own = True

    def source(self) -> AnySource:
        """A shared subscription."""
        assert self.broker is not None
        return MqttSource(
            name="lamps", url=self.broker.url, topics=(f"$share/{self.topic}/{self.topic}/+/up",),
            identity="topic:+/{device}/up", client_id=self.topic, in_flight_max=200,
        )  # fmt: skip


class Mosquitto311Wire(OverMqtt):
    """MQTT 3.1.1 by mosquitto; a plain subscription with a session that stays."""

    version = mqtt.MQTTv311
    several = False

    def source(self) -> AnySource:
        """A subscription of one client."""
        assert self.broker is not None
        return MqttSource(
            name="lamps", url=self.broker.url, topics=(f"{self.topic}/+/up",), version="3.1.1",
            identity="topic:+/{device}/up", client_id=self.topic, in_flight_max=200,
        )  # fmt: skip


class ListenerWire(OverMqtt):
    """The embedded listener: the collector itself answers the device."""

    several = False

    def __init__(self, broker: Broker | None = None) -> None:
        super().__init__(broker)
        self.port = free_port()

    def where(self) -> tuple[str, int]:
        """The listener's."""
        return "127.0.0.1", self.port

    def source(self) -> AnySource:
        """A port."""
        return ListenerSource(name="lamps", port=self.port, identity="topic:+/{device}/up", in_flight_max=200)


class HttpWire(Wire):
    """Senders that POST, one message a request, again and again until the answer is 202."""

    several = False

    def __init__(self, broker: Broker | None = None) -> None:
        super().__init__(broker)
        self.port = free_port()

    def source(self) -> AnySource:
        """A port."""
        return HttpSource(name="lamps", port=self.port, identity="topic:{device}")

    def publish(self, payloads: list[bytes], device: str = "7") -> None:
        """One after the other."""
        deadline = time.monotonic() + 60
        for each in payloads:
            while not self._posted(device, each):
                assert time.monotonic() < deadline, "the sender was not told that its messages are safe"
                time.sleep(0.05)

    def _posted(self, device: str, payload: bytes) -> bool:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/events/{device}", payload, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return bool(answer.status == 202)
        except (urllib.error.URLError, OSError):
            return False


class KafkaWire(Wire):
    """Four partitions, the device as the key."""

    def __init__(self, broker: Broker | None = None) -> None:
        super().__init__(broker)
        self.made = False

    def make(self, partitions: int = 4, **config: str) -> None:
        """The topic."""
        from confluent_kafka.admin import AdminClient, NewTopic

        assert self.broker is not None
        if not self.made:
            asked = NewTopic(self.topic, partitions, 1, config=config)
            admin = AdminClient({"bootstrap.servers": self.broker.url})
            admin.create_topics([asked])[self.topic].result(30)
            self.made = True

    def source(self) -> AnySource:
        """One group a test."""
        assert self.broker is not None
        self.make()
        return KafkaSource(
            name="lamps", servers=self.broker.url, topics=(self.topic,), group=self.topic, identity="key",
            options=_KAFKA_OPTIONS, in_flight_max=200,
        )  # fmt: skip

    def publish(self, payloads: list[bytes], device: str = "7") -> None:
        """With an idempotent producer."""
        from confluent_kafka import Producer

        assert self.broker is not None
        self.make()
        producer = Producer(
            {"bootstrap.servers": self.broker.url, "enable.idempotence": True, "linger.ms": 5}
        )
        failed: list[Any] = []
        for each in payloads:
            producer.produce(
                self.topic, each, key=device, on_delivery=lambda error, _: error and failed.append(error)
            )
        assert producer.flush(60) == 0 and not failed, failed


class PulsarWire(Wire):
    """One topic, the device as the key, a shared subscription."""

    def source(self) -> AnySource:
        """One subscription a test."""
        assert self.broker is not None
        return PulsarSource(
            name="lamps", url=self.broker.url, topics=(f"persistent://public/default/{self.topic}",), mode="shared",
            identity="key", in_flight_max=200,
        )  # fmt: skip

    def publish(self, payloads: list[bytes], device: str = "7") -> None:
        """In batches, each confirmed; a broker that is just coming back is asked again."""
        import pulsar

        deadline = time.monotonic() + 90
        left = list(payloads)
        while left:
            try:
                left = self._unconfirmed(left, device)
            except pulsar.PulsarException:
                time.sleep(0.5)
            assert not left or time.monotonic() < deadline, "Pulsar did not confirm"

    def _unconfirmed(self, payloads: list[bytes], device: str) -> list[bytes]:
        """Publish; returns what was not confirmed."""
        import pulsar

        assert self.broker is not None
        quiet = pulsar.FileLogger(pulsar.LoggerLevel.Error, os.devnull)  # Python's is called after its end
        client = pulsar.Client(self.broker.url, operation_timeout_seconds=60, logger=quiet)
        try:
            producer = client.create_producer(
                f"persistent://public/default/{self.topic}", send_timeout_millis=60_000, block_if_queue_full=True,
                batching_enabled=True,
            )  # fmt: skip
            results: dict[int, bool] = {}

            def told(number: int) -> Callable[[Any, Any], None]:
                return lambda result, _: results.update({number: str(result) == str(pulsar.Result.Ok)})

            for number, each in enumerate(payloads):
                producer.send_async(each, told(number), partition_key=device)
            producer.flush()
            deadline = time.monotonic() + 60
            while len(results) < len(payloads) and time.monotonic() < deadline:
                time.sleep(0.02)
            return [each for number, each in enumerate(payloads) if not results.get(number)]
        finally:
            client.close()


class RabbitWire(Wire):
    """A queue bound to the topic exchange; the device is a part of the routing key."""

    def source(self) -> AnySource:
        """A queue a test."""
        assert self.broker is not None
        return AmqpSource(
            name="lamps", url=self.broker.url, queue=self.topic, bind={"amq.topic": f"{self.topic}.*.up"},
            identity=f"topic:{self.topic}.{{device}}.up", in_flight_max=200,
        )  # fmt: skip

    def publish(self, payloads: list[bytes], device: str = "7") -> None:
        """Persistent, each confirmed, unless the broker dies; then all that were not are sent again."""
        import pika

        assert self.broker is not None
        left, deadline = list(payloads), time.monotonic() + 90
        while left:
            assert time.monotonic() < deadline, "RabbitMQ did not confirm"
            try:
                connection = pika.BlockingConnection(pika.URLParameters(self.broker.url))
                channel = connection.channel()
                channel.confirm_delivery()
                channel.queue_declare(self.topic, durable=True)
                channel.queue_bind(self.topic, "amq.topic", f"{self.topic}.*.up")
                while left:
                    channel.basic_publish(
                        "amq.topic",
                        f"{self.topic}.{device}.up",
                        left[0],
                        pika.BasicProperties(delivery_mode=2),
                    )
                    left.pop(0)
                connection.close()
            except (pika.exceptions.AMQPError, OSError):
                time.sleep(0.2)


#: A member that died is missed after six seconds.
_KAFKA_OPTIONS = {
    "session.timeout.ms": "6000", "heartbeat.interval.ms": "500", "topic.metadata.refresh.interval.ms": "1000",
    "reconnect.backoff.max.ms": "500",
}  # fmt: skip

#: name -> (the wire, the broker behind it)
WIRES: dict[str, tuple[type[Wire], type[Broker] | None]] = {
    "listener": (ListenerWire, None),
    "http": (HttpWire, None),
    "mosquitto": (MosquittoWire, Mosquitto),
    "mosquitto-3.1.1": (Mosquitto311Wire, Mosquitto),
    "rabbitmq": (RabbitWire, RabbitMq),
    "kafka": (KafkaWire, Kafka),
    "pulsar": (PulsarWire, Pulsar),
}


def read_source(path: Path) -> AnySource:
    """A source that ``write_source`` wrote."""
    import msgspec

    found: AnySource = msgspec.json.decode(path.read_bytes(), type=AnySource)
    return found


def write_source(source: AnySource, path: Path) -> Path:
    """A source as a file, for another process."""
    import msgspec

    path.write_bytes(msgspec.json.encode(source))
    return path
