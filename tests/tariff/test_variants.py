"""The forms of an offer that subscriptions need: by discount and phase, over denominators that they share."""

from __future__ import annotations

import pytest

from tests.tariff.tabled import FEBRUARY, TWO, columns, made, offers
from workbench.errors import AmountOverflow
from workbench.model.plan import PlanConversion
from workbench.tariff.tables import offer_tables
from workbench.tariff.variants import last_phase, phases

COUPON = "discounts: [{id: spring, percent: 10 %, code: SPRING}, {id: off, fixed: 1, code: OFF}]"


def test_variants_that_price_alike_share_a_price_and_all_share_their_denominators() -> None:
    catalogue = offers(
        "prices: [{id: a, meter: m.data, per_unit: {amount: 0.10, per: 3}}], fees: [{id: rent, amount: 0.000000001}], "
        + COUPON
    )
    none, spring, off = '{"coupons": []}', '{"coupons": ["SPRING"]}', '{"coupons": ["OFF"]}'
    found = made(catalogue, none, spring, off)
    assert [v.overrides for v in found] == [off, spring, none]
    # 10^8/3 and 9 x 10^7/3 = 3 x 10^7 nano: both over 3; a rent of 1 and of 0.9 nano: both over 10
    assert [v.offer.components[0].denominator for v in found] == [3, 3, 3]
    assert [v.offer.components[0].rates[0].steps[0].block_amount for v in found] == [10**8, 9 * 10**7, 10**8]
    assert [(v.offer.fees[0].denominator, v.offer.fees[0].amount) for v in found] == [
        (10, 10),
        (10, 9),
        (10, 10),
    ]
    rates = offer_tables(found, catalogue, FEBRUARY, FEBRUARY)["rates"].to_pylist()
    assert columns(rates, "rate_no price_no counter_no") == [(1, 1, 1), (2, 2, 1), (3, 1, 1)]


def test_numbers_that_outgrow_64_bits_by_their_siblings_are_refused() -> None:
    catalogue = offers(
        "prices: [{id: a, meter: m.data, per_unit: {amount: 9223372036.854775807}}], "
        "discounts: [{id: spring, percent: 10 %, code: SPRING}]"
    )
    found = made(catalogue)
    assert (
        offer_tables(found, catalogue, FEBRUARY, FEBRUARY)["steps"].to_pylist()[0]["block_amount"]
        == 2**63 - 1
    )
    with pytest.raises(AmountOverflow):
        offer_tables(made(catalogue, "", '{"coupons": ["SPRING"]}'), catalogue, FEBRUARY, FEBRUARY)


def test_phases_of_discounts_are_half_open() -> None:
    catalogue = offers(
        f"{TWO}, discounts: [{{id: x, percent: 10 %, from_period: 2, to_period: 3}}, {{id: y, percent: 10 %, from_period: 5}}]"
    )
    assert phases(catalogue.offers[0].discounts) == [(1, 2), (2, 4), (4, 5), (5, 1_000_000)]
    assert phases(()) == [(1, 1_000_000)]
    found = made(catalogue)
    assert [(v.phase_from, v.phase_until, v.offer.components[0].rates[0].steps[0].block_amount) for v in found] == [
        (1, 2, 10**9), (2, 4, 9 * 10**8), (4, 5, 10**9), (5, 1_000_000, 9 * 10**8),
    ]  # fmt: skip
    assert last_phase(catalogue.offers) == 5
    for text in (TWO, f"{TWO}, discounts: [{{id: x, percent: 1 %}}]", "fees: [{id: f, amount: 1}]"):
        assert last_phase(offers(text).offers) == 1
    assert last_phase(offers(f"{TWO}, discounts: [{{id: x, percent: 1 %, from_period: 3}}]").offers) == 3
    fees = "fees: [{id: f, amount: 1, from_period: 4, to_period: 7}]"
    assert last_phase(offers(fees).offers) == 7
    assert last_phase(offers(fees.replace(", to_period: 7", "")).offers) == 4


def test_a_denominator_that_doubles_is_raised_too() -> None:
    # a nano for each, and half of one with the coupon: both over 2
    catalogue = offers(
        "prices: [{id: a, meter: m.data, per_unit: {amount: 0.000000001}}], discounts: [{id: h, percent: 50 %, code: H}]"
    )
    found = made(catalogue, "", '{"coupons": ["H"]}')
    assert [v.offer.components[0].denominator for v in found] == [2, 2]
    assert [v.offer.components[0].rates[0].steps[0].block_amount for v in found] == [2, 1]


def test_a_share_of_money_is_raised_with_its_fee_floor_and_cap() -> None:
    # 1 % over 100; half of it over 200
    said = "percentage: {rate: 1 %, fee: 0.05, floor: 0.10, cap: 1}"
    catalogue = offers(
        f"scope: event, prices: [{{id: a, meter: m.sales, {said}}}], discounts: [{{id: h, percent: 50 %, code: H}}]"
    )
    conversions = [
        v.offer.components[0].rates[0].conversion for v in made(catalogue, "", '{"coupons": ["H"]}')
    ]
    euro = 200 * 10**9
    assert conversions == [
        PlanConversion(2, euro // 20, euro // 10, euro),
        PlanConversion(1, euro // 40, euro // 20, euro // 2),
    ]
    bare = offers(
        "scope: event, prices: [{id: a, meter: m.sales, percentage: {rate: 1 %}}], discounts: [{id: h, percent: 50 %, code: H}]"
    )
    found = [v.offer.components[0].rates[0].conversion for v in made(bare, "", '{"coupons": ["H"]}')]
    assert found == [PlanConversion(2), PlanConversion(1)]
