"""The lake: immutable segments, one manifest, and an in-memory DuckDB that reads them.

``Lake.open`` is the only door. Any number of processes may read; one at a time writes, inside ``lake.writer()``.
A stage writes its segments with ``write`` (nobody sees them) and then makes one ``commit``.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from workbench.errors import LakeError, LakeMissing, LakeReadOnly, UsageError
from workbench.lake import schemas
from workbench.lake.lock import exclusive
from workbench.lake.manifest import Manifest, State
from workbench.lake.segment import Segment, Verifier, fsync_dir, sha256_of

_NAME_OK = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


class Lake:
    """One tenant's facts in one folder (optionally seen through a what-if branch).

    Attributes:
        root: the tenant's folder.
        tenant: whose lake it is.
        branch_name: empty for production.
        con: in-memory DuckDB connection; reads only below the lake and the folders given as ``inputs``.
        state: the version being looked at.
    """

    def __init__(
        self, root: Path, tenant: str, branch_name: str, con: duckdb.DuckDBPyConnection, scratch: Path
    ) -> None:
        self.root, self.tenant, self.branch_name = root, tenant, branch_name
        self.con = con
        self.scratch = scratch
        self._writing = False
        self._verifier = Verifier(root)
        self._home = root / "branches" / branch_name if branch_name else root
        self._manifest = Manifest(self._home / "manifest")
        self.state = State()
        self.refresh()

    # -- opening ---------------------------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        path: str | Path,
        tenant: str = "main",
        *,
        create: bool = False,
        branch: str = "",
        inputs: Sequence[str | Path] = (),
        threads: int = 2,
        memory_limit: str = "1GB",
    ) -> Lake:
        """Open a lake for reading; write inside ``with lake.writer():``.

        Args:
            path: the lake's folder.
            tenant: whose facts; one manifest, catalogue and ledger each.
            create: make the folder when there is none.
            branch: read through this what-if branch.
            inputs: files or folders outside the lake that queries of this process may read.
            threads: DuckDB worker threads.
            memory_limit: DuckDB's memory, for example ``1GB``; larger work spills below the lake.

        Raises:
            LakeMissing: nothing is there and ``create`` is false.
            ManifestDamaged: the manifest chain is broken.
        """
        _check_name(tenant, "tenant")
        if branch:
            _check_name(branch, "branch")
        root = Path(path).expanduser().resolve() / tenant
        if not (root / "manifest").is_dir():
            if not create:
                raise LakeMissing(
                    "There is no lake here.",
                    where=str(root),
                    cure="Run `workbench demo` or `workbench ingest` to make one.",
                )
            (root / "manifest").mkdir(parents=True)
        if branch and not (root / "branches" / branch / "manifest").is_dir():
            raise LakeMissing(
                f"This lake has no branch {branch}.", where=str(root), cure="Make it with lake.branch(name)."
            )
        scratch = Path(tempfile.mkdtemp(prefix="workbench-"))
        con = _connect([root, *inputs], scratch, threads, memory_limit)
        return cls(root, tenant, branch, con, scratch)

    def close(self) -> None:
        """Close the connection and drop the spill folder."""
        self.con.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def refresh(self) -> State:
        """Look at the newest version and return its state."""
        base = None
        if self.branch_name:
            base = self._base_state()
        self.state = self._manifest.load(base)
        return self.state

    def _base_state(self) -> State:
        """A branch starts from a version of production, by number and hash, and never sees later ones."""
        version = int((self._home / "BASE").read_text())
        state = Manifest(self.root / "manifest").load(upto=version)
        # The branch's own chain counts from the base's version on, so that segments added later never collide.
        return state

    # -- reading ---------------------------------------------------------------------------------------------

    def segments(
        self, kind: str, *, stream: str | None = None, partition: str | None = None, period: str | None = None
    ) -> list[Segment]:
        """Segments of the version being looked at, in a deterministic order."""
        found = [
            segment
            for segment in self.state.segments.values()
            if segment.kind == kind
            and (stream is None or segment.stream == stream)
            and (partition is None or segment.partition == partition)
            and (period is None or segment.period == period)
        ]
        return sorted(found, key=lambda s: (s.stream, s.period, s.partition, s.path))

    def facts(self, kind: str) -> dict[str, dict[str, Any]]:
        """Small facts of one kind (``delivery``, ``close`` ...) by id."""
        return dict(self.state.facts.get(kind, {}))

    def paths(self, segments: Sequence[Segment], *, fresh: bool = False) -> list[str]:
        """Absolute paths of segments whose bytes are proven.

        Raises:
            SegmentDamaged: a file is not what the manifest vouches for.
        """
        return [self._verifier.path_of(segment, fresh=fresh) for segment in segments]

    def scan(
        self,
        kind: str,
        *,
        stream: str | None = None,
        partition: str | None = None,
        period: str | None = None,
        segments: Sequence[Segment] | None = None,
    ) -> str:
        """SQL text of a relation over proven segments; an empty relation with the kind's columns when none match."""
        chosen = (
            self.segments(kind, stream=stream, partition=partition, period=period)
            if segments is None
            else segments
        )
        if not chosen:
            return schemas.empty_relation(kind)
        return read_parquet(self.paths(chosen))

    # -- writing ---------------------------------------------------------------------------------------------

    @contextmanager
    def writer(self) -> Iterator[Lake]:
        """Hold the lake's lock, see the newest version, and sweep what a killed run left behind."""
        with exclusive(self.root / "LOCK"):
            self._writing = True
            try:
                self.refresh()
                self._sweep()
                yield self
            finally:
                self._writing = False

    def write(
        self,
        kind: str,
        rows: str | pa.Table,
        *,
        stream: str = "",
        partition: str = "",
        period: str = "",
        order_by: Sequence[str] = (),
        presorted: Sequence[str] = (),
        controls: dict[str, str] | None = None,
        parents: Sequence[Segment] = (),
        meta: dict[str, Any] | None = None,
        con: duckdb.DuckDBPyConnection | None = None,
        row_group_size: int = 1_000_000,
    ) -> Segment:
        """Write one segment durably; it stays invisible until ``commit``.

        Args:
            rows: SQL text or an Arrow table.
            order_by: columns to sort by; with all columns of a key the file's bytes are the same in every run.
            presorted: columns the rows already come ordered by.
            controls: control totals as SQL aggregates over the written file, each an exact integer.
            parents: segments the rows were made from.
            con: a cursor of ``lake.con`` when several segments are written in parallel.

        Raises:
            LakeReadOnly: outside ``writer()``.
            LakeError: the file does not have the kind's columns (see ``schemas.check``).
        """
        if not self._writing:
            raise LakeReadOnly(
                "This lake is open for reading.",
                where=str(self.root),
                cure="Write inside `with lake.writer():`.",
            )
        cursor = con or self.con
        folder = self._home / "/".join(
            part for part in (kind, stream, period.replace("/", "_"), partition) if part
        )
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{os.getpid()}-{id(cursor):x}-{next(_COUNTER)}.tmp"
        try:
            self._copy(cursor, rows, temporary, order_by, row_group_size)
            columns, count, totals = _read_back(cursor, temporary, controls or {})
            schemas.check(kind, columns, str(folder))
            _fsync(temporary)
            sha256 = sha256_of(temporary)
            final = folder / f"{_file_name(sha256, kind, stream, period, partition)}.parquet"
            size = temporary.stat().st_size
            temporary.replace(final)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_dir(folder)
        return Segment(
            kind=kind,
            path=final.relative_to(self.root).as_posix(),
            rows=count,
            bytes=size,
            sha256=sha256,
            stream=stream,
            partition=partition,
            period=period,
            sorted_by=tuple(order_by) or tuple(presorted),
            controls=totals,
            parents=tuple(parent.id for parent in parents),
            meta=meta or {},
        )

    @staticmethod
    def _copy(
        cursor: duckdb.DuckDBPyConnection,
        rows: str | pa.Table,
        target: Path,
        order_by: Sequence[str],
        group: int,
    ) -> None:
        name = ""
        if not isinstance(rows, str):
            name = f"rows_{next(_COUNTER)}"
            cursor.register(name, rows)
            rows = f"SELECT * FROM {name}"
        order = f" ORDER BY {', '.join(order_by)}" if order_by else ""
        try:
            cursor.execute(
                f"COPY (SELECT * FROM ({rows}){order}) TO {quote(str(target))} "
                f"(FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2, ROW_GROUP_SIZE {group})"
            )
        finally:
            if name:
                cursor.unregister(name)

    def commit(
        self,
        run: dict[str, Any],
        *,
        add: Sequence[Segment] = (),
        remove: Sequence[Segment] = (),
        facts: dict[str, dict[str, dict[str, Any]]] | None = None,
    ) -> int:
        """Make a stage visible: one manifest version, all or nothing.

        Args:
            run: who did what (stage, code version, catalogue hash, seed); kept for ever.
            add: segments that enter.
            remove: segments they replace; the files stay for history.
            facts: small facts as kind -> id -> values.

        Returns: the new version number.
        """
        if not self._writing:
            raise LakeReadOnly(
                "This lake is open for reading.",
                where=str(self.root),
                cure="Write inside `with lake.writer():`.",
            )
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        self._manifest.commit(
            self.state,
            {
                "at": at,
                "tenant": self.tenant,
                "run": run,
                "add": [segment.to_json() for segment in add],
                "remove": [segment.id for segment in remove if segment.id not in {new.id for new in add}],
                "facts": facts or {},
            },
        )
        return self.state.version

    # -- branches and history --------------------------------------------------------------------------------

    def branch(self, name: str) -> Lake:
        """A what-if branch: reads everything of the version looked at, writes beside it, never into production.

        Raises:
            UsageError: a branch of that name exists.
        """
        _check_name(name, "branch")
        home = self.root / "branches" / name
        if home.exists():
            raise UsageError(
                f"The branch {name} exists.", where=str(home), cure="Choose another name or drop it."
            )
        (home / "manifest").mkdir(parents=True)
        (home / "BASE").write_text(str(self.state.version))
        return Lake.open(self.root.parent, self.tenant, branch=name)

    def drop_branch(self, name: str) -> None:
        """Delete a branch and what it wrote; production is untouched."""
        _check_name(name, "branch")
        shutil.rmtree(self.root / "branches" / name, ignore_errors=True)

    def history(self) -> list[dict[str, Any]]:
        """Every commit, oldest first."""
        return self._manifest.entries()

    def prove_manifest(self) -> State:
        """Read the chain from its first entry, passing over checkpoints, and return the state it ends in."""
        base = self._base_state() if self.branch_name else None
        return self._manifest.load(base, trust_checkpoint=False)

    def _sweep(self) -> None:
        """Remove files no version names: they belong to runs that were killed before their commit."""
        known = {data["path"] for entry in self._manifest.entries() for data in entry["add"]}
        if not self.branch_name:
            folders = [self.root / kind for kind in schemas.KINDS]
        else:
            folders = [self._home / kind for kind in schemas.KINDS]
        for folder in folders:
            for path in folder.rglob("*"):
                if path.is_file() and path.relative_to(self.root).as_posix() not in known:
                    path.unlink()


