"""Every golden case, on every rater."""

from __future__ import annotations

from functools import cache
from itertools import groupby

import pytest
from _pytest.mark.structures import ParameterSet

from tests.golden.books import asks_for_books, by_books
from tests.golden.case import Case, all_cases
from tests.golden.engine import NotPriced, by_batch, by_batch_together
from tests.golden.known import BOOKS, ENGINE
from tests.golden.online import by_online
from tests.golden.outcome import Outcome, by_reference, differences
from workbench.errors import WorkbenchError

CASES = all_cases()
BY_FILE = {file: list(cases) for file, cases in groupby(CASES, key=lambda case: case.file)}


def check(case: Case, outcomes: list[Outcome]) -> None:
    account = case.parties.accounts[0].account_id
    for number, (expect, outcome) in enumerate(zip(case.expect, outcomes, strict=True), start=1):
        wrong = differences(expect, outcome, account)
        assert not wrong, f"{case.id}, period {number}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_reference(case: Case) -> None:
    check(case, by_reference(case))


@cache
def batch(file: str) -> dict[str, list[Outcome] | Exception]:
    """All cases of a file in one go; when that fails, one by one, to see which case it was."""
    try:
        return dict(by_batch_together(BY_FILE[file]))
    except WorkbenchError:
        return {case.id: alone(case) for case in BY_FILE[file]}


def alone(case: Case) -> list[Outcome] | Exception:
    try:
        return by_batch(case)
    except (WorkbenchError, NotPriced) as error:
        return error


def with_gaps(cases: list[Case], gaps: dict[str, str]) -> list[ParameterSet]:
    """The cases as parameters; a known gap is a strict expected failure."""
    return [
        pytest.param(
            case, id=case.id, marks=[pytest.mark.xfail(reason=gaps[case.id])] if case.id in gaps else []
        )
        for case in cases
    ]


@pytest.mark.parametrize("case", with_gaps(CASES, ENGINE))
def test_batch(case: Case) -> None:
    outcomes = batch(case.file)[case.id]
    if isinstance(outcomes, NotPriced):
        pytest.skip(str(outcomes))
    if isinstance(outcomes, Exception):
        raise outcomes
    check(case, outcomes)


@pytest.mark.parametrize("case", with_gaps(CASES, ENGINE))
def test_online(case: Case) -> None:
    try:
        outcomes = by_online(case)
    except NotPriced as error:
        pytest.skip(str(error))
    check(case, outcomes)


@cache
def books(file: str) -> dict[str, list[Outcome] | NotPriced]:
    return by_books([case for case in BY_FILE[file] if asks_for_books(case)])


@pytest.mark.parametrize("case", with_gaps([case for case in CASES if asks_for_books(case)], BOOKS))
def test_books(case: Case) -> None:
    outcomes = books(case.file)[case.id]
    if isinstance(outcomes, NotPriced):
        pytest.skip(str(outcomes))
    check(case, outcomes)


def test_names_are_unique() -> None:
    names = [case.id for case in CASES]
    assert len(names) == len(set(names))
    assert set(ENGINE) | set(BOOKS) <= set(names)
