"""What each golden case is good for: wrong reference raters, made by rule, that this case alone notices.

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
import sys
import time
from collections import defaultdict
from pathlib import Path

from tests.golden.implant import Place, implant, in_child
from tests.golden.outcome import by_reference
from tests.golden.reach import of_cases
from tests.golden.suite import BY_ID, CASES, wrongs
from tests.golden.systematic import Made, sites

MODULES = ("adjust", "allowance", "carry", "close", "cost", "credits", "days", "discounts", "fees", "folds", "jumps", "lines",
           "lives", "percentile", "quantity", "rater", "rounding", "splits", "state", "usage", "who", "windows")  # fmt: skip
_SECONDS = 30


def every() -> list[Made]:
    """All changes to the reference rater."""
    found = []
    for name in MODULES:
        module = importlib.import_module(f"workbench.reference.{name}")
        assert module.__file__ is not None
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        found += [Made(module.__name__, n, line, said) for n, (line, said, _) in enumerate(sites(tree))]
    return found


def noticed(mutant: Made, known: dict[str, set[Place]]) -> list[str]:
    """The cases that notice a change; everybody does when the program does not end."""

    def work() -> list[str]:
        places = implant(mutant.module, mutant.wrong)
        found = []
        for case in CASES:
            if not places or places & known[case.id]:
                try:
                    if wrongs(case, by_reference(case)):
                        found.append(case.id)
                except Exception:
                    found.append(case.id)
        return found

    told = in_child(work, _SECONDS)
    return list(BY_ID) if told is None else list(told)


def needed(matrix: dict[str, list[str]]) -> tuple[dict[str, str], list[str]]:
    """A smallest set of cases in which each alone notices something, and one such change for each; and the others.

    The cases that notice least are let go first, as long as somebody else notices what they do.
    """
    by_case: dict[str, set[str]] = defaultdict(set)
    for change, names in matrix.items():
        for name in names:
            by_case[name].add(change)
    count = {change: len(names) for change, names in matrix.items()}
    dropped = []
    for name in sorted(BY_ID, key=lambda name: (len(by_case[name]), name)):
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
    known = of_cases(CASES, by_reference) if asked.minutes else {}
    for mutant in made:
        name = f"{mutant.module.rpartition('.')[2]}.py:{mutant.line} {mutant.said} #{mutant.place}"
        if time.monotonic() - began > asked.minutes * 60:
            break
        if name not in matrix:
            matrix[name] = noticed(mutant, known)
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
    dead = sum(bool(names) for names in matrix.values())
    lines = [
        "# What each golden case alone notices",
        "",
        f"Made by `python -m tests.golden.earned`: {len(matrix)} small changes to the reference rater, of which the golden",
        f"cases notice {dead}. Of {len(BY_ID)} cases, {len(own)} notice a change that no other of them does; one such change",
        "stands beside each (`before  ->  after`). The cases below the line notice nothing alone there: they are kept",
        "for the query engine, whose wrong lines (`mutants.py`) they name, or for the boundary they put into words.",
        "",
        "| case | a change that it alone notices |",
        "| --- | --- |",
        *(
            f"| {name} | `{change.rpartition(' #')[0].replace('|', '¦')}` |"
            for name, change in sorted(own.items())
        ),
        "",
        "## The others",
        "",
        *(f"- {name}" for name in sorted(dropped)),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
