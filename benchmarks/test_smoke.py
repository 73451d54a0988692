"""Every measurement still runs, small; with ``make bench`` they run whole and print what they found."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SMALL = {
    "generate": ["--devices", "500", "--hours", "2"],
    "mediation": ["--lamps", "500", "--hours", "1", "--rounds", "1"],
    "online": ["--events", "2000"],
    "rating": ["--devices", "2000", "--windows", "50", "--customers", "20", "--rounds", "1"],
}


@pytest.mark.parametrize("name", sorted(SMALL))
def test_it_runs(name: str) -> None:
    """It ends well and says what it measured."""
    arguments = SMALL[name] if os.environ.get("WORKBENCH_BENCH") == "smoke" else []
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *arguments], capture_output=True, text=True, check=False
    )
    sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
