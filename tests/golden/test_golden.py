"""Every golden case on the reference rater, and one event at a time on the online driver."""

from __future__ import annotations

import pytest

from tests.golden.case import Case
from tests.golden.engine import NotPriced
from tests.golden.known import BOOKS, ENGINE
from tests.golden.online import by_online
from tests.golden.outcome import by_reference
from tests.golden.suite import BY_ID, CASES, check, with_gaps


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_reference(case: Case) -> None:
    check(case, by_reference(case))


@pytest.mark.parametrize("case", with_gaps(CASES, ENGINE))
def test_online(case: Case) -> None:
    try:
        outcomes = by_online(case)
    except NotPriced as error:
        pytest.skip(str(error))
    check(case, outcomes)


def test_names_are_unique() -> None:
    assert len(BY_ID) == len(CASES)
    assert set(ENGINE) | set(BOOKS) <= set(BY_ID)
