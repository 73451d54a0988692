"""What each price model is as pieces of the cumulative cost, worked out by hand."""

from __future__ import annotations

from fractions import Fraction

import pytest

from workbench.model.money import NANO
from workbench.model.price import (
    Graduated,
    GraduatedPercentage,
    Package,
    Percentile,
    PerUnit,
    Price,
    RateTier,
    StairStep,
    Step,
    Tier,
    Volume,
)
from workbench.tariff.pieces import pieces_of

Row = tuple[int, int, Fraction, int, Fraction, bool]


def f(number: int | str) -> Fraction:
    return Fraction(number)


TIERS = (Tier(10, f(2), f(1)), Tier(20, f(1), f(3)), Tier(None, f("0.5")))
FREE = (0, 0, 0, 1, 0, False)
"""Before the first unit."""


def rows(price: Price, inclusive: bool = True, at_zero: bool = False) -> list[Row]:
    """(from, origin, base, block units, block amount, whole), money in the main unit."""
    return [
        (p.from_units, p.origin_units, p.base / NANO, p.block_units, p.block_amount / NANO, p.whole)
        for p in pieces_of(price, inclusive, at_zero)
    ]


def test_a_price_per_unit_is_one_piece() -> None:
    assert rows(PerUnit(f("0.3"), 1000)) == [(0, 0, 0, 1, f("0.0003"), False)]


@pytest.mark.parametrize(("inclusive", "second", "third"), [(True, 11, 21), (False, 10, 20)])
def test_graduated_tiers_begin_after_the_bound_or_at_it(inclusive: bool, second: int, third: int) -> None:
    # flat 1 + 10 x 2 = 21 at the first bound, + 3 on entering the second; + 10 x 1 = 34 at the second bound
    assert rows(Graduated(TIERS), inclusive) == [
        FREE,
        (1, 0, 1, 1, 2, False),
        (second, 10, 24, 1, 1, False),
        (third, 20, 34, 1, f("0.5"), False),
    ]


def test_a_first_flat_fee_may_be_due_before_the_first_unit() -> None:
    assert rows(Graduated(TIERS, 2), at_zero=True)[:2] == [(0, 0, 1, 1, 1, False), (11, 10, 14, 1, f("0.5"), False)]  # fmt: skip
    assert rows(Volume(TIERS), at_zero=True)[0] == (0, 0, 1, 1, 2, False)


def test_without_a_flat_fee_the_first_tier_begins_at_nothing() -> None:
    tiers = (Tier(10, f(2)), Tier(None, f(1), f(5)))
    assert rows(Graduated(tiers)) == [(0, 0, 0, 1, 2, False), (11, 10, 25, 1, 1, False)]


def test_a_share_of_money_by_tiers() -> None:
    # 10 x 2 % = 0.2 nano at the bound, and 3 on top of it
    price = GraduatedPercentage((RateTier(10, f("0.02"), f(0)), RateTier(None, f("0.01"), f(3))))
    assert rows(price) == [
        (0, 0, 0, 1, f("0.02") / NANO, False),
        (11, 10, 3 + f("0.2") / NANO, 1, f("0.01") / NANO, False),
    ]


def test_packages_are_whole_and_begin_after_the_free_units() -> None:
    assert rows(Package(f(5), 100)) == [(0, 0, 0, 100, 5, True)]
    assert rows(Package(f(5), 100, 30)) == [FREE, (30, 30, 0, 100, 5, True)]


@pytest.mark.parametrize(("inclusive", "second", "third"), [(True, 11, 21), (False, 10, 20)])
def test_a_volume_prices_every_unit_by_the_tier_that_is_reached(
    inclusive: bool, second: int, third: int
) -> None:
    assert rows(Volume(TIERS, 2), inclusive) == [
        FREE,
        (1, 0, 1, 1, 1, False),
        (second, 0, 3, 1, f("0.5"), False),
        (third, 0, 0, 1, f("0.25"), False),
    ]


def test_a_stair_costs_its_step_and_nothing_costs_nothing() -> None:
    price = StairStep((Step(10, f(4)), Step(None, f(6))))
    for at_zero in (False, True):  # a step is no flat fee of a tier
        assert rows(price, at_zero=at_zero) == [FREE, (1, 0, 4, 1, 0, False), (11, 0, 6, 1, 0, False)]


def test_a_first_tier_of_one_unit_is_left_as_it_is_entered_when_bounds_are_exclusive() -> None:
    tiers = (Tier(1, f(2), f(1)), Tier(None, f(1)))
    assert rows(Graduated(tiers), inclusive=False) == [FREE, (1, 1, 3, 1, 1, False)]
    assert rows(Volume(tiers), inclusive=False) == [FREE, (1, 0, 0, 1, 1, False)]
    assert rows(Volume(tiers), inclusive=True) == [FREE, (1, 0, 1, 1, 2, False), (2, 0, 0, 1, 1, False)]


def test_a_percentile_prices_a_byte_of_its_slot() -> None:
    # a byte in 300 s is 8 / 300 bit/s; 1.50 for 1,000 bit/s
    assert rows(Percentile(f("1.5"), 1000)) == [(0, 0, 0, 1, f("1.5") * 8 / (300 * 1000), False)]
