"""One batch of requests as a journal message: what was asked, in order, and a checksum of what was answered.

The instant of the batch is the message's ``received_at_ns``. A batch without requests is the clock's: it expires what is
due at its instant, and so does every other batch before its first request.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import msgspec

from workbench.charging.messages import Wish, decode
from workbench.charging.node import Node
from workbench.charging.sessions import bad_group
from workbench.errors import ChargingError
from workbench.journal.message import RawMessage


class Batch(msgspec.Struct, array_like=True):
    """``seq`` is the node's after this batch; ``answers`` the CRC-32 of its answers, one after the other."""

    seq: int
    answers: int
    records: list[bytes]


class Seen(NamedTuple):
    """A request that was carried out again, with its answer."""

    record: bytes
    answer: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Batch).decode


def pack(seq: int, records: list[bytes], answers: int) -> bytes:
    """A batch as bytes."""
    return _encode(Batch(seq, answers, records))


def unpack(message: RawMessage) -> list[bytes]:
    """The requests of a batch, in order."""
    return _decode(message.payload).records


def _first_bad_group(records: list[bytes]) -> str:
    for record in records:
        ask = decode(record)
        if isinstance(ask, Wish) and bad_group(ask):
            return f"{ask.id} of account {ask.account}, rating group {str(ask.rating_group)[:40]}"
    return ""


def replay(node: Node, message: RawMessage) -> int:
    """Carry out a batch again; answers how many requests it held.

    Raises:
        ChargingError: ``charging_replay``: the answers are not those that were given. Nothing may go on then: somebody
            has the others. ``charging_old_groups``: they were given when rating groups were not looked at.
    """
    batch = _decode(message.payload)
    now = message.received_at_ns // 1000
    node.now = now
    node.tick(now)
    said = 0
    carry_out = node.carry_out
    for record in batch.records:
        said = zlib.crc32(carry_out(decode(record), now)[0], said)
    if said != batch.answers or node.seq != batch.seq:
        if not node.any_group and (old := _first_bad_group(batch.records)):
            raise ChargingError(
                "The log has a request with a rating group that was granted once and is refused today.",
                where=f"request {old}, batch of {now}",
                cure="Start the node once with `--accept-old-groups`: what was answered stays, new requests are refused.",
                code="charging_old_groups",
            )
        raise ChargingError(
            f"Carrying out the log again gave other answers near request {batch.seq:,}.",
            where=f"batch of {now}",
            cure="Start the version of the workbench that wrote this log, and report this.",
            code="charging_replay",
        )
    return len(batch.records)
