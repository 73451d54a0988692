"""The manifest: a chain of small JSON files, one per commit, each naming the hash of the one before.

A commit is the only moment at which facts become visible, and it is one ``link(2)``: either the whole stage
is there or nothing of it is. Every file carries a seal over its own content, so that a flipped bit is noticed
in the newest version too; ``HEAD`` remembers that version, so that a chain cut at its end is noticed as well.

A live lake commits several times a second. Old entries are therefore moved, byte for byte, into packs of a thousand, one
file of lines each; nothing of the chain is lost, and a folder never holds more than a few thousand files. Checkpoints are
caches: only the newest few are kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import LakeLocked, LakeMissing, ManifestDamaged
from workbench.lake.segment import Segment, fsync_dir

_CHECKPOINT_EVERY = 64
_CHECKPOINTS_KEPT = 3
_PACK, _LOOSE_MAX = 1024, 3072
"""Entries in a pack; and how many entries may lie in files of their own before the oldest are packed."""


@dataclass(slots=True)
class State:
    """What a version of the lake holds: segments by id, facts by (type, id), and where the chain stands."""

    version: int = 0
    sha256: str = ""
    segments: dict[str, Segment] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def apply(self, entry: dict[str, Any], sha256: str) -> None:
        """Move on by one manifest entry."""
        for segment_id in entry["remove"]:
            self.segments.pop(segment_id, None)
        for data in entry["add"]:
            segment = Segment.from_json(data)
            self.segments[segment.id] = segment
        for kind, facts in entry["facts"].items():
            held = self.facts.setdefault(kind, {})
            for name, fact in facts.items():
                if fact is None:  # taken back: what a branch does before it tries a closed period again
                    held.pop(name, None)
                else:
                    held[name] = fact
        self.version, self.sha256 = entry["version"], sha256

    def changed(self, add: Iterable[Segment], remove: Iterable[Segment]) -> State:
        """This state with other segments, as no version says yet."""
        gone = {segment.id for segment in remove}
        segments = {name: segment for name, segment in self.segments.items() if name not in gone}
        return State(
            self.version, self.sha256, segments | {segment.id: segment for segment in add}, self.facts
        )

    def to_json(self) -> dict[str, Any]:
        """The whole state, for a checkpoint."""
        segments = [segment.to_json() for segment in self.segments.values()]
        return {"version": self.version, "sha256": self.sha256, "segments": segments, "facts": self.facts}

    @staticmethod
    def from_json(data: dict[str, Any]) -> State:
        """The inverse of ``to_json``."""
        segments = [Segment.from_json(item) for item in data["segments"]]
        return State(data["version"], data["sha256"], {item.id: item for item in segments}, data["facts"])


class Manifest:
    """The chain in one folder: read it, prove it, add to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._packed: tuple[str, dict[int, bytes]] = ("", {})

    def versions(self) -> list[int]:
        """Version numbers present, ascending."""
        if not self.folder.is_dir():
            return []
        loose, packs = (
            self._loose(),
            self._packs(),
        )  # packed between the two listings: in both, never in neither
        return sorted({*loose, *(v for first, last, _ in packs for v in range(first, last + 1))})

    def _loose(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob("[0-9]*.json"))

    def _packs(self) -> list[tuple[int, int, Path]]:
        """(first version, last version, file) of each pack."""
        found = []
        for path in self.folder.glob("pack-*.jsonl"):
            _, first, last = path.stem.split("-")
            found.append((int(first), int(last), path))
        return sorted(found)

    def load(
        self, base: State | None = None, upto: int | None = None, *, trust_checkpoint: bool = True
    ) -> State:
        """Read the chain into a state.

        Args:
            base: the state a branch starts from; versions of this folder are applied on top of it.
            upto: stop after this version (time travel).
            trust_checkpoint: start from the newest checkpoint instead of the first entry.

        Raises:
            ManifestDamaged: a version is missing, changed, out of order, or newer ones were cut off.
            LakeMissing: there is no version ``upto``.
        """
        before = self._read_head() if upto is None else None
        state = base or State()
        if base is None and trust_checkpoint:
            state = self._newest_checkpoint(upto) or state
        versions = [v for v in self.versions() if v > state.version and (upto is None or v <= upto)]
        hashes = {state.version: state.sha256}
        for expected, version in enumerate(versions, state.version + 1):
            if version != expected:
                raise self._damaged(f"Version {expected} of the manifest is missing.", expected)
            raw = self._read(version)
            entry = self._parse(raw, version)
            if entry["parent_sha256"] != state.sha256:
                raise self._damaged(
                    f"Version {version} of the manifest does not follow the one before it.", version
                )
            state.apply(entry, hashlib.sha256(raw).hexdigest())
            hashes[version] = state.sha256
        if upto is None:
            self._check_head(before, state.version, hashes)
        elif state.version != upto:
            raise LakeMissing(
                f"This lake has no version {upto}; its newest is {state.version}.",
                where=str(self.folder),
                code="version_missing",
            )
        return state

    def commit(self, state: State, entry: dict[str, Any]) -> None:
        """Append ``entry`` after ``state`` and move ``state`` on.

        Raises:
            LakeLocked: another writer committed this version first.
        """
        entry = {"version": state.version + 1, "parent_sha256": state.sha256, **entry}
        raw = _sealed(entry)
        entry = self._parse(raw, entry["version"])  # what later readers will see
        self.folder.mkdir(parents=True, exist_ok=True)
        self._publish(self._file(entry["version"]), raw)
        state.apply(entry, hashlib.sha256(raw).hexdigest())
        self.point_head(state)
        if state.version % _CHECKPOINT_EVERY == 0:
            body = _canonical(state.to_json())
            seal = hashlib.sha256(body).hexdigest().encode()
            self._replace(self.folder / f"checkpoint-{state.version:08d}.state", seal + b"\n" + body)
            for old in sorted(self.folder.glob("checkpoint-*.state"))[:-_CHECKPOINTS_KEPT]:
                old.unlink(missing_ok=True)
            self.pack()

    def pack(self) -> int:
        """Move old entries into packs when too many lie in files of their own; answers how many moved.

        The pack is durable before the files go. A kill in between leaves entries in both, which are the same bytes.
        """
        loose, moved = self._loose(), 0
        done = self._packs()[-1][1] if self._packs() else 0
        while len(loose) > _LOOSE_MAX:
            part, loose = loose[:_PACK], loose[_PACK:]
            fresh = [version for version in part if version > done]
            if fresh:
                path = self.folder / f"pack-{fresh[0]:08d}-{fresh[-1]:08d}.jsonl"
                self._replace(path, b"".join(self._read(version) + b"\n" for version in fresh))
            for version in part:
                self._file(version).unlink(missing_ok=True)
            moved += len(part)
        if moved:
            fsync_dir(self.folder)
        return moved

    def point_head(self, state: State) -> None:
        """Let ``HEAD`` name the newest version; a writer killed between link and this left it one behind."""
        raw = _canonical({"version": state.version, "sha256": state.sha256})
        head = self.folder / "HEAD"
        if state.version and not (head.exists() and head.read_bytes() == raw):
            self._replace(head, raw)

    def entries(self) -> list[dict[str, Any]]:
        """Every entry of this folder's chain, oldest first (the lake's history).

        Raises:
            ManifestDamaged: an entry is not what was written.
        """
        return [self._parse(self._read(version), version) for version in self.versions()]

    def _file(self, version: int) -> Path:
        return self.folder / f"{version:08d}.json"

    def _read(self, version: int) -> bytes:
        try:
            return self._file(version).read_bytes()
        except FileNotFoundError as error:
            packed = self._read_packed(version)
            if packed is not None:
                return packed
            raise self._damaged(f"Version {version} of the manifest cannot be read.", version) from error
        except OSError as error:
            raise self._damaged(f"Version {version} of the manifest cannot be read.", version) from error

    def _read_packed(self, version: int) -> bytes | None:
        """An entry out of its pack; the pack read last is kept, since entries are read in their order."""
        for first, last, path in self._packs() if version not in self._packed[1] else ():
            if first <= version <= last:
                lines = path.read_bytes().splitlines()
                self._packed = (path.name, dict(zip(range(first, last + 1), lines, strict=False)))
        return self._packed[1].get(version)

    def _parse(self, raw: bytes, version: int) -> dict[str, Any]:
        try:
            entry: dict[str, Any] = json.loads(raw)
            del entry["seal"]
            if entry["version"] != version:
                raise ValueError("version differs from the file name")
            if _sealed(entry) != raw:
                raise ValueError("the seal does not fit the content")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._damaged(
                f"Version {version} of the manifest is not what was written.", version
            ) from error
        return entry

    def _newest_checkpoint(self, upto: int | None) -> State | None:
        for path in sorted(self.folder.glob("checkpoint-*.state"), reverse=True):
            version = int(path.stem.split("-")[1])
            if upto is not None and version > upto:
                continue
            seal, _, body = path.read_bytes().partition(b"\n")
            if hashlib.sha256(body).hexdigest().encode() != seal:
                continue  # a checkpoint is a cache: pass over a damaged one and read the chain instead
            state = State.from_json(json.loads(body))
            if hashlib.sha256(self._read(version)).hexdigest() == state.sha256:
                return state
        return None

    def _read_head(self) -> tuple[int, str] | None:
        """What ``HEAD`` says, or None when there is none."""
        head = self.folder / "HEAD"
        try:
            raw = head.read_bytes()
        except FileNotFoundError:
            return None
        try:
            data = json.loads(raw)
            version, sha256 = int(data["version"]), str(data["sha256"])
            if _canonical({"version": version, "sha256": sha256}) != raw:
                raise ValueError("not in the form HEAD is written in")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._damaged("HEAD of the manifest is not what was written.", 0, head) from error
        return version, sha256

    def _check_head(self, before: tuple[int, str] | None, newest: int, hashes: dict[int, str]) -> None:
        """Compare the chain just read with ``HEAD`` as it was before and as it is now.

        A writer may commit while we read, so the two bounds use two readings: a chain that ends below the
        earlier ``HEAD`` was cut; one that ends more than one above the later ``HEAD`` was added to by another
        hand (a writer killed between its link and its ``HEAD`` leaves exactly one).
        """
        after = self._read_head()
        if after is None and len(self.versions()) > 1:
            raise self._damaged("HEAD of the manifest is missing.", newest, self.folder / "HEAD")
        if before and before[0] > newest:
            raise self._damaged(
                f"The manifest ends at version {newest} but once held {before[0]}.", before[0]
            )
        if after and after[0] < newest - 1:
            raise self._damaged(
                f"HEAD names version {after[0]} where the chain holds {newest}.", newest, self.folder / "HEAD"
            )
        if before:
            version, sha256 = before
            known = hashes.get(version) or hashlib.sha256(self._read(version)).hexdigest()
            if known != sha256:
                raise self._damaged(f"Version {version} of the manifest is not the one HEAD names.", version)

    def _damaged(self, what: str, version: int, path: Path | None = None) -> ManifestDamaged:
        return ManifestDamaged(
            what,
            where=str(path or self._file(version)),
            cure="Restore the manifest folder from a backup; segments are untouched.",
        )

    def _publish(self, path: Path, raw: bytes) -> None:
        """Create ``path`` with ``raw``, durably, and only if nobody else has."""
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        _write_durably(temporary, raw)
        try:
            os.link(temporary, path)
        except FileExistsError as error:
            raise LakeLocked(
                "Another writer committed to this lake at the same time.",
                where=str(path),
                cure="Run the command again; nothing of this attempt is visible.",
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        fsync_dir(path.parent)

    @staticmethod
    def _replace(path: Path, raw: bytes) -> None:
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        _write_durably(temporary, raw)
        temporary.replace(path)
        fsync_dir(path.parent)


def _canonical(data: dict[str, Any]) -> bytes:
    """The one way a value is written as JSON here: sorted keys, no spaces, UTF-8, no NaN."""
    return json.dumps(
        data, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).encode()


def _sealed(entry: dict[str, Any]) -> bytes:
    return _canonical({**entry, "seal": hashlib.sha256(_canonical(entry)).hexdigest()})


def _write_durably(path: Path, raw: bytes) -> None:
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def base_damaged(home: Path) -> ManifestDamaged:
    """The error to raise about the branch in ``home``."""
    what = "A branch no longer fits the version of production it was made from."
    return ManifestDamaged(what, where=str(home / "BASE"), cure="Drop the branch and make it again.")
