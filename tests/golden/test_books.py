"""The golden cases that speak of invoices, tax, shares and statements, through a real lake and its close."""

from __future__ import annotations

from functools import cache

import pytest

from tests.golden.books import asks_for_books, by_books
from tests.golden.case import Case
from tests.golden.engine import NotPriced
from tests.golden.known import BOOKS
from tests.golden.outcome import Outcome
from tests.golden.suite import BY_FILE, CASES, check, with_gaps


@cache
def books(file: str) -> dict[str, list[Outcome] | NotPriced]:
    return by_books([case for case in BY_FILE[file] if asks_for_books(case)])


@pytest.mark.parametrize("case", with_gaps([case for case in CASES if asks_for_books(case)], BOOKS))
def test_books(case: Case) -> None:
    outcomes = books(case.file)[case.id]
    if isinstance(outcomes, NotPriced):
        raise outcomes
    check(case, outcomes)
