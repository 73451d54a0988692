"""A folder in which files appear. Lines go to the journal in pieces of about a megabyte, whole files when they are no lines.

How far a file was read is an offset like any other, in the same commit as its pieces: killed in the middle of a file we
read on there. A file that is done moves to ``done/``; one that is too large for a message, to ``refused/``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from workbench.clock import nanoseconds
from workbench.collectors.collector import Collector
from workbench.collectors.source import FileSource
from workbench.errors import SourceError
from workbench.journal.journal import Journal
from workbench.journal.message import PAYLOAD_BYTES_MAX
from workbench.journal.recovery import stored_offsets
from workbench.journal.several import journals

DONE, REFUSED = "done", "refused"
_POLL_SECONDS = 0.2
_PIECE = 1 << 20
_UNFINISHED = (".tmp", ".part", ".crdownload", ".swp", "~")
_TYPES = {
    ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson", ".json": "application/json",
    ".csv": "text/csv", ".tsv": "text/csv", ".txt": "text/csv", ".cbor": "application/cbor",
    ".senml": "application/senml+json", ".senmlc": "application/senml+cbor", ".parquet": "application/vnd.apache.parquet",
}  # fmt: skip
_LINES = {"application/x-ndjson": False, "text/csv": True}


class FileCollector(Collector):
    """Watches one folder, not those below it. The topic of a message is the file's name."""

    def __init__(
        self, source: FileSource, journal: Journal, now_ns: Callable[[], int] = nanoseconds, worker: str = "0"
    ) -> None:
        super().__init__(source, journal, now_ns, worker)
        self.source = source
        self.folder = Path(source.folder)
        self._seen: dict[Path, tuple[int, int, float]] = {}

    def start(self) -> None:
        """Watch. Raises ``SourceError`` when the folder cannot be used."""
        try:
            for name in (DONE, REFUSED):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise SourceError(
                f"The folder cannot be used: {problem.strerror}.",
                where=str(self.folder),
                cure="Check its rights.",
            ) from None
        self.stats.connected = True
        self.begin_thread("files", self._run)

    def stop(self, for_good: bool = False) -> None:
        """Finish the piece in hand; the rest of the file is read on at the next start."""
        self.end_thread()

    def lag(self) -> int | None:
        """Files that wait."""
        return len(self._waiting())

    def _waiting(self) -> list[Path]:
        return sorted(
            path
            for path in self.folder.iterdir()
            if path.is_file() and not path.name.startswith(".") and not path.name.endswith(_UNFINISHED)
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                for path in self._waiting():
                    if self._settled(path) and not self._stopping.is_set():
                        self._take(path)
            except OSError as problem:
                self.note(f"the folder cannot be read: {problem}")
            self._stopping.wait(_POLL_SECONDS)

    def _settled(self, path: Path) -> bool:
        """Whether nobody has written to it for long enough."""
        now = path.stat()
        size, modified, since = self._seen.get(path, (-1, -1, 0.0))
        if (size, modified) != (now.st_size, now.st_mtime_ns):
            self._seen[path] = (now.st_size, now.st_mtime_ns, time.monotonic())
            return False
        return time.monotonic() - since >= self.source.settle_seconds

    def _take(self, path: Path) -> None:
        content_type = _TYPES.get(path.suffix.lower(), self.source.content_type)
        if content_type not in _LINES and path.stat().st_size > PAYLOAD_BYTES_MAX:
            self.stats.refused += 1
            self.note(f"{path.name} is larger than a message may be; bring it in with: workbench ingest")
            self._move(path, REFUSED)
            return
        stat = path.stat()
        channel = f"{path.name}:{stat.st_size}:{stat.st_mtime_ns}"
        found = stored_offsets(journals(self.journal.folder.parent)).get((self.name, channel))
        for start, end, payload in _pieces(path, found[0] if found else 0, content_type):
            while self.held_back():
                if self._stopping.wait(0.05):
                    return
            message = self.message(path.name, payload, content_type, channel=channel, offset=start)
            self.keep([message], {(self.name, channel): end}, self._count)
            if self._stopping.is_set():
                break
        else:
            self.journal.flush()  # what is moved away must be in the journal
            self._move(path, DONE)

    def _count(self) -> None:
        self.stats.acknowledged += 1

    def _move(self, path: Path, folder: str) -> None:
        target = self.folder / folder / path.name
        number = 1
        while target.exists():
            target = self.folder / folder / f"{path.stem}-{number}{path.suffix}"
            number += 1
        path.rename(target)
        self._seen.pop(path, None)


def _pieces(path: Path, start: int, content_type: str) -> Iterator[tuple[int, int, bytes]]:
    """(first byte, byte after the last, payload) of each message of a file from ``start`` on."""
    with path.open("rb") as handle:
        if content_type not in _LINES:
            if start == 0:
                payload = handle.read()
                yield 0, max(len(payload), 1), payload
            return
        header = handle.readline(_PIECE) if _LINES[content_type] else b""
        handle.seek(max(start, len(header)))
        while True:
            at = handle.tell()
            lines = handle.readlines(_PIECE)
            if not lines:
                return
            yield at, handle.tell(), header + b"".join(lines)
