"""What each golden case is good for: wrong programs, made by rule or by hand, that this case alone notices.

    python -m tests.golden.earned [--minutes 3] [--from matrix.json] [--out matrix.json] [--list tests/golden/earned.md]

A rule of the price semantics stands in the reference rater as one plain line, so a small change to a line is a wrong
rule. Every case is asked about every change to the code it runs; a case earns its place when it notices a change that no
other case notices. ``--list`` writes, for each case, one such change. Takes a few minutes of one core and is no test.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.golden.case import Case
from tests.golden.changes import Made, deletions, sites
from tests.golden.engine import NotPriced
from tests.golden.implant import Place, implant, in_child
from tests.golden.mutants import MUTANTS
from tests.golden.mutate import Mutant, mutated
from tests.golden.online import by_online
from tests.golden.outcome import Outcome, by_reference
from tests.golden.reach import of_cases
from tests.golden.suite import BY_FILE, BY_ID, CASES, wrongs

MODULES = ("adjust", "allowance", "carry", "close", "cost", "credits", "days", "discounts", "fees", "folds", "jumps", "lines",
           "lives", "percentile", "quantity", "rater", "rounding", "splits", "state", "usage", "who", "windows")  # fmt: skip
ASKED: dict[str, tuple[Callable[[Case], list[Outcome]], tuple[str, ...]]] = {
    "reference": (by_reference, tuple(f"workbench.reference.{name}" for name in MODULES)),
    "online": (by_online, ("workbench.tariff.amount", "workbench.tariff.pieces", "workbench.tariff.lookup",
                           "workbench.tariff.compile", "workbench.rating.online")),
}  # fmt: skip
"""Who prices, and the modules that are made wrong for it."""
OWN = "own"
"""The wrong lines somebody thought of (``mutants.py``), asked of the query engine and the closed books."""
_SECONDS = 8


@dataclass(frozen=True)
class Question:
    """A wrong program: a change made by rule for one of ``ASKED``, or one of ``mutants.py``."""

    rater: str
    name: str
    made: Made | None = None
    own: Mutant | None = None


def every() -> list[Question]:
    """All changes: replacements and deletions in the reference and in the online driver, and the own ones."""
    found = []
    for rater, (_, modules) in ASKED.items():
        for name in modules:
            module = importlib.import_module(name)
            assert module.__file__ is not None
            tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
            for rule in (sites, deletions):
                for n, (line, said, _) in enumerate(rule(tree)):
                    made = Made(name, n, line, said, deletions=rule is deletions)
                    where = f"{'-'.join(name.split('.')[1:])}.py:{line}"
                    found.append(Question(rater, f"{where} {said} #{rule.__name__[0]}{n}", made))
    return found + [
        Question(OWN, f"{m.id} ({m.rater}) #own", own=m) for m in MUTANTS if m.rater in ("batch", "books")
    ]


def noticed(asked: Question, known: dict[str, dict[str, set[Place]]]) -> list[str]:
    """The cases that notice a change; a program that does not end is noticed by nobody in particular."""

    def by_rule() -> list[str]:
        assert asked.made is not None
        rate, places = ASKED[asked.rater][0], implant(asked.made.module, asked.made.wrong)
        reached = known[asked.rater]
        return [c.id for c in CASES if (not places or places & reached[c.id]) and _wrong(rate, c)]

    def by_hand() -> list[str]:
        assert asked.own is not None
        with mutated(asked.own):
            return _wrong_together(asked.own.rater)

    return list(in_child(by_hand if asked.own else by_rule, 300 if asked.own else _SECONDS) or [])


def _wrong(rate: Callable[[Case], list[Outcome]], case: Case) -> bool:
    try:
        return bool(wrongs(case, rate(case)))
    except NotPriced:
        return False
    except Exception:
        return True


def _wrong_together(rater: str) -> list[str]:
    """The cases that the engine, imported here and now with its wrong line, prices wrongly; a file at a time."""
    found = []
    engine = importlib.import_module("tests.golden.engine")
    books = importlib.import_module("tests.golden.books")
    for group in BY_FILE.values():
        cases = [case for case in group if rater == "batch" or books.asks_for_books(case)]
        together = engine.by_batch_together if rater == "batch" else books.by_books
        alone = engine.by_batch if rater == "batch" else lambda case: books.by_books([case])[case.id]
        try:
            told = together(cases)
        except Exception:  # whose fault it is: one by one
            told = {}
        for case in cases:
            try:
                outcomes = told[case.id] if case.id in told else alone(case)
                if isinstance(outcomes, list) and wrongs(case, outcomes):
                    found.append(case.id)
            except engine.NotPriced:
                continue
            except Exception:
                found.append(case.id)
    return found


def needed(matrix: dict[str, list[str]]) -> tuple[dict[str, str], list[str]]:
    """A small set of cases in which each alone notices something, and one such change for each; and the others.

    The longest cases are let go first, and those last that ``mutants.py`` names, as long as somebody else notices what
    they do: of two that notice the same, the one that is read at a glance stays.
    """
    named = {name for mutant in MUTANTS for name in mutant.cases}
    by_case: dict[str, set[str]] = defaultdict(set)
    for change, names in matrix.items():
        for name in names:
            by_case[name].add(change)
    count = {change: len(names) for change, names in matrix.items()}
    dropped = []
    length = {case.id: len(json.dumps(case.body)) for case in CASES}
    for name in sorted(BY_ID, key=lambda name: (name in named, -length[name], name)):
        if all(count[change] > 1 for change in by_case[name]):
            dropped.append(name)
            for change in by_case[name]:
                count[change] -= 1
    kept = [name for name in BY_ID if name not in set(dropped)]
    own = {name: min(change for change in by_case[name] if count[change] == 1) for name in kept}
    return own, dropped


def main() -> None:
    """Fill the matrix as far as time allows; print or write what it says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--only", default="", help="a pattern for who is asked: reference, online, own")
    parser.add_argument("--slice", default="0/1", help="`k/n`: every n-th change, from the k-th on")
    parser.add_argument("--from", dest="before", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--list", dest="listed", type=Path)
    asked = parser.parse_args()
    began = time.monotonic()
    matrix: dict[str, list[str]] = (
        json.loads(asked.before.read_text()) if asked.before and asked.before.exists() else {}
    )
    made = every()
    random.Random(1).shuffle(made)
    first, every_nth = (int(part) for part in asked.slice.split("/"))
    for _, modules in ASKED.values():
        for name in modules:
            importlib.import_module(name)
    known = {}
    if asked.minutes:
        known = {rater: of_cases(CASES, partial(_wrong, rate)) for rater, (rate, _) in ASKED.items()}
    for question in made[first::every_nth]:
        if time.monotonic() - began > asked.minutes * 60:
            break
        if question.name not in matrix and re.search(asked.only, question.rater):
            matrix[question.name] = noticed(question, known)
            sys.stderr.write(f"{question.name}: {len(matrix[question.name])}\n")
            if asked.out and len(matrix) % 50 == 0:
                asked.out.write_text(json.dumps(matrix), encoding="utf-8")
    if asked.out:
        asked.out.write_text(json.dumps(matrix), encoding="utf-8")
    own, dropped = needed(matrix)
    dead = sum(bool(names) for names in matrix.values())
    told = {
        "possible": len(made),
        "tried": len(matrix),
        "killed": dead,
        "cases": len(BY_ID),
        "needed": len(own),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    if asked.listed:
        asked.listed.write_text(_page(matrix, own, dropped), encoding="utf-8")


def _page(matrix: dict[str, list[str]], own: dict[str, str], dropped: list[str]) -> str:
    """The table of ``earned.md``; what earns nothing is listed, so that it can be moved to ``others/``."""
    dead = sum(bool(names) for names in matrix.values())
    lines = [
        "# What each golden case alone notices",
        "",
        f"Made by `python -m tests.golden.earned`: of {len(matrix):,} wrong programs the golden cases notice {dead:,}. They are",
        "small changes to the reference rater and to the online driver (replacements, and statements and operands left out),",
        f"and the wrong lines of `mutants.py` in the query engine and the closed books. Of {len(BY_ID)} cases, {len(own)} notice a",
        "change that no other of them does; one such change stands beside each (`before  ->  after`, cut to 70 characters).",
        "What notices nothing alone is kept under `others/`. That a change lives here does not say that the program may be",
        "wrong there: this asks the golden cases only, and `mutants.md` asks all tests of the engine.",
        "",
        "| case | a change that it alone notices |",
        "| --- | --- |",
        *(
            f"| {name} | `{change.rpartition(' #')[0].replace('|', '¦')}` |"
            for name, change in sorted(own.items())
        ),
        "",
    ]
    if dropped:
        lines += ["## These notice nothing alone", "", *(f"- {name}" for name in sorted(dropped)), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
