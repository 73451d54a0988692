"""From a folder to a node: the newest good snapshot, then every batch of the log behind it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workbench.charging import snapshot
from workbench.charging.answers import Answers
from workbench.charging.batches import replay
from workbench.charging.facts import Fact
from workbench.charging.node import Node
from workbench.charging.sessions import RATING_GROUP_MAX
from workbench.journal.journal import Journal
from workbench.journal.reader import JournalReader
from workbench.journal.segment import fsync_dir
from workbench.journal.settings import JournalSettings

OLD_GROUPS = "accepted-groups"
"""A file of the folder: up to which position of the log rating groups were not looked at."""


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
    *,
    groups_upto: int | None = None,
) -> Recovered:
    """Read a folder, up to a position of its log; changes nothing in it but to move a damaged snapshot aside.

    Args:
        listen: given the node before the log is read, answers who is told what happens.
        groups_upto: up to where rating groups were not looked at; as the folder says when left out.

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
        advance(found, folder, upto, groups_upto)
    finally:
        older.close()
        node.older, node.replaying = None, False
    return found


def advance(found: Recovered, folder: Path, upto: int | None = None, groups_upto: int | None = None) -> None:
    """Carry out what the log holds behind ``found.position``; stops at ``upto`` when it is given."""
    old = old_groups(folder) if groups_upto is None else groups_upto
    reader = JournalReader(folder / "log", found.position)
    was = gc.isenabled()
    gc.disable()
    try:
        while (upto is None or found.position < upto) and (read := reader.read()) is not None:
            for number, message in enumerate(read.messages, read.first):
                if upto is not None and number >= upto:
                    break
                found.node.any_group = number < old
                found.requests += replay(found.node, message)
                found.position = number + 1
                if found.position == old:
                    _forget_groups(found.node)
    finally:
        found.node.any_group = False
        if was:
            gc.enable()


def accept_old_groups(folder: Path, tenants: tuple[str, ...]) -> int:
    """Note that the log up to its end is of a time when rating groups were not looked at, once it is proven to be.

    Every answer is still compared: a log that differs in anything else is refused as before. Whoever reads the log later
    (the node, its snapshots, a check) finds the note; reservations that are open at its end lose a group that is none.

    Returns: the position.

    Raises:
        ChargingError, JournalDamaged, JournalLocked: the log cannot be gone on with, or a node is at work there.
    """
    journal = Journal(folder / "log", JournalSettings(segment_bytes=64 << 20))
    try:
        position = recover(folder, tenants, groups_upto=_NO_END).position
        temporary = folder / f".{OLD_GROUPS}"
        with temporary.open("w") as file:
            file.write(f"{position}\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / OLD_GROUPS)
        fsync_dir(folder)
    finally:
        journal.close()
    return position


_NO_END = 1 << 62


def old_groups(folder: Path) -> int:
    """Up to which position of a folder's log rating groups were not looked at; 0: they always were."""
    path = folder / OLD_GROUPS
    return int(path.read_text()) if path.exists() else 0


def _forget_groups(node: Node) -> None:
    for account in node.accounts.values():
        for made in account.reservations.values():
            if not 0 <= made.rating_group <= RATING_GROUP_MAX:
                made.rating_group = 0
