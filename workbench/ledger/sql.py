"""Two ways to read a small result. DuckDB keeps a result open until its last row was fetched, and a
connection with an open result refuses other work, so results are always read to the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb


def one(con: duckdb.DuckDBPyConnection, sql: str, values: Sequence[object] = ()) -> tuple[Any, ...] | None:
    """The first row, or ``None``; the result is read to its end, so end such a query with LIMIT 1."""
    rows: list[tuple[Any, ...]] = con.execute(sql, list(values)).fetchall()
    return rows[0] if rows else None


def number(con: duckdb.DuckDBPyConnection, sql: str, values: Sequence[object] = ()) -> int:
    """The one integer a query yields; 0 for NULL or no row."""
    row = one(con, sql, values)
    return int(row[0]) if row and row[0] is not None else 0
