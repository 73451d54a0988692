"""One writer at a time: an advisory lock on a file of the lake, freed by the kernel when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import LakeLocked


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lake's lock.

    Raises:
        LakeLocked: another process holds it; its process id is named when it wrote one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise LakeLocked(
                f"Process {holder} is writing to this lake.",
                where=str(path),
                cure="Wait for it to finish, stop it, or work on another lake.",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
