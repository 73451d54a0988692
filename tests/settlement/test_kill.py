"""SIGKILL at random moments of a close: there is no invoice without its postings, and a rerun finishes."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.settlement.conftest import EUR, JAN, NOW, Row, World
from tests.settlement.test_close import prove
from workbench.lake.lake import Lake
from workbench.settlement.close import close

ROOT = Path(__file__).resolve().parents[2]
CLOSE = """
import sys
from tests.settlement.conftest import JAN, NOW, World
from workbench.lake.lake import Lake
from workbench.settlement.close import close
with Lake.open(sys.argv[1]) as lake, lake.writer():
    print("begun", flush=True)
    close(lake, World(lake).catalogue, JAN, NOW)
"""


@pytest.mark.faults
def test_i44_a_killed_close_leaves_all_or_nothing(tmp_path):
    with Lake.open(tmp_path, create=True) as lake, lake.writer():
        World(lake).rate(JAN, [Row(f"a{n:05d}", n * EUR, device=n) for n in range(5000)])
    chance, cut_short = random.Random(7), 0
    for _ in range(10):
        child = subprocess.Popen(
            [sys.executable, "-c", CLOSE, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.uniform(0.0, 1.5))
        child.kill()
        child.wait()
        with Lake.open(tmp_path) as lake:
            kinds = {
                kind for kind in ("invoices", "invoice_lines", "ledger", "statements") if lake.segments(kind)
            }
            assert kinds in (set(), {"invoices", "invoice_lines", "ledger", "statements"})
            cut_short += not kinds
            if kinds:
                break
    assert cut_short
    with Lake.open(tmp_path) as lake, lake.writer():
        world = World(lake)
        close(lake, world.catalogue, JAN, NOW)
        assert close(lake, world.catalogue, JAN, NOW).already_closed
        prove(world)
        assert world.rows("invoices", "count(*)", "1") == [(5000,)]
