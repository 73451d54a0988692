"""A small reading helper on top of ``lake.engine``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.lake.engine import one

if TYPE_CHECKING:
    import duckdb


def number(con: duckdb.DuckDBPyConnection, sql: str, values: Sequence[object] = ()) -> int:
    """The one integer a query yields; 0 for NULL or no row."""
    row = one(con, sql, list(values))
    return int(row[0]) if row and row[0] is not None else 0
