"""Short functions, no stubs, rooms without a front door, no clock of their own; every test can fail."""

from __future__ import annotations

import ast
import re

import pytest

from tests.house.check_python import (
    chance_offences,
    foreign_imports,
    init_offences,
    long_functions,
    silent_tests,
    stub_offences,
)
from tests.house.tree import ROOT, Offence, name_of, report, rooms, tracked

# Commands talk to people and may look at the clock on the wall; the lake stamps its manifests through clock.py.
PURE_ROOMS = (
    "model", "tariff", "rating", "reference", "mediation", "ledger", "settlement", "verify", "lake", "charging",
    "insight", "twin", "casework",
)  # fmt: skip


PAGE_SAYS = {
    "what it owns": r"\bowns\b|\bthe only room\b",
    "what it does not own": r"\bnot\W+own\b|\bowns no\b|\bdoes not know\b",
    "its invariants": r"\binvariant|\balways holds\b|\balways true\b",
    "where to start": r"\bstart\b|`\w+\.py`",
}


def code() -> list[tuple[str, str]]:
    """Name and text of each tracked Python file of the product."""
    folders = ("workbench", "simulators")
    return [(name_of(path), path.read_text()) for folder in folders for path in tracked(".py", under=folder)]


def test_functions_keep_below_the_ceiling() -> None:
    offences = [each for name, text in code() for each in long_functions(name, text)]
    assert not offences, report(offences)


def test_room_fronts_are_docstrings() -> None:
    fronts = [path for path in tracked(".py", under="workbench") if path.name == "__init__.py"]
    offences = [
        each
        for path in fronts
        if path.parent != ROOT / "workbench"
        for each in init_offences(name_of(path), path.read_text())
    ]
    assert not offences, report(offences)


def test_nothing_is_a_stub() -> None:
    offences = [each for name, text in code() for each in stub_offences(name, text)]
    assert not offences, report(offences)


def test_rooms_ask_no_clock_and_no_chance() -> None:
    places = tuple(f"workbench/{room}/" for room in PURE_ROOMS)
    offences = [
        each for name, text in code() if name.startswith(places) for each in chance_offences(name, text)
    ]
    assert not offences, report(offences)


def test_every_test_can_fail() -> None:
    files = [path for path in tracked(".py", under="tests") if path.name.startswith("test_")]
    offences = [each for path in files for each in silent_tests(name_of(path), path.read_text())]
    assert not offences, report(offences)


@pytest.mark.parametrize("room", ["model", "reference"])
def test_nouns_and_reference_rater_need_the_standard_library_only(room: str) -> None:
    foreign = {
        name_of(path): sorted(tops)
        for path in tracked(".py", under=f"workbench/{room}")
        if (tops := foreign_imports(path.read_text()))
    }
    assert not foreign


def test_the_reference_rater_reads_nothing_of_ours_but_nouns() -> None:
    """An independent rater that leans on the code it checks would prove nothing."""
    allowed = ("workbench.model", "workbench.reference", "workbench.errors")
    offences = [
        Offence(name_of(path), node.lineno, f"imports {module}")
        for path in tracked(".py", under="workbench/reference")
        for node in ast.walk(ast.parse(path.read_text()))
        for module in _modules(node)
        if module.split(".")[0] in ("workbench", "simulators") and not module.startswith(allowed)
    ]
    assert not offences, report(offences)


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


@pytest.mark.parametrize("room", rooms())
def test_each_room_has_its_page(room: str) -> None:
    """One page: what the room owns, what it does not, its invariants, where to start."""
    page = ROOT / "workbench" / room / "README.md"
    assert page.is_file(), f"workbench/{room} has no README.md"
    text = page.read_text().lower()
    missing = [what for what, words in PAGE_SAYS.items() if not re.search(words, text)]
    assert not missing, f"workbench/{room}/README.md does not say {missing}"
    assert len(text.splitlines()) <= 120, f"workbench/{room}/README.md is longer than a page"


def test_a_planted_long_function_is_caught() -> None:
    assert long_functions("planted.py", "def f():\n" + "    x = 1\n" * 71)
    assert not long_functions("planted.py", "def f():\n" + "    x = 1\n" * 70)


@pytest.mark.parametrize("source", ["", "from x import y\n", '"""A room."""\nfrom x import y\n'])
def test_a_planted_front_door_is_caught(source: str) -> None:
    assert init_offences("planted/__init__.py", source)


@pytest.mark.parametrize(
    "source",
    [
        "def f(): ...",
        "def f(): pass",
        "class A:\n    def f(self):\n        '''Later.'''\n        ...",
        "raise NotImplementedError",
    ],
)
def test_a_planted_stub_is_caught(source: str) -> None:
    assert stub_offences("planted.py", source)


@pytest.mark.parametrize(
    "source",
    [
        "class A(Protocol):\n    def f(self): ...",
        "@overload\ndef f(): ...",
        "def close(self):\n    '''Nothing is held open.'''\n    pass",
        "def f():\n    '''Two.'''\n    return 2",
    ],
)
def test_declarations_are_no_stubs(source: str) -> None:
    assert stub_offences("planted.py", source) == []


@pytest.mark.parametrize("source", ["at = datetime.now(UTC)", "at = time.time()", "key = uuid.uuid4()"])
def test_a_planted_clock_is_caught(source: str) -> None:
    assert chance_offences("planted.py", source)
    assert not chance_offences("planted.py", "seconds = time.perf_counter()")


@pytest.mark.parametrize("body", ["x = f()", "assert True", "print(f())"])
def test_a_planted_silent_test_is_caught(body: str) -> None:
    assert silent_tests("planted.py", f"def test_f():\n    {body}\n")


@pytest.mark.parametrize(
    "body", ["assert f()", "with pytest.raises(X): f()", "check_all(f())", "helper(f())"]
)
def test_a_speaking_test_passes(body: str) -> None:
    helper = "def helper(x):\n    assert x\n"
    assert silent_tests("planted.py", f"{helper}def test_f():\n    {body}\n") == []


def test_planted_foreign_imports_are_seen_wherever_they_stand() -> None:
    assert foreign_imports("import os\ndef f():\n    import numpy.linalg\n    from yaml import load\n") == {
        "numpy",
        "yaml",
    }
