"""What tests ask of a journal."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from workbench.journal.message import RawMessage
from workbench.journal.several import JournalSet


def everything(root: Path) -> list[RawMessage]:
    """All messages of all journals under ``root``."""
    reader, found = JournalSet(root), list[RawMessage]()
    while batches := reader.read():
        for batch in batches:
            found += batch.messages
    return found


def wait_until(what: Callable[[], object], seconds: float = 20.0) -> None:
    """Fails when ``what`` does not come true in time."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
