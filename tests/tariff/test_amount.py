"""The formula on plain integers: what a counter that jumps comes to is shared out in whole parts, by use."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workbench.model.plan import PlanStep
from workbench.tariff.amount import Sql, part_unit, shared


def test_parts_are_whole_multiples_of_the_finest_money() -> None:
    # 700 over three units in parts of 100: after one unit 700 / 3 is 233, of which 200 are whole parts.
    assert [shared(700, before, 1, 3, 100) for before in range(3)] == [200, 200, 300]


@given(parts=st.integers(0, 10**6), unit=st.integers(1, 60), uses=st.lists(st.integers(1, 50), min_size=1))
def test_the_parts_sum_to_the_total(parts: int, unit: int, uses: list[int]) -> None:
    total, used, found = parts * unit, sum(uses), list[int]()
    for number, units in enumerate(uses):
        found.append(shared(total, sum(uses[:number]), units, used, unit))
    assert sum(found) == total
    assert all(part % unit == 0 and part >= 0 for part in found)


def test_the_finest_money_divides_every_amount() -> None:
    assert part_unit(60, [PlanStep(0, 0, 90, 1, 120, False), PlanStep(5, 5, 0, 1, 45, False)]) == 15


def test_the_same_body_prints_its_sql() -> None:
    a = Sql("a")
    assert str(1 + a) == "(1 + a)"
    assert str(7 - a) == "(7 - a)"
    assert str(2 * a // a) == "((2 * a) // a)"
