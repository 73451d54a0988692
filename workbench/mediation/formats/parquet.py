"""Parquet: read in place by DuckDB, typed columns as they are, nothing copied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import FileUnreadable, UsageError
from workbench.lake.engine import EngineError, EngineRefused
from workbench.lake.sql import quote
from workbench.mediation.formats.request import Request
from workbench.mediation.staging import Decoded

if TYPE_CHECKING:
    import duckdb

NAME = "parquet"
SUFFIXES = (".parquet", ".pq")


def decode(con: duckdb.DuckDBPyConnection, path: Path, request: Request) -> Decoded:
    """The file as it lies; only its footer is read here.

    Raises:
        FileUnreadable: it is truncated, or no Parquet file.
        UsageError: ``con`` is locked and was not opened with this file among its inputs.
    """
    relation = f"read_parquet({quote(str(path))})"
    try:
        described = con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        counted = con.execute(
            f"SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata({quote(str(path))})"
        ).fetchone()
    except EngineRefused:
        cure = "Open the lake with this file among its inputs."
        raise UsageError("This connection may not read the file.", where=str(path), cure=cure) from None
    except EngineError as problem:
        said = str(problem).split("\n")[0]
        cure = "It may have been cut off on its way: fetch it again."
        raise FileUnreadable(f"It is no readable Parquet file: {said}", where=str(path), cure=cure) from None
    numbered = (
        f"(SELECT * EXCLUDE (file_row_number), file_row_number + 1 AS __item_no "
        f"FROM read_parquet({quote(str(path))}, file_row_number=true))"
    )
    rows = int(counted[0] or 0) if counted else 0
    return Decoded(relation, numbered, {name: type_ for name, type_, *_ in described}, rows)
