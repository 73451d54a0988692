"""A node's whole state as one checked file, so that a restart reads the log from there and not from its beginning.

    file = "WBC1" | crc32 of the rest | MessagePack of ``Shot``

Written under another name, synced, renamed: a kill at any moment leaves the snapshot before it. A file that is not what
was written is moved aside, never deleted, and the one before it is used.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import msgspec

from workbench.charging.node import Node
from workbench.charging.portable import account_in, account_out, pool_in, pool_out
from workbench.charging.tariffs import Tariffs
from workbench.errors import ChargingError
from workbench.journal.segment import fsync_dir

_HEAD = struct.Struct("<4sI")
_MAGIC = b"WBC1"


class Shot(msgspec.Struct, array_like=True):
    """Everything. Money is over ``scale``; big integers travel as text (MessagePack's have 64 bits)."""

    position: int
    seq: int
    now: int
    scale: str
    catalogue: str
    counts: tuple[int, int, int]
    pools: list[Any]
    accounts: list[Any]
    moves: list[Any] | None = None


def write(folder: Path, node: Node, position: int) -> Path:
    """Write what a node is after the log's ``position``; keeps this snapshot and the one before it."""
    shot = Shot(
        position, node.seq, node.now, str(node.scale), node.tariffs.text,
        (node.approved, node.refused, node.expired),
        [pool_out(tenant, pool) for (tenant, _), pool in node.pools.items()],
        [account_out(account) for account in node.accounts.values()],
        node.moves_out(),
    )  # fmt: skip
    body = msgspec.msgpack.encode(shot)
    path = folder / f"{position:020d}.snapshot"
    temporary = folder / f".{position:020d}.{os.getpid()}.tmp"
    with temporary.open("wb") as file:
        file.write(_HEAD.pack(_MAGIC, zlib.crc32(body)))
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    fsync_dir(folder)
    for old in listed(folder)[:-2]:
        old.unlink(missing_ok=True)
    return path


def listed(folder: Path) -> list[Path]:
    """The snapshots of a folder, oldest first."""
    return sorted(folder.glob("[0-9]*.snapshot"))


def latest(folder: Path) -> Shot | None:
    """The newest snapshot that is what was written; damaged ones are moved aside."""
    for path in reversed(listed(folder)):
        try:
            return read(path)
        except ChargingError:
            path.replace(path.with_suffix(".damaged"))
    return None


def read(path: Path) -> Shot:
    """A snapshot file.

    Raises:
        ChargingError: ``charging_snapshot``: it is not what was written.
    """
    data = path.read_bytes()
    magic, crc = _HEAD.unpack_from(data) if len(data) > _HEAD.size else (b"", 0)
    if magic != _MAGIC or zlib.crc32(memoryview(data)[_HEAD.size :]) != crc:
        raise ChargingError(
            "A snapshot is not what was written.",
            where=str(path),
            cure="The one before it is used by itself; keep the file for whoever looks for the reason.",
            code="charging_snapshot",
        )
    return msgspec.msgpack.decode(memoryview(data)[_HEAD.size :], type=Shot)


def restore(shot: Shot, tenants: tuple[str, ...]) -> Node:
    """The node a snapshot is of."""
    tariffs = Tariffs(shot.catalogue)
    tariffs.scale = int(shot.scale)
    node = Node(tenants, tariffs)
    node.seq, node.now = shot.seq, shot.now
    node.approved, node.refused, node.expired = shot.counts
    for row in shot.pools:
        pool_in(node, row)
    for row in shot.accounts:
        account_in(node, row)
    if shot.moves:
        node.moves_in(shot.moves)
    return node
