"""kill -9 in the middle of writing and committing: what was committed is there, once; the rest is not (I44)."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench.lake.lake import Lake

WRITER = """
import sys
from workbench.lake.lake import Lake

ROWS = "SELECT d::BIGINT AS device_key, 'dev-' || d AS device_id, 'run' AS source FROM range({n}, {n} + 20000) t(d)"
with Lake.open(sys.argv[1], create=True) as lake, lake.writer():
    done = len(lake.facts("delivery"))
    for n in range(done, 10_000):
        pair = [lake.write("devices", ROWS.format(n=n * 100_000 + half * 20_000), order_by=("device_key",),
                           controls={"n": "count(*)"}) for half in (0, 1)]
        lake.commit({"n": n}, add=pair, facts={"delivery": {str(n): {"segments": [s.id for s in pair]}}})
        print(n, flush=True)
"""


def kill_while_writing(folder: Path, seconds: float) -> int:
    """Start a writer, kill it, return how many commits it told us of."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.readline()
    assert first, process.stderr.read()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=30)
    return int((first + rest).split()[-1]) + 1


def check_whole(folder: Path, told: int) -> None:
    with Lake.open(folder) as lake:
        state = lake.prove_manifest()
        done = lake.facts("delivery")
        assert told <= len(done) <= told + 1, (
            "a commit that was told is there; at most one more was not told yet"
        )
        named = {segment_id for fact in done.values() for segment_id in fact["segments"]}
        assert set(state.segments) == named, "both segments of a stage, or neither"
        count = lake.con.execute(
            f"SELECT count(*), count(DISTINCT device_key) FROM {lake.scan('devices')}"
        ).fetchall()[0]
        assert count == (40_000 * len(done), 40_000 * len(done))


def crash_and_check(folder: Path, kills: int, seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(kills):
        told = kill_while_writing(folder, dice.uniform(0, 0.25))
        check_whole(folder, told)
    with Lake.open(folder) as lake, lake.writer():
        on_disk = {path.relative_to(lake.root).as_posix() for path in lake.root.rglob("*.parquet")}
        assert on_disk == {segment.path for segment in lake.state.segments.values()}, "garbage is swept"
        assert not list((lake.root / "devices").rglob("*.tmp"))
        assert [path.name for path in (lake.root / "spill").iterdir()] == [lake.scratch.name]


def test_i44_kill_9_while_writing(tmp_path):
    crash_and_check(tmp_path / "lake", kills=4, seed=1)


@pytest.mark.faults
def test_i44_kill_9_many_times(tmp_path):
    crash_and_check(tmp_path / "lake", kills=40, seed=2)
