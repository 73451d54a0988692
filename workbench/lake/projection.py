"""``lake.duckdb``: a projection of the manifest for people and pages. Delete it and it comes back the same.

It holds the small tables whole and the large ones as sums (records by hour, charges by line and day). Nothing
is ever read from it to make a fact. It is built beside the lake's other files under a temporary name, sealed
with its hash and the manifest version it stands for, and renamed; a stale one is built again, and one that is
not what was sealed is moved aside, never deleted, and built again (I47).

DuckDB lets one process at a time open a file for writing, and then no other even for reading; this file is
written once and then only attached read-only, so any number of processes may read it.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from workbench.errors import LakeReadOnly
from workbench.lake.engine import connect
from workbench.lake.lake import Lake
from workbench.lake.projection_tables import tables
from workbench.lake.row_hash import row_hash
from workbench.lake.segment import fsync_dir, sha256_of
from workbench.lake.sql import name, quote

_COUNTER = itertools.count(1)
_PROVEN: dict[Path, tuple[int, int, int, str]] = {}


def path_of(lake: Lake) -> Path:
    """Where a lake's projection lies; a lake opened at a version of the past has one of its own."""
    return lake.home / ("lake.duckdb" if lake.pinned is None else f"lake-{lake.pinned}.duckdb")


def ensure(lake: Lake) -> Path:
    """The projection of the version ``lake`` looks at, built when there is none, or none that fits.

    Raises:
        LakeReadOnly: it must be built and this user may not write beside the lake.
        SegmentDamaged: it must be built and a segment is not what the manifest vouches for.
    """
    path = path_of(lake)
    if path.exists():
        seal = _seal_of(path)
        if seal is None or not _is_sealed(path, seal):
            _move_aside(path)
        elif (seal["version"], seal["manifest_sha256"]) == (lake.state.version, lake.state.sha256):
            return path
    return build(lake)


def build(lake: Lake) -> Path:
    """Build the projection of the version ``lake`` looks at and put it in place of the old one."""
    path = path_of(lake)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_COUNTER)}.tmp")
    catalog = f"projection_{next(_COUNTER)}"
    con = lake.con.cursor()
    try:
        con.execute(f"ATTACH {quote(str(temporary))} AS {catalog}")
        try:
            for table, sql in tables(lake).items():
                con.execute(f"CREATE TABLE {catalog}.{name(table)} AS {sql}")
            con.execute(f"CHECKPOINT {catalog}")
        finally:
            con.execute(f"DETACH {catalog}")
        _publish(lake, temporary, path)
    except (duckdb.IOException, PermissionError) as error:
        raise LakeReadOnly(
            "The projection cannot be built here.",
            where=str(path),
            cure="Open it once as a user who may write here, or free some disk space.",
        ) from error
    finally:
        con.close()
        temporary.unlink(missing_ok=True)
        temporary.with_name(temporary.name + ".wal").unlink(missing_ok=True)
    return path


@contextmanager
def read(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose tables are the projection's, read-only and apart from the lake's own connection."""
    path = ensure(lake)
    con = connect([path, path.with_name(path.name + ".wal")], None, 2, "1GB")
    try:
        con.execute(f"ATTACH {quote(str(path))} AS projection (READ_ONLY)")
        con.execute("USE projection")
        yield con
    finally:
        con.close()


def row_hashes(lake: Lake) -> dict[str, str]:
    """The canonical hash of every table of the projection, by name."""
    with read(lake) as con:
        names = [row[0] for row in con.execute("SHOW TABLES").fetchall()]
        return {table: row_hash(con, name(table)) for table in sorted(names)}


def _publish(lake: Lake, temporary: Path, path: Path) -> None:
    """The seal goes first: a crash in between leaves an old file under a new seal, which is noticed."""
    handle = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    seal = {
        "version": lake.state.version,
        "manifest_sha256": lake.state.sha256,
        "sha256": sha256_of(temporary),
        "bytes": temporary.stat().st_size,
    }
    draft = temporary.with_suffix(".seal")
    draft.write_text(json.dumps(seal))
    draft.replace(_seal_path(path))
    temporary.replace(path)
    fsync_dir(path.parent)


def _seal_path(path: Path) -> Path:
    return path.with_name(path.name + ".seal")


def _seal_of(path: Path) -> dict[str, Any] | None:
    try:
        seal = json.loads(_seal_path(path).read_bytes())
        return {
            "version": int(seal["version"]),
            "manifest_sha256": str(seal["manifest_sha256"]),
            "sha256": str(seal["sha256"]),
            "bytes": int(seal["bytes"]),
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_sealed(path: Path, seal: dict[str, Any]) -> bool:
    """Whether the file's bytes are the sealed ones; hashed again only when the file changed on disk."""
    stat = path.stat()
    mark = (stat.st_ino, stat.st_size, stat.st_mtime_ns, seal["sha256"])
    if stat.st_size != seal["bytes"]:
        return False
    if _PROVEN.get(path) != mark:
        if sha256_of(path) != seal["sha256"]:
            return False
        _PROVEN[path] = mark
    return True


def _move_aside(path: Path) -> None:
    """Keep a damaged file for whoever wants to know what happened to it."""
    for number in itertools.count(1):
        aside = path.with_name(f"{path.name}.damaged-{number}")
        if not aside.exists():
            path.replace(aside)
            return
