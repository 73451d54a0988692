"""A chain of thousands of commits: few files, every entry still there byte for byte, damage still noticed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from workbench.errors import ManifestDamaged
from workbench.lake import manifest
from workbench.lake.manifest import Manifest, State


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs of 64 from 128 loose entries on, and nothing synced: this is about what is where, not about power cuts."""
    monkeypatch.setattr(manifest, "_PACK", 64)
    monkeypatch.setattr(manifest, "_LOOSE_MAX", 128)
    monkeypatch.setattr(manifest.os, "fsync", lambda _: None)


def chain(folder: Path, commits: int) -> tuple[State, list[str]]:
    """A chain, and the hash of each of its entries as it was written."""
    made, state, hashes = Manifest(folder), State(), []
    for number in range(commits):
        entry = {
            "at": "t",
            "run": {"n": number},
            "add": [],
            "remove": [],
            "facts": {"journal": {"w": {"position": number}}},
        }
        made.commit(state, entry)
        hashes.append(state.sha256)
    return state, hashes


def test_old_entries_are_packed_and_read_as_before(tmp_path: Path, short: None) -> None:
    state, hashes = chain(tmp_path, 700)
    files = list(tmp_path.iterdir())
    assert len([f for f in files if f.suffix == ".json"]) <= 128 + 64
    assert len([f for f in files if f.name.startswith("pack-")]) >= 7
    assert len([f for f in files if f.name.startswith("checkpoint-")]) == 3
    again = Manifest(tmp_path)
    assert again.versions() == list(range(1, 701))
    for trust in (True, False):
        loaded = again.load(trust_checkpoint=trust)
        assert (loaded.version, loaded.sha256, loaded.facts) == (700, state.sha256, state.facts)
    assert [entry["run"]["n"] for entry in again.entries()] == list(range(700))
    assert [hashlib.sha256(again._read(v)).hexdigest() for v in (1, 64, 65, 300, 700)] == [
        hashes[v - 1] for v in (1, 64, 65, 300, 700)
    ]
    assert again.load(upto=100).facts == {"journal": {"w": {"position": 99}}}
    more = again.load()
    again.commit(more, {"at": "t", "run": {}, "add": [], "remove": [], "facts": {}})
    assert Manifest(tmp_path).load().version == 701


def test_a_kill_between_pack_and_removal_leaves_both_and_nothing_is_wrong(
    tmp_path: Path, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, _ = chain(tmp_path, 128)
    unlink = Path.unlink

    def killed_at_an_entry(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".json":
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", killed_at_an_entry)
        with pytest.raises(KeyboardInterrupt):
            for number in range(128, 256):
                Manifest(tmp_path).commit(
                    state, {"at": "t", "run": {"n": number}, "add": [], "remove": [], "facts": {}}
                )
    reached = Manifest(tmp_path).load()
    assert list(tmp_path.glob("pack-*"))
    assert Manifest(tmp_path).versions() == list(range(1, reached.version + 1))
    while reached.version < 300:
        Manifest(tmp_path).commit(
            reached, {"at": "t", "run": {"n": reached.version}, "add": [], "remove": [], "facts": {}}
        )
    entries = Manifest(tmp_path).entries()
    assert [entry["run"]["n"] for entry in entries] == list(range(300))


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_pack_is_noticed(tmp_path: Path, short: None, damage: str) -> None:
    chain(tmp_path, 300)
    pack = sorted(tmp_path.glob("pack-*"))[0]
    raw = bytearray(pack.read_bytes())
    if damage == "flip":
        raw[len(raw) // 2] ^= 1
        pack.write_bytes(bytes(raw))
    elif damage == "cut":
        pack.write_bytes(bytes(raw[: len(raw) // 2]))
    else:
        pack.unlink()
    with pytest.raises(ManifestDamaged):
        Manifest(tmp_path).load(trust_checkpoint=False)
    if damage != "gone":  # that entries are missing is noticed by whoever follows the chain
        with pytest.raises(ManifestDamaged):
            Manifest(tmp_path).entries()
