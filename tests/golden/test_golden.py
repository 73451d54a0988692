"""Every golden case, on every rater."""

from __future__ import annotations

import pytest

from tests.golden.case import Case, all_cases
from tests.golden.engine import NotPriced, by_batch
from tests.golden.outcome import Outcome, by_reference, differences

CASES = all_cases()


def check(case: Case, outcomes: list[Outcome]) -> None:
    account = case.parties.accounts[0].account_id
    for number, (expect, outcome) in enumerate(zip(case.expect, outcomes, strict=True), start=1):
        wrong = differences(expect, outcome, account)
        assert not wrong, f"{case.id}, period {number}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_reference(case: Case) -> None:
    check(case, by_reference(case))


def test_names_are_unique() -> None:
    names = [case.id for case in CASES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_batch(case: Case) -> None:
    try:
        outcomes = by_batch(case)
    except NotPriced as error:
        pytest.skip(str(error))
    check(case, outcomes)
