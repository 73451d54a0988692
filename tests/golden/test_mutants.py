"""A golden case earns its place by noticing a wrong line: here are the lines."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime

import pytest

from tests.golden.mutants import MUTANTS
from tests.golden.mutate import Mutant, mutated
from tests.golden.suite import BY_ID, wrongs
from workbench.errors import WorkbenchError
from workbench.reference.days import period_of


def findings(rater: str, ids: tuple[str, ...]) -> list[str]:
    """What a rater, imported here and now, gets wrong in these cases."""
    cases = [BY_ID[name] for name in ids]
    if rater == "calendar":
        return wrong_periods()
    if rater == "books":
        by_books = importlib.import_module("tests.golden.books").by_books
        return [wrong for case in cases for wrong in wrongs(case, by_books([case])[case.id])]
    rate = {"batch": "engine", "online": "online"}[rater]
    by_rater = getattr(importlib.import_module(f"tests.golden.{rate}"), f"by_{rater}")
    return [wrong for case in cases for wrong in wrongs(case, by_rater(case))]


def wrong_periods() -> list[str]:
    """Billing periods of all anchors around a leap February that are not the reference's."""
    calendar = importlib.import_module("workbench.tariff.calendar")
    found = []
    for anchor in range(1, 32):
        for at in (datetime(2028, 2, 29, 12, tzinfo=UTC), datetime(2028, 3, 1, 12, tzinfo=UTC)):
            period = calendar.period_at(at, "UTC", "month", anchor)
            if (period.start, period.end) != period_of(at, "UTC", anchor):
                found.append(f"anchor {anchor} at {at}")
    return found


def test_the_calendar_is_the_references() -> None:
    assert wrong_periods() == []


@pytest.mark.parametrize(
    "mutant",
    [pytest.param(m, id=m.id, marks=[] if m.classic else [pytest.mark.slow]) for m in MUTANTS],
)
def test_is_noticed(mutant: Mutant) -> None:
    found: list[str] = []
    with mutated(mutant):
        try:
            found = findings(mutant.rater, mutant.cases)
        except (WorkbenchError, AssertionError) as error:
            found = [str(error)]  # the engine itself noticed
    assert found, f"nothing notices {mutant.id}"


def test_the_true_engine_is_back_after_a_mutant() -> None:
    before = importlib.import_module("workbench.tariff.compile")
    with mutated(MUTANTS[3]):
        assert importlib.import_module("workbench.tariff.compile") is not before
    assert importlib.import_module("workbench.tariff.compile") is before


def test_twelve_are_classic() -> None:
    assert sum(mutant.classic for mutant in MUTANTS) == 12
    assert len({mutant.id for mutant in MUTANTS}) == len(MUTANTS) >= 30


def test_each_finds_the_line_that_it_makes_wrong() -> None:
    lost = []
    for mutant in MUTANTS:
        try:
            assert mutant.module
        except AssertionError as error:
            lost.append(str(error))
    assert lost == []
