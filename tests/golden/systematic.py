"""Wrong programs made by rule, and what becomes of them: a sample of all small changes to the rooms that make money.

    python -m tests.golden.systematic [--sample 100] [--seed 1] [--only splits] [--out mutants.json]

Every comparison, arithmetic operator, whole number, `and`, `or`, `not` and choice in ``TARGETS`` can be made wrong in one
way (`<` for `<=`, `-` for `+`, `n + 1` for `n` ...). A mutant dies when a golden case is priced differently, when a test of
``reach.ROOMS`` that runs the changed function fails, or when the engine itself objects. It takes minutes of one core and is no
test: run it after changing a rule, first with ``--quick``, then what lived with ``--again``.

Which case and which file of tests runs which function is found out first, and kept in ``--reach``; with the next run only
cases and files of tests that changed are looked at again: after functions were added to the program, begin a new one. A question
that does not end in time counts as a death of its own kind (`does not end`).
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import random
import re
import resource
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from tests.golden.books import asks_for_books, by_books
from tests.golden.case import Case
from tests.golden.changes import Made, sites
from tests.golden.engine import NotPriced, by_batch, by_batch_together
from tests.golden.implant import implant, in_child
from tests.golden.online import by_online
from tests.golden.outcome import Outcome, by_reference
from tests.golden.reach import Reach, fails, look, read
from tests.golden.suite import CASES, wrongs
from tests.golden.test_mutants import wrong_periods

TARGETS = {
    "workbench.tariff.amount": ("online", "batch"),
    "workbench.tariff.pieces": ("online", "batch"),
    "workbench.tariff.lookup": ("online",),
    "workbench.tariff.calendar": ("calendar", "online"),
    "workbench.tariff.compile": ("online", "batch"),
    "workbench.tariff.tables": ("batch",),
    "workbench.tariff.variants": ("batch",),
    "workbench.tariff.timeline": ("batch",),
    "workbench.tariff.explain": (),
    "workbench.tariff.trace_check": (),
    "workbench.tariff.refuse": ("online", "batch"),
    "workbench.tariff.assign": ("batch",),
    "workbench.tariff.plan": ("batch",),
    "workbench.tariff.grants": ("batch",),
    "workbench.tariff.purse": ("online", "batch"),
    "workbench.rating.online": ("online",),
    "workbench.rating.wallet": ("batch",),
    "workbench.rating.closing": ("batch",),
    "workbench.rating.rollover": ("batch",),
    "workbench.rating.ordered": ("batch",),
    "workbench.rating.batch": ("batch",),
    "workbench.rating.burst": ("batch",),
    "workbench.rating.carry": ("batch",),
    "workbench.rating.counted": ("batch",),
    "workbench.rating.explain": (),
    "workbench.rating.folded": ("batch",),
    "workbench.rating.node": ("batch",),
    "workbench.rating.shaped": ("batch",),
    "workbench.rating.stretches": ("batch",),
    "workbench.rating.tables": ("batch",),
    "workbench.rating.uncharged": ("batch",),
    "workbench.rating.use": ("batch",),
    "workbench.settlement.splits": ("books",),
    "workbench.settlement.apportion": ("books",),
}
"""Module to the raters of the golden cases that are asked."""
DESK: dict[str, tuple[str, ...]] = {
    f"workbench.tariff.{name}": ()
    for name in (
        "asked", "at_close", "canonical", "catalogue", "check", "compare", "describe", "desk", "diff", "diff_price",
        "diff_words", "fields", "formerly", "parts_text", "publish", "quote", "read_offer", "read_price", "read_split",
        "restore", "schema", "shape", "show", "slips", "spell", "sql", "units_text", "validate", "widest", "yamltree",
    )
}  # fmt: skip
"""What reads, checks, compares and shows catalogues: files of tests are asked."""
TARGETS |= DESK

_SECONDS = 150
"""Of the processor: more than the longest question takes (a file's cases in batch, a file of tests)."""
_LONGEST = 20.0
"""Files of tests that take no more seconds are asked before the query engine, and with ``--quick``."""
_SLOW = ("batch", "books")
_BYTES = 8 * 2**30
"""A loop without end that collects something is stopped by its memory."""


def every(only: str = "", among: Collection[str] = tuple(TARGETS)) -> list[Made]:
    """All changes to all targets."""
    found = []
    for module in among:
        if re.search(only, module):
            spec = find_spec(module)
            assert spec is not None
            assert spec.origin is not None
            tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
            found += [Made(module, n, line, said) for n, (line, said, _) in enumerate(sites(tree))]
    return found


def _ask(rater: str, case: Case) -> bool:
    """Whether a rater prices a case differently from what the case says."""
    try:
        return bool(wrongs(case, _RATERS[rater](case)))
    except NotPriced:
        return False


def _wrong(rater: str, group: list[Case]) -> str:
    """The first of some cases of a file that a rater prices wrongly; the query engine is asked about all at once."""
    if rater == "batch":
        told = by_batch_together(group)
        return next(
            (c.id for c in group if isinstance(found := told[c.id], list) and wrongs(c, found)),
            "",
        )
    return next((case.id for case in group if _ask(rater, case)), "")


def _groups(rater: str, cases: list[Case], kills: Counter[str]) -> list[list[Case]]:
    """The cases asked together, those that noticed most first: by file for the query engine, else one by one."""
    if rater != "batch":
        return [[case] for case in sorted(cases, key=lambda case: -kills[case.file])]
    files: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        files[case.file].append(case)
    return sorted(files.values(), key=lambda group: (-kills[group[0].file], len(group)))


_RATERS: dict[str, Callable[[Case], list[Outcome]]] = {
    "online": by_online,
    "batch": by_batch,
    "books": lambda case: by_books([case])[case.id],  # type: ignore[dict-item, return-value]
    "reference": by_reference,
}


def _cases(rater: str) -> list[Case]:
    return [case for case in CASES if rater != "books" or asks_for_books(case)]


def _file_of(by: str) -> str:
    """The golden file, or the file of tests, that noticed a mutant."""
    rater, _, name = by.partition(": ")
    if rater == "test":
        return name.partition("::")[0]
    return name.partition(": ")[0].partition(" (")[0] if rater in _RATERS else ""


def reach_of(file: Path | None, raters: Sequence[str]) -> Reach:
    """What runs which functions, from a file where it was kept before, so that slices need not look again."""
    before = read(file.read_text(encoding="utf-8")) if file and file.exists() else Reach()
    found = look({rater: (_cases(rater), partial(_ask, rater)) for rater in raters}, before)
    if file:
        file.write_text(json.dumps(found.told()), encoding="utf-8")
    return found


def killer(mutant: Made, raters: Sequence[str], known: Reach, kills: Counter[str], *, quick: bool) -> str:
    """What notices a mutant; empty when nothing does."""

    def work() -> str:
        asking = "import"
        resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
        try:
            for asking, question in _questions(mutant, raters, known, kills, quick):
                signal.setitimer(signal.ITIMER_PROF, _SECONDS)
                wrong = question()
                if wrong:
                    return f"{asking}: {wrong}"
        except Exception as error:  # the engine itself objects
            return f"{asking} ({type(error).__name__})"
        return ""

    found = in_child(work, _SECONDS)
    return "does not end" if found is None else str(found)


def _questions(
    mutant: Made, raters: Sequence[str], known: Reach, kills: Counter[str], quick: bool
) -> Iterator[tuple[str, Callable[[], str]]]:
    """(name, question that says what is wrong), the quick ones first, and files of tests that noticed many before.

    The mutant is put in place first.
    """
    places = implant(mutant.module, mutant.wrong)
    if "calendar" in raters:
        yield "calendar", lambda: next(iter(wrong_periods()), "")
    tests = [
        ("test", known.seconds[file] / (1 + kills[file]), partial(fails, file))
        for file in known.tests(places)
        if not quick or known.seconds[file] < _LONGEST
    ]
    rated = [
        (rater, _LONGEST if rater in _SLOW else 0, partial(_wrong, rater, group))
        for rater in raters
        if rater in _RATERS
        for group in _groups(
            rater,
            [c for c in _cases(rater) if not places or places & known.cases[rater].get(c.id, set())],
            kills,
        )
    ]
    for name, seconds, question in sorted([*rated, *tests], key=lambda asked: asked[1]):
        if not quick or seconds < _LONGEST:
            yield name, question


def main() -> None:
    """Draw the sample, try each, print what lives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="a pattern for the modules")
    parser.add_argument("--desk", action="store_true", help="only what reads, checks and shows price lists")
    parser.add_argument(
        "--quick", action="store_true", help="ask neither the query engine nor long files of tests"
    )
    parser.add_argument("--again", type=Path, help="only what lived in this result, all asked")
    parser.add_argument(
        "--slice", default="0/1", help="`k/n`: every n-th of what was drawn, from the k-th on"
    )
    parser.add_argument("--reach", type=Path, help="a file that keeps what runs which function")
    parser.add_argument("--minutes", type=float, default=10**6)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    made = every(asked.only, DESK if asked.desk else TARGETS)
    drawn = random.Random(asked.seed).sample(made, min(asked.sample, len(made)))
    began, results = time.monotonic(), list[dict[str, object]]()
    if asked.again:
        before = json.loads(asked.again.read_text(encoding="utf-8"))["results"]
        results = [result for result in before if result["killed_by"]]
        lived = {(result["module"], result["place"]) for result in before if not result["killed_by"]}
        drawn = [mutant for mutant in made if (mutant.module, mutant.place) in lived]
    first, every_nth = (int(part) for part in asked.slice.split("/"))
    drawn = drawn[first::every_nth]
    for module in TARGETS:
        importlib.import_module(module)
    known = reach_of(
        asked.reach, [r for r in sorted({r for rs in TARGETS.values() for r in rs}) if r in _RATERS]
    )
    kills: Counter[str] = Counter()
    for number, mutant in enumerate(drawn, 1):
        if time.monotonic() - began > asked.minutes * 60:
            break
        by = killer(mutant, TARGETS[mutant.module], known, kills, quick=asked.quick)
        kills[_file_of(by)] += 1
        results.append(vars(mutant) | {"killed_by": by})
        sys.stderr.write(
            f"{number}/{len(drawn)} {mutant.module}:{mutant.line} {mutant.said}: {by or 'LIVES'}\n"
        )
        if asked.out:
            with suppress(OSError):
                told = {"possible": len(made), "results": results}
                asked.out.write_text(json.dumps(told, indent=1), encoding="utf-8")
    dead = sum(bool(result["killed_by"]) for result in results)
    percent = round(100 * dead / max(1, len(results)), 1)
    told = {"possible": len(made), "tried": len(results), "killed": dead, "percent": percent}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
