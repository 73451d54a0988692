"""Who has read how far, and so which files nobody needs any more.

A consumer's position here is a promise: everything below it is safe elsewhere (a lake's commit). It may lag behind
what the consumer knows itself, never lead it.
"""

from __future__ import annotations

import os
from pathlib import Path

from workbench.errors import JournalError
from workbench.journal.segment import fsync_dir, listed

_FOLDER = "consumers"


def keep_position(folder: Path, consumer: str, position: int) -> None:
    """Say that ``consumer`` has everything below ``position``; 0 registers one that has nothing yet.

    Raises:
        JournalError: the name is no plain word.
    """
    if not consumer.replace("-", "").replace("_", "").isalnum():
        raise JournalError(
            f"{consumer!r} is no name of a consumer.",
            cure="Use letters, digits, - and _.",
            code="journal_consumer",
        )
    place = folder / _FOLDER
    place.mkdir(parents=True, exist_ok=True)
    temporary = place / f".{consumer}.{os.getpid()}.tmp"
    with temporary.open("w") as handle:
        handle.write(str(position))
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(place / consumer)
    fsync_dir(place)


def positions(folder: Path) -> dict[str, int]:
    """Every registered consumer's position."""
    found = {}
    for path in (folder / _FOLDER).glob("*"):
        text = "" if path.name.startswith(".") else path.read_text()
        if text.isdigit():
            found[path.name] = int(text)
    return found


def forget(folder: Path, consumer: str) -> None:
    """A consumer that will not come back: it holds no file any longer."""
    (folder / _FOLDER / consumer).unlink(missing_ok=True)


def let_go(folder: Path) -> tuple[int, int]:
    """Delete the segments that every consumer is past; without a consumer nothing is deleted, and nor is the last.

    Returns: files deleted, and bytes of the files that stay.
    """
    segments = listed(folder)
    kept = positions(folder)
    lowest = min(kept.values(), default=0)
    ends = [first for first, _ in segments[1:]]
    gone = [path for (_, path), end in zip(segments, ends, strict=False) if end <= lowest]
    for path in gone:
        path.unlink(missing_ok=True)
    if gone:
        fsync_dir(folder)
    return len(gone), sum(path.stat().st_size for _, path in segments[len(gone) :])
