"""What the old system billed: a file or table with one or more rows per SIM (or account) and an amount each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from workbench.errors import UsageError
from workbench.lake.engine import connect
from workbench.lake.sql import name as ident
from workbench.mediation.decode import decode, format_of
from workbench.mediation.formats.request import Request
from workbench.mediation.looking import Column, look
from workbench.mediation.yamltree import did_you_mean
from workbench.model.money import exact

_NET = {
    "net",
    "amount",
    "billed",
    "charge",
    "charged",
    "charges",
    "total",
    "price",
    "cost",
    "sum",
    "invoiced",
    "revenue",
}
_GROSS = {"gross", "vat", "tax"}
_CURRENCIES = {"eur", "usd", "gbp", "chf"}
_SINCE = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Billed:
    """Billed amounts by key, exact.

    ``by``: ``device`` or ``account``, whichever the file speaks of. ``key_column``, ``amount_column``: what was read.
    ``skipped``: rows without a readable key or amount.
    """

    by: str
    amounts: Mapping[str, Fraction]
    key_column: str
    amount_column: str
    rows: int
    skipped: int = 0


def read_billed(path: Path, work: Path, known: Mapping[str, Sequence[str]], amount: str = "") -> Billed:
    """Read what was billed.

    Args:
        path: CSV, NDJSON or Parquet.
        work: folder for staged files.
        known: ids of the shadow bill by ``device`` and ``account``; the column that shares most with one is the key.
        amount: the amount's column; empty: found by its name.

    Raises:
        FileUnreadable: the file is no input.
        UsageError: no column names the bill's devices or accounts, or none looks like an amount.
    """
    con = connect([path, work], None, 1, "1GB")
    try:
        found = decode(con, path, Request(work, _SINCE, limit=None), format_of(path))
        columns = look(con, found)
        by, key = _key(columns, known, path)
        chosen = _amount(columns, key, amount, path)
        rows = con.execute(
            f"SELECT CAST({ident(key.name)} AS VARCHAR), CAST({ident(chosen.name)} AS VARCHAR) FROM {found.relation}"
            + (" WHERE __problem IS NULL" if found.staged else "")
        ).fetchall()
    finally:
        con.close()
    amounts: dict[str, Fraction] = {}
    skipped = 0
    for name, text in rows:
        value = _number(text, chosen.decimal_comma)
        if name is None or value is None:
            skipped += 1
            continue
        plain = _whole(str(name).strip(), key)
        amounts[plain] = amounts.get(plain, Fraction(0)) + value
    return Billed(by, amounts, key.name, chosen.name, len(rows), skipped)


def _key(columns: Sequence[Column], known: Mapping[str, Sequence[str]], path: Path) -> tuple[str, Column]:
    best: tuple[int, str, Column] | None = None
    for by, ids in known.items():
        wanted = set(ids)
        for column in columns:
            shared = len(wanted.intersection(_whole(value.strip(), column) for value in column.values))
            if shared and (best is None or shared > best[0]):
                best = (shared, by, column)
    if best is None:
        names = ", ".join(column.name for column in columns)
        example = next((f" such as {ids[0]!r}" for ids in known.values() if ids), "")
        cure = f"It has the columns {names}; one of them must hold the devices{example}."
        raise UsageError(
            "No column of the billed file names a device or account of the usage.", where=str(path), cure=cure
        )
    return best[1], best[2]


def _amount(columns: Sequence[Column], key: Column, wanted: str, path: Path) -> Column:
    if wanted:
        for column in columns:
            if column.name == wanted:
                return column
        cure = did_you_mean(wanted, [column.name for column in columns], "It has")
        raise UsageError(f"The billed file has no column {wanted!r}.", where=str(path), cure=cure)
    numeric = [c for c in columns if c is not key and c.numbers and c.time_format in (None, "unix_s")]
    scored = sorted(numeric, key=lambda column: -_score(column))
    if scored and _score(scored[0]) > 0:
        return scored[0]
    if len(numeric) == 1:
        return numeric[0]
    names = ", ".join(column.name for column in columns)
    cure = f"Say which: --billed-amount COLUMN. It has {names}."
    raise UsageError("No column of the billed file looks like an amount.", where=str(path), cure=cure)


def _score(column: Column) -> int:
    words = set(column.words)
    return (
        2 * bool(words & _NET) + bool(words & _CURRENCIES) - 3 * bool(words & _GROSS) + bool("net" in words)
    )


def _number(text: str | None, comma: bool) -> Fraction | None:
    """Decimal text as it is; currency signs and blanks around it are left out."""
    if text is None:
        return None
    plain = text.strip().strip("€$£ ").replace("\u00a0", "")
    try:
        return exact(plain.replace(".", "").replace(",", ".") if comma else plain)
    except ValueError:
        return None


def _whole(text: str, column: Column) -> str:
    """Ids that a table library turned into floats, as whole numbers again."""
    return text.removesuffix(".0") if column.is_float else text
