"""The lake: immutable segments, one manifest, and an in-memory DuckDB that reads them.

``Lake.open`` is the only door. Any number of processes may read; one at a time writes, inside
``lake.writer()``. A stage writes its segments with ``write`` (nobody sees them) and then makes one
``commit``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from workbench.clock import SystemClock
from workbench.errors import LakeMissing, LakeReadOnly, UsageError
from workbench.lake import schemas
from workbench.lake.engine import connect, make_scratch
from workbench.lake.lock import exclusive
from workbench.lake.manifest import Manifest, State, base_damaged
from workbench.lake.names import check_name
from workbench.lake.segment import Segment, Verifier, refuse_twice
from workbench.lake.sql import quote as quote
from workbench.lake.sql import read_parquet as read_parquet
from workbench.lake.sweep import sweep
from workbench.lake.writing import PLACE, file_name, share_file, write_file


class Lake:
    """One tenant's facts in one folder (optionally seen through a what-if branch).

    Attributes:
        root: the tenant's folder.
        tenant: whose lake it is.
        branch_name: empty for production.
        pinned: the version this lake was opened at (time travel), or None for the newest.
        con: in-memory DuckDB connection; reads only below the lake and the folders given as ``inputs``.
        home: where this lake writes: ``root``, or the branch's own folder.
        state: the version being looked at.
    """

    def __init__(
        self,
        root: Path,
        tenant: str,
        branch_name: str,
        version: int | None,
        con: duckdb.DuckDBPyConnection,
        scratch: Path,
    ) -> None:
        self.root, self.tenant, self.branch_name, self.pinned = root, tenant, branch_name, version
        self.con = con
        self.scratch = scratch
        self._writing = False
        self._verifier = Verifier(root)
        self.home = root / "branches" / branch_name if branch_name else root
        self._manifest = Manifest(self.home / "manifest")
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
        version: int | None = None,
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
            version: look at the lake as it was at this version; nothing can be written then.
            inputs: files or folders outside the lake that queries of this process may read.
            threads: DuckDB worker threads.
            memory_limit: DuckDB's memory, for example ``1GB``; larger work spills below the lake.

        Raises:
            LakeMissing: nothing is there and ``create`` is false, or there is no such branch or version.
            ManifestDamaged: the manifest chain is broken.
        """
        check_name(tenant, "tenant")
        if branch:
            check_name(branch, "branch")
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
        scratch = make_scratch(root / "spill")
        con = connect([root, *inputs], scratch, threads, memory_limit)
        try:
            return cls(root, tenant, branch, version, con, scratch)
        except BaseException:
            con.close()
            shutil.rmtree(scratch, ignore_errors=True)
            raise

    def close(self) -> None:
        """Close the connection and drop the spill folder."""
        self.con.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def refresh(self) -> State:
        """Look at the newest version (a pinned lake stays where it is) and return its state."""
        base = self._base_state() if self.branch_name else None
        self.state = self._manifest.load(base, self.pinned)
        return self.state

    def _base_state(self) -> State:
        """A branch starts from a version of production, by number and hash, and never sees later ones."""
        try:
            number, sha256 = (self.home / "BASE").read_text().split(" ")
            state = Manifest(self.root / "manifest").load(upto=int(number)) if int(number) else State()
        except (OSError, ValueError) as error:
            raise base_damaged(self.home) from error
        if state.sha256 != sha256:
            raise base_damaged(self.home)
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
        """SQL text of a relation over proven segments; without any, an empty one with the kind's columns."""
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
        """Hold the lake's lock, see the newest version, and sweep what a killed run left behind.

        A branch has a lock of its own: a what-if run and production do not wait for each other.

        Raises:
            LakeLocked: another process writes to this lake (or branch).
            LakeReadOnly: the lake was opened at a version of the past.
        """
        if self.pinned is not None:
            raise self._read_only(f"This lake was opened at its version {self.pinned}.")
        with exclusive(self.home / "LOCK") as orderly:
            self.refresh()
            self._manifest.point_head(self.state)
            if not orderly:
                sweep(self.root, self.home, self._manifest)
            self._writing = True
            try:
                yield self
            finally:
                self._writing = False

    def write(
        self,
        kind: str,
        rows: str | pa.Table | pa.RecordBatchReader,
        *,
        stream: str = "",
        partition: str = "",
        period: str = "",
        order_by: Sequence[str] = (),
        presorted: Sequence[str] = (),
        controls: dict[str, str] | None = None,
        parents: Sequence[Segment] = (),
        meta: dict[str, Any] | None = None,
        origin: str = "",
        con: duckdb.DuckDBPyConnection | None = None,
        row_group_size: int = 1_000_000,
    ) -> Segment:
        """Write one segment durably; it stays invisible until ``commit``.

        Args:
            rows: SQL text, an Arrow table, or a reader that yields it piece by piece.
            order_by: columns to sort by; when no two rows tie, the file's bytes are the same in every run.
            presorted: columns the rows already come ordered by.
            controls: control totals as SQL aggregates over the written file, each an exact integer.
            parents: segments the rows were made from.
            origin: what tells this segment from another with the very same rows (the delivery they came by).
            con: a cursor of ``lake.con`` when several segments are written in parallel.

        Raises:
            LakeReadOnly: outside ``writer()``.
            LakeError: the file does not have the kind's columns.
        """
        self._check_writing()
        folder = self.home / "/".join(
            part for part in (kind, stream, period.replace("/", "_"), partition) if part
        )
        path, count, size, sha256, totals = write_file(
            con or self.con,
            kind,
            rows,
            folder,
            PLACE.join((kind, stream, period, partition, *([origin] if origin else []))),
            order_by=order_by,
            controls=controls or {},
            row_group_size=row_group_size,
        )
        segment = Segment(
            kind=kind,
            path=path.relative_to(self.root).as_posix(),
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
        self._verifier.remember(segment)
        return segment

    def share(self, segment: Segment, *, period: str) -> Segment:
        """The rows of a segment under another period as well, without storing them again; invisible until ``commit``.

        Raises:
            SegmentDamaged: its file is not what the manifest vouches for.
            LakeReadOnly: outside ``writer()``.
        """
        self._check_writing()
        place = (segment.kind, segment.stream, period, segment.partition)
        folder = self.home.joinpath(*(part.replace("/", "_") for part in place if part))
        name = f"{file_name(segment.sha256, PLACE.join(place))}.parquet"
        share_file(Path(self._verifier.path_of(segment)), folder / name)
        shared = replace(segment, path=(folder / name).relative_to(self.root).as_posix(), period=period)
        self._verifier.remember(shared)
        return shared

    def commit(
        self,
        run: dict[str, Any],
        *,
        add: Sequence[Segment] = (),
        remove: Sequence[Segment] = (),
        facts: Mapping[str, Mapping[str, dict[str, Any] | None]] | None = None,
    ) -> int:
        """Make a stage visible: one manifest version, all or nothing.

        Args:
            run: who did what (stage, code version, catalogue hash, seed); kept for ever.
            add: segments that enter.
            remove: segments they replace; the files stay for history.
            facts: small facts as kind -> id -> values; None takes a fact back.

        Returns: the new version number.

        Raises:
            LakeError: ``segment_twice``: a segment is added that is there already, so that its rows would count
                once where they came twice (give ``write`` an ``origin``).
            LakeLocked: another writer committed first.
        """
        self._check_writing()
        refuse_twice(set(self.state.segments), add, remove)
        at = SystemClock().now().isoformat(timespec="microseconds")
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

    @contextmanager
    def as_if(self, add: Sequence[Segment], remove: Sequence[Segment]) -> Iterator[None]:
        """Look at the lake as if this had been committed: for stages that end in one commit together."""
        before, self.state = self.state, self.state.changed(add, remove)
        try:
            yield
        finally:
            self.state = before

    def _check_writing(self) -> None:
        if not self._writing:
            raise self._read_only("This lake is open for reading.")

    def _read_only(self, what: str) -> LakeReadOnly:
        return LakeReadOnly(what, where=str(self.home), cure="Write inside `with lake.writer():`.")

    # -- branches and history --------------------------------------------------------------------------------

    def branch(self, name: str) -> Lake:
        """A what-if branch: reads all of the version looked at, writes beside it, never into production.

        Raises:
            UsageError: a branch of that name exists.
        """
        check_name(name, "branch")
        home = self.root / "branches" / name
        if home.exists():
            raise UsageError(
                f"The branch {name} exists.", where=str(home), cure="Choose another name or drop it."
            )
        draft = home.with_name(f".{name}.tmp")
        shutil.rmtree(draft, ignore_errors=True)
        (draft / "manifest").mkdir(parents=True)
        (draft / "BASE").write_text(f"{self.state.version} {self.state.sha256}")
        draft.rename(home)
        return Lake.open(self.root.parent, self.tenant, branch=name)

    def branches(self) -> list[str]:
        """Names of this lake's what-if branches."""
        return sorted(path.parent.name for path in (self.root / "branches").glob("[!.]*/BASE"))

    def drop_branch(self, name: str) -> None:
        """Delete a branch and what it wrote; production is untouched.

        Raises:
            LakeLocked: a what-if run is writing to it.
        """
        check_name(name, "branch")
        home = self.root / "branches" / name
        if home.is_dir():
            with exclusive(home / "LOCK"):
                shutil.rmtree(home)

    def history(self) -> list[dict[str, Any]]:
        """Every commit, oldest first."""
        return self._manifest.entries()

    def prove_manifest(self) -> State:
        """Read the chain from its first entry, passing over checkpoints, and return the state it ends in."""
        base = self._base_state() if self.branch_name else None
        return self._manifest.load(base, trust_checkpoint=False)
