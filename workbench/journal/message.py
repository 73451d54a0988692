"""One raw message, as a wire delivered it, and its bytes in the journal."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

#: Larger payloads are refused by the collectors; a frame must fit in memory many times over.
PAYLOAD_BYTES_MAX = 16 << 20
TEXT_BYTES_MAX = 65_535

_HEAD = struct.Struct("<qqII")
_LENGTHS = struct.Struct("<6H")


class RawMessage(NamedTuple):
    """What came in, before anybody has looked inside. A tuple: hundreds of thousands are made a second.

    Attributes:
        tenant: whose message it is, by the connection, never by the payload.
        source: name of the collector's configured source, for example ``lamps-mqtt``.
        device: the device's identity as the connection or the topic proves it; empty when neither says.
        topic: where it was published (MQTT topic, Kafka topic, routing key, URL path, file name).
        content_type: what the sender or the configuration calls the payload's format; empty when neither says.
        payload: the bytes as they came.
        received_at_ns: when it was received, nanoseconds since 1970 UTC; recorded once, here.
        channel: the ordered part of the source it came through (``events/3`` of Kafka, a file); empty without one.
        offset: its place in the channel; -1 where the wire numbers nothing.
    """

    tenant: str
    source: str
    device: str
    topic: str
    content_type: str
    payload: bytes
    received_at_ns: int
    channel: str = ""
    offset: int = -1


def encoded(message: RawMessage) -> bytes:
    """The message as a journal record.

    Raises:
        ValueError: the payload or a text is longer than a record can say; collectors refuse those before.
    """
    tenant, source, device, topic, content_type, payload, received_at_ns, channel, offset = message
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise ValueError(f"a payload of {len(payload):,} bytes; {PAYLOAD_BYTES_MAX:,} is the most")
    texts = _texts(tenant, source, device, topic, content_type, channel)
    return _HEAD.pack(received_at_ns, offset, len(texts), len(payload)) + texts + payload


def decoded(body: memoryview, count: int) -> list[RawMessage]:
    """The ``count`` records of a frame's body, which a checksum has vouched for."""
    found, at = [], 0
    unpack, head = _HEAD.unpack_from, _HEAD.size
    for _ in range(count):
        received_at_ns, offset, texts, size = unpack(body, at)
        at += head
        tenant, source, device, topic, content_type, channel = _split(bytes(body[at : at + texts]))
        at += texts
        payload = bytes(body[at : at + size])
        at += size
        found.append(
            RawMessage(tenant, source, device, topic, content_type, payload, received_at_ns, channel, offset)
        )
    return found


@lru_cache(maxsize=100_000)
def _texts(*texts: str) -> bytes:
    """Lengths, then the texts. A device says the same six every time, so they are packed once."""
    raw = [text.encode("utf-8", "backslashreplace") for text in texts]
    if any(len(each) > TEXT_BYTES_MAX for each in raw):
        raise ValueError(f"a topic, device or name of more than {TEXT_BYTES_MAX:,} bytes")
    return _LENGTHS.pack(*map(len, raw)) + b"".join(raw)


@lru_cache(maxsize=100_000)
def _split(packed: bytes) -> tuple[str, ...]:
    at, found = _LENGTHS.size, []
    for length in _LENGTHS.unpack_from(packed):
        found.append(packed[at : at + length].decode())
        at += length
    return tuple(found)
