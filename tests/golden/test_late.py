"""Close first and hear late, or hear first and close late: the same bill, to the unit (I15)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.books import close_then_hear_late
from tests.golden.suite import BY_ID, FURTHER, check

CASES = (
    "graduated: a charge is the cost after minus the cost before",
    "volume: one byte over the bound makes the whole bill cheaper",
    "adjustments: never more than fifty",
    "money_out: tax on the sum of a rate, not on each line",
    "splits: tiers of revenue",
)


OF_TWO_CURRENCIES = "splits: tiers, guarantee and cap are those of the whole, whatever it was earned in"


@pytest.mark.parametrize(
    ("name", "late"), [*((name, 1) for name in CASES), (OF_TWO_CURRENCIES, 1), (OF_TWO_CURRENCIES, 2)]
)
def test_late_use_is_an_adjustment(name: str, late: int, tmp_path: Path) -> None:
    case = next(case for case in [*BY_ID.values(), *FURTHER] if case.id == name)
    check(case, [close_then_hear_late(tmp_path, case, late=late)])
