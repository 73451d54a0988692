"""The journal against SQLite used purely as an append log, and against its own disk: rounds interleaved in one run.

    python benchmarks/journal.py

Each appends the same 120-byte messages in groups and makes every group durable before the next. The figures in
``workbench/journal/README.md`` come from here.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from workbench.journal.journal import Journal
from workbench.journal.message import RawMessage, encoded
from workbench.journal.reader import JournalReader

SMOKE = os.environ.get("WORKBENCH_BENCH") == "smoke"
ROUNDS = 1 if SMOKE else 7
GROUPS = 20 if SMOKE else 200
PAYLOAD = b'{"device_id":"lamp-000017","event_id":"0123456789abcdef","energy_mwh":4711,"ts":"2026-03-02T00:00:01.234Z"}'


def _messages(size: int) -> list[RawMessage]:
    return [
        RawMessage("main", "lamps", f"lamp-{n % 1000}", f"lamps/{n % 1000}", "application/json", PAYLOAD, n)
        for n in range(size)
    ]


def own_log(folder: Path, groups: Iterable[list[RawMessage]]) -> None:
    """Our journal, a sync a group."""
    with Journal(folder / "journal") as journal:
        for group in groups:
            journal.append(group)
            journal.flush()


def sqlite_log(folder: Path, groups: Iterable[list[RawMessage]]) -> None:
    """SQLite, WAL, synchronous=FULL: a transaction a group; one BLOB a message, encoded as the journal's."""
    con = sqlite3.connect(folder / "log.sqlite", isolation_level=None)
    con.execute("PRAGMA journal_mode=WAL")
    con.execute("PRAGMA synchronous=FULL")
    con.execute("CREATE TABLE log (seq INTEGER PRIMARY KEY, record BLOB)")
    for group in groups:
        con.execute("BEGIN")
        con.executemany("INSERT INTO log (record) VALUES (?)", [(encoded(message),) for message in group])
        con.execute("COMMIT")
    con.close()


def _seconds(what: Callable[[Path, Iterable[list[RawMessage]]], None], size: int) -> float:
    folder = Path(tempfile.mkdtemp(prefix="bench-journal-"))
    groups = [_messages(size)] * GROUPS
    try:
        begun = time.perf_counter()
        what(folder, groups)
        return time.perf_counter() - begun
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("size", [1, 64, 512, 4096])
def test_own_log_against_sqlite(size: int) -> None:
    """Prints messages a second of both; compared by people."""
    own, theirs = [], []
    for _ in range(ROUNDS):
        own.append(_seconds(own_log, size))
        theirs.append(_seconds(sqlite_log, size))
    a, b = (size * GROUPS / statistics.median(each) for each in (own, theirs))
    print(f"\ngroups of {size:5}: own log {a:10,.0f}/s, SQLite {b:10,.0f}/s, ratio {a / b:.2f}")
    assert a > 0
    assert b > 0


def test_reading_back() -> None:
    """Prints messages a second of one reader."""
    folder = Path(tempfile.mkdtemp(prefix="bench-journal-"))
    total = 20_000 if SMOKE else 400_000
    try:
        with Journal(folder / "journal") as journal:
            for _ in range(total // 1000):
                journal.append(_messages(1000))
            journal.flush()
        begun, found = time.perf_counter(), 0
        reader = JournalReader(folder / "journal")
        while batch := reader.read():
            found += len(batch.messages)
        print(f"\nread back {found / (time.perf_counter() - begun):,.0f}/s")
        assert found == total
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    for each in (1, 64, 512, 4096):
        test_own_log_against_sqlite(each)
    test_reading_back()
