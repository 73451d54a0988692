"""From a folder to a node: the newest good snapshot, then every batch of the log behind it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workbench.charging import snapshot
from workbench.charging.answers import Answers
from workbench.charging.batches import replay
from workbench.charging.facts import Fact
from workbench.charging.node import Node
from workbench.journal.reader import JournalReader


@dataclass(slots=True)
class Recovered:
    """A node as its folder says.

    Attributes:
        snapshot_position: the log's position the snapshot was taken at; 0 without one.
        position: the log's position the node stands at.
        first_seq: the oldest request whose answer is in memory.
        requests: how many were carried out again.
    """

    node: Node
    snapshot_position: int
    position: int
    first_seq: int
    requests: int


def recover(
    folder: Path,
    tenants: tuple[str, ...],
    upto: int | None = None,
    listen: Callable[[Node], Callable[[Fact], None]] | None = None,
) -> Recovered:
    """Read a folder, up to a position of its log; changes nothing in it but to move a damaged snapshot aside.

    Args:
        listen: given the node before the log is read, answers who is told what happens.

    Raises:
        ChargingError: the log's requests do not give the log's answers.
        JournalDamaged, JournalGone: the log is not what was written.
    """
    shot = snapshot.latest(folder)
    node = snapshot.restore(shot, tenants) if shot is not None else Node(tenants)
    found = Recovered(node, shot.position if shot else 0, shot.position if shot else 0, node.seq + 1, 0)
    older = Answers(folder)
    node.older, node.replaying = older.get, True
    node.facts = listen(node) if listen is not None else None
    try:
        advance(found, folder, upto)
    finally:
        older.close()
        node.older, node.replaying = None, False
    return found


def advance(found: Recovered, folder: Path, upto: int | None = None) -> None:
    """Carry out what the log holds behind ``found.position``; stops at ``upto`` when it is given."""
    reader = JournalReader(folder / "log", found.position)
    was = gc.isenabled()
    gc.disable()
    try:
        while (upto is None or found.position < upto) and (read := reader.read()) is not None:
            for number, message in enumerate(read.messages, read.first):
                if upto is not None and number >= upto:
                    break
                found.requests += replay(found.node, message)
                found.position = number + 1
    finally:
        if was:
            gc.enable()
