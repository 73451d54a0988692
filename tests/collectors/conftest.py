from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.journal.journal import Journal
from workbench.journal.settings import JournalSettings

SMALL = JournalSettings(segment_bytes=1 << 20, retry_seconds=0.02, idle_seconds=0.05, sweep_seconds=0.05)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journals" / "worker-0", SMALL) as opened:
        yield opened
