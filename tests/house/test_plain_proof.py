"""The lines of docs/verify.md that check a lake with nothing installed do what the page says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.check_docs import FENCE
from tests.house.tree import ROOT
from workbench.lake.lake import Lake

DEVICES = "SELECT {n}::BIGINT AS device_key, 'lamp-{n}' AS device_id, 'lamps' AS source"


@pytest.fixture
def tenant(tmp_path: Path) -> Path:
    """A lake of two commits, one segment each."""
    with Lake.open(tmp_path / "lake", create=True) as lake, lake.writer():
        for n in (1, 2):
            lake.commit({"stage": "test"}, add=[lake.write("devices", DEVICES.format(n=n))])
    return tmp_path / "lake" / "main"


def proven(tenant: Path) -> subprocess.CompletedProcess[str]:
    """Run the page's lines on a tenant's folder, without any package."""
    page = (ROOT / "docs/verify.md").read_text()
    lines = next(hit["body"] for hit in FENCE.finditer(page) if hit["language"] == "python")
    command = [sys.executable, "-I", "-S", "-c", lines, str(tenant)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_sound_lake_passes(tenant: Path) -> None:
    done = proven(tenant)
    assert (done.returncode, done.stdout) == (0, "every file is what the manifest vouches for\n"), done.stderr


def test_a_flipped_bit_in_a_segment_is_named(tenant: Path) -> None:
    segment = next(tenant.glob("devices/**/*.parquet"))
    raw = bytearray(segment.read_bytes())
    raw[len(raw) // 2] ^= 1
    segment.write_bytes(raw)
    assert f"{segment.name} is not what was written" in proven(tenant).stderr


def test_a_lost_commit_is_noticed(tenant: Path) -> None:
    (tenant / "manifest" / "00000002.json").unlink()
    assert "the chain was cut" in proven(tenant).stderr


def test_a_changed_commit_is_noticed(tenant: Path) -> None:
    first = tenant / "manifest" / "00000001.json"
    first.write_bytes(first.read_bytes().replace(b'"stage":"test"', b'"stage":"TEST"'))
    assert "00000002.json does not follow" in proven(tenant).stderr
