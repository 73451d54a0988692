from __future__ import annotations

import hashlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collectors.reading import everything, wait_until
from workbench.collectors import mqtt_wire as wire
from workbench.collectors.listener import ListenerCollector
from workbench.collectors.source import ListenerSource
from workbench.errors import SourceError
from workbench.journal.journal import Journal

CONNECT_311 = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04LAMP"
CONNECT_5 = b"\x10\x11\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x04lamp"


@pytest.fixture
def listener(journal: Journal) -> Iterator[ListenerCollector]:
    source = ListenerSource(name="lamps", port=0, identity="topic:lamps/{device}/up", in_flight_max=50)
    with ListenerCollector(source, journal) as opened:
        yield opened


def client(listener: ListenerCollector, version: int = mqtt.MQTTv5, **said: str) -> mqtt.Client:
    made = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, said.get("client_id", "lamp-1"), protocol=version)
    if "username" in said:
        made.username_pw_set(said["username"], said["password"])
    made.connect("127.0.0.1", listener.port)
    made.loop_start()
    return made


def dialled(listener: ListenerCollector, first: bytes = b"") -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", listener.port), timeout=10)
    opened.sendall(first)
    return opened


def published(topic: bytes, payload: bytes, packet_id: int = 0, flags: int = 0, five: bool = False) -> bytes:
    body = struct.pack(">H", len(topic)) + topic
    if packet_id:
        flags |= 2
        body += struct.pack(">H", packet_id)
    body += (b"\x00" if five else b"") + payload
    return bytes([0x30 | flags]) + wire.length_of(len(body)) + body


@pytest.mark.parametrize("version", [mqtt.MQTTv311, mqtt.MQTTv5])
@pytest.mark.parametrize("qos", [0, 1])
def test_a_real_client_publishes_and_is_acknowledged(
    listener: ListenerCollector, version: int, qos: int
) -> None:
    device = client(listener, version)
    sent = [device.publish(f"lamps/{number}/up", b"%d" % number, qos=qos) for number in range(200)]
    for each in sent:
        each.wait_for_publish(10)
    wait_until(lambda: listener.stats.acknowledged == 200)
    device.disconnect()
    device.loop_stop()
    found = everything(listener.journal.folder.parent)
    assert [each.payload for each in found] == [b"%d" % number for number in range(200)]
    assert [each.device for each in found] == [str(number) for number in range(200)]
    assert {each.tenant for each in found} == {"main"}


