"""Where DuckDB is opened: in memory, able to touch nothing but what it was given."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from workbench.lake.sql import quote

_PREFIX = "spill-"

EngineError = duckdb.Error
"""Whatever DuckDB raises; other rooms catch it by this name, as only the lake imports the engine."""

EngineOverflow = (duckdb.OutOfRangeException, duckdb.ConversionException)
"""A number did not fit its integer."""

EngineRefused = duckdb.PermissionException
"""A query reached for a file outside what the connection was given."""


def connect(
    readable: Sequence[str | Path], scratch: Path | None, threads: int, memory_limit: str
) -> duckdb.DuckDBPyConnection:
    """An in-memory database that can touch nothing but ``readable`` files and folders and its spill folder.

    ``SET TimeZone`` makes every zoned text an instant in UTC; the configuration is locked at the end, so that
    no query can widen what this connection may reach. Threads and memory are fixed for its life.

    Args:
        scratch: where larger work spills; None keeps it in memory or fails.
        memory_limit: DuckDB's own unit text, ``1GB``.
    """
    con = duckdb.connect(":memory:")
    con.execute(f"SET threads={int(threads)}")
    con.execute(f"SET memory_limit={quote(memory_limit)}")
    con.execute(f"SET temp_directory={quote(str(scratch) if scratch else '')}")
    con.execute("SET TimeZone='UTC'")
    con.execute("SET autoinstall_known_extensions=false")
    con.execute("SET allow_community_extensions=false")
    places = [Path(item).expanduser().resolve() for item in [*readable, *([scratch] if scratch else [])]]
    files = ", ".join(quote(str(place)) for place in places if not place.is_dir())
    folders = ", ".join(quote(str(place)) for place in places if place.is_dir())
    con.execute(f"SET allowed_paths=[{files}]")
    con.execute(f"SET allowed_directories=[{folders}]")
    con.execute("SET enable_external_access=false")
    con.execute("SET lock_configuration=true")
    return con


def one(con: duckdb.DuckDBPyConnection, sql: str, params: Any = None) -> tuple[Any, ...] | None:
    """The first row of a small result, or None.

    The result is read to its end: DuckDB 2 refuses to register, unregister or begin on a connection that
    still has rows to give, which ``fetchone`` leaves behind even after a single row.
    """
    rows = con.execute(sql, params).fetchall() if params is not None else con.execute(sql).fetchall()
    return rows[0] if rows else None


def arrow(con: duckdb.DuckDBPyConnection, sql: str, params: Any = None) -> pa.Table:
    """A result as an Arrow table: DECIMAL stays exact, unlike through ``df()``."""
    con.complete()  # a statement executed before, its result unread, would make DuckDB refuse a relation
    relation = con.sql(sql, params=params) if params is not None else con.sql(sql)
    return relation.to_arrow_table()


def arrow_batches(con: duckdb.DuckDBPyConnection, sql: str, rows: int = 500_000) -> pa.RecordBatchReader:
    """The same a piece at a time; ``con`` is free again once the last one was read."""
    con.complete()
    return con.sql(sql).to_arrow_reader(rows)


def make_scratch(home: Path) -> Path:
    """A spill folder of this process below ``home``, on the lake's own disk; elsewhere if that is read-only.

    The system's temporary folder is often memory, where spilling would cost what it is meant to save.
    """
    prefix = f"{_PREFIX}{os.getpid()}-"
    try:
        home.mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=prefix, dir=home))
    except OSError:
        return Path(tempfile.mkdtemp(prefix=f"workbench-{prefix}"))


def sweep_scratch(home: Path) -> None:
    """Remove spill folders whose process is gone (it was killed before it could)."""
    for folder in home.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
