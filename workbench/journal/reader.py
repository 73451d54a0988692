"""Reading a journal from a position on, while it is being written, from this or another process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import JournalGone
from workbench.journal.frame import CHECKPOINT, Frame
from workbench.journal.message import RawMessage, decoded
from workbench.journal.segment import Cursor, damaged, listed, opened, previous_end

_POLL_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive messages of one journal: ``messages[i]`` has the sequence number ``first + i``.

    Attributes:
        journal: the journal's name (its folder's).
        end: the position to read on from when all of these are safe.
    """

    journal: str
    first: int
    messages: list[RawMessage]

    @property
    def end(self) -> int:
        """The position after the last message."""
        return self.first + len(self.messages)


class JournalReader:
    """Reads messages in the order they were committed. Opening costs nothing; the folder may still be empty.

    Args:
        folder: the journal's.
        position: the sequence number to start at; None is the oldest that is kept.

    A position is a plain number, so it can be kept in the same commit as what was made of the messages.
    """

    def __init__(self, folder: Path, position: int | None = None) -> None:
        self.folder = folder
        self.name = folder.name
        self.position = position or 0
        self._from_oldest = position is None
        self._first: int | None = None
        self._cursor: Cursor | None = None
        self._at_tail = False

    def read(self, bytes_max: int = 8 << 20, wait_seconds: float = 0.0) -> Batch | None:
        """The next messages, up to about ``bytes_max`` of them; None when there are none within ``wait_seconds``.

        Raises:
            JournalDamaged: a record is not what was written; ``position`` says which.
            JournalGone: messages from ``position`` on were let go, or this is not the journal it was stored for.
        """
        deadline = time.monotonic() + wait_seconds
        while (
            batch := self._some(bytes_max) or self._some(bytes_max)
        ) is None:  # twice: its file may be let go
            if time.monotonic() >= deadline:
                return None
            time.sleep(_POLL_SECONDS)
        return batch

    def _some(self, bytes_max: int) -> Batch | None:
        try:
            if self._cursor is None and not self._find():
                return None
        except FileNotFoundError:  # let go between being listed and being opened
            self._cursor = None
            return None
        messages: list[RawMessage] = []
        first, size = self.position, 0
        while size < bytes_max:
            frame = self._next()
            if frame is None:
                if messages or not self._advance():
                    break
                first = self.position
                continue
            if not frame.count:
                continue
            if frame.first < self.position and self._at_tail:
                raise self._ahead(frame.first)
            if frame.end <= self.position:
                continue
            found = decoded(frame.records, frame.count)
            messages += found[max(0, self.position - frame.first) :]
            self.position = frame.end
            size += len(frame.records)
        return Batch(self.name, first, messages) if messages else None

    def _next(self) -> Frame | None:
        """The next whole frame of the segment in hand; None at its end, or when it was let go meanwhile."""
        if self._cursor is None:
            return None
        try:
            frame = self._cursor.next()
        except FileNotFoundError:
            self._cursor = None
            return None
        self._at_tail = self._at_tail or frame is None
        return frame

    def _find(self) -> bool:
        """Go to the segment that holds ``position``. False while there is none."""
        self._at_tail = False
        segments = listed(self.folder)
        if not segments:
            return False
        if self._from_oldest:
            self.position, self._from_oldest = max(self.position, segments[0][0]), False
        holding = [each for each in segments if each[0] <= self.position]
        if not holding:
            first, path = segments[0]
            if self._enter(first, path) > self.position:
                raise JournalGone(
                    f"Message {self.position} of the journal was let go; the oldest kept is {first}.",
                    where=str(self.folder),
                    cure="Start from the oldest, or from a position that was stored with the lake in use.",
                )
            self.position = first
            return True
        self._enter(*holding[-1])
        return True

    def _ahead(self, first: int) -> JournalGone:
        return JournalGone(
            f"Message {first} was just written, but everything below {self.position} is said to be read already.",
            where=str(self.folder),
            cure="This is another journal than the one the position was stored for: was the folder replaced?",
            code="journal_replaced",
        )

    def _enter(self, first: int, path: Path) -> int:
        """Open a segment; returns where the one before it ended."""
        self._cursor, self._first = opened(path), first
        checkpoint = self._cursor.next()
        if checkpoint is None or checkpoint.kind != CHECKPOINT:
            raise damaged(path, self._cursor.at)
        return previous_end(checkpoint)

    def _advance(self) -> bool:
        """At the end of what is whole: on to the next segment when this one is finished. False: nothing more yet.

        Raises:
            JournalDamaged: the next segment says that there was more here than can be read.
        """
        if self._cursor is None or self._first is None:
            return False
        later = [each for each in listed(self.folder) if each[0] > self._first]
        if not later:
            return False
        # The file was finished before the next one began; what came in between is read first.
        at, cursor = self._cursor.at, self._cursor
        try:
            if cursor.next() is not None:
                self._cursor = Cursor(cursor.path, cursor.salt, at)
                return True
            ended = self._enter(*later[0])
        except FileNotFoundError:
            self._cursor = None
            return False
        if self.position < ended:
            self._cursor = None
            raise damaged(cursor.path, at)
        self.position, self._at_tail = max(self.position, later[0][0]), False
        return True