def test_i1_no_acknowledgement_before_the_journal_is_synced(
    listener: ListenerCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    gate, real = threading.Event(), os.fdatasync

    def slow(handle: int) -> None:
        gate.wait(20)
        real(handle)

    monkeypatch.setattr(os, "fdatasync", slow)
    opened = dialled(listener, CONNECT_311 + published(b"lamps/7/up", b"x", 9))
    opened.settimeout(0.5)
    assert opened.recv(4) == b"\x20\x02\x00\x00"
    with pytest.raises(TimeoutError):
        opened.recv(4)
    gate.set()
    opened.settimeout(10)
    assert opened.recv(4) == b"\x40\x02\x00\x09"
    assert len(everything(listener.journal.folder.parent)) == 1


def test_whoever_subscribes_is_told_that_this_is_no_broker(listener: ListenerCollector) -> None:
    opened = dialled(listener, CONNECT_5 + b"\x82\x0a\x00\x01\x00\x00\x04lamp\x01")
    answer = opened.recv(1000)
    while b"not a broker" not in answer:
        answer += opened.recv(1000)
    assert b"\x90" in answer
    opened.sendall(published(b"lamps/7/up", b"x", 1, five=True))  # and may go on publishing
    assert opened.recv(10) == b"\x40\x02\x00\x01"
    old = dialled(listener, CONNECT_311 + b"\x82\x09\x00\x01\x00\x04lamp\x01")
    answer = b""
    while len(answer) < 9:
        answer += old.recv(100)
    assert answer.endswith(b"\x90\x03\x00\x01\x80")


def test_packets_may_come_in_any_pieces(listener: ListenerCollector) -> None:
    whole = CONNECT_311 + b"".join(published(b"lamps/7/up", b"%d" % n, n) for n in range(1, 40))
    for step in (1, 2, 3, 7, 64):
        opened = dialled(listener)
        for at in range(0, len(whole), step):
            opened.sendall(whole[at : at + step])
        answer = b""
        while len(answer) < 4 + 39 * 4:
            answer += opened.recv(1000)
        assert answer == b"\x20\x02\x00\x00" + wire.pubacks(list(range(1, 40)))
        opened.close()


@pytest.mark.parametrize(
    ("bytes_in", "reason"),
    [
        (b"\x34" + published(b"lamps/7/up", b"x", 1)[1:], wire.QOS_UNSUPPORTED),
        (published(b"lamps/+/up", b"x", 1, five=True), wire.TOPIC_INVALID),
        (published(b"", b"x", 1, five=True), wire.TOPIC_INVALID),
        (published(b"lamps/\xff/up", b"x", 1, five=True), wire.MALFORMED),
        (b"\x30\xff\xff\xff\xff\x01", wire.MALFORMED),
        (b"\x30\xff\xff\xff\x7f", wire.PACKET_TOO_LARGE),
        (b"\xf0\x00", wire.PROTOCOL_ERROR),
        (b"\x32\x05\x00\x03abc", wire.MALFORMED),
        (CONNECT_5, wire.PROTOCOL_ERROR),
        (b"\x32\x0a\x00\x01a\x00\x01\x03\x23\x00\x01x", wire.ALIAS_INVALID),
    ],
)  # fmt: skip
def test_a_broken_packet_ends_its_connection_with_the_reason_and_no_other(
    listener: ListenerCollector, bytes_in: bytes, reason: int
) -> None:
    good = dialled(listener, CONNECT_311)
    assert good.recv(4) == b"\x20\x02\x00\x00"
    bad = dialled(listener, CONNECT_5)
    assert bad.recv(100)[0] == 0x20
    bad.sendall(published(b"lamps/1/up", b"before", 5, five=True) + bytes_in)
    answer = b""
    while piece := bad.recv(1000):
        answer += piece
    assert bytes([0xE0]) in answer and reason in answer
    good.sendall(published(b"lamps/2/up", b"after", 6))
    assert good.recv(4) == b"\x40\x02\x00\x06"
    payloads = [each.payload for each in everything(listener.journal.folder.parent)]
    assert payloads == [b"before", b"after"]  # what came whole before the break was kept


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4))
def test_no_bytes_of_a_stranger_stop_the_listener(listener: ListenerCollector, pieces: list[bytes]) -> None:
    stranger = dialled(listener, CONNECT_5)
    for piece in pieces:
        try:
            stranger.sendall(piece)
        except OSError:
            break
    stranger.close()
    good = dialled(listener, CONNECT_311 + published(b"lamps/2/up", b"x", 6))
    answer = b""
    while len(answer) < 8:
        piece = good.recv(8)
        assert piece, "the listener hung up on a good device"
        answer += piece
    assert answer.endswith(b"\x40\x02\x00\x06")
    good.close()


def test_another_protocol_is_refused_in_its_own_words(listener: ListenerCollector) -> None:
    opened = dialled(listener, b"\x10\x0c\x00\x06MQIsdp\x03\x02\x00\x3c")
    assert opened.recv(100)[:4] == b"\x20\x03\x00\x84"
    web = dialled(listener, b"GET / HTTP/1.1\r\n\r\n" + b"x" * 300_000)
    try:
        assert web.recv(10) == b""
    except ConnectionResetError:
        pass
    wait_until(lambda: listener.stats.refused == 2)


