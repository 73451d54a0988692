"""The canonical hash of a table's rows: the same whatever their order, the file's bytes or DuckDB's version.

Each row is written as text in one fixed way, hashed with MD5, and the digests are added as two numbers; the
sums, the row count and the column names then go through SHA-256. Adding makes it independent of order and
sensitive to repeated rows, and it runs in one parallel pass over millions of rows. It finds every accident;
it is no signature (the manifest's SHA-256 over the segments is what vouches for the facts).

A value's text: ``-`` for NULL, else its length, ``:`` and its characters. Instants are microseconds since
1970 and numbers decimal digits, so no engine's taste in formats gets in; DOUBLE, allowed for positions and samples
only, is its shortest exact decimal form.
"""

from __future__ import annotations

import hashlib

import duckdb

from workbench.lake.engine import one
from workbench.lake.sql import name


def row_hash(con: duckdb.DuckDBPyConnection, relation: str) -> str:
    """The canonical hash of a relation's rows, hex.

    Args:
        relation: a table name or anything that may follow FROM.
    """
    columns = sorted(
        (column, type_) for column, type_, *_ in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    )
    text = " || ".join(_text(column, type_) for column, type_ in columns) or "''"
    row = one(
        con,
        f"SELECT count(*), coalesce(sum(md5_number_lower(t)), 0)::VARCHAR, "
        f"coalesce(sum(md5_number_upper(t)), 0)::VARCHAR FROM (SELECT {text} AS t FROM {relation})",
    )
    names = ",".join(column for column, _ in columns)
    return hashlib.sha256(f"{names}|{row}".encode()).hexdigest()


def _text(column: str, type_: str) -> str:
    value = f"epoch_us({name(column)})" if type_ == "TIMESTAMP" else name(column)
    return f"coalesce(strlen({value}::VARCHAR) || ':' || {value}::VARCHAR, '-')"
