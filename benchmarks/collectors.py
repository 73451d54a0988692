"""What the receive side can take, as rates and as ratios to a baseline in the same run, on two cores.

    python benchmarks/collectors.py                 all
    python benchmarks/collectors.py packs           packs of 100 through the listener, acknowledged after the journal
    python benchmarks/collectors.py single          single JSON events by mosquitto, QoS 1, against a bare paho subscriber
    python benchmarks/collectors.py burst           ten times the sustained 10,000 events/s for 30 s

Every message that counts was acknowledged by the journal's sync, and was read back from the journal afterwards.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from tests.brokers.broker import Mosquitto
from workbench.collectors.listener import ListenerCollector
from workbench.collectors.mqtt import MqttCollector
from workbench.collectors.mqtt_wire import length_of
from workbench.collectors.source import ListenerSource, MqttSource
from workbench.journal.journal import Journal
from workbench.journal.reader import JournalReader

SMOKE = os.environ.get("WORKBENCH_BENCH") == "smoke"
PACK = 100


def event(number: int) -> dict[str, object]:
    """A street lamp's event, 116 bytes as JSON."""
    return {
        "device_id": f"lamp-{number % 1000:06d}", "event_id": f"{number:016x}", "energy_mwh": 4711 + number % 7,
        "ts": "2026-03-02T00:00:01.234Z",
    }  # fmt: skip


def pack(first: int) -> bytes:
    """A hundred events as one column-array object."""
    rows = [event(number) for number in range(first, first + PACK)]
    return json.dumps({name: [row[name] for row in rows] for name in rows[0]}, separators=(",", ":")).encode()


def packet(topic: bytes, payload: bytes, packet_id: int) -> bytes:
    """A PUBLISH at QoS 1."""
    body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", packet_id) + payload
    return b"\x32" + length_of(len(body)) + body


