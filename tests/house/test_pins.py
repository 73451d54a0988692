"""The environment is one: pyproject, lock and environment.yml agree, and code imports only what is declared."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.check_pins import environment_problems, pin_problems, pins
from tests.house.check_python import foreign_imports
from tests.house.tree import ROOT, tracked

PYPROJECT = (ROOT / "pyproject.toml").read_text()
LOCK = (ROOT / "requirements.lock").read_text()
ENVIRONMENT = (ROOT / "environment.yml").read_text()


def test_the_lock_holds_every_direct_requirement_within_its_bounds() -> None:
    assert pin_problems(PYPROJECT, LOCK) == []


def test_each_package_is_pinned_once_for_a_machine() -> None:
    seen = [(pin.name, pin.marker) for pin in pins(LOCK)]
    assert len(seen) == len(set(seen)) > 100


def test_environment_yml_is_in_step() -> None:
    assert environment_problems(ENVIRONMENT, PYPROJECT) == []


@cache
def distributions() -> Mapping[str, list[str]]:
    """Import name to the installed packages that bring it; reading every package's file list takes seconds."""
    return packages_distributions()


@pytest.mark.parametrize(
    ("folder", "extras"), [("workbench", []), ("simulators", []), ("tests", ["dev"]), ("benchmarks", ["dev"])]
)
def test_code_imports_only_what_pyproject_declares(folder: str, extras: list[str]) -> None:
    """A package that came along with another may leave with it."""
    project = tomllib.loads(PYPROJECT)["project"]
    optional = project["optional-dependencies"]
    lists = [project["dependencies"], *(optional[extra] for extra in extras)]
    if not extras:  # optional wires may be imported by the file that speaks them
        lists += [needs for extra, needs in optional.items() if extra != "dev"]
    declared = {canonicalize_name(Requirement(text).name) for needs in lists for text in needs}
    dists = distributions()
    undeclared = {
        f"{path.relative_to(ROOT)}: {top}"
        for path in tracked(".py", under=folder)
        for top in foreign_imports(path.read_text())
        if not {canonicalize_name(dist) for dist in dists.get(top, [top])} & declared
    }
    assert not undeclared


def test_a_planted_requirement_without_a_pin_is_caught() -> None:
    planted = PYPROJECT.replace('"pyyaml>=6.0.2"', '"pyyaml>=6.0.2", "no-such-package"')
    assert pin_problems(planted, LOCK) == ["pyproject wants no-such-package, the lock has nothing"]


def test_a_planted_pin_out_of_bounds_is_caught() -> None:
    assert len(pin_problems(PYPROJECT.replace('"pyyaml>=6.0.2"', '"pyyaml>=99"'), LOCK)) == 1


def test_a_planted_pin_without_hashes_is_caught() -> None:
    assert pin_problems(PYPROJECT, LOCK + "zzz==1.0\n") == ["zzz==1.0 has no hash"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("python=3.11", "python=3.12"), ("  - pip\n", "  - pip\n  - duckdb=1.0\n"), ("      - -e .\n", "")],
)
def test_a_planted_environment_out_of_step_is_caught(old: str, new: str) -> None:
    assert environment_problems(ENVIRONMENT.replace(old, new), PYPROJECT)
