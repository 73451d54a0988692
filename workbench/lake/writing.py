"""How a segment's file comes to be: temporary name, read back, fsync, hash, rename; not visible before."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from workbench.errors import LakeError
from workbench.lake import schemas
from workbench.lake.engine import arrow, one
from workbench.lake.segment import fsync_dir, sha256_of
from workbench.lake.sql import quote, read_parquet

PLACE = "\x1f"
"""Between the parts of a segment's place."""

_COUNTER = itertools.count(1)

# Level 1 of zstd: landing an hour of a city costs half the processor time of level 3, for a sixth more bytes.
_FORMAT = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION v2"


def write_file(
    cursor: duckdb.DuckDBPyConnection,
    kind: str,
    rows: str | pa.Table | pa.RecordBatchReader,
    folder: Path,
    place: str,
    *,
    order_by: Sequence[str],
    controls: dict[str, str],
    row_group_size: int,
) -> tuple[Path, int, int, str, dict[str, int]]:
    """Write ``rows`` durably into ``folder`` under a name made of their hash and ``place``.

    Returns: path, rows, bytes, sha256, control totals.

    Raises:
        LakeError: the file does not have the kind's columns, or cannot be read back.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{os.getpid()}-{next(_COUNTER)}.tmp"
    try:
        _copy(cursor, rows, temporary, order_by, row_group_size)
        columns, count, totals = _read_back(cursor, temporary, controls)
        schemas.check(kind, columns, str(folder))
        _fsync(temporary)
        sha256, size = sha256_of(temporary), temporary.stat().st_size
        final = folder / f"{file_name(sha256, place)}.parquet"
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_dir(folder)
    return final, count, size, sha256, totals


def file_name(sha256: str, place: str) -> str:
    """Content hash, then place: two empty segments of two partitions have the same bytes."""
    return f"{sha256[:16]}-{hashlib.sha256(place.encode()).hexdigest()[:6]}"


def share_file(source: Path, target: Path) -> None:
    """Give a file that never changes a second name, durably; a copy where the disk knows no second names."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{os.getpid()}-{next(_COUNTER)}.tmp")
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copyfile(source, temporary)
        _fsync(temporary)
    # Were both names the same file already, a rename would leave the temporary one: remove it either way.
    temporary.replace(target)
    temporary.unlink(missing_ok=True)
    fsync_dir(target.parent)


def _copy(
    cursor: duckdb.DuckDBPyConnection,
    rows: str | pa.Table | pa.RecordBatchReader,
    target: Path,
    order_by: Sequence[str],
    group: int,
) -> None:
    """Rows go through Arrow on their way: the database marks columns it *knows* to be free of NULL in the file,
    and what it knows depends on how it computed them, so that equal rows of two plans would have unequal bytes.
    """
    order = f" ORDER BY {', '.join(order_by)}" if order_by else ""
    if isinstance(rows, str):
        rows, order = arrow(cursor, f"SELECT * FROM ({rows}){order}"), ""
    registered = f"rows_{next(_COUNTER)}"
    cursor.register(registered, rows)
    try:
        cursor.execute(
            f"COPY (SELECT * FROM {registered}{order}) TO {quote(str(target))} "
            f"({_FORMAT}, ROW_GROUP_SIZE {group})"
        )
    finally:
        cursor.unregister(registered)


def _read_back(
    cursor: duckdb.DuckDBPyConnection, path: Path, controls: dict[str, str]
) -> tuple[dict[str, str], int, dict[str, int]]:
    """Columns, rows and control totals of the file as it is on disk, not as it was meant to be."""
    source = read_parquet([str(path)])
    described = cursor.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    aggregates = "".join(f", coalesce({sql}, 0)::HUGEINT" for sql in controls.values())
    row = one(cursor, f"SELECT count(*){aggregates} FROM {source}")
    if row is None:
        raise LakeError("A written segment cannot be read back.", where=str(path), code="segment_write")
    totals = {name: int(value) for name, value in zip(controls, row[1:], strict=True)}
    return {name: type_ for name, type_, *_ in described}, int(row[0]), totals


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
