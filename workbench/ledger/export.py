"""The ledger for other people's tools: CSV for spreadsheets and ERPs, hledger and beancount for accountants.

Amounts are decimal text of the currency's main unit, exact to the nano-unit. Ids come from users: what a
spreadsheet would run as a formula gets a leading apostrophe, and what a journal format would read as syntax
is escaped so that two different ids never become one account.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from workbench.lake.lake import Lake
from workbench.ledger.chart import parse
from workbench.model.money import NANO, decimal_text

_FORMULA = re.compile(r"^\s*[=+\-@\t\r]")
_BATCH_ROWS = 20_000
COLUMNS = (
    "entry_no", "booked_at", "tx_id", "posting_key", "debit_account", "credit_account", "currency", "amount",
    "period", "invoice_no", "memo", "hash",
)  # fmt: skip


class Row(NamedTuple):
    """One entry as exports see it; ``amount`` is decimal text of the main unit."""

    entry_no: int
    booked_at: datetime
    tx_id: str
    posting_key: str
    debit_account: str
    credit_account: str
    currency: str
    amount: str
    period: str
    invoice_no: str
    memo: str
    hash: str


def rows(lake: Lake, *, period: str | None = None) -> Iterator[Row]:
    """Entries in ledger order, read in batches; of one billing period when it is given."""
    found = lake.con.cursor().execute(
        "SELECT entry_no, booked_at, tx_id, posting_key, debit_account, credit_account, currency, "
        "amount_nano::HUGEINT, period, invoice_no, memo, hash "
        f"FROM {lake.scan('ledger')} WHERE period = coalesce(?, period) ORDER BY entry_no",
        [period],
    )
    while batch := found.fetchmany(_BATCH_ROWS):
        for row in batch:
            amount = decimal_text(Fraction(row[7], NANO), 2)
            yield Row._make((*row[:7], amount, *row[8:]))


def safe_cell(text: str) -> str:
    """Text that a spreadsheet shows and does not run: a formula start, also after blanks, gets an apostrophe.

    >>> safe_cell("=1+1"), safe_cell("acme")
    ("'=1+1", 'acme')
    """
    return f"'{text}" if _FORMULA.match(text) else text


def to_csv(found: Iterable[Row]) -> str:
    """CSV with a header (RFC 4180, ``\\r\\n``). Numbers are written as numbers, texts through
    ``safe_cell``.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in found:
        writer.writerow([_cell(name, value) for name, value in zip(COLUMNS, row, strict=True)])
    return out.getvalue()


def to_hledger(found: Iterable[Row]) -> str:
    """An hledger journal: one transaction per ``tx_id``, balanced, with the chain's hashes as tags."""
    blocks = []
    for tx_id, entries in groupby(found, key=lambda row: row.tx_id):
        group = list(entries)
        lines = [f"{group[0].booked_at:%Y-%m-%d} {_plain(tx_id)}"]
        for row in group:
            for account, sign in ((row.debit_account, ""), (row.credit_account, "-")):
                lines.append(f"    {hledger_account(account)}  {sign}{row.amount} {row.currency}")
            lines[-1] += f"  ; entry:{row.entry_no}, hash:{row.hash[:16]}"
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n" if blocks else ""


def to_beancount(found: Iterable[Row]) -> str:
    """A beancount file: the accounts opened, then one transaction per ``tx_id``."""
    opened: dict[str, datetime] = {}
    blocks = []
    for tx_id, entries in groupby(found, key=lambda row: row.tx_id):
        group = list(entries)
        lines = [f'{group[0].booked_at:%Y-%m-%d} * "{_quoted(tx_id)}"']
        for row in group:
            for account, sign in ((row.debit_account, ""), (row.credit_account, "-")):
                name = beancount_account(account)
                opened[name] = min(opened.get(name, row.booked_at), row.booked_at)
                lines.append(f"  {name}  {sign}{row.amount} {row.currency}")
            lines.append(f'    entry: "{row.entry_no}"')
        blocks.append("\n".join(lines))
    opens = [f"{opened[name]:%Y-%m-%d} open {name}" for name in sorted(opened)]
    return "\n".join(opens) + "\n\n" + "\n\n".join(blocks) + "\n" if blocks else ""


def hledger_account(account: str) -> str:
    """``receivable:acme`` -> ``Assets:Receivable:acme``; other characters than letters, digits and ``._-``
    as %hex.
    """
    kind, name = parse(account)
    escaped = "".join(c if c.isalnum() or c in "._-" else f"%{ord(c):x}." for c in name)
    return f"{kind.section}:{kind.prefix.capitalize()}:{escaped}"


def beancount_account(account: str) -> str:
    """``receivable:acme`` -> ``Assets:Receivable:X--acme``: beancount wants a capital or digit first, then
    letters, digits and dashes. Other characters become their code in hex between dashes.
    """
    kind, name = parse(account)
    escaped = "".join(c if c.isascii() and c.isalnum() else f"-{ord(c):x}-" for c in name)
    start = "" if escaped[0].isdigit() or escaped[0].isupper() else "X--"
    return f"{kind.section}:{kind.prefix.capitalize()}:{start}{escaped}"


def _cell(name: str, value: object) -> object:
    if name == "amount" or not isinstance(value, str):
        return value.isoformat() if isinstance(value, datetime) else value
    return safe_cell(value)


def _plain(text: str) -> str:
    """One line without what hledger reads as status, code, or comment."""
    return re.sub(r"[;|\n\r]", " ", text).lstrip("*!( ") or "-"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
