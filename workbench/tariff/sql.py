"""Running SQL on a connection that somebody else opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb


def run(con: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """Execute a statement to its end and return its rows.

    A DuckDB connection refuses further work while a result is half read, so nothing here leaves one behind.
    """
    return list(con.execute(sql, list(parameters)).fetchall() if parameters else con.execute(sql).fetchall())


def first(
    con: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()
) -> tuple[Any, ...] | None:
    """The first row, or ``None``."""
    rows = run(con, sql, parameters)
    return rows[0] if rows else None
