"""Imports only go down: the import-linter contracts hold here, and each of them catches a planted offender."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.check_floors import climbing_typing_imports, floors
from tests.house.tree import ROOT, report, rooms, tracked

PYPROJECT = (ROOT / "pyproject.toml").read_text()


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter in ``folder`` with the packages found there."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1", "COLUMNS": "300"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_house_keeps_its_floors() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_type_only_imports_go_down_too() -> None:
    floor_of = floors(PYPROJECT)
    offences = [
        each
        for path in tracked(".py", under="workbench")
        if path.parent != ROOT / "workbench"
        for each in climbing_typing_imports(path, ROOT, path.read_text(), floor_of)
    ]
    assert not offences, report(offences)


def test_every_room_stands_on_a_floor() -> None:
    assert set(rooms()) <= set(floors(PYPROJECT))


def test_every_room_is_drawn_on_the_page_of_the_house() -> None:
    page = (ROOT / "workbench" / "README.md").read_text()
    assert not [room for room in rooms() if f"`{room}`" not in page]


@pytest.fixture
def small_house(tmp_path: Path) -> Path:
    """A copy of the contracts over a house of seven empty rooms."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    for room in ("model", "reference", "tariff", "lake", "rating", "mediation", "cli"):
        (tmp_path / "workbench" / room).mkdir(parents=True)
        (tmp_path / "workbench" / room / "__init__.py").write_text('"""A room."""\n')
        (tmp_path / "workbench" / room / "part.py").write_text("x = 1\n")
    for package in ("workbench", "simulators"):
        (tmp_path / package).mkdir(exist_ok=True)
        (tmp_path / package / "__init__.py").write_text('"""A house."""\n')
    (tmp_path / "simulators" / "part.py").write_text("x = 1\n")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("workbench/rating/part.py", "from workbench.lake import part"),
        ("workbench/lake/part.py", "import duckdb"),
        ("workbench/cli/part.py", "import simulators.part, typer"),
        (
            "workbench/rating/part.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import duckdb",
        ),
    ],
)
def test_imports_that_go_down_are_kept(small_house: Path, file: str, line: str) -> None:
    (small_house / file).write_text(line + "\n")
    done = lint_imports(small_house)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("workbench/lake/part.py", "from workbench.rating import part", "lower floors"),
        ("workbench/tariff/part.py", "def f():\n    from workbench.lake import part", "lower floors"),
        ("workbench/shed.py", "x = 1", "lower floors"),
        ("workbench/rating/part.py", "import duckdb", "Only the lake"),
        ("simulators/part.py", "import workbench.model.part", "know nothing"),
        ("workbench/mediation/part.py", "import simulators.part", "works without a simulator"),
        ("workbench/rating/part.py", "import rich", "Only the top floors"),
    ],
)
def test_a_planted_import_is_caught(small_house: Path, file: str, line: str, contract: str) -> None:
    (small_house / file).write_text(line + "\n")
    done = lint_imports(small_house)
    broken = [row for row in done.stdout.splitlines() if row.endswith("BROKEN")]
    assert done.returncode == 1
    assert any(contract in row for row in broken), done.stdout


def test_a_planted_cycle_between_files_is_caught(small_house: Path) -> None:
    (small_house / "workbench/rating/part.py").write_text("from workbench.rating import other\n")
    (small_house / "workbench/rating/other.py").write_text("from workbench.rating import part\n")
    assert "No import cycles between the files of a room BROKEN" in lint_imports(small_house).stdout


def test_a_planted_type_import_that_climbs_is_caught(tmp_path: Path) -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from workbench.cli.main import App\n"
    path = tmp_path / "workbench" / "lake" / "part.py"
    assert climbing_typing_imports(path, tmp_path, source, floors(PYPROJECT))
    below = source.replace("workbench.cli.main", "workbench.model.offer")
    assert not climbing_typing_imports(path, tmp_path, below, floors(PYPROJECT))
