"""The writer: many collectors append, one thread commits them in groups, then tells each that its part is durable.

    collector ── append(messages, offsets, done) ──> waiting ── one frame, one sync ──> done(None) ──> acknowledge

While one group is being synced the next one gathers, so the size of a group follows the load by itself. Nothing is
refused when the disk is full: what waits goes on waiting, unacknowledged, ``state`` says ``read_only``, collectors stop
taking more, and the first attempt that succeeds goes on as if nothing had been.
"""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from workbench.clock import nanoseconds
from workbench.errors import JournalError, JournalLocked
from workbench.journal.consumers import let_go, positions
from workbench.journal.frame import CONFIRM, RECORDS, framed
from workbench.journal.message import RawMessage, encoded
from workbench.journal.recovery import SKIPPED, recover
from workbench.journal.settings import JournalSettings, JournalStats
from workbench.journal.spare import Files

log = logging.getLogger(__name__)

#: Told None when the messages are durable, or the error for which they never will be. Called on the journal's thread.
Done = Callable[[JournalError | None], None]


@dataclass(slots=True)
class _Part:
    records: list[bytes]
    size: int
    offsets: Mapping[tuple[str, str], int]
    done: Done | None


class Journal:
    """One folder, one writer. Use as a context manager; ``close`` commits what still waits.

    Raises:
        JournalLocked: another process has it open.
        JournalDamaged: its last segment is not what was written.
    """

    def __init__(
        self,
        folder: Path,
        settings: JournalSettings | None = None,
        now_ns: Callable[[], int] = nanoseconds,
    ) -> None:
        self.folder = folder
        self.name = folder.name
        self.settings = settings or JournalSettings()
        self._now_ns = now_ns
        self._lock = _locked(folder)
        try:
            found = recover(folder)
            self._files = Files(folder, self.settings.segment_bytes)
        except BaseException:
            self._lock.close()
            raise
        self.torn_tail_cut = found.torn
        self._end, self._next, self._offsets = found.end, found.first, found.offsets
        self._waiting: deque[_Part] = deque()
        self._stats = JournalStats()
        self._confirmed = True
        self._closing = self._read_only = self._backlog_full = False
        self._changed = threading.Condition()
        self._disk = (
            threading.Lock()
        )  # whoever holds it writes; what is appended is taken up only by its holder
        self._swept = self._wrote = 0.0
        self.sync_last = 0.0
        self._thread = threading.Thread(target=self._run, name=f"journal-{self.name}", daemon=True)
        self._thread.start()

    # ---- what collectors call ------------------------------------------------------------------------------------

    def append(
        self,
        messages: Sequence[RawMessage],
        offsets: Mapping[tuple[str, str], int] | None = None,
        done: Done | None = None,
    ) -> None:
        """Hand messages over, in order; returns at once. ``done`` is called when they are durable, from another thread.

        Args:
            offsets: (source, channel) -> where to read on after these messages; the same commit holds both.

        Raises:
            JournalError: the journal is closed.
            ValueError: a message is larger than a record may be.
        """
        records = [encoded(message) for message in messages]
        part = _Part(records, sum(map(len, records)), offsets or {}, done)
        with self._changed:
            if self._closing:
                raise JournalError("The journal is closed.", where=str(self.folder), cure="Open it again.")
            self._waiting.append(part)
            self._stats.waiting_bytes += part.size
            self._changed.notify()

    def commit_here(self, messages: Sequence[RawMessage]) -> bool:
        """Write and sync messages on the caller's thread, for callers who would only wait; on True they are durable.

        False: nothing was done or nothing is known to be durable, because others wait for the disk, the open file is
        full or the disk refuses. ``append`` the same messages then.

        Raises:
            ValueError: a message is larger than a record may be.
        """
        if self._waiting or self._closing or self._read_only or not self._disk.acquire(blocking=False):
            return False
        try:
            segment, records = self._files.open, [encoded(message) for message in messages]
            if self._waiting or segment is None or segment.room < self._bytes_of(records, {}):
                return False
            begun = time.perf_counter()
            if self._write(records, {}) is not None:
                return False
            self.sync_last = time.perf_counter() - begun
            with self._changed:
                self._stats.committed(len(records), sum(map(len, records)), self.sync_last)
            return True
        finally:
            self._disk.release()

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Wait until everything appended so far is durable; False when the time was not enough."""
        finished = threading.Event()
        self.append((), done=lambda _: finished.set())
        return finished.wait(timeout_seconds)

    @property
    def state(self) -> str:
        """``open``; or ``crowded`` (too much waits, or readers are too far behind), ``read_only`` (the disk), ``closed``.

        Anything but ``open`` asks collectors to stop taking more. It turns back by itself.
        """
        if self._closing:
            return "closed"
        if self._read_only:
            return "read_only"
        full = self._stats.waiting_bytes > self.settings.waiting_bytes_max or self._backlog_full
        return "crowded" if full else "open"

    def offset(self, source: str, channel: str) -> int | None:
        """Where a source's channel is to be read on, by what is durable here; None when nothing of it is."""
        found = self._offsets.get((source, channel))
        return found[0] if found else None

    @property
    def end(self) -> int:
        """Sequence number after the last durable message."""
        return self._end

    def stats(self) -> JournalStats:
        """The counters so far, as a copy."""
        with self._changed:
            return self._stats.copy()

    def close(self, timeout_seconds: float = 30.0) -> None:
        """Commit what waits, confirm the last frame, let go of the folder. What cannot be committed is told so."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_seconds)
        self._lock.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- the committing thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._waiting and not self._closing:
                    self._changed.wait(self.settings.idle_seconds)
            with self._disk:
                with self._changed:
                    group, closing = self._group(), self._closing
                if group:
                    self._commit(group)
                elif closing or time.monotonic() - self._wrote > self.settings.idle_seconds / 2:
                    self._confirm()
                if closing and not group:
                    self._files.close()
                    return
            self._sweep()

    def _group(self) -> list[_Part]:
        group: list[_Part] = []
        size = 0
        while self._waiting and (not group or size + self._waiting[0].size <= self.settings.frame_bytes_max):
            group.append(self._waiting.popleft())
            size += group[-1].size
        return group

    def _commit(self, group: list[_Part]) -> None:
        """Make a group durable, however long it takes, then tell its parts; only closing gives up."""
        records = [record for part in group for record in part.records]
        now = self._now_ns()
        moved = {key: (offset, now) for part in group for key, offset in part.offsets.items()}
        error = None
        begun = time.perf_counter()
        if records or moved:
            while (problem := self._write(records, moved)) is not None:
                if self._closing:
                    error = JournalError(
                        f"The journal could not be written: {problem}.",
                        where=str(self.folder),
                        code="journal_full",
                    )
                    break
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, self.settings.retry_seconds)
                self._sweep()
                begun = time.perf_counter()
        self.sync_last = time.perf_counter() - begun
        size = sum(part.size for part in group)
        with self._changed:
            self._stats.waiting_bytes -= size
            if (records or moved) and error is None:
                self._stats.committed(len(records), size, self.sync_last)
        for part in group:
            self._tell(part, error)

    def _write(self, records: list[bytes], moved: dict[tuple[str, str], tuple[int, int]]) -> OSError | None:
        try:
            segment = self._files.current(
                self._bytes_of(records, moved), self._next, self._end, self._offsets
            )
            segment.write(framed(RECORDS, self._next, len(records), moved, records, segment.salt))
        except OSError as problem:
            # What reached the disk is unknown now, and asking again could lie: the next attempt takes a new file,
            # and says in it where this one ends.
            if self._files.abandon() == self._next:
                self._next += SKIPPED  # the new file cannot bear the name of the old one
            self._confirmed = True
            if not self._read_only:
                log.error(
                    "journal %s: cannot write (%s); nothing is acknowledged until it can", self.name, problem
                )
            self._read_only = True
            return problem
        if self._read_only:
            log.warning("journal %s: can write again", self.name)
        self._read_only, self._confirmed = False, False
        self._wrote = time.monotonic()
        self._next += len(records)
        self._end = self._next
        self._offsets |= moved
        return None

    @staticmethod
    def _bytes_of(records: list[bytes], moved: Mapping[tuple[str, str], object]) -> int:
        return sum(map(len, records)) + 200 * len(moved) + 4096

    def _tell(self, part: _Part, error: JournalError | None) -> None:
        if part.done is None:
            return
        try:
            part.done(error)
        except Exception:  # one collector's trouble must not stop the others' acknowledgements
            log.exception(
                "journal %s: a collector failed when it was told that its messages are durable", self.name
            )

    def _confirm(self) -> None:
        """An empty frame after the last one says that it had been whole: a bit that flips in it is found, not cut."""
        if self._confirmed or (segment := self._files.open) is None or segment.room < 4096:
            return
        try:
            segment.write(framed(CONFIRM, self._next, 0, {}, (), segment.salt))
        except OSError:
            self._files.abandon()
        self._confirmed = True

    def _sweep(self) -> None:
        if time.monotonic() - self._swept < self.settings.sweep_seconds:
            return
        self._swept = time.monotonic()
        try:
            _, kept = let_go(self.folder)
        except OSError as problem:
            log.warning("journal %s: cannot remove what was read: %s", self.name, problem)
            return
        self._stats.kept_bytes = kept
        limit = self.settings.backlog_bytes_max
        # The file being written stays, however far everybody has read.
        behind = min(positions(self.folder).values(), default=0) < self._end
        self._backlog_full = limit is not None and behind and kept > limit


def _locked(folder: Path) -> IO[str]:
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise JournalLocked(
            "Another process writes to this journal.",
            where=str(folder),
            cure="Stop it, or use another folder.",
        ) from error
    return file
