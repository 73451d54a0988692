"""Booking: postings become numbered, chained entries, one or a million at a time, and enter the lake as a
segment.

Nothing here is visible until the caller commits, so that an invoice and its entries appear in the same
instant.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from workbench.errors import PostingConflict, SettlementError
from workbench.lake.engine import arrow, one
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.ledger import chain
from workbench.ledger.chart import KINDS
from workbench.ledger.entry import PAYLOAD_FIELDS, PAYLOAD_SQL, LedgerEntry, Posting
from workbench.ledger.sql import number

if TYPE_CHECKING:
    import duckdb

MONEY = pa.decimal128(38, 0)
_TEXT = {name: pa.string() for name in ("posting_key", *PAYLOAD_FIELDS)}
POSTING_SCHEMA = pa.schema({**_TEXT, "amount_nano": MONEY})
_COLUMNS = ("posting_key", *PAYLOAD_FIELDS)
_COUNTER = itertools.count(1)
_PREFIXES = ", ".join(f"'{prefix}'" for prefix in sorted(KINDS))
_BAD = " OR ".join(
    [
        "payload_sha256 IS NULL OR posting_key IS NULL",
        "amount_nano <= 0 OR debit_account = credit_account",
        "tx_id = '' OR posting_key = '' OR currency = ''",
        *(
            f"split_part({side}, ':', 1) NOT IN ({_PREFIXES}) OR strpos({side}, ':') IN (0, length({side}))"
            for side in ("debit_account", "credit_account")
        ),
        f"regexp_matches({' || '.join(f'{name}::VARCHAR' for name in _COLUMNS)}, '[\\x00-\\x1f\\x7f]')",
    ]
)
"""The rows that ``Posting`` would refuse, as one SQL condition (a missing field makes the payload hash
NULL).
"""


@dataclass(frozen=True, slots=True)
class Booked:
    """New entries, not yet written.

    Attributes:
        entries: Arrow table with the columns of a ``ledger`` segment, ordered by entry_no.
        replayed: postings that were in the ledger before, with the same payload.
        head: where the chain stands after them.
    """

    entries: pa.Table
    replayed: int
    head: chain.Head


def head(lake: Lake) -> chain.Head:
    """Where the tenant's ledger stands."""
    row = one(lake.con, f"SELECT max(entry_no), max_by(hash, entry_no) FROM {lake.scan('ledger')}")
    return chain.Head(int(row[0]), row[1]) if row and row[0] is not None else chain.genesis(lake.tenant)


def book(lake: Lake, postings: str | pa.Table, now: datetime) -> Booked:
    """Give every new posting its number and hash, in the order of (tx_id, posting_key).

    Args:
        postings: SQL text or Arrow table with the columns of ``POSTING_SCHEMA``.
        now: the instant of booking, UTC.

    Raises:
        PostingConflict: a key was used before, or twice here, with another payload; nothing is booked.
        SettlementError: ``bad_posting`` when a row is not a posting.
    """
    con, name = lake.con, f"postings_{next(_COUNTER)}"
    source = _source(con, postings, name)
    con.execute(
        f"CREATE TEMP TABLE {name} AS SELECT {', '.join(_COLUMNS)}, {PAYLOAD_SQL} AS payload_sha256 "
        f"FROM {source}"
    )
    try:
        _refuse_bad(con, name)
        if number(con, f"SELECT count(*) - count(DISTINCT posting_key) FROM {name}"):
            con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT DISTINCT * FROM {name}")
        _refuse_conflicts(con, name, lake.scan("ledger"))
        fresh = arrow(
            con,
            f"SELECT * FROM {name} ANTI JOIN {lake.scan('ledger')} USING (posting_key) "
            "ORDER BY tx_id, posting_key",
        )
        total = number(con, f"SELECT count(*) FROM {name}")
    finally:
        con.execute(f"DROP TABLE {name}")
        con.unregister(f"{name}_rows")
    start = head(lake)
    entries = _chain(fresh, start, now)
    last = chain.Head(start.entry_no + len(entries), entries["hash"][-1].as_py()) if len(entries) else start
    return Booked(entries, total - len(entries), last)


def write(lake: Lake, booked: Booked, *, period: str, partition: str = "") -> Segment:
    """Write booked entries as a segment of the lake; invisible until the caller's commit."""
    return lake.write(
        "ledger",
        booked.entries,
        period=period,
        partition=partition,
        presorted=("entry_no",),
        controls={"amount_nano": "sum(amount_nano)", "last_entry_no": "max(entry_no)"},
        meta={"head": booked.head.hash},
    )


