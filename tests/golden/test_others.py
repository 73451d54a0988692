"""The cases that notice nothing which no golden case notices, and the plans moved here from other systems.

They say a boundary in other words, or what somebody else's documentation says a plan comes to.
"""

from __future__ import annotations

import pytest

from tests.golden.books import asks_for_books, by_books
from tests.golden.case import Case
from tests.golden.engine import NotPriced, by_batch_together
from tests.golden.online import asks_too_much, by_online, decided_at_close
from tests.golden.outcome import by_reference
from tests.golden.suite import BY_ID, FURTHER, check

FILES = sorted({case.file for case in FURTHER})


def test_no_name_is_given_twice() -> None:
    names = [case.id for case in FURTHER]
    assert len({*names, *BY_ID}) == len(names) + len(BY_ID)


@pytest.mark.parametrize("case", FURTHER, ids=lambda case: case.id)
def test_event_by_event(case: Case) -> None:
    check(case, by_reference(case))
    if not decided_at_close(case) and not asks_too_much(case):
        check(case, by_online(case))


@pytest.mark.parametrize("file", FILES)
def test_in_batch_and_in_closed_books(file: str) -> None:
    cases = [case for case in FURTHER if case.file == file]
    told = by_batch_together(cases)
    for case in cases:
        outcomes = told[case.id]
        assert not isinstance(outcomes, NotPriced), case.id
        check(case, outcomes)
    closed = [case for case in cases if asks_for_books(case)]
    books = by_books(closed) if closed else {}
    for case in closed:
        outcomes = books[case.id]
        assert not isinstance(outcomes, NotPriced), case.id
        check(case, outcomes)
