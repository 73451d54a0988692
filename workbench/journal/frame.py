"""The unit of commit on disk: a header, the source offsets it moves, its records, and a checksum over all of it.

    file   = "WBJ1" | salt u32 | zeros u64 | frame | frame | … | zeros
    frame  = magic u32 | kind u8 | pad | body bytes u32 | records u32 | first sequence u64 | crc32 u32 | body
    body   = length of offsets u32 | offsets as JSON | records

A frame is written with one call and synced before the next one starts, so at most the last frame of a file can be torn,
and nothing but zeros can follow a torn one. The checksum starts from the file's salt: a payload that holds the bytes
of a frame cannot pass for one.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: (source, channel) -> (offset, when it was committed in nanoseconds since 1970): where a source is read on.
Offsets = Mapping[tuple[str, str], tuple[int, int]]

RECORDS, CHECKPOINT, CONFIRM = 1, 2, 3

_FILE = struct.Struct("<4sIQ")
_FRAME = struct.Struct("<IB3xIIQI")
_LENGTH = struct.Struct("<I")
_FILE_MAGIC, _MAGIC = b"WBJ1", 0x4A4D5246
FILE_HEAD, FRAME_HEAD = _FILE.size, _FRAME.size
_CRC_AT = FRAME_HEAD - 4


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame that its checksum vouches for; ``records`` are the bytes of ``count`` records from ``first`` on."""

    kind: int
    first: int
    count: int
    offsets: dict[tuple[str, str], tuple[int, int]]
    records: memoryview
    size: int

    @property
    def end(self) -> int:
        """The sequence number after its last record."""
        return self.first + self.count


def file_head(salt: int) -> bytes:
    """The first bytes of a segment."""
    return _FILE.pack(_FILE_MAGIC, salt, 0)


def salt_of(head: bytes) -> int | None:
    """The salt in a segment's first bytes; None when these are no segment's."""
    if len(head) < FILE_HEAD:
        return None
    magic, salt, zeros = _FILE.unpack_from(head)
    return int(salt) if magic == _FILE_MAGIC and not zeros else None


def framed(kind: int, first: int, count: int, offsets: Offsets, records: Sequence[bytes], salt: int) -> bytes:
    """The bytes of one frame."""
    said = json.dumps([[*key, *value] for key, value in offsets.items()]).encode() if offsets else b""
    body = b"".join([_LENGTH.pack(len(said)), said, *records])
    head = _FRAME.pack(_MAGIC, kind, len(body), count, first, 0)
    crc = zlib.crc32(body, zlib.crc32(head[:_CRC_AT], salt))
    return head[:_CRC_AT] + _LENGTH.pack(crc) + body


def frame_size(data: memoryview) -> int | None:
    """How many bytes the frame at the start of ``data`` claims; None when no frame starts there."""
    if len(data) < FRAME_HEAD:
        return None
    magic, _, size, _, _, _ = _FRAME.unpack_from(data)
    return FRAME_HEAD + int(size) if magic == _MAGIC else None


def parsed(data: memoryview, salt: int) -> Frame | None:
    """The frame at the start of ``data``; None when it is not whole or its checksum is wrong."""
    size = frame_size(data)
    if size is None or size > len(data) or size < FRAME_HEAD + _LENGTH.size:
        return None
    _, kind, _, count, first, crc = _FRAME.unpack_from(data)
    body = data[FRAME_HEAD:size]
    if zlib.crc32(body, zlib.crc32(data[:_CRC_AT], salt)) != crc:
        return None
    (said,) = _LENGTH.unpack_from(body)
    start = _LENGTH.size + said
    rows = json.loads(bytes(body[_LENGTH.size : start])) if said else []
    offsets = {(source, channel): (offset, at_ns) for source, channel, offset, at_ns in rows}
    return Frame(kind, first, count, offsets, body[start:], size)
