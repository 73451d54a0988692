"""What `workbench verify` asks of a ledger: pure queries, each answering with counts and the first counter-
example.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workbench.lake.engine import one
from workbench.lake.lake import Lake
from workbench.ledger import chain
from workbench.ledger.balances import kind_totals
from workbench.ledger.entry import PAYLOAD_SQL
from workbench.ledger.sql import number

_BATCH_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        invariant: its id (``I31`` ...; see the README of the room).
        ok: whether it holds.
        counts: how much was looked at and how much failed, by name.
        counter_example: the first thing that breaks it, in words; empty when it holds.
    """

    invariant: str
    ok: bool
    counts: dict[str, int] = field(default_factory=dict)
    counter_example: str = ""


def ledger_checks(lake: Lake) -> list[CheckResult]:
    """I31, I32, I33 and I34 over the whole ledger of the version being looked at."""
    return [
        debits_equal_credits(lake),
        entries_are_chained(lake),
        keys_are_unique(lake),
        snapshots_are_sums(lake),
    ]


def debits_equal_credits(lake: Lake) -> CheckResult:
    """I31: each entry has two different sides, one currency and a positive amount, so debits equal credits.

    One row carries both sides, so the sums cannot differ unless a row is malformed; what is looked for is a
    malformed row. I35 holds with it: an entry has one currency column.
    """
    bad = one(
        lake.con,
        f"SELECT entry_no, debit_account, credit_account, amount_nano, currency FROM {lake.scan('ledger')} "
        "WHERE amount_nano <= 0 OR amount_nano IS NULL OR debit_account = credit_account OR currency = '' "
        "OR debit_account IS NULL OR credit_account IS NULL OR currency IS NULL ORDER BY entry_no LIMIT 1",
    )
    count = number(lake.con, f"SELECT count(*) FROM {lake.scan('ledger')}")
    return _result(
        "I31", {"entries": count}, bad and f"entry {bad[0]}: {bad[1]} <- {bad[2]} {bad[3]} {bad[4]}"
    )


def entries_are_chained(lake: Lake) -> CheckResult:
    """I32: entry numbers run 1, 2, 3 ... and every hash follows from the entry and the hash before it."""
    rows = lake.con.cursor().execute(
        f"SELECT entry_no, posting_key, payload_sha256, {PAYLOAD_SQL}, epoch_us(booked_at), prev_hash, hash "
        f"FROM {lake.scan('ledger')} ORDER BY entry_no"
    )
    last, bad = chain.genesis(lake.tenant), ""
    while not bad and (batch := rows.fetchmany(_BATCH_ROWS)):
        for entry_no, key, stored, payload, at, prev, hash_ in batch:
            bad = _broken(last, entry_no, stored, payload, prev)
            if not bad and chain.link(prev, entry_no, key, payload, at) != hash_:
                bad = f"entry {entry_no} ({key}) does not have the hash of its own content"
            if bad:
                break
            last = chain.Head(entry_no, hash_)
    return _result("I32", {"entries": last.entry_no}, bad)


def keys_are_unique(lake: Lake) -> CheckResult:
    """I33: no posting key occurs twice."""
    twice = one(
        lake.con,
        f"SELECT posting_key, count(*) FROM {lake.scan('ledger')} GROUP BY posting_key HAVING count(*) > 1 "
        "ORDER BY posting_key LIMIT 1",
    )
    count = number(lake.con, f"SELECT count(DISTINCT posting_key) FROM {lake.scan('ledger')}")
    return _result("I33", {"keys": count}, twice and f"posting key {twice[0]} was booked {twice[1]} times")


def snapshots_are_sums(lake: Lake) -> CheckResult:
    """I34: every balance a close stored equals the sum of the entries up to that close."""
    closes = lake.facts("close")
    bad = ""
    for name in sorted(closes, key=lambda item: int(closes[item]["sequence"])):
        fact = closes[name]
        summed = {k: str(v) for k, v in kind_totals(lake, upto_entry=int(fact["last_entry_no"])).items()}
        stored = fact["balances"]
        if summed != stored:
            key = min(k for k in summed.keys() | stored.keys() if summed.get(k) != stored.get(k))
            bad = f"close {name} stored {key} = {stored.get(key)}, the entries sum to {summed.get(key)}"
            break
    return _result("I34", {"snapshots": len(closes)}, bad)


def _broken(last: chain.Head, number: int, stored: str, payload: str, prev: str) -> str:
    if number != last.entry_no + 1:
        return f"entry {last.entry_no + 1} is missing: {number} follows {last.entry_no}"
    if prev != last.hash:
        return f"entry {number} does not follow the entry before it"
    return f"entry {number} was changed: its payload has another hash" if stored != payload else ""


def _result(invariant: str, counts: dict[str, int], bad: Any) -> CheckResult:
    return CheckResult(invariant, not bad, counts, bad or "")
