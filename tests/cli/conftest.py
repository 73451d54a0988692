from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.main import run


@dataclass(frozen=True)
class Said:
    """What a command answered: its exit code and what it wrote where."""

    code: int
    out: str
    err: str

    @property
    def object(self) -> dict[str, Any]:
        """The one JSON object on standard output; fails when there is anything else."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> dict[str, str]:
        """The error object, the last line of standard error; nothing is on standard output."""
        assert self.out == ""
        found = json.loads(self.err.splitlines()[-1])["error"]
        assert set(found) == {"code", "what", "where", "cure"}
        return found


@pytest.fixture
def say(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command in this process."""

    def one(*words: object) -> Said:
        capfd.readouterr()
        code = run([str(word) for word in words])
        out, err = capfd.readouterr()
        return Said(code, out, err)

    return one


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed lake: 30 lamps, two hours."""
    from workbench.showcase.build import play
    from workbench.showcase.scene import city

    path = tmp_path_factory.mktemp("town") / "lake"
    play(path, city(30, hours=2))
    return path