def read_parquet(paths: Sequence[str]) -> str:
    """SQL text that reads these files as one relation, columns matched by name."""
    listed = ", ".join(quote(path) for path in paths)
    union = ", union_by_name=true" if len(paths) > 1 else ""
    return f"read_parquet([{listed}]{union})"


def quote(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _connect(
    readable: Sequence[str | Path], scratch: Path, threads: int, memory_limit: str
) -> duckdb.DuckDBPyConnection:
    """An in-memory database that can touch nothing but the lake, its inputs and its own spill folder."""
    con = duckdb.connect(":memory:")
    con.execute(f"SET threads={int(threads)}")
    con.execute(f"SET memory_limit={quote(memory_limit)}")
    con.execute(f"SET temp_directory={quote(str(scratch))}")
    con.execute("SET TimeZone='UTC'")
    con.execute("SET autoinstall_known_extensions=false")
    con.execute("SET allow_community_extensions=false")
    folders = ", ".join(quote(str(Path(item).expanduser().resolve())) for item in [*readable, scratch])
    files = [str(Path(item).expanduser().resolve()) for item in readable if Path(item).is_file()]
    if files:
        con.execute(f"SET allowed_paths=[{', '.join(quote(file) for file in files)}]")
    con.execute(f"SET allowed_directories=[{folders}]")
    con.execute("SET enable_external_access=false")
    con.execute("SET lock_configuration=true")
    return con


def _read_back(
    cursor: duckdb.DuckDBPyConnection, path: Path, controls: dict[str, str]
) -> tuple[dict[str, str], int, dict[str, int]]:
    """Columns, rows and control totals of the file as it is on disk, not as it was meant to be."""
    source = read_parquet([str(path)])
    described = cursor.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    aggregates = ", ".join(f"coalesce({sql}, 0)::HUGEINT" for sql in controls.values())
    row = cursor.execute(f"SELECT count(*){', ' + aggregates if aggregates else ''} FROM {source}").fetchone()
    if row is None:
        raise LakeError("A written segment cannot be read back.", where=str(path), code="segment_write")
    totals = {name: int(value) for name, value in zip(controls, row[1:], strict=True)}
    return {name: type_ for name, type_, *_ in described}, int(row[0]), totals


def _file_name(sha256: str, kind: str, stream: str, period: str, partition: str) -> str:
    """Content hash first; the place joins in, since two empty segments of two partitions have the same bytes."""
    place = hashlib.sha256(f"{kind}\x1f{stream}\x1f{period}\x1f{partition}".encode()).hexdigest()
    return f"{sha256[:16]}-{place[:6]}"


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_name(name: str, what: str) -> None:
    if not name or set(name) - _NAME_OK or name.startswith("."):
        raise UsageError(
            f"{name!r} cannot be the name of a {what}.",
            cure="Use letters, digits, dot, dash and underscore, not starting with a dot.",
        )


_COUNTER = itertools.count(1)
