"""Wrong programs made by rule, and what becomes of them: a sample of all small changes to the rooms that make money.

    python -m tests.golden.systematic [--sample 100] [--seed 1] [--only splits] [--out mutants.json]

Every comparison, arithmetic operator, whole number, `and`, `or`, `not` and choice in ``TARGETS`` can be made wrong in one
way (`<` for `<=`, `-` for `+`, `n + 1` for `n` ...). A mutant dies when a golden case is priced differently, when a test of
its file fails, or when the engine itself objects. It takes minutes of one core and is no test: run it after changing a rule,
first with ``--quick``, then what lived with ``--again``.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import json
import random
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.golden.books import asks_for_books, by_books
from tests.golden.case import Case
from tests.golden.engine import NotPriced, by_batch, by_batch_together
from tests.golden.implant import Place, implant, in_child
from tests.golden.online import by_online
from tests.golden.outcome import Outcome, by_reference
from tests.golden.suite import CASES, wrongs
from tests.golden.test_mutants import wrong_periods

TARGETS = {
    "workbench.tariff.amount": ("tests.tariff.test_amount", "online", "batch"),
    "workbench.tariff.pieces": ("online", "batch"),
    "workbench.tariff.lookup": ("tests.rating.test_online", "online"),
    "workbench.tariff.calendar": ("tests.tariff.test_calendar", "calendar", "online"),
    "workbench.tariff.compile": ("online", "batch"),
    "workbench.tariff.tables": ("batch",),
    "workbench.tariff.variants": ("batch",),
    "workbench.tariff.timeline": ("tests.tariff.test_timeline", "batch"),
    "workbench.tariff.explain": ("tests.rating.test_explain",),
    "workbench.rating.online": ("tests.rating.test_online", "online"),
    "workbench.rating.wallet": ("tests.rating.test_wallet", "batch"),
    "workbench.rating.closing": ("batch",),
    "workbench.rating.rollover": ("batch",),
    "workbench.rating.ordered": ("batch",),
    "workbench.settlement.splits": ("tests.settlement.test_splits", "books"),
    "workbench.settlement.apportion": ("tests.settlement.test_apportion", "books"),
}
"""Module to who is asked, the quickest first: a rater of the golden cases, or the tests of a file."""

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Mod: ast.FloorDiv,
}  # fmt: skip
_SECONDS = 240
"""More than the slowest rater needs for all cases on a busy machine."""


@dataclass(frozen=True)
class Made:
    """The ``place``-th change that can be made to a module."""

    module: str
    place: int
    line: int
    said: str

    def wrong(self, tree: ast.Module) -> None:
        """Make the change in the module's tree."""
        sites(tree)[self.place][2]()


_NO_CODE = ("annotation", "returns", "decorator_list", "bases", "keywords", "defaults", "kw_defaults")
Site = tuple[int, str, Callable[[], None]]


def sites(tree: ast.Module) -> list[Site]:
    """(line, what changes, how to change the tree in place) for all that can go wrong, in the order of the text."""
    found: list[Site] = []
    for node in _code(tree):
        before = ast.unparse(node) if isinstance(node, ast.expr) else ""
        for how in _ways(node):
            trial = copy.deepcopy(node)
            next(iter(_ways(trial)))()
            found.append((node.lineno, f"{before[:70]}  ->  {ast.unparse(trial)[:70]}", how))  # type: ignore[attr-defined]
    return found


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Expressions that decide or reckon: no annotations, error texts, assertions, defaults or imports."""
    for name, value in ast.iter_fields(node):
        if name in _NO_CODE and not isinstance(node, ast.Call):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(
                child, ast.Raise | ast.Assert | ast.Import | ast.ImportFrom
            ):
                continue
            if (
                isinstance(child, ast.If)
                and isinstance(child.test, ast.Name)
                and child.test.id == "TYPE_CHECKING"
            ):
                continue
            if isinstance(child, ast.Call) and ast.unparse(child.func).endswith(
                ("Error", "Overflow", "cast")
            ):
                continue
            yield child
            yield from _code(child)


def _ways(node: ast.AST) -> Iterator[Callable[[], None]]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARE:
        yield lambda: node.ops.__setitem__(0, _COMPARE[type(node.ops[0])]())
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY and not _is_text(node):
        yield lambda: setattr(node, "op", _BINARY[type(node.op)]())
    if isinstance(node, ast.BoolOp):
        yield lambda: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield lambda: setattr(node, "operand", ast.UnaryOp(ast.Not(), node.operand))
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield lambda: setattr(node, "value", node.value + 1)  # type: ignore[operator]
    if isinstance(node, ast.IfExp):
        yield lambda: (lambda a, b: (setattr(node, "body", b), setattr(node, "orelse", a)))(
            node.body, node.orelse
        )  # type: ignore[return-value]


def _is_text(node: ast.BinOp) -> bool:
    """Text and types are joined by the same signs as numbers."""
    return any(
        isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str))
        for part in ast.walk(node)
    )


def every(only: str = "") -> list[Made]:
    """All changes to all targets."""
    found = []
    for module in TARGETS:
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


def _tests(module: str) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Each test of a file with each of its parameters; it objects by raising. Tests with fixtures are left out."""
    for name, test in vars(importlib.import_module(module)).items():
        if not name.startswith("test_"):
            continue
        sets: list[dict[str, Any]] = [{}]
        for mark in getattr(test, "pytestmark", []):
            if mark.name == "parametrize":
                names = (
                    mark.args[0].replace(" ", "").split(",")
                    if isinstance(mark.args[0], str)
                    else list(mark.args[0])
                )
                rows = [
                    getattr(value, "values", value if len(names) > 1 else (value,)) for value in mark.args[1]
                ]
                sets = [old | dict(zip(names, row, strict=True)) for old in sets for row in rows]
        for number, given in enumerate(sets):
            yield f"{name} {number}", lambda test=test, given=given: test(**given) is not None


