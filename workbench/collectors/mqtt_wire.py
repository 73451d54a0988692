"""MQTT 3.1.1 and 5 as bytes: what an ingest endpoint must read and write, and nothing more."""

from __future__ import annotations

import struct
from dataclasses import dataclass

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 10, 11, 12, 13, 14

PINGRESP_PACKET = b"\xd0\x00"

# Reason codes of MQTT 5 that this endpoint uses.
NOT_AUTHORIZED, BAD_CREDENTIALS, MALFORMED, PROTOCOL_ERROR = 0x87, 0x86, 0x81, 0x82
UNSUPPORTED_VERSION, TAKEN_OVER, TOPIC_INVALID, PACKET_TOO_LARGE = 0x84, 0x8E, 0x90, 0x95
SHUTTING_DOWN, KEEP_ALIVE, QOS_UNSUPPORTED, ALIAS_INVALID, UNAVAILABLE = 0x8B, 0x8D, 0x9B, 0x94, 0x83

_SHORT = struct.Struct(">H")
_CONTENT_TYPE, _TOPIC_ALIAS, _ASSIGNED_ID, _REASON_STRING = 0x03, 0x23, 0x12, 0x1F
# How many bytes a property's value takes, by its identifier; strings and binary say it themselves.
_FIXED = {0x01: 1, 0x02: 4, 0x11: 4, 0x13: 2, 0x17: 1, 0x18: 4, 0x19: 1, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1, 0x25: 1,
          0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1}  # fmt: skip
_STRINGS = {0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F}


class Malformed(Exception):
    """Bytes that are no MQTT; ``reason`` is the code to close the connection with."""

    def __init__(self, what: str, reason: int = MALFORMED) -> None:
        super().__init__(what)
        self.reason = reason


