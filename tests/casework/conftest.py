from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from workbench.casework.desk import Desk
from workbench.insight.detect import detect
from workbench.insight.finding import Findings
from workbench.lake.lake import Lake
from workbench.showcase.build import build
from workbench.showcase.scene import Scene


class Hands:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.at = datetime(2026, 5, 4, 9, tzinfo=UTC)

    def now(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A billed lake of lamps, trackers and meters in which some things go wrong."""
    path = tmp_path_factory.mktemp("casework") / "lake"
    build(path, Scene({"lamps": 150, "meters": 40, "trackers": 60}, days=1, faults="demo"))
    return path


@pytest.fixture
def lake(made: Path) -> Iterator[Lake]:
    """That lake, its queue still empty."""
    with Lake.open(made) as opened:
        shutil.rmtree(opened.root / "casework", ignore_errors=True)
        yield opened
        shutil.rmtree(opened.root / "casework", ignore_errors=True)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture(scope="session")
def findings(made: Path) -> Findings:
    """What the detectors say of that lake."""
    with Lake.open(made) as opened:
        return detect(opened, priced=False)


@pytest.fixture
def desk(lake: Lake, hands: Hands, findings: Findings) -> Desk:
    """A queue that was looked at."""
    found = Desk.of(lake, hands)
    found.look(lake, findings)
    return found