def _file_of(by: str) -> str:
    """The golden file that noticed a mutant."""
    rater, _, name = by.partition(": ")
    return name.partition(": ")[0].partition(" (")[0] if rater in _RATERS else ""


def reached(rater: str) -> dict[str, set[Place]]:
    """For each case the functions of this program that a rater runs for it."""

    def work() -> dict[str, set[Place]]:
        found: dict[str, set[Place]] = {}
        for case in _cases(rater):
            places: set[Place] = set()

            def note(frame: FrameType, event: str, _: object, places: set[Place] = places) -> None:
                if event == "call" and "/workbench/" in frame.f_code.co_filename:
                    places.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

            sys.setprofile(note)
            try:
                _ask(rater, case)
            finally:
                sys.setprofile(None)
            found[case.id] = places
        return found

    return in_child(work, 3600) or {}


def reached_before(file: Path | None, raters: Sequence[str]) -> dict[str, dict[str, set[Place]]]:
    """``reached`` of some raters, from a file where it was kept before, so that slices need not ask again."""
    if file and file.exists():
        held = json.loads(file.read_text(encoding="utf-8"))
        return {r: {c: {(f, n) for f, n in places} for c, places in held[r].items()} for r in held}
    known = {rater: reached(rater) for rater in raters}
    if file:
        told = {r: {c: sorted(places) for c, places in cases.items()} for r, cases in known.items()}
        file.write_text(json.dumps(told), encoding="utf-8")
    return known


def killer(
    mutant: Made,
    raters: Sequence[str],
    known: dict[str, dict[str, set[Place]]],
    kills: Counter[str],
) -> str:
    """What notices a mutant; empty when nothing does."""

    def work() -> str:
        asking = "import"
        try:
            places = implant(mutant.module, mutant.wrong)
            for rater in raters:
                if rater == "calendar":
                    asking = rater
                    if wrong_periods():
                        return asking
                    continue
                if rater.startswith("tests."):
                    for asking, objects in _tests(rater):
                        if objects():
                            return asking
                    continue
                near = [c for c in _cases(rater) if places & known[rater].get(c.id, set()) or not places]
                for group in _groups(rater, near, kills):
                    asking = f"{rater}: {group[0].file}"
                    wrong = _wrong(rater, group)
                    if wrong:
                        return f"{rater}: {wrong}"
        except (Exception, pytest.fail.Exception) as error:  # the engine itself objects, or a test does
            return f"{asking} ({type(error).__name__})"
        return ""

    found = in_child(work, _SECONDS)
    return "does not end" if found is None else str(found)


def main() -> None:
    """Draw the sample, try each, print what lives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="a pattern for the modules")
    parser.add_argument(
        "--quick", action="store_true", help="ask no query engine: seconds instead of minutes for each"
    )
    parser.add_argument("--again", type=Path, help="only what lived in this result, all asked")
    parser.add_argument(
        "--slice", default="0/1", help="`k/n`: every n-th of what was drawn, from the k-th on"
    )
    parser.add_argument("--reach", type=Path, help="a file that keeps which case runs which function")
    parser.add_argument("--minutes", type=float, default=10**6)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    made = every(asked.only)
    drawn = random.Random(asked.seed).sample(made, min(asked.sample, len(made)))
    began, results = time.monotonic(), list[dict[str, object]]()
    if asked.again:
        before = json.loads(asked.again.read_text(encoding="utf-8"))["results"]
        results = [result for result in before if result["killed_by"]]
        lived = {(result["module"], result["place"]) for result in before if not result["killed_by"]}
        drawn = [mutant for mutant in made if (mutant.module, mutant.place) in lived]
    first, every_nth = (int(part) for part in asked.slice.split("/"))
    drawn = drawn[first::every_nth]
    wanted = {
        mutant.module: [r for r in TARGETS[mutant.module] if not (asked.quick and r in ("batch", "books"))]
        for mutant in drawn
    }
    for module in sorted(
        {mutant.module for mutant in drawn}
        | {r for rs in wanted.values() for r in rs if r.startswith("tests.")}
    ):
        importlib.import_module(module)
    known = reached_before(
        asked.reach, [r for r in sorted({r for rs in wanted.values() for r in rs}) if r in _RATERS]
    )
    kills: Counter[str] = Counter()
    for number, mutant in enumerate(drawn, 1):
        if time.monotonic() - began > asked.minutes * 60:
            break
        by = killer(mutant, wanted[mutant.module], known, kills)
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