def length_at(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """(value, place after it) of a variable byte integer; None when not all of it is there. Raises ``Malformed``."""
    value = shift = 0
    for place in range(at, min(at + 4, len(data))):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + 1
        shift += 7
    if len(data) - at >= 4:
        raise Malformed("a length of more than four bytes")
    return None


def length_of(value: int) -> bytes:
    """A variable byte integer."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


@dataclass(frozen=True, slots=True)
class Connect:
    """What a client says when it connects."""

    version: int
    client_id: str
    keep_alive_seconds: int
    username: str
    password: bytes


def connect(body: bytes) -> Connect:
    """Read a CONNECT. Raises ``Malformed``; with ``UNSUPPORTED_VERSION`` for another protocol."""
    name, at = _string(body, 0)
    version, flags = body[at], body[at + 1]
    if (name, version) not in {("MQTT", 4), ("MQTT", 5)}:
        raise Malformed(f"protocol {name[:20]!r} version {version}", UNSUPPORTED_VERSION)
    (keep_alive,) = _SHORT.unpack_from(body, at + 2)
    at += 4
    if flags & 1:
        raise Malformed("a reserved flag is set")
    if version == 5:
        at = _after_properties(body, at)
    client_id, at = _string(body, at)
    if flags & 0x04:  # a will: there is nobody to tell it to
        if version == 5:
            at = _after_properties(body, at)
        _, at = _string(body, at)
        _, at = _binary(body, at)
    username = ""
    password = b""
    if flags & 0x80:
        username, at = _string(body, at)
    if flags & 0x40:
        password, at = _binary(body, at)
    return Connect(version, client_id, int(keep_alive), username, password)


def connack(
    version: int, reason: int, *, receive_maximum: int = 0, packet_bytes_max: int = 0, client_id: str = ""
) -> bytes:
    """A CONNACK; for 5 with what this endpoint can do, for 3.1.1 with the nearest of its five codes."""
    if version == 5:
        properties = b""
        if not reason:
            properties = b"\x21" + _SHORT.pack(receive_maximum) + b"\x24\x01"  # at most QoS 1
            properties += b"\x27" + struct.pack(">I", packet_bytes_max)
            properties += b"\x28\x00\x29\x00\x2a\x00"  # no subscriptions of any sort
            if client_id:
                properties += bytes([_ASSIGNED_ID]) + _text(client_id)
        body = bytes([0, reason]) + length_of(len(properties)) + properties
    else:
        old = {0: 0, UNSUPPORTED_VERSION: 1, BAD_CREDENTIALS: 4, NOT_AUTHORIZED: 5}
        body = bytes([0, old.get(reason, 3)])
    return bytes([CONNACK << 4]) + length_of(len(body)) + body


def publish(flags: int, body: bytes, version: int) -> tuple[str, int, bytes, str]:
    """Read a PUBLISH: (topic, packet id or 0, payload, content type). Raises ``Malformed``."""
    qos = flags >> 1 & 3
    if qos == 2:
        raise Malformed("QoS 2", QOS_UNSUPPORTED)
    if qos == 3:
        raise Malformed("QoS 3")
    topic, at = _string(body, 0)
    if not topic or "+" in topic or "#" in topic or "\x00" in topic:
        raise Malformed("a topic that nothing can be published to", TOPIC_INVALID)
    packet_id = 0
    if qos:
        if len(body) < at + 2:
            raise Malformed("a PUBLISH without its packet identifier")
        (packet_id,) = _SHORT.unpack_from(body, at)
        at += 2
        if not packet_id:
            raise Malformed("packet identifier 0", PROTOCOL_ERROR)
    content_type = ""
    if version == 5:
        if at < len(body) and body[at] == 0:
            at += 1
        else:
            content_type, at = _content_type(body, at)
    return topic, packet_id, body[at:], content_type


def pubacks(packet_ids: list[int]) -> bytes:
    """PUBACKs in a row; the same bytes in 3.1.1 and 5."""
    return b"".join([b"\x40\x02" + _SHORT.pack(each) for each in packet_ids])


def refusal_of(kind: int, body: bytes, version: int, why: str) -> bytes:
    """The SUBACK or UNSUBACK that refuses every topic asked for. Raises ``Malformed``."""
    packet_id, at = body[:2], 2
    if len(body) < 5:
        raise Malformed("a subscription without topics", PROTOCOL_ERROR)
    if version == 5:
        at = _after_properties(body, at)
    topics = 0
    while at < len(body):
        _, at = _string(body, at)
        at += 1 if kind == SUBSCRIBE else 0
        topics += 1
    if version == 5:
        properties = bytes([_REASON_STRING]) + _text(why)
        code = UNAVAILABLE if kind == SUBSCRIBE else 0x11
        packet = packet_id + length_of(len(properties)) + properties + bytes([code]) * topics
    else:
        packet = packet_id + (b"\x80" * topics if kind == SUBSCRIBE else b"")
    return bytes([(kind + 1) << 4]) + length_of(len(packet)) + packet


def disconnect(version: int, reason: int, why: str = "") -> bytes:
    """A server's DISCONNECT, which only MQTT 5 has; empty for 3.1.1."""
    if version != 5:
        return b""
    properties = bytes([_REASON_STRING]) + _text(why) if why else b""
    body = bytes([reason]) + length_of(len(properties)) + properties
    return bytes([DISCONNECT << 4]) + length_of(len(body)) + body


def _text(value: str) -> bytes:
    raw = value.encode()
    return _SHORT.pack(len(raw)) + raw


def _binary(body: bytes, at: int) -> tuple[bytes, int]:
    if at + 2 > len(body):
        raise Malformed("it ends too early")
    end = at + 2 + body[at] * 256 + body[at + 1]
    if end > len(body):
        raise Malformed("it ends too early")
    return body[at + 2 : end], end


def _string(body: bytes, at: int) -> tuple[str, int]:
    raw, at = _binary(body, at)
    try:
        return raw.decode(), at
    except UnicodeDecodeError:
        raise Malformed("text that is no UTF-8") from None


def _after_properties(body: bytes, at: int) -> int:
    found = length_at(body, at)
    if found is None or found[1] + found[0] > len(body):
        raise Malformed("properties that end too early")
    return found[1] + found[0]


def _content_type(body: bytes, at: int) -> tuple[str, int]:
    """The content type among a PUBLISH's properties, and the place after them. Raises ``Malformed``."""
    end = _after_properties(body, at)
    at = (length_at(body, at) or (0, at))[1]
    content_type = ""
    while at < end:
        name = body[at]
        at += 1
        if name == _TOPIC_ALIAS:
            raise Malformed("a topic alias, which was not offered", ALIAS_INVALID)
        if name in _FIXED:
            at += _FIXED[name]
        elif name in _STRINGS:
            value, at = _binary(body, at)
            if name == _CONTENT_TYPE:
                content_type = value.decode("utf-8", "replace")
        elif name == 0x26:
            at = _binary(body, _binary(body, at)[1])[1]
        elif name == 0x0B:
            at = (length_at(body, at) or (0, end + 1))[1]
        else:
            raise Malformed(f"property {name}")
    if at != end:
        raise Malformed("properties that end too early")
    return content_type, at
