"""What a journal knows when it is opened: where it ends, which offsets it holds, whether its last write was finished."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from workbench.journal.frame import CONFIRM, Offsets
from workbench.journal.segment import Cursor, damaged, listed, opened

#: More records than any one frame holds: numbers that a reader may have seen and that did not survive are not reused.
SKIPPED = 1 << 24


@dataclass(slots=True)
class Recovered:
    """The end of a journal.

    Attributes:
        end: sequence number after the last record; 0 in a new journal.
        first: the number that the next segment starts at.
        offsets: where each source is read on, with when it was committed.
        torn: whether a last, unfinished and therefore never acknowledged write was cut off.
    """

    end: int = 0
    first: int = 0
    offsets: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    torn: bool = False


def recover(folder: Path) -> Recovered:
    """Read the last segment, and cut from it what was prepared and never used.

    Raises:
        JournalDamaged: the last segment holds something else than what was written.
    """
    segments = listed(folder)
    if not segments:
        return Recovered()
    found, cursor, confirmed = _read(*segments[-1])
    found.torn = cursor.tail_is_torn()
    # A process that was killed may have shown its last frame to a reader before it was durable.
    found.first = found.end if confirmed and not found.torn else found.end + SKIPPED
    if found.first == segments[-1][0]:
        found.first += SKIPPED  # its file would bear the name of an empty one that is there
    os.truncate(cursor.path, cursor.at)
    return found


def stored_offsets(folders: Iterable[Path]) -> Offsets:
    """Where each (source, channel) is read on, over several journals: what was committed last counts.

    A partition of Kafka wanders from worker to worker and so from journal to journal. Reads only.
    """
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for folder in folders:
        if segments := listed(folder):
            for key, value in _read(*segments[-1])[0].offsets.items():
                if key not in found or value[1] >= found[key][1]:
                    found[key] = value
    return found


def _read(first: int, path: Path) -> tuple[Recovered, Cursor, bool]:
    cursor = opened(path)
    checkpoint = cursor.next()
    if checkpoint is None:
        raise damaged(path, cursor.at)
    found = Recovered(end=first, offsets=dict(checkpoint.offsets))
    confirmed = True
    for frame in cursor.frames():
        found.end = frame.end
        found.offsets |= frame.offsets
        confirmed = frame.kind == CONFIRM
    return found, cursor, confirmed
