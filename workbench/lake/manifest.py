"""The manifest: a chain of small JSON files, one per commit, each naming the hash of the one before.

A commit is the only moment at which facts become visible, and it is one ``link(2)``: either the whole stage is
there or nothing of it is. ``HEAD`` remembers the newest version, so that a chain cut at its end is noticed too.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import LakeLocked, ManifestDamaged
from workbench.lake.segment import Segment, fsync_dir

_CHECKPOINT_EVERY = 64


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
            self.facts.setdefault(kind, {}).update(facts)
        self.version, self.sha256 = entry["version"], sha256

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

    def versions(self) -> list[int]:
        """Version numbers present, ascending."""
        if not self.folder.is_dir():
            return []
        return sorted(int(path.stem) for path in self.folder.glob("[0-9]*.json"))

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
        """
        state = base or State()
        if base is None and trust_checkpoint:
            state = self._newest_checkpoint(upto) or state
        start = state.version
        versions = [v for v in self.versions() if v > start and (upto is None or v <= upto)]
        for expected, version in enumerate(versions, start + 1):
            if version != expected:
                raise self._damaged(f"Version {expected} of the manifest is missing.", expected)
            raw = self._read(version)
            entry = self._parse(raw, version)
            if entry["parent_sha256"] != state.sha256:
                raise self._damaged(
                    f"Version {version} of the manifest does not follow the one before it.", version
                )
            state.apply(entry, hashlib.sha256(raw).hexdigest())
        if upto is None:
            self._check_head(state)
        return state

    def commit(self, state: State, entry: dict[str, Any]) -> None:
        """Append ``entry`` after ``state`` and move ``state`` on.

        Raises:
            LakeLocked: another writer committed this version first.
        """
        entry = {"version": state.version + 1, "parent_sha256": state.sha256, **entry}
        raw = json.dumps(entry, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._publish(self._file(entry["version"]), raw)
        state.apply(entry, hashlib.sha256(raw).hexdigest())
        self._replace(
            self.folder / "HEAD", json.dumps({"version": state.version, "sha256": state.sha256}).encode()
        )
        if state.version % _CHECKPOINT_EVERY == 0:
            body = json.dumps(state.to_json(), sort_keys=True, ensure_ascii=False).encode()
            seal = hashlib.sha256(body).hexdigest().encode()
            self._replace(self.folder / f"checkpoint-{state.version:08d}.state", seal + b"\n" + body)

    def entries(self) -> list[dict[str, Any]]:
        """Every entry of this folder's chain, oldest first (the lake's history)."""
        return [self._parse(self._read(version), version) for version in self.versions()]

    def _file(self, version: int) -> Path:
        return self.folder / f"{version:08d}.json"

    def _read(self, version: int) -> bytes:
        try:
            return self._file(version).read_bytes()
        except OSError as error:
            raise self._damaged(f"Version {version} of the manifest cannot be read.", version) from error

    def _parse(self, raw: bytes, version: int) -> dict[str, Any]:
        try:
            entry: dict[str, Any] = json.loads(raw)
            if entry["version"] != version:
                raise ValueError("version differs from the file name")
        except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
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
                continue  # a checkpoint is a cache: a damaged one is passed over and the chain is read instead
            state = State.from_json(json.loads(body))
            if hashlib.sha256(self._read(version)).hexdigest() == state.sha256:
                return state
        return None

    def _check_head(self, state: State) -> None:
        head_file = self.folder / "HEAD"
        if not head_file.exists():
            return
        try:
            head = json.loads(head_file.read_bytes())
            version, sha256 = int(head["version"]), str(head["sha256"])
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged("HEAD of the manifest is not what was written.", 0) from error
        if version > state.version:
            raise self._damaged(
                f"The manifest ends at version {state.version} but once held {version}.", version
            )
        if version and hashlib.sha256(self._read(version)).hexdigest() != sha256:
            raise self._damaged(
                f"Version {version} of the manifest was changed after it was written.", version
            )

    def _damaged(self, what: str, version: int) -> ManifestDamaged:
        return ManifestDamaged(
            what,
            where=str(self._file(version)),
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
        temporary = path.with_name(path.name + ".tmp")
        _write_durably(temporary, raw)
        temporary.replace(path)
        fsync_dir(path.parent)


def _write_durably(path: Path, raw: bytes) -> None:
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
