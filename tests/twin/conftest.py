from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.lake.open import OpenLake, open_lake
from workbench.showcase.build import build
from workbench.showcase.scene import Scene

PERIOD = "2026-03-02/2026-03-03"


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed day of a few lamps, vending machines and SIMs."""
    path = tmp_path_factory.mktemp("town") / "lake"
    build(path, Scene({"lamps": 30, "vending": 5, "esims": 6}, hours=2))
    return path


@pytest.fixture
def lake(town: Path) -> Iterator[OpenLake]:
    """The town's lake, opened for reading."""
    with open_lake(town) as opened:
        yield opened
