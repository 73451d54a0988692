"""The shape of a bill agrees with the calculator, and crossing points are where they are said to be."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.model.offer import Catalogue
from workbench.tariff.catalogue import loads
from workbench.tariff.compile import compile_offer
from workbench.tariff.quote import price
from workbench.tariff.shape import Bill, bill_of, crossings

_SPLIT = "split: {rules: [{partner: operator, percent: 100 %}]}"


def shop(prices: str, rest: str = "", offer_id: str = "one") -> Catalogue:
    return loads(
        "meters: [{id: m.press, unit: press}]\npartners: [{id: operator}]\noffers:\n"
        f"  - {{id: {offer_id}, version: 1, currency: EUR, effective: 2026-01-01, {_SPLIT},\n"
        f"     prices: [{{id: use, meter: m.press, {prices}}}]{rest}}}\n"
    )


def shape(catalogue: Catalogue, units: int, **rates: str) -> Fraction:
    offer = catalogue.offers[0]
    return bill_of(offer, catalogue, "m.press", rates).at(units)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 5000))
def test_without_adjustments_it_is_what_the_calculator_says(units: int) -> None:
    catalogue = shop("graduated: {tiers: [{up_to: 1000, amount: 0.03, flat: 1}, {amount: 0.01}]}")
    assert shape(catalogue, units) == price(catalogue, units).amount


@pytest.mark.parametrize(
    "rest, units, expected",
    [
        (", fees: [{id: rent, amount: 0.10, every: day}]", 0, "3"),
        (", fees: [{id: unlock, amount: 9, every: once}]", 10, "1"),
        (", maximum: {amount: 5}", 100, "5"),
        (", commitment: {amount: 7}", 10, "7"),
        (", commitment: {amount: 7}", 100, "10"),
        (", discounts: [{id: d, percent: 10 %}]", 100, "9"),
        (", discounts: [{id: d, percent: 10 %, code: SECRET}]", 100, "10"),
        (", discounts: [{id: d, fixed: 3}]", 10, "0"),
        (
            ", discounts: [{id: d, fixed: 3}], maximum: {amount: 5}",
            100,
            "5",
        ),  # 10 - 3 = 7, and 2 over the maximum
        (
            ", discounts: [{id: d, fixed: 3}], commitment: {amount: 7}",
            50,
            "7",
        ),  # 5 - 3 = 2, and 5 are missing
        (
            ", discounts: [{id: d, fixed: 3, components: [use]}], fees: [{id: base, amount: 2}]",
            10,
            "2",
        ),  # 1 - 1 + 2
        (", maximum: {amount: 5, scope: device}, fees: [{id: base, amount: 2, per: account}]", 100, "7"),
        (", commitment: {amount: 5, scope: device}, fees: [{id: base, amount: 2, per: account}]", 10, "7"),
        (", maximum: {amount: 5}, fees: [{id: base, amount: 2}]", 100, "5"),
        (", maximum: {amount: 5, components: [use]}, fees: [{id: base, amount: 2}]", 100, "7"),
    ],
)
def test_fees_and_limits_count_as_they_do_at_close(rest: str, units: int, expected: str) -> None:
    assert shape(shop("per_unit: {amount: 0.10}", rest), units) == Fraction(expected)


def test_a_rate_can_be_chosen_and_the_last_one_holds_otherwise() -> None:
    rates = (
        "rates: [{id: night, windows: [{from: '22:00', to: '06:00'}], per_unit: {amount: 0.01}}, "
        "{id: day, per_unit: {amount: 0.02}}]"
    )
    catalogue = shop(rates)
    assert shape(catalogue, 100) == 2
    assert shape(catalogue, 100, use="night") == 1


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 400), st.integers(1, 400))
def test_a_crossing_is_the_first_quantity_on_the_other_side(fee: int, cents: int) -> None:
    flat = shop("per_unit: {amount: 0.01}", f", fees: [{{id: base, amount: {fee}}}]", "flat")
    steep = shop(f"per_unit: {{amount: 0.0{cents + 100}}}", offer_id="steep")
    left, right = (
        Bill(c.offers[0], compile_offer(c.offers[0], c), "m.press") for c in (steep, flat)
    )  # fmt: skip
    found = crossings(left, right)
    assert len(found) == 1
    units = found[0].units
    assert left.at(units) > right.at(units)
    assert left.at(units - 1) <= right.at(units - 1)
    assert not found[0].cheaper_left


ROUND = "per_unit: {amount: 0.10}"
PARTS = [
    (", fees: [{id: rent, amount: 1, every: day}]", 0, "30"),
    (", period: day, fees: [{id: rent, amount: 1, every: day}]", 0, "1"),
    (", period: week, fees: [{id: rent, amount: 1, every: day}]", 0, "7"),
    (", period: quarter, fees: [{id: rent, amount: 1, every: day}]", 0, "91"),
    (", period: year, fees: [{id: rent, amount: 1, every: day}]", 0, "365"),
    (", period: year, fees: [{id: rent, amount: 1}]", 0, "1"),
    (", fees: [{id: rent, amount: 1, from_period: 2}]", 0, "0"),
    (", fees: [{id: rent, amount: 1, from_period: 1, to_period: 1}]", 0, "1"),
    (", fees: [{id: rent, amount: 2}], discounts: [{id: d, percent: 10 %}]", 10, "2.7"),
    (", fees: [{id: rent, amount: 2}], discounts: [{id: d, percent: 10 %, components: [rent]}]", 10, "2.8"),
    (", fees: [{id: rent, amount: 2}], discounts: [{id: d, percent: 10 %, components: [use]}]", 10, "2.9"),
    (", discounts: [{id: d, percent: 10 %}, {id: e, percent: 50 %}]", 10, "0.45"),
    (", discounts: [{id: d, percent: 10 %, from_period: 2}]", 10, "1"),
    (", discounts: [{id: d, fixed: 0.3, from_period: 2}]", 10, "1"),
    (", discounts: [{id: d, fixed: 0.3, code: SPRING}]", 10, "1"),
    (", discounts: [{id: d, fixed: 0.3}, {id: e, fixed: 0.4}]", 10, "0.3"),
    (", discounts: [{id: d, fixed: 0.8}, {id: e, fixed: 0.8}]", 10, "0"),
    # what the first took is not there for the second, whatever it was for: as at close
    (", discounts: [{id: d, fixed: 0.8, components: [rent]}, {id: e, fixed: 0.8, components: [use]}], fees: [{id: rent, amount: 2}]",
     10, "2"),
    (", maximum: {amount: 1}", 10, "1"),
    (", maximum: {amount: 1.5}", 10, "1"),
    (", maximum: {amount: 0.4, components: [rent]}, fees: [{id: rent, amount: 2}]", 10, "1.4"),
    (", commitment: {amount: 1.5, components: [rent]}, fees: [{id: rent, amount: 1}]", 10, "2.5"),
    (", maximum: {amount: 2}, commitment: {amount: 3}", 100, "3"),
    (", maximum: {amount: 2}, commitment: {amount: 3, scope: device}", 100, "2"),
    (", maximum: {amount: 2, scope: device}, commitment: {amount: 3, scope: device}", 100, "3"),
    (", discounts: [{id: d, fixed: 4}], commitment: {amount: 7, scope: device}", 50, "3"),
    (", discounts: [{id: d, fixed: 4}], maximum: {amount: 3, scope: device}", 50, "-1"),
]  # fmt: skip


@pytest.mark.parametrize(("rest", "units", "expected"), PARTS, ids=[rest for rest, *_ in PARTS])
def test_a_bill_is_the_sum_of_its_parts(rest: str, units: int, expected: str) -> None:
    assert shape(shop(ROUND, rest), units) == Fraction(expected)


def test_what_is_due_once_counts_where_it_is_asked_for() -> None:
    catalogue = shop(ROUND, ", fees: [{id: unlock, amount: 9, every: once}, {id: rent, amount: 2}]")
    offer = catalogue.offers[0]
    assert bill_of(offer, catalogue, "m.press", once=True).at(10) == 12
    assert bill_of(offer, catalogue, "m.press").at(10) == 3


CROSSINGS = [
    # (price and rest) of the left and of the right, and from where on which one is the cheaper
    (("per_unit: {amount: 1}", ", fees: [{id: f, amount: 5}]"), ("per_unit: {amount: 2}", ""), [(6, "left")]),
    (("per_unit: {amount: 2}", ""), ("per_unit: {amount: 1}", ", fees: [{id: f, amount: 5}]"), [(6, "right")]),
    (("per_unit: {amount: 1}", ""), ("per_unit: {amount: 1}", ""), []),
    (("per_unit: {amount: 1}", ""), ("per_unit: {amount: 2}", ""), []),
    # there and back again
    (("per_unit: {amount: 1}", ""),
     ("graduated: {tiers: [{up_to: 10, amount: 2}, {up_to: 100, amount: 0.5}, {amount: 2}]}", ""), [(31, "right"), (136, "left")]),
    # the same up to a bound, and then another side than before it
    (("stair_step: {steps: [{up_to: 10, amount: 5}, {up_to: 20, amount: 6}, {amount: 9}]}", ""),
     ("stair_step: {steps: [{up_to: 10, amount: 4}, {up_to: 20, amount: 6}, {amount: 10}]}", ""), [(21, "left")]),
    # the same up to a bound, and then the side from before it
    (("stair_step: {steps: [{up_to: 10, amount: 5}, {up_to: 20, amount: 6}, {amount: 9}]}", ""),
     ("stair_step: {steps: [{up_to: 10, amount: 4}, {up_to: 20, amount: 6}, {amount: 8}]}", ""), []),
    # the first unit already
    (("per_unit: {amount: 2}", ""), ("per_unit: {amount: 1}", ", fees: [{id: f, amount: 0.5}]"), [(1, "right")]),
    # for three units around the end of a tier, which lies behind the free units
    (("per_unit: {amount: 1.6}", ""),
     ("allowance: {units: 5}, graduated: {tiers: [{up_to: 10, amount: 10}, {up_to: 60, amount: 0}, {amount: 10}]}", ""),
     [(6, "left"), (63, "right"), (66, "left")]),
    # at full tens, as people ask
    (("package: {amount: 10, size: 10}", ""), ("per_unit: {amount: 1.005}", ""), [(10, "left")]),
    # the last quantity that is looked at
    (("per_unit: {amount: 1}", ", fees: [{id: f, amount: 999999999999}]"), ("per_unit: {amount: 2}", ""), [(10**12, "left")]),
    (("per_unit: {amount: 1}", ", fees: [{id: f, amount: 1000000000000}]"), ("per_unit: {amount: 2}", ""), []),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right", "found"), CROSSINGS)
def test_two_bills_cross_where_the_cheaper_one_changes(
    left: tuple[str, str], right: tuple[str, str], found: list[tuple[int, str]]
) -> None:
    bills = []
    for price_and_rest in (left, right):
        catalogue = shop(*price_and_rest)
        bills.append(Bill(catalogue.offers[0], compile_offer(catalogue.offers[0], catalogue), "m.press"))
    seen = crossings(*bills)
    assert [(each.units, "left" if each.cheaper_left else "right") for each in seen] == found
    assert all((each.left < each.right) == each.cheaper_left for each in seen)
