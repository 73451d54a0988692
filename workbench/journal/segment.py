"""The journal's files: made at full size before they are needed, written from front to back, cut when they are full.

A file is filled with zeros first: a sync that only overwrites costs 0.2 ms here, one that grows the file 0.5 to 2 ms.
It also means that a full disk is met while a file is made, not in the middle of somebody's message.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from workbench.errors import JournalDamaged
from workbench.journal.frame import (
    CHECKPOINT,
    FILE_HEAD,
    FRAME_HEAD,
    Frame,
    Offsets,
    file_head,
    frame_size,
    framed,
    parsed,
    salt_of,
)

SUFFIX = ".journal"
_END = struct.Struct("<Q")
_BLOCK = 1 << 20
_READ = 4 << 20


def listed(folder: Path) -> list[tuple[int, Path]]:
    """(first sequence number, file) of a journal's segments, oldest first."""
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        if path.stem.isdigit():
            found.append((int(path.stem), path))
    return sorted(found)


def fsync_dir(folder: Path) -> None:
    """Make a new or removed name in ``folder`` last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def blank(path: Path, size: int, pause_seconds: float = 0.0) -> None:
    """A file of ``size`` zeros, durably. Raises ``OSError`` when the disk is full, leaving nothing behind.

    With a pause it is made piece by piece, each synced, so that nobody's own sync waits behind all of it.
    """
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o640)
    try:
        os.posix_fallocate(handle, 0, size)
        zeros = bytes(min(_BLOCK, size))
        for at in range(0, size, _BLOCK):
            os.pwrite(handle, zeros[: size - at], at)
            if pause_seconds:
                os.fdatasync(handle)
                time.sleep(pause_seconds)
        os.fsync(handle)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


@dataclass(slots=True)
class Segment:
    """A segment being written. ``at`` is where the next frame goes; ``size`` is the file's."""

    path: Path
    handle: int
    salt: int
    size: int
    at: int

    @property
    def room(self) -> int:
        """Bytes left in the file."""
        return self.size - self.at

    def write(self, frame: bytes) -> None:
        """Write one frame and sync it; on return it is durable. Raises ``OSError``."""
        view, at = memoryview(frame), self.at
        while view:
            done = os.pwrite(self.handle, view, at)
            view, at = view[done:], at + done
        os.fdatasync(self.handle)
        self.at = at

    def close(self, cut: bool) -> None:
        """Let go of the file; ``cut`` gives the unused rest back to the disk."""
        try:
            if cut:
                os.ftruncate(self.handle, self.at)
                os.fsync(self.handle)
        finally:
            os.close(self.handle)


def begin(spare: Path, folder: Path, first: int, ended: int, offsets: Offsets) -> Segment:
    """Make a blank file the segment that starts at ``first``. Raises ``OSError``.

    Its first frame is a checkpoint: all offsets so far, and where the segment before it ends. The sequence numbers
    between ``previous_end`` and ``first`` were never given to anybody.
    """
    handle = os.open(spare, os.O_RDWR)
    try:
        salt = int.from_bytes(os.urandom(4), "little")
        os.pwrite(handle, file_head(salt), 0)
        segment = Segment(folder / f"{first:020d}{SUFFIX}", handle, salt, os.fstat(handle).st_size, FILE_HEAD)
        segment.write(framed(CHECKPOINT, first, 0, offsets, (_END.pack(ended),), salt))
        spare.replace(segment.path)
        fsync_dir(folder)
    except OSError:
        os.close(handle)
        raise
    return segment


@dataclass(slots=True)
class Cursor:
    """Frames of one segment from ``at`` on, as far as they are whole; reads a file that another process writes."""

    path: Path
    salt: int
    at: int = FILE_HEAD
    _data: memoryview = field(default_factory=lambda: memoryview(b""))

    def next(self) -> Frame | None:
        """The next frame, and move past it; None at the end of what is whole so far."""
        frame = parsed(self._data, self.salt)
        if frame is None:
            self._fill()
            frame = parsed(self._data, self.salt)
            if frame is None:
                self._data = memoryview(b"")
                return None
        self._data = self._data[frame.size :]
        self.at += frame.size
        return frame

    def _fill(self) -> None:
        """Read on from ``at``: a good piece, or as much as the frame there needs."""
        with self.path.open("rb") as handle:
            handle.seek(self.at)
            data = handle.read(_READ)
            claimed = frame_size(memoryview(data))
            if claimed is not None and claimed > len(data):
                data += handle.read(claimed - len(data))
        self._data = memoryview(data)

    def frames(self) -> Iterator[Frame]:
        """Every whole frame from here on."""
        while frame := self.next():
            yield frame

    def tail_is_torn(self) -> bool:
        """Whether something was begun at ``at`` and not finished; what came before it is whole.

        Raises:
            JournalDamaged: a whole frame lies behind it. A torn frame is the last thing ever written, so these bytes
                were changed later.
        """
        with self.path.open("rb") as handle:
            handle.seek(self.at)
            rest = handle.read()
        if not rest.strip(b"\x00"):
            return False
        magic, view = framed(0, 0, 0, {}, (), 0)[:4], memoryview(rest)
        place = rest.find(magic, 1)
        while place >= 0:
            if parsed(view[place:], self.salt) is not None:
                raise damaged(self.path, self.at)
            place = rest.find(magic, place + 1)
        return True


def previous_end(checkpoint: Frame) -> int:
    """Where the segment before the one that ``checkpoint`` opens ends, as a sequence number."""
    return int(_END.unpack(checkpoint.records)[0])


def opened(path: Path) -> Cursor:
    """A cursor at the first frame of a segment. Raises ``JournalDamaged`` when the file is none."""
    with path.open("rb") as handle:
        salt = salt_of(handle.read(FILE_HEAD))
    if salt is None:
        raise damaged(path, 0)
    return Cursor(path, salt)


def damaged(path: Path, at: int) -> JournalDamaged:
    """The error that says where a segment is broken."""
    return JournalDamaged(
        "Bytes of the journal are not what was written.",
        where=f"{path}, byte {at + (FRAME_HEAD if at else 0):,}",
        cure="Restore the file from a copy. Messages before that place can still be read.",
    )
