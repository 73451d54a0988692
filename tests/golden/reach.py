"""Who is asked about a changed function: which golden case and which file of tests runs it, and how a file of tests is run.

Both are found out once, by looking at every call while the case or the tests run, and can be kept in a file.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings

from tests.golden.implant import Place, forget, in_child

ROOMS = ("tests/tariff", "tests/rating", "tests/settlement")
"""Whose files of tests are asked, each where it runs the changed function."""
BESIDES = ("tests/cli/test_transcript.py",)
"""Files of other rooms that are asked too: what commands say of a price list, word for word."""
ROOT = Path(__file__).parents[2]
_HOUR = 3600


@dataclass
class Reach:
    """What runs which functions: cases by rater, and files of tests with the seconds they take under watch.

    ``marks`` tells the text of each case and file, so that after a change only what changed is looked at again.
    """

    cases: dict[str, dict[str, set[Place]]] = field(default_factory=dict)
    files: dict[str, set[Place]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)

    def tests(self, places: set[Place]) -> list[str]:
        """The files of tests that run one of some functions (all when it is not known which), the quickest first."""
        near = [file for file, known in self.files.items() if known & places or not places]
        return sorted(near, key=lambda file: self.seconds[file])

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "cases": {r: {c: sorted(known) for c, known in cases.items()} for r, cases in self.cases.items()},
            "files": {file: sorted(known) for file, known in self.files.items()},
            "seconds": self.seconds,
            "marks": self.marks,
        }


def read(text: str) -> Reach:
    """What ``told`` wrote."""
    held = json.loads(text)
    cases = {r: {c: _places(known) for c, known in cases.items()} for r, cases in held["cases"].items()}
    files = {file: _places(known) for file, known in held["files"].items()}
    return Reach(cases, files, held["seconds"], held["marks"])


def _places(known: list[list[str]]) -> set[Place]:
    return {(file, name) for file, name in known}


def files_of_tests() -> list[str]:
    """Every file of tests of ``ROOMS``, and those beside, as a path from the root."""
    found = [str(file.relative_to(ROOT)) for room in ROOMS for file in (ROOT / room).glob("test_*.py")]
    return sorted([*found, *BESIDES])


def fails(file: str) -> str:
    """The first test of a file that fails, here and now; empty when all pass. What is marked slow is not asked."""

    class First:
        name = ""

        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.failed and not self.name:
                self.name = report.nodeid

    settings.register_profile("mutants", deadline=None, derandomize=True)  # nobody dies of a busy machine
    settings.load_profile("mutants")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # none is needed, and they take longer than the tests
    first = First()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", str(ROOT / file)], plugins=[first])
    return "" if code in (0, 5) else first.name or f"{file} ({code})"


@contextlib.contextmanager
def watched() -> Iterator[set[Place]]:
    """The functions of this program that are called meanwhile, in any thread."""
    places: set[Place] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and "/workbench/" in frame.f_code.co_filename:
            places.add((frame.f_code.co_filename, frame.f_code.co_qualname))

    sys.setprofile(note)
    threading.setprofile(note)
    try:
        yield places
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def of_cases(cases: Sequence[Any], question: Callable[[Any], object]) -> dict[str, set[Place]]:
    """For each case the functions of this program that are run to answer a question about it."""

    def work() -> dict[str, set[Place]]:
        found = {}
        for case in cases:
            forget()
            with watched() as places:
                question(case)
            found[case.id] = places
        return found

    return in_child(work, _HOUR) or {}


def look(ask: dict[str, tuple[Sequence[Any], Callable[[Any], object]]], known: Reach) -> Reach:
    """Run every case of each rater, (cases, how to ask one), and every file of tests, where it is not known yet."""
    found = Reach(marks=dict(known.marks))
    for rater, (cases, question) in ask.items():
        held = known.cases.get(rater, {})
        texts = {case.id: _mark(repr(case.body) + repr(case.catalogue)) for case in cases}
        missing = [c for c in cases if c.id not in held or known.marks.get(c.id) != texts[c.id]]
        found.cases[rater] = held | (of_cases(missing, question) if missing else {})
        found.marks |= texts
    for file in files_of_tests():
        found.marks[file] = _mark((ROOT / file).read_text(encoding="utf-8"))
        if known.marks.get(file) == found.marks[file] and file in known.files:
            found.files[file], found.seconds[file] = known.files[file], known.seconds[file]
            continue

        def of_file(file: str = file) -> tuple[set[Place], float, str]:
            began = time.monotonic()
            with watched() as places:
                wrong = fails(file)
            return places, time.monotonic() - began, wrong

        places, seconds, wrong = in_child(of_file, _HOUR)
        assert not wrong, f"{wrong} fails without any mutant"
        found.files[file], found.seconds[file] = places, seconds
    return found


def _mark(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
