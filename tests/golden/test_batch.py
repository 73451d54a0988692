"""Every golden case in batch."""

from __future__ import annotations

from functools import cache

import pytest

from tests.golden.case import Case
from tests.golden.engine import NotPriced, by_batch, by_batch_together
from tests.golden.known import ENGINE
from tests.golden.outcome import Outcome
from tests.golden.suite import BY_FILE, CASES, check, with_gaps
from workbench.errors import WorkbenchError


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


@pytest.mark.parametrize("case", with_gaps(CASES, ENGINE))
def test_batch(case: Case) -> None:
    outcomes = batch(case.file)[case.id]
    if isinstance(outcomes, Exception):  # a construct the engine does not price included
        raise outcomes
    check(case, outcomes)