def post(lake: Lake, postings: Sequence[Posting], *, period: str, now: datetime) -> list[LedgerEntry]:
    """Book a few postings and commit them; an earlier posting with the same key and payload is returned
    instead.

    Must run inside ``lake.writer()``. The answer has the order of ``postings``.

    Raises:
        PostingConflict: see ``book``.
    """
    booked = book(lake, table(postings), now)
    if len(booked.entries):
        segment = write(lake, booked, period=period, partition=f"entry-{booked.head.entry_no:012d}")
        lake.commit({"stage": "post", "entries": len(booked.entries)}, add=[segment])
    found = {entry.posting.posting_key: entry for entry in entries(lake, [p.posting_key for p in postings])}
    return [found[posting.posting_key] for posting in postings]


def reverse(lake: Lake, posting_key: str, *, period: str, now: datetime, memo: str = "") -> LedgerEntry:
    """Undo an entry by its opposite; the second half of a correction is a new posting.

    Must run inside ``lake.writer()``.

    Raises:
        SettlementError: ``unknown_posting`` when no entry has the key.
        PostingConflict: it was reversed before in other words.
    """
    found = entries(lake, [posting_key])
    if not found:
        raise SettlementError(
            "There is no entry to reverse.",
            where=f"posting key {posting_key}",
            cure="Look the key up in the ledger export.",
            code="unknown_posting",
        )
    return post(lake, [found[0].posting.reversed(period=period, memo=memo)], period=period, now=now)[0]


def entries(lake: Lake, posting_keys: Sequence[str]) -> list[LedgerEntry]:
    """The entries with these keys, in ledger order."""
    rows = lake.con.execute(
        f"SELECT entry_no, booked_at, payload_sha256, prev_hash, hash, {', '.join(_COLUMNS)} "
        f"FROM {lake.scan('ledger')} WHERE list_contains(?, posting_key) ORDER BY entry_no",
        [list(posting_keys)],
    ).fetchall()
    return [_entry(row) for row in rows]


def table(postings: Sequence[Posting]) -> pa.Table:
    """Postings as an Arrow table for ``book``."""
    columns = {name: [getattr(posting, name) for posting in postings] for name in POSTING_SCHEMA.names}
    return pa.table(columns, schema=POSTING_SCHEMA)


def _entry(row: tuple[Any, ...]) -> LedgerEntry:
    fields = dict(zip(_COLUMNS, row[5:], strict=True))
    fields["amount_nano"] = int(fields["amount_nano"])
    return LedgerEntry(row[0], Posting(**fields), row[1].replace(tzinfo=UTC), row[2], row[3], row[4])


def _source(con: duckdb.DuckDBPyConnection, postings: str | pa.Table, name: str) -> str:
    if isinstance(postings, str):
        return f"({postings})"
    con.register(f"{name}_rows", postings)
    return f"{name}_rows"


def _refuse_bad(con: duckdb.DuckDBPyConnection, name: str) -> None:
    bad = one(con, f"SELECT {', '.join(_COLUMNS)} FROM {name} WHERE {_BAD} LIMIT 1")
    if bad is not None:
        raise SettlementError(
            "A posting is not complete, or moves nothing, or holds an account or text the ledger refuses.",
            where=f"posting {bad[0]!r}",
            cure="Use known account kinds, a positive amount, and ids without control characters.",
            code="bad_posting",
        )


def _refuse_conflicts(con: duckdb.DuckDBPyConnection, name: str, ledger: str) -> None:
    clash = one(
        con,
        f"SELECT posting_key FROM {name} GROUP BY posting_key HAVING count(*) > 1 UNION ALL "
        f"SELECT n.posting_key FROM {name} n JOIN {ledger} l USING (posting_key) "
        "WHERE n.payload_sha256 <> l.payload_sha256 ORDER BY posting_key LIMIT 1",
    )
    if clash is not None:
        raise PostingConflict(
            "A posting key was used before with another payload.",
            where=f"posting key {clash[0]}",
            cure="Book a correction as a reversal and a new posting with its own key.",
        )


def _chain(fresh: pa.Table, start: chain.Head, now: datetime) -> pa.Table:
    """Append number, instant and hashes; the only part that goes entry by entry."""
    keys, payloads = fresh["posting_key"].to_pylist(), fresh["payload_sha256"].to_pylist()
    hashes = chain.extend(start, keys, payloads, now)
    count = len(keys)
    columns = {
        "entry_no": pa.array(range(start.entry_no + 1, start.entry_no + 1 + count), pa.int64()),
        **{name: fresh[name] for name in ("tx_id", "posting_key", *PAYLOAD_FIELDS[1:], "payload_sha256")},
        "booked_at": pa.array([now.replace(tzinfo=None)] * count, pa.timestamp("us")),
        "prev_hash": pa.array([start.hash, *hashes[:-1]] if count else [], pa.string()),
        "hash": pa.array(hashes, pa.string()),
    }
    return pa.table(columns)
