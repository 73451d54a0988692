"""A segment: one immutable Parquet file and what the manifest vouches for about it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import LakeError, SegmentDamaged

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Segment:
    """One immutable file of facts.

    Attributes:
        kind: what its rows are (``landed``, ``records``, ``charges`` ...; see ``schemas.KINDS``).
        path: relative to the tenant's folder, with ``/``.
        rows: number of rows.
        bytes: size of the file.
        sha256: of the file's bytes, hex.
        stream: ``source.meter`` the rows belong to; empty for tables that have none.
        partition: event-time hour, day or month (``2026-01-01T13``, ``2026-01-01``, ``2026-01``).
        period: billing period the rows belong to, ``start/end`` as dates; empty outside pricing.
        sorted_by: columns the rows are ordered by; a reader may rely on it.
        controls: control totals, exact integers by name.
        parents: ids of the segments these rows were made from.
        meta: small facts of the maker (policy hash, plan hash ...).
    """

    kind: str
    path: str
    rows: int
    bytes: int
    sha256: str
    stream: str = ""
    partition: str = ""
    period: str = ""
    sorted_by: tuple[str, ...] = ()
    controls: dict[str, int] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The segment's name in lineage: kind and the first 16 hex digits of its hash and place."""
        return f"{self.kind}:{self.path.rsplit('/', 1)[-1].removesuffix('.parquet')}"

    def to_json(self) -> dict[str, Any]:
        """Plain types for the manifest; control totals as text, since JSON readers lose digits past 2**53."""
        data = asdict(self)
        data["sorted_by"], data["parents"] = list(self.sorted_by), list(self.parents)
        data["controls"] = {name: str(value) for name, value in self.controls.items()}
        return {name: value for name, value in data.items() if value not in ("", [], {})}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Segment:
        """The inverse of ``to_json``."""
        data = dict(data)
        data["sorted_by"] = tuple(data.get("sorted_by", ()))
        data["parents"] = tuple(data.get("parents", ()))
        data["controls"] = {name: int(value) for name, value in data.get("controls", {}).items()}
        return Segment(**data)


def refuse_twice(present: set[str], add: Sequence[Segment], remove: Sequence[Segment]) -> None:
    """Refuse to add a segment that is among ``present`` ids (less those taken out), or that is added twice.

    Raises:
        LakeError: ``segment_twice``.
    """
    there = present - {segment.id for segment in remove}
    for segment in add:
        if segment.id in there:
            raise LakeError(
                f"A {segment.kind} segment with the same rows and place is in the lake already.",
                where=segment.path,
                cure="Replace it (remove=), or tell the two apart with write(origin=).",
                code="segment_twice",
            )
        there.add(segment.id)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, hex."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def fsync_dir(folder: Path) -> None:
    """Make a rename in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Verifier:
    """Checks a segment's bytes before they are read; a file is hashed again only when it changed on disk.

    A flipped bit in Parquet is often read as a plausible number, and a cut file as a shorter one, so nothing
    is read on trust. The cache key holds inode, size and modification time in nanoseconds.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: dict[str, tuple[int, int, int, str]] = {}

    def remember(self, segment: Segment) -> None:
        """Note a file whose hash was taken from its bytes a moment ago (by the one who wrote it)."""
        stat = (self._root / segment.path).stat()
        self._seen[segment.path] = (stat.st_ino, stat.st_size, stat.st_mtime_ns, segment.sha256)

    def path_of(self, segment: Segment, *, fresh: bool = False) -> str:
        """The absolute path of ``segment`` once its bytes are proven.

        Args:
            segment: what the manifest says.
            fresh: hash the bytes again even if this process has done so before.

        Raises:
            SegmentDamaged: the file is missing, cut, longer, or has other bytes.
        """
        path = self._root / segment.path
        try:
            stat = path.stat()
        except OSError as error:
            raise SegmentDamaged(
                "A segment of the lake is missing.", where=str(path), code="segment_missing", cure=_CURE
            ) from error
        if stat.st_size != segment.bytes:
            raise SegmentDamaged(
                f"A segment has {stat.st_size} bytes where the manifest says {segment.bytes}.",
                where=str(path),
                cure=_CURE,
            )
        mark = (stat.st_ino, stat.st_size, stat.st_mtime_ns, segment.sha256)
        if fresh or self._seen.get(segment.path) != mark:
            if sha256_of(path) != segment.sha256:
                raise SegmentDamaged(
                    "A segment's bytes differ from the ones that were written.", where=str(path), cure=_CURE
                )
            self._seen[segment.path] = mark
        return str(path)


_CURE = "Restore the file from a backup, or rebuild the stage that wrote it from its parents."
