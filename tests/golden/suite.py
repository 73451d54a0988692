"""What the test files of the golden suite share."""

from __future__ import annotations

from itertools import groupby

import pytest
from _pytest.mark.structures import ParameterSet

from tests.golden.case import OTHERS, Case, all_cases
from tests.golden.outcome import Outcome, differences

CASES = all_cases()
BY_FILE = {file: list(cases) for file, cases in groupby(CASES, key=lambda case: case.file)}
BY_ID = {case.id: case for case in CASES}
FURTHER = all_cases(OTHERS)
"""Cases that notice nothing alone, and plans moved here from other systems: asked, but they earn no place."""


def wrongs(case: Case, outcomes: list[Outcome]) -> list[str]:
    """Every expectation of a case that is not met, as sentences."""
    account = case.parties.accounts[0].account_id
    return [
        f"period {number}: {sentence}"
        for number, (expect, outcome) in enumerate(zip(case.expect, outcomes, strict=True), start=1)
        for sentence in differences(expect, outcome, account)
    ]


def check(case: Case, outcomes: list[Outcome]) -> None:
    """Fail with all that is wrong."""
    wrong = wrongs(case, outcomes)
    assert not wrong, f"{case.id}\n" + "\n".join(wrong)


def with_gaps(cases: list[Case], gaps: dict[str, str]) -> list[ParameterSet]:
    """The cases as parameters; a known gap is a strict expected failure."""
    return [
        pytest.param(
            case,
            id=case.id,
            marks=[pytest.mark.xfail(reason=gaps[case.id], strict=True)] if case.id in gaps else [],
        )
        for case in cases
    ]