def publish_raw(port: int, payloads: list[bytes], count: int, window: int, rate: float = 0.0) -> None:
    """Send ``count`` messages over one connection, at most ``window`` unacknowledged; ``rate`` a second, 0: flat out.

    Raises: AssertionError when not all are acknowledged.
    """
    link = socket.create_connection(("127.0.0.1", port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    name = f"bench-{os.getpid()}".encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack(">H", len(name)) + name
    link.sendall(b"\x10" + length_of(len(body)) + body)
    assert link.recv(4) == b"\x20\x02\x00\x00"
    ready = [
        packet(b"lamps/%d/up" % (n % 50), payloads[n % len(payloads)], n % 60_000 + 1)
        for n in range(max(len(payloads), window))
    ]
    sent = acknowledged = 0
    begun = time.perf_counter()
    link.settimeout(60)
    while acknowledged < count:
        due = count if not rate else min(count, int((time.perf_counter() - begun) * rate))
        room = min(window - (sent - acknowledged), due - sent)
        if room > 0:
            link.sendall(b"".join(ready[(sent + n) % len(ready)] for n in range(room)))
            sent += room
        if sent > acknowledged:
            acknowledged += (
                len(link.recv(1 << 16)) // 4
            )  # PUBACKs are four bytes; a rest is counted with the next ones
        else:
            time.sleep(0.001)
    link.close()
    assert acknowledged >= count


@contextmanager
def folder() -> Iterator[Path]:
    """A place on the disk that is gone afterwards."""
    made = Path(tempfile.mkdtemp(prefix="bench-collect-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def in_process(*args: object) -> multiprocessing.process.BaseProcess:
    """``publish_raw`` in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=publish_raw, args=args)
    process.start()
    return process


def kept(root: Path) -> int:
    """How many messages a journal holds, by reading it."""
    reader, found = JournalReader(root), 0
    while batch := reader.read():
        found += len(batch.messages)
    return found


def packs_through_the_listener(count: int) -> float:
    """Events a second, from the first byte to the last acknowledgement."""
    with folder() as place:
        with (
            Journal(place / "j") as journal,
            ListenerCollector(ListenerSource(name="lamps", port=0, in_flight_max=500), journal) as listener,
        ):
            payloads = [pack(n * PACK) for n in range(50)]
            sender = in_process(listener.port, payloads, count, 400)
            while not listener.stats.received:
                time.sleep(0.0005)
            begun = time.perf_counter()
            sender.join()
            seconds = time.perf_counter() - begun
            assert sender.exitcode == 0
        assert kept(place / "j") == count
    return count * PACK / seconds


def bare_paho(broker: Mosquitto, count: int, round_: int) -> float:
    """Messages a second of a subscriber that does nothing but count."""
    seen, first, done = 0, 0.0, threading.Event()
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, f"bare-{round_}", protocol=mqtt.MQTTv311, clean_session=True
    )

    def message(*_: object) -> None:
        nonlocal seen, first
        if not seen:
            first = time.perf_counter()
        seen += 1
        if seen == count:
            done.set()

    client.on_message = message
    ready = threading.Event()
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    client.subscribe("lamps/+/up", 1)
    assert ready.wait(10)
    sender = in_process(broker.port, [json.dumps(event(n)).encode() for n in range(500)], count, 500)
    assert done.wait(300)
    seconds = time.perf_counter() - first
    sender.join()
    client.disconnect()
    client.loop_stop()
    return count / seconds


def our_collector(broker: Mosquitto, count: int, round_: int) -> float:
    """Messages a second until the last one is durable and acknowledged."""
    with folder() as place:
        source = MqttSource(
            name="lamps", url=broker.url, topics=("lamps/+/up",), version="3.1.1", client_id=f"ours-{round_}",
            identity="topic:lamps/{device}/up",
        )  # fmt: skip
        with Journal(place / "j") as journal:
            collector = MqttCollector(source, journal)
            collector.start()
            sender = in_process(broker.port, [json.dumps(event(n)).encode() for n in range(500)], count, 500)
            while not collector.stats.received:
                time.sleep(0.0005)
            begun = time.perf_counter()
            while collector.stats.acknowledged < count:
                time.sleep(0.001)
            seconds = time.perf_counter() - begun
            sender.join()
            collector.stop(for_good=True)
        assert kept(place / "j") == count
    return count / seconds


def test_packs() -> None:
    """Packs of 100: events a second through the listener, acknowledged after the journal's sync."""
    rates = [packs_through_the_listener(50 if SMOKE else 15_000) for _ in range(1 if SMOKE else 5)]
    sys.stdout.write(
        f"\npacks of {PACK} through the listener: {statistics.median(rates):,.0f} events/s (best {max(rates):,.0f})\n"
    )
    assert min(rates) > 0


@pytest.mark.broker
@pytest.mark.parametrize("saved", [False, True], ids=["in memory", "saved on every change"])
def test_single(saved: bool) -> None:
    """Single events by mosquitto at QoS 1: ours, durable, against one that only counts; rounds interleaved.

    A broker that saves its whole store on every change is what limits both; one in memory shows the two subscribers.
    """
    with folder() as place:
        broker = Mosquitto(place / "mosquitto", saved=saved)
        broker.start()
        try:
            rounds, count = (1, 500) if SMOKE else (5, 10_000 if saved else 40_000)
            bare, ours = [], []
            for number in range(rounds):
                bare.append(bare_paho(broker, count, number))
                ours.append(our_collector(broker, count, number))
        finally:
            broker.stop()
    a, b = statistics.median(ours), statistics.median(bare)
    sys.stdout.write(
        f"\nsingle JSON, QoS 1, broker {'saved on every change' if saved else 'in memory'}: "
        f"ours {a:,.0f}/s, a bare paho subscriber {b:,.0f}/s, ratio {a / b:.2f} "
        f"(rounds {', '.join(f'{x / y:.2f}' for x, y in zip(ours, bare, strict=True))})\n"
    )
    assert a > 0


def test_burst() -> None:
    """Ten times the sustained load for half a minute, packs of 10: nothing acknowledged is lost, memory stays bounded."""
    sustained, seconds = 10_000, 1 if SMOKE else 30
    messages = 10 * sustained * seconds // 10
    payloads = [json.dumps([event(n * 10 + k) for k in range(10)]).encode() for n in range(200)]
    with folder() as place:
        with (
            Journal(place / "j") as journal,
            ListenerCollector(ListenerSource(name="lamps", port=0), journal) as listener,
        ):
            begun = time.perf_counter()
            sender = in_process(listener.port, payloads, messages, 2000, 10 * sustained / 10)
            most = 0
            while sender.is_alive():
                most = max(most, journal.stats().waiting_bytes)
                sender.join(0.02)
            took = time.perf_counter() - begun
            assert sender.exitcode == 0
        assert kept(place / "j") == messages
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(
        f"\nburst of {messages * 10:,} events in {took:.1f} s (offered in {seconds} s), all acknowledged and read back; "
        f"at most {most / 1e6:.1f} MB waited, {memory} MB resident\n"
    )
    assert memory < 1024


if __name__ == "__main__":
    for name in sys.argv[1:] or ("packs", "single", "burst"):
        if name == "single":
            for broker_saves in (False, True):
                test_single(broker_saves)
        else:
            {"packs": test_packs, "burst": test_burst}[name]()