def test_two_connections_of_one_client_id_the_newer_stays(listener: ListenerCollector) -> None:
    old = dialled(listener, CONNECT_5)
    assert old.recv(100)[0] == 0x20
    new = dialled(listener, CONNECT_5)
    assert new.recv(100)[0] == 0x20
    assert wire.TAKEN_OVER in old.recv(100)
    new.sendall(b"\xc0\x00")
    assert new.recv(2) == b"\xd0\x00"


def test_a_silent_device_is_let_go_after_its_keep_alive(listener: ListenerCollector) -> None:
    opened = dialled(listener, CONNECT_5.replace(b"\x00\x3c", b"\x00\x01"))
    assert opened.recv(100)[0] == 0x20
    assert wire.KEEP_ALIVE in opened.recv(100)
    assert opened.recv(10) == b""


def test_a_fast_device_waits_and_nothing_is_lost(
    listener: ListenerCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3.1.1 has no receive maximum: the connection itself is held back."""
    import os

    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda handle: (time.sleep(0.01), real(handle))[1])
    most = 0

    def watch() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, listener.journal.stats().waiting_bytes)
            time.sleep(0.002)

    done = threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    opened = dialled(listener, CONNECT_311)
    wanted = 3000
    sender = threading.Thread(
        target=lambda: [
            opened.sendall(published(b"lamps/1/up", bytes(1000), n % 60_000 + 1)) for n in range(wanted)
        ]
    )
    sender.start()
    answer = 0
    while answer < 4 + 4 * wanted:
        answer += len(opened.recv(100_000))
    sender.join()
    done.set()
    watcher.join()
    assert len(everything(listener.journal.folder.parent)) == wanted
    assert most < 1_000_000  # of 3 MB that were sent


def test_senders_sign_in_and_the_tenant_is_theirs(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"# who may\nlamp-1 acme {hashlib.sha256(b'secret').hexdigest()}\n")
    source = ListenerSource(name="lamps", port=0, identity="username", tokens=str(path))
    with ListenerCollector(source, journal) as listener:
        device = client(listener, username="lamp-1", password="secret")
        device.publish("anything", b'{"tenant":"other","device_id":"lamp-2"}', qos=1).wait_for_publish(10)
        device.disconnect()
        device.loop_stop()
        for username, password in (("lamp-1", "wrong"), ("lamp-2", "secret"), ("", "")):
            said = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "x", protocol=mqtt.MQTTv5)
            said.username_pw_set(username, password)
            codes: list[int] = []
            said.on_connect = lambda *args, codes=codes: codes.append(args[3].value)
            said.connect("127.0.0.1", listener.port)
            wait_until(lambda said=said, codes=codes: said.loop(0.05) is not None and codes)
            assert codes == [wire.BAD_CREDENTIALS]
    (found,) = everything(journal.folder.parent)
    assert (found.tenant, found.device) == ("acme", "lamp-1")


def test_plain_text_beyond_this_machine_wants_to_be_asked_for(journal: Journal) -> None:
    with pytest.raises(SourceError, match="TLS"):
        ListenerCollector(ListenerSource(name="lamps", host="0.0.0.0", port=0), journal)


def test_a_taken_port_is_said(listener: ListenerCollector, journal: Journal) -> None:
    with pytest.raises(SourceError, match="Cannot listen"):
        ListenerCollector(ListenerSource(name="more", port=listener.port), journal).start()


def test_stopping_acknowledges_what_was_taken(journal: Journal) -> None:
    listener = ListenerCollector(ListenerSource(name="lamps", port=0), journal)
    listener.start()
    opened = dialled(listener, CONNECT_5)
    assert opened.recv(100)[0] == 0x20
    opened.sendall(b"".join(published(b"lamps/2/up", b"x", n, five=True) for n in range(1, 100)))
    wait_until(lambda: listener.stats.received > 0)
    listener.stop()
    answer = b""
    while piece := opened.recv(1000):
        answer += piece
    taken = len(everything(journal.folder.parent))
    assert answer == wire.pubacks(list(range(1, taken + 1))) + b"\xe0\x02\x8b\x00"
