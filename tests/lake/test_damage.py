"""I46: cut, flip or zero any file of a lake and no reader takes the result for the truth.

A damaged copy may raise its coded error, or (a cache such as a checkpoint or the projection) be passed over, so
that the reader sees exactly what was written. What may not happen is another answer.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.errors import LakeError, ManifestDamaged, SegmentDamaged
from workbench.lake import projection
from workbench.lake.lake import Lake
from workbench.lake.manifest import Manifest

KINDS = {
    "segment": "records/**/*.parquet",
    "first manifest version": "manifest/00000001.json",
    "middle manifest version": "manifest/00000065.json",
    "newest manifest version": "manifest/00000067.json",
    "HEAD": "manifest/HEAD",
    "checkpoint": "manifest/checkpoint-*.state",
    "projection": "lake.duckdb",
    "projection seal": "lake.duckdb.seal",
    "branch base": "branches/b/BASE",
    "branch version": "branches/b/manifest/00000068.json",
}


def flip(data: bytearray, dice: random.Random) -> None:
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def cut(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(len(data)) :]


def zero_tail(data: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(data))
    data[start:] = bytes(len(data) - start)


def append(data: bytearray, dice: random.Random) -> None:
    data += dice.randbytes(dice.randrange(1, 64))


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A lake with 67 versions (so with a checkpoint), a branch of one version, and a projection."""
    from tests.lake.conftest import RECORDS

    folder = tmp_path_factory.mktemp("damage") / "lake"
    with Lake.open(folder, create=True) as lake:
        with lake.writer():
            for number in range(66):
                lake.commit({"n": number}, facts={"delivery": {f"d{number}": {"rows": number}}})
            segment = lake.write("records", RECORDS.format(hour=0, devices=20), stream="s.m", partition="h")
            lake.commit({"stage": "mediate"}, add=[segment])
        projection.ensure(lake)
        with lake.branch("b") as branch, branch.writer():
            branch.commit({"n": 0}, facts={"delivery": {"branch": {"rows": 1}}})
    return folder


@pytest.fixture(scope="module")
def truth(original: Path) -> object:
    return whole_truth(original)


def whole_truth(folder: Path) -> object:
    """Everything a user can see: facts, records, history, the projection, the branch."""
    with Lake.open(folder) as lake, Lake.open(folder, branch="b") as branch:
        lake.prove_manifest()
        branch.prove_manifest()
        records = lake.con.execute(f"SELECT * FROM {lake.scan('records')} ORDER BY ALL").fetchall()
        return (
            lake.state.to_json(),
            branch.state.to_json(),
            lake.history(),
            branch.history(),
            records,
            projection.row_hashes(lake),
        )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("harm", [flip, cut, zero_tail, append], ids=lambda harm: harm.__name__)
def test_i46_no_damage_is_silent(
    original: Path, tmp_path: Path, truth: object, kind: str, harm: Callable[..., None]
):
    damage_and_look(original, tmp_path, truth, kind, harm, range(2))


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("harm", [flip, cut, zero_tail, append], ids=lambda harm: harm.__name__)
def test_i46_no_damage_is_silent_many_times(
    original: Path, tmp_path: Path, truth: object, kind: str, harm: Callable[..., None]
):
    damage_and_look(original, tmp_path, truth, kind, harm, range(2, 12))


def damage_and_look(
    original: Path, tmp_path: Path, truth: object, kind: str, harm: Callable[..., None], seeds: range
) -> None:
    """Damage copies of the lake, one per seed; each must be noticed or read as the original."""
    silent, noticed = [], 0
    for seed in seeds:
        dice = random.Random(f"{kind} {harm.__name__} {seed}")
        folder = tmp_path / f"copy-{seed}"
        shutil.copytree(original, folder)
        (path,) = (folder / "main").glob(KINDS[kind])
        data = bytearray(path.read_bytes())
        before = bytes(data)
        harm(data, dice)
        if data == before:
            continue
        path.write_bytes(data)
        try:
            seen = whole_truth(folder)
        except (ManifestDamaged, SegmentDamaged) as error:
            noticed += bool(error.where)
        else:
            silent += [seed] if seen != truth else []
        shutil.rmtree(folder)
    assert silent == []
    caches = ("checkpoint", "projection", "projection seal")
    assert noticed or kind in caches, "nothing was noticed: does this test damage anything?"


@pytest.mark.parametrize("kind", ["segment", "middle manifest version", "newest manifest version", "HEAD"])
def test_i46_a_missing_file_is_named(original: Path, tmp_path: Path, kind: str):
    shutil.copytree(original, tmp_path / "copy")
    (path,) = (tmp_path / "copy" / "main").glob(KINDS[kind])
    path.unlink()
    with pytest.raises(LakeError) as error:
        whole_truth(tmp_path / "copy")
    assert path.name.split(".")[0] in error.value.where


def test_i16_a_rewritten_past_is_noticed_by_the_chain(original: Path, tmp_path: Path):
    """An entry replaced by a well-formed, well-sealed other one breaks the hash its successor holds."""
    from workbench.lake.manifest import _sealed

    shutil.copytree(original, tmp_path / "copy")
    path = tmp_path / "copy" / "main" / "manifest" / "00000005.json"
    with Lake.open(tmp_path / "copy") as lake:
        entry = lake.history()[4]
    entry["facts"]["delivery"]["d4"]["rows"] = 400
    path.write_bytes(_sealed(entry))
    with Lake.open(tmp_path / "copy") as lake, pytest.raises(ManifestDamaged, match="does not follow"):
        lake.prove_manifest()


def test_every_flip_of_head_is_noticed(original: Path, tmp_path: Path):
    shutil.copytree(original, tmp_path / "copy")
    head = tmp_path / "copy" / "main" / "manifest" / "HEAD"
    good = head.read_bytes()
    for index in range(len(good)):
        for bit in range(8):
            data = bytearray(good)
            data[index] ^= 1 << bit
            head.write_bytes(data)
            with pytest.raises(ManifestDamaged):
                Manifest(head.parent).load()


def test_damage_never_costs_a_segment(original: Path, tmp_path: Path):
    """A writer sweeps what the manifest does not name; it must not believe a damaged manifest."""
    shutil.copytree(original, tmp_path / "copy")
    root = tmp_path / "copy" / "main"
    (root / "LOCK").write_text("busy 1")
    path = root / "manifest" / "00000067.json"
    path.write_bytes(path.read_bytes().replace(b"records/s.m", b"records/s.n"))
    (root / "manifest" / "HEAD").unlink()
    with pytest.raises(ManifestDamaged):
        Lake.open(tmp_path / "copy")
    assert list(root.glob("records/**/*.parquet"))
