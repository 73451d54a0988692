"""A whole process of landing and mediating the reference case's hours stays small, and more hours take no more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

MOST_MB = 1_500
PROGRAM = """
import json, sys
from pathlib import Path
from workbench.showcase.build import build
from workbench.showcase.memory import highest_mb
from workbench.showcase.scene import city
built = build(Path(sys.argv[1]), city(int(sys.argv[2]), hours=int(sys.argv[3])))
print(json.dumps({"stages": built.peak_mb, "process": highest_mb()}))
"""


def _peaks(lake: Path, lamps: int, hours: int) -> dict[str, int]:
    """Most memory held by stage, and by the process as the kernel tells it [MB]."""
    words = [sys.executable, "-c", PROGRAM, str(lake), str(lamps), str(hours)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    return {**found["stages"], "process": found["process"]}


def test_an_hour_of_the_whole_city_fits(tmp_path: Path) -> None:
    """Twelve million deliveries a file: generated, landed, mediated, rated, closed."""
    peaks = _peaks(tmp_path / "lake", 200_000, 2)
    assert peaks["process"] <= MOST_MB, peaks


def test_more_hours_take_no_more_memory(tmp_path: Path) -> None:
    few, many = (_peaks(tmp_path / str(hours), 40_000, hours) for hours in (2, 8))
    for stage in ("land", "mediate"):
        assert many[stage] <= few[stage] * 1.15 + 40, (few, many)
