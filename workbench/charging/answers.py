"""Answers that memory has let go of: a table on disk, and a filter in memory that nearly always says "never heard".

Written by whoever makes snapshots (``follow.py``), read by the node. The filter only saves the look-up: it may say "maybe"
for a new id, never "no" for a known one.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np

KEEP_MICROSECONDS = 48 * 3_600 * 1_000_000
"""Answers are kept two days; callers are promised one."""
_BITS_PER_KEY, _PROBES = 16, 4
_CACHE_KB = 65_536
"""Pages of the table that whoever writes it keeps in memory: fewer would be written several times in one go."""


class _Said(msgspec.Struct):
    account: str = ""


_said = msgspec.json.Decoder(_Said).decode


def account_of(answer: bytes) -> str:
    """The account an answer is about."""
    return _said(answer).account


class Answers:
    """The node's side: read only."""

    def __init__(self, folder: Path) -> None:
        self._path, self._filter_path = folder / "answers.db", folder / "answers.filter"
        self._con: sqlite3.Connection | None = None
        self._bits = b""
        self._size = 0
        self.reopen()

    def reopen(self) -> None:
        """Look again: a snapshot was made.

        The new connection comes before the old one goes: who is alone with a write-ahead log reads all of it first.
        """
        before = self._con
        if self._path.exists() and self._filter_path.exists():
            self._bits = self._filter_path.read_bytes()
            self._size = len(self._bits) * 8
            self._con = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, check_same_thread=False)
            self._con.execute("SELECT 1 FROM answers LIMIT 1").fetchone()
            if before is not None:
                before.close()

    def get(self, key: str) -> tuple[bytes, bytes] | None:
        """(hash of the request, answer) of a key that was answered before."""
        if self._con is None:
            return None
        raw, bits, size = key.encode(), self._bits, self._size
        at = zlib.crc32(raw)
        place = at % size
        if not bits[place >> 3] >> (place & 7) & 1:
            return None  # what most new keys come to
        step = zlib.crc32(raw, 1) | 1
        for _ in range(_PROBES - 1):
            at += step
            place = at % size
            if not bits[place >> 3] >> (place & 7) & 1:
                return None
        row = self._con.execute("SELECT digest, answer FROM answers WHERE key = ?", [key]).fetchone()
        return (row[0], row[1]) if row is not None else None

    def of_accounts(self, accounts: Iterable[str]) -> list[tuple[str, bytes, bytes]]:
        """(key, hash, answer) of everything these accounts were answered; for any thread, on a connection of its own."""
        if not self._path.exists():
            return []
        con = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=30)
        try:
            sql = "SELECT key, digest, answer FROM answers WHERE account = ?"
            return [row for account in accounts for row in con.execute(sql, [account])]
        finally:
            con.close()

    def close(self) -> None:
        """Let go of the table."""
        if self._con is not None:
            self._con.close()
            self._con = None


def write(folder: Path, rows: Iterable[tuple[str, bytes, bytes, int]], now: int) -> int:
    """Add (key, hash, answer, instant), drop what is older than is kept, renew the filter; durable on return.

    A key that is there stays as it is, so doing this twice changes nothing. Answers how many are kept.
    """
    con = sqlite3.connect(folder / "answers.db", isolation_level=None, timeout=30)
    try:
        con.execute("PRAGMA journal_mode=WAL")
        con.execute("PRAGMA synchronous=FULL")
        con.execute(
            "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, digest BLOB, answer BLOB, at INTEGER, account TEXT)"
            " WITHOUT ROWID"
        )
        con.execute("CREATE INDEX IF NOT EXISTS by_account ON answers (account)")
        con.execute(f"PRAGMA cache_size={-_CACHE_KB}")
        con.execute("BEGIN")
        # In the order of the table each page is written once, not once a row: else the disk, which the node syncs to, is busy.
        con.executemany(
            "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)",
            sorted((*row, account_of(row[2])) for row in rows),
        )
        con.execute("DELETE FROM answers WHERE at < ?", [now - KEEP_MICROSECONDS])
        con.execute("COMMIT")
        con.execute(
            "PRAGMA wal_checkpoint(TRUNCATE)"
        )  # the node's connection keeps the log alive: it would only grow
        (count,) = con.execute("SELECT count(*) FROM answers").fetchone()
        filter_ = _filter((key for (key,) in con.execute("SELECT key FROM answers")), count)
    finally:
        con.close()
    temporary = folder / "answers.filter.tmp"
    temporary.write_bytes(filter_)
    temporary.replace(folder / "answers.filter")
    return int(count)


def _filter(keys: Iterable[str], count: int) -> bytes:
    """A filter of the keys: each sets four bits of sixteen that are its share."""
    size = max(64, -(-count * _BITS_PER_KEY // 8) * 8)
    first = np.empty(count, np.int64)
    step = np.empty(count, np.int64)
    for index, key in enumerate(keys):
        raw = key.encode()
        first[index], step[index] = zlib.crc32(raw), zlib.crc32(raw, 1) | 1
    bits = np.zeros(size, np.uint8)
    for probe in range(_PROBES):
        bits[(first + probe * step) % size] = 1
    return np.packbits(bits, bitorder="little").tobytes()
