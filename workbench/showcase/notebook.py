"""The showcase from a notebook: a lake that is ready to look at."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from datetime import date
from pathlib import Path

from workbench.lake.open import OpenLake, open_lake
from workbench.showcase.build import build
from workbench.showcase.scene import START, Scene, city, demo

SMALL = 20
"""A small demo has this many times fewer devices."""


def demo_lake(
    path: str | Path | None = None, *, small: bool = True, days: int = 1, seed: int = 7, start: date = START
) -> OpenLake:
    """A small city with all fleets, faults planted, billed and closed, opened for reading.

    Args:
        path: where the lake is made; made before by the same call, it is opened at once. Left out: a new one in a
            temporary folder that goes when Python ends.
        small: about 250 lamps instead of 5,000: seconds instead of a minute.
        days: length of the billing period.
        seed: same seed, same bytes.
        start: first day, UTC; from 2026 on.
    """
    return _ready(path, demo(days, seed=seed, start=start, scale=SMALL if small else 1))


def city_lake(
    lamps: int = 1000, path: str | Path | None = None, *, days: int = 1, seed: int = 7, start: date = START
) -> OpenLake:
    """A city of street lamps, billed and closed, opened for reading; arguments as for ``demo_lake``."""
    return _ready(path, city(lamps, days, seed=seed, start=start))


def roaming_lake(
    sims: int = 120, path: str | Path | None = None, *, days: int = 3, seed: int = 7, start: date = START
) -> OpenLake:
    """Roaming trackers and eSIMs, billed and closed, a few of them compromised; arguments as for ``demo_lake``."""
    devices = {"trackers": sims, "esims": sims}
    return _ready(
        path, Scene(devices, days=days, start=start, seed=seed, faults="compromised=4,silent=2,spike=1")
    )


def _ready(path: str | Path | None, scene: Scene) -> OpenLake:
    folder = Path(path) if path is not None else _temporary()
    build(folder, scene)
    return open_lake(folder)


def _temporary() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="workbench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
