"""Offers as a product manager writes them, priced by hand: every rater says the same, and each can be told in words."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.golden.books import asks_for_books, by_books
from tests.golden.case import Case, read_cases
from tests.golden.engine import by_batch
from tests.golden.online import asks_too_much, by_online, decided_at_close
from tests.golden.outcome import Outcome, by_reference
from tests.golden.suite import check
from workbench.tariff.check import check as judge

FOLDER = Path(__file__).parent / "offers"
BY_HAND, MOVED = (read_cases(FOLDER / f"{name}.yaml") for name in ("by_hand", "moved_too"))
CASES = [*BY_HAND, *MOVED]
each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@cache
def books() -> dict[str, object]:
    return dict(by_books([case for case in BY_HAND if asks_for_books(case)]))


def test_there_are_fifteen() -> None:
    assert len({case.name for case in BY_HAND}) == 15


@each
def test_the_reference(case: Case) -> None:
    check(case, by_reference(case))


@each
def test_in_batch(case: Case) -> None:
    check(case, by_batch(case))


@each
def test_one_event_at_a_time(case: Case) -> None:
    if decided_at_close(case) or asks_too_much(case):
        pytest.skip("decided at close, or by more than a counter")
    check(case, by_online(case))


@pytest.mark.parametrize("case", [c for c in CASES if asks_for_books(c)], ids=lambda case: case.name)
def test_in_the_books(case: Case) -> None:
    outcomes = books()[case.id]
    assert isinstance(outcomes, list)
    assert all(isinstance(outcome, Outcome) for outcome in outcomes)
    check(case, outcomes)


@each
def test_the_checker_warns_of_nothing_but_bills_that_fall(case: Case) -> None:
    said = [finding.code for finding in judge(case.catalogue) if finding.severity == "warning"]
    assert said == (["bill_falls"] if case.name == "a system whose tiers begin at their bound" else [])
