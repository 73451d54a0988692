"""kill -9 at random moments of ``workbench city``: running it again finishes, and nothing is lost or doubled (I44)."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from workbench.lake.lake import Lake

pytestmark = pytest.mark.faults

KILLS = 20
BILLED = ("records", "charges", "lines", "invoices", "invoice_lines", "statements", "ledger")
MONEY = (
    "events_delivered",
    "events_accepted",
    "duplicates",
    "rejects",
    "records",
    "revenue_nano",
    "shares",
    "invoiced_nano",
)


def _command(lake: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "workbench",
        "city",
        "--lamps",
        "120",
        "--days",
        "1",
        "--lake",
        str(lake),
        "--json",
    ]


def _finished(lake: Path) -> dict[str, Any]:
    done = subprocess.run(_command(lake), capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _files(path: Path) -> dict[str, list[str]]:
    with Lake.open(path) as lake:
        return {kind: [segment.sha256 for segment in lake.segments(kind)] for kind in BILLED}


def test_a_city_killed_twenty_times_is_the_same_city(tmp_path: Path) -> None:
    """Killed runs leave a lake that the next run goes on with; the end is the undisturbed city, byte for byte."""
    begun = time.monotonic()
    calm = _finished(tmp_path / "calm")
    seconds = time.monotonic() - begun
    chance, killed = random.Random(20260302), 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            _command(tmp_path / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(timeout=chance.uniform(0.1, 0.9) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += process.wait() == -signal.SIGKILL
    assert killed >= KILLS // 4, "the runs ended before they could be killed"
    found = _finished(tmp_path / "killed")
    assert found["verify_ok"]
    assert {name: found[name] for name in MONEY} == {name: calm[name] for name in MONEY}
    assert _files(tmp_path / "killed") == _files(tmp_path / "calm")
    with Lake.open(tmp_path / "killed") as lake, lake.writer():
        held = {segment.path for segment in lake.state.segments.values()}
        assert all((lake.root / path).is_file() for path in held)
