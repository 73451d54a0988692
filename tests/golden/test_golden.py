"""Every golden case on the reference rater, and one event at a time on the online driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.case import Case
from tests.golden.known import BOOKS, ENGINE
from tests.golden.online import asks_too_much, by_online, decided_at_close
from tests.golden.outcome import by_reference
from tests.golden.suite import BY_ID, CASES, check, with_gaps
from workbench.errors import RatingError
from workbench.model.plan import Period
from workbench.rating.online import OnlineRater
from workbench.tariff.at_close import not_online
from workbench.tariff.compile import compile_offer


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_reference(case: Case) -> None:
    check(case, by_reference(case))


WAITING = {case.id: decided_at_close(case) for case in CASES}
"""What of each case is decided at close, by name."""


@pytest.mark.parametrize(
    "case", with_gaps([case for case in CASES if not WAITING[case.id] and not asks_too_much(case)], ENGINE)
)
def test_online(case: Case) -> None:
    check(case, by_online(case))


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if WAITING[case.id] and not asks_too_much(case)],
    ids=lambda case: case.id,
)
def test_what_is_decided_at_close_is_refused_online_by_name(case: Case) -> None:
    said = []
    for offer in case.catalogue.offers:
        compiled = compile_offer(offer, case.catalogue)
        if not_online(compiled):
            with pytest.raises(RatingError) as caught:
                OnlineRater(compiled, Period(*case.periods[0]))
            assert caught.value.code == "not_online"
            said.append(caught.value.what)
    assert any(what in sentence for what in WAITING[case.id] for sentence in said)


def test_each_case_has_earned_its_place() -> None:
    page = (Path(__file__).parent / "earned.md").read_text(encoding="utf-8")
    rows = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines() if line.startswith("| ")]
    assert set(rows) - {"case", "---"} == set(BY_ID), "see README.md: `python -m tests.golden.earned`"


def test_names_are_unique() -> None:
    assert len(BY_ID) == len(CASES)
    assert set(ENGINE) | set(BOOKS) <= set(BY_ID)
