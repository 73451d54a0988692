"""One writer at a time: an advisory lock on a file of the lake, freed by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import LakeLocked, LakeReadOnly


@contextmanager
def exclusive(path: Path) -> Iterator[bool]:
    """Hold the lake's lock; yields whether the holder before let go in order.

    The file says ``busy PID`` while it is held and is emptied at an orderly end: a holder that was killed, or
    that ended with an error, leaves it busy, and the next one knows that there may be something to sweep.

    Raises:
        LakeLocked: another process holds it; its process id is named when it wrote one.
        LakeReadOnly: this user may not write here.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise LakeReadOnly(
            "This lake cannot be written by this user.", where=str(path), cure="Check who owns the folder."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().removeprefix("busy ").strip() or "unknown"
            raise LakeLocked(
                f"Process {holder} is writing to this lake.",
                where=str(path),
                cure="Wait for it to finish, stop it, or work on another lake.",
            ) from error
        file.seek(0)
        orderly = file.read() == ""
        file.truncate(0)
        file.write(f"busy {os.getpid()}")
        file.flush()
        yield orderly
        file.truncate(0)
