"""The queue's memory: one append-only file beside the lake's tables, every line chained to the one before.

A line is a JSON object with ``seq``, ``at``, ``who``, ``what`` and ``prev``, the hash of the line before: nothing can be
changed or taken out without the chain telling. Lines are written under the file's lock and synced before anybody is told
that they are; several processes may write (a page and a command line), each reads what the others wrote first. A line that
a crash cut short was never confirmed, and is cut off by the next writer.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from workbench.errors import CaseworkError

Event = dict[str, Any]
_FIRST = "0" * 16


class Log:
    """The file. ``read`` gives what is new since the last call; ``append`` reads, lets ``make`` decide, and writes.

    Args:
        path: made with its folder at the first write; a log that is not there is empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset, self._seq, self._prev = 0, 0, _FIRST

    def read(self) -> list[Event]:
        """Events since the last call, oldest first.

        Raises:
            CaseworkError: ``case_log_damaged``: the chain does not hold.
        """
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            return self._read(file.fileno())

    def append(
        self, make: Callable[[list[Event]], Sequence[Event]], *, at: str, who: str
    ) -> tuple[list[Event], list[Event]]:
        """Write what ``make`` answers, given the events that others wrote meanwhile.

        Returns: the others' events and the written ones. Nothing is written when ``make`` raises.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            others = self._read(handle)
            os.ftruncate(handle, self._offset)
            made: list[Event] = []
            lines = b""
            seq, prev = self._seq, self._prev
            for event in make(others):
                seq += 1
                full = {"seq": seq, "at": at, "who": who, **event, "prev": prev}
                line = json.dumps(full, separators=(",", ":"), ensure_ascii=False).encode()
                prev = _hash(line)
                lines += line + b"\n"
                made.append(full)
            os.lseek(handle, self._offset, os.SEEK_SET)
            _write(handle, lines)
            os.fsync(handle)
            self._offset, self._seq, self._prev = self._offset + len(lines), seq, prev
            return others, made
        finally:
            os.close(handle)

    def _read(self, handle: int) -> list[Event]:
        os.lseek(handle, self._offset, os.SEEK_SET)
        parts = []
        while part := os.read(handle, 1 << 20):
            parts.append(part)
        data = b"".join(parts)
        whole = data[: data.rfind(b"\n") + 1]
        found = []
        for line in whole.splitlines():
            found.append(self._believed(line))
        self._offset += len(whole)
        return found

    def _believed(self, line: bytes) -> Event:
        try:
            event: Event = json.loads(line)
            good = event["prev"] == self._prev and event["seq"] == self._seq + 1
        except (ValueError, KeyError, TypeError):
            good = False
        if not good:
            raise CaseworkError(
                f"The queue's log does not hold together after line {self._seq}.", where=str(self.path),
                cure="Put the file back from a copy: nothing was changed now.", code="case_log_damaged",
            )  # fmt: skip
        self._seq, self._prev = self._seq + 1, _hash(line)
        return event


def _hash(line: bytes) -> str:
    return hashlib.blake2b(line, digest_size=8).hexdigest()


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
