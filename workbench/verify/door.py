"""``verify`` for a notebook: whatever stands for a lake there can be proven."""

from __future__ import annotations

from pathlib import Path

from workbench.lake.lake import Lake
from workbench.lake.open import OpenLake
from workbench.verify.report import Report
from workbench.verify.run import verify as prove


def verify(
    lake: str | Path | Lake | OpenLake, *, full: bool = False, seed: int = 1, tenant: str = "main"
) -> Report:
    """Prove a lake: nothing was lost, doubled or altered, from the delivered rows to the ledger.

    Args:
        lake: its folder, or a lake that is open.
        full: fold and rate everything again, instead of a sample.
        seed: draws the sample.
        tenant: whose facts, when ``lake`` is a folder.
    """
    if isinstance(lake, Lake):
        return prove(lake, full=full, seed=seed)
    if isinstance(lake, OpenLake):
        return prove(lake.inner, full=full, seed=seed)
    with Lake.open(lake, tenant) as opened:
        return prove(opened, full=full, seed=seed)
