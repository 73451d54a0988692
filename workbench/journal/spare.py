"""Which file is being written, and the blank one that waits to be next, made beside the work."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from workbench.journal.frame import FILE_HEAD, Offsets
from workbench.journal.segment import Segment, begin, blank

log = logging.getLogger(__name__)

#: The first file is small, so that a journal is ready at once on a busy disk; each one after it is twice as large.
_FIRST_BYTES = 1 << 20

#: Between two pieces of a blank file: it is needed only when the open one is full, and half of that is still free.
_PAUSE_SECONDS = 0.005

_SPARE, _MAKING = "next.spare", "making.spare"


class Files:
    """The open segment of a journal. Used by the committing thread only; blank files are made by another."""

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self._folder = folder
        self._most = segment_bytes
        self._bytes = min(segment_bytes, _FIRST_BYTES)
        self._spare = folder / _SPARE
        self._making = folder / _MAKING
        self._maker: threading.Thread | None = None
        self.open: Segment | None = None
        self._making.unlink(missing_ok=True)

    def current(self, needed: int, first: int, ended: int, offsets: Offsets) -> Segment:
        """A segment with ``needed`` bytes of room; a new one starts at sequence number ``first``.

        Raises:
            OSError: there is no room on the disk for it.
        """
        if self.open is not None and self.open.room >= needed:
            if self.open.room < self.open.size // 2:
                self._prepare()
            return self.open
        if self.open is not None:
            self.open.close(cut=True)
            self.open = None
        self._settle()
        size = max(self._bytes, needed + FILE_HEAD + 4096)
        if not self._spare.exists() or self._spare.stat().st_size < size:
            self._spare.unlink(missing_ok=True)
            blank(self._spare, size)
        self.open = begin(self._spare, self._folder, first, ended, offsets)
        self._bytes = min(self._most, 2 * self._bytes)
        return self.open

    def abandon(self) -> int | None:
        """Write no more to the open segment: what of the last frame reached the disk is not known.

        Returns: the sequence number it starts at; None when none is open.
        """
        first = None
        if self.open is not None:
            first = int(self.open.path.stem)
            try:
                self.open.close(cut=False)
            except OSError as problem:
                log.warning("journal %s: %s", self._folder.name, problem)
            self.open = None
        return first

    def close(self) -> None:
        """Give the unused rest of the open segment, and the spare, back to the disk."""
        self._settle()
        self._spare.unlink(missing_ok=True)
        if self.open is not None:
            self.open.close(cut=True)
            self.open = None

    def _prepare(self) -> None:
        if self._maker is None and not self._spare.exists():
            self._maker = threading.Thread(target=self._make, name="journal-spare", daemon=True)
            self._maker.start()

    def _make(self) -> None:
        try:
            blank(self._making, self._bytes, _PAUSE_SECONDS)
            self._making.replace(self._spare)
        except OSError as problem:
            log.warning("journal %s: no file can be prepared: %s", self._folder.name, problem)

    def _settle(self) -> None:
        if self._maker is not None:
            self._maker.join()
            self._maker = None
