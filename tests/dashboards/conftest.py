"""A tiny city, built once, and what is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workbench.dashboards.store import Store
from workbench.showcase.build import play
from workbench.showcase.scene import demo


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The lake's folder and the figures told of it."""
    lake = tmp_path_factory.mktemp("city") / "lake"
    return lake, play(lake, demo(days=1, scale=100))


@pytest.fixture(scope="session")
def store(played: tuple[Path, dict[str, Any]]) -> Store:
    return Store(played[0])
