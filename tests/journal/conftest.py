from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.journal.journal import Journal
from workbench.journal.message import RawMessage
from workbench.journal.reader import JournalReader
from workbench.journal.settings import JournalSettings

SMALL = JournalSettings(
    segment_bytes=16 << 10, frame_bytes_max=4 << 10, retry_seconds=0.02, idle_seconds=0.02, sweep_seconds=0.0
)


def message(number: int, payload: bytes = b"{}") -> RawMessage:
    return RawMessage(
        "acme", "lamps", f"lamp-{number % 7}", f"lamps/{number % 7}", "application/json", payload, 10**18 + number,
        "events/0", number,
    )  # fmt: skip


def everything(folder: Path, position: int | None = None) -> list[RawMessage]:
    reader, found = JournalReader(folder, position), list[RawMessage]()
    while batch := reader.read():
        found += batch.messages
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "j", SMALL) as opened:
        yield opened
