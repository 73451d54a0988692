"""Several journals under one folder, as the workers of ``workbench collect`` write them, read as one.

journal/            the root
  worker-0/         one journal, one writer
  worker-1/
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from workbench.journal.reader import Batch, JournalReader
from workbench.journal.segment import listed


def journals(root: Path) -> list[Path]:
    """The folders under ``root`` that are journals, by name; ``root`` itself when it is one."""
    if listed(root):
        return [root]
    return sorted(path.parent for path in root.glob("*/lock"))


class JournalSet:
    """Reads every journal under a root, those too that appear later, each from its own position.

    Args:
        root: the folder that holds the journals.
        positions: journal name -> position, as ``positions`` gave them; a journal that is not named starts at its
            oldest message.
    """

    def __init__(self, root: Path, positions: Mapping[str, int] | None = None) -> None:
        self.root = root
        self._given = dict(positions or {})
        self._readers: dict[str, JournalReader] = {}
        self._looked = float("-inf")

    @property
    def positions(self) -> dict[str, int]:
        """Journal name -> where to read on after everything that was returned."""
        return self._given | {name: reader.position for name, reader in self._readers.items()}

    def read(self, bytes_max: int = 8 << 20, wait_seconds: float = 0.0) -> list[Batch]:
        """What is new, at most one batch of ``bytes_max`` a journal; empty when there is nothing in time.

        Raises:
            JournalDamaged, JournalGone: as of ``JournalReader.read``.
        """
        deadline = time.monotonic() + wait_seconds
        while True:
            self._look()
            found = [batch for reader in self._readers.values() if (batch := reader.read(bytes_max))]
            if found or time.monotonic() >= deadline:
                return found
            time.sleep(0.01)

    def _look(self) -> None:
        if time.monotonic() - self._looked < 0.25:
            return
        self._looked = time.monotonic()
        for folder in journals(self.root):
            if folder.name not in self._readers:
                self._readers[folder.name] = JournalReader(folder, self._given.get(folder.name))
