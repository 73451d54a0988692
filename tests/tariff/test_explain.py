"""Traces of single charges and their sentences, worked out by hand: parts of steps, folds, shares, conversions, slots."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from workbench.model.plan import PlanComponent, PlanOffer
from workbench.tariff.catalogue import loads
from workbench.tariff.compile import compile_offer
from workbench.tariff.explain import (
    Explanation,
    by_rule,
    explain,
    explain_nothing,
    explain_rule,
    explain_slots,
    parts_of,
)

HEAD = """
meters: [{id: m.data, unit: byte, dimensions: [country]}, {id: m.sales, unit: nano, currency: EUR}]
partners: [{id: op}]
offers:
  - {id: o, version: 2, currency: EUR, effective: 2020-01-01, split: {rest: op}, %s}
"""
NANO = 10**9


def compiled(price: str, more: str = "") -> tuple[PlanOffer, PlanComponent]:
    meter = "m.sales" if "percentage:" in price or "dynamic:" in price else "m.data"
    catalogue = loads(HEAD % f"prices: [{{id: a, meter: {meter}, {price}}}]{more}")
    offer = compile_offer(catalogue.offers[0], catalogue)
    return offer, offer.components[0]


def told(price: str, units: int, more: str = "", rate: int = 0, **said: Any) -> Explanation:
    offer, component = compiled(price, more)
    return explain(offer, component, component.rates[rate], units, **said)


def parts(price: str, units: int, more: str = "", **said: Any) -> list[tuple[int, int, int, int]]:
    found = told(price, units, more, **said)
    assert found.trace["amount"] == sum(part["amount"] for part in found.trace["parts"])
    return [(p["step"], p["after"], p["up_to"], p["amount"]) for p in found.trace["parts"]]


TIERS = "graduated: {tiers: [{up_to: 10, amount: 2}, {up_to: 20, amount: 1, flat: 5}, {amount: 0.5}]}"


def test_a_charge_is_cut_where_a_tier_ends() -> None:
    assert parts(TIERS, 30, before=5) == [
        (0, 5, 10, 5 * 2 * NANO),
        (1, 10, 20, 5 * NANO + 10 * NANO),
        (2, 20, 35, 15 * NANO // 2),
    ]
    assert parts(TIERS, 5, before=5) == [(0, 5, 10, 10 * NANO)]  # up to the very bound
    assert parts(TIERS, 5, before=10) == [(1, 10, 15, 10 * NANO)]  # from the very bound on
    assert parts(TIERS, 0, before=12) == [(1, 12, 12, 0)]


def test_free_units_and_rounding_come_before_the_steps() -> None:
    # 3 more on 4 are 7, rounded up to 8 of 4s; 6 are free; 2 at 2.00
    price = f"increment: {{units: 4}}, allowance: {{units: 6}}, {TIERS}"
    assert parts(price, 3, before=4) == [(0, 0, 2, 4 * NANO)]
    assert parts(price, 3, before=4, free_units=1) == [(0, 3, 7, 8 * NANO)]
    found = told(price, 3, before=4)
    assert found.trace["rounding"] == {"units": 4, "add": 3}
    assert found.trace["free_units"] == 6
    assert found.sentence == (
        "3 bytes under 'a' (o version 2) cost 4 EUR: 2 on step 1 for 4 EUR. "
        "The counter went from 4 to 7, of which 6 are free."
    )


@pytest.mark.parametrize("per", ["event", "day"])
def test_what_was_rounded_before_its_counter_is_not_rounded_again(per: str) -> None:
    trace = told(f"increment: {{units: 4, per: {per}}}, per_unit: {{amount: 1}}", 3, measured=4).trace
    assert (trace["rounding"], trace["counter"], trace["amount"]) == (
        {"units": 1, "add": 0}, {"before": 0, "after": 4}, 4 * NANO)  # fmt: skip


def test_a_fold_that_fell_gives_back() -> None:
    # from 12 down to 8: C(12) = 20 + 5 + 2, C(8) = 16
    assert parts(f"fold: last, {TIERS}", 8, before=12, measured=-4) == [(0, 12, 8, -11 * NANO)]


def test_the_head_of_a_trace() -> None:
    found = told("per_unit: {amount: 0.10, per: 3}", 7, events=2)
    assert {name: found.trace[name] for name in found.trace if name not in ("offer", "parts", "steps")} == {
        "component": "a", "rate": "default", "meter": "m.data", "unit": "byte", "currency": "EUR", "denominator": 3,
        "units": 7, "events": 2, "counter": {"before": 0, "after": 7}, "rounding": {"units": 1, "add": 0},
        "free_units": 0, "amount": 7 * 10**8,
    }  # fmt: skip
    assert (found.trace["offer"]["id"], found.trace["offer"]["version"]) == ("o", 2)
    assert found.trace["steps"] == [
        {"from_units": 0, "origin_units": 0, "base": 0, "block_units": 1, "block_amount": 10**8}
    ]
    assert told("per_unit: {amount: 1}", 7).trace["events"] == 1


def test_a_plain_price_is_said_for_each_and_names_its_rate() -> None:
    assert told("per_unit: {amount: 0.10}", 1234).sentence == (
        "1,234 bytes under 'a' (o version 2) cost 123.4 EUR: 0.1 EUR for each."
    )
    rows = "rates: [{id: us, match: {country: [US]}, per_unit: {amount: 3}}, {id: b, per_unit: {amount: 1}}]"
    said = told(rows, 2).sentence
    assert said == "2 bytes under 'a' (o version 2, rate 'us') cost 6 EUR: 3 EUR for each."


def test_blocks_free_units_and_rounding_are_said_by_steps() -> None:
    assert told("package: {amount: 5, size: 100}", 101, before=1200).sentence == (
        "101 bytes under 'a' (o version 2) cost 10 EUR: 101 on step 1 for 10 EUR. The counter went from 1,200 to 1,301."
    )
    assert told("increment: {units: 4}, per_unit: {amount: 1}", 3).sentence == (
        "3 bytes under 'a' (o version 2) cost 4 EUR: 4 on step 1 for 4 EUR. The counter went from 0 to 3."
    )
    assert told("allowance: {units: 1000}, per_unit: {amount: 1}", 1003).sentence == (
        "1,003 bytes under 'a' (o version 2) cost 3 EUR: 3 on step 1 for 3 EUR. "
        "The counter went from 0 to 1,003, of which 1,000 are free."
    )
    assert told(TIERS, 3, before=9).sentence == (
        "3 bytes under 'a' (o version 2) cost 9 EUR: 1 on step 1 for 2 EUR and 2 on step 2 for 7 EUR. "
        "The counter went from 9 to 12."
    )


@pytest.mark.parametrize(
    ("fold", "words"), [("time_weighted", "average over time"), ("p95", "95th percentile")]
)
def test_what_a_fold_made_is_said_first(fold: str, words: str) -> None:
    found = told(f"fold: {fold}, per_unit: {{amount: 1}}", 7, folded=fold)
    assert found.sentence == f"The {words}, 7 bytes under 'a' (o version 2) cost 7 EUR: 1 EUR for each."
    assert found.trace["folded"] == fold
    assert "folded" not in told("per_unit: {amount: 1}", 7).trace


VOLUME = "volume: {tiers: [{up_to: 10, amount: 0.02, flat: 1}, {amount: 0.01, flat: 1}]}"


def test_a_price_that_jumps_is_shared_by_use() -> None:
    # 20 units in all cost 1.20 together: the middle 5 of them a quarter
    assert parts(VOLUME, 5, before=5, total=20) == [(2, 5, 10, 30 * 10**7)]
    assert parts(VOLUME, 0, before=0, total=0) == [(0, 0, 0, 0)]
    found = told(VOLUME, 5, before=5, total=2000)
    assert (found.trace["total_units"], found.trace["part_unit"]) == (2000, 1)
    assert "whole" not in found.trace
    assert found.sentence == (
        "5 bytes under 'a' (o version 2) cost 0.0525 EUR: their part, by use, of what the period's 2,000 bytes cost together."
    )


def test_what_is_shared_may_be_a_members_part_of_a_pool() -> None:
    # 30 nano are this member's part; its 5 of 20 units a quarter, cut to whole nano
    found = told(VOLUME, 5, before=5, total=20, whole=30)
    assert found.trace["whole"] == 30
    assert found.trace["amount"] == 15 - 7
    # without a total nothing is shared: the charge is what the steps say
    assert parts(VOLUME, 5, before=5) == [(1, 5, 10, 10**8)]


def test_what_is_due_without_use_is_not_shared_by_use() -> None:
    flat = ", conventions: {flat_fee_at_zero: true}"
    # 1.00 is due anyway; the 20 units at 0.01 add 0.20, of which 5 units a quarter
    assert parts(VOLUME, 5, flat, before=5, total=20) == [(1, 5, 10, 5 * 10**7)]


def test_parts_are_whole_in_the_finest_money_of_the_price() -> None:
    # thirds of a nano: 2/3 nano for each of 4 units, 8/3 in all, shared in thirds; one of three events gets 2 of 8
    price = "volume: {tiers: [{amount: 0.000000002}], per: 3}"
    found = told(price, 1, before=1, total=4)
    assert (found.trace["denominator"], found.trace["part_unit"]) == (3, 1)
    assert found.trace["amount"] == 2


def test_a_share_of_money_says_its_conversion() -> None:
    found = told(
        "percentage: {rate: 1 %, fee: 0.05, floor: 0.10, cap: 1}", 20 * NANO, events=1, more=", scope: event"
    )
    assert found.trace["conversion"] == {"rate": 1, "fee": 5 * 10**9, "floor": 10**10, "cap": 10**11}
    assert found.trace["amount"] == 25 * NANO  # 0.20 + 0.05, over 100
    assert found.trace["parts"] == [{"step": 0, "after": 0, "up_to": 20 * NANO, "amount": 25 * NANO}]
    assert found.sentence == (
        "20,000,000,000 nano under 'a' (o version 2) cost 0.25 EUR: a share of the money 1 event(s) carried."
    )
    bare = told("percentage: {rate: 1 %, fee: 0.05}", 20 * NANO, events=3)
    assert bare.trace["conversion"] == {"rate": 1, "fee": 5 * 10**9, "floor": None, "cap": None}
    assert bare.trace["amount"] == 35 * NANO


@pytest.mark.parametrize(("money", "cost"), [(1, 10), (9, 10), (20, 20), (99, 99), (100, 100), (101, 100)])
def test_floor_and_cap_of_a_conversion(money: int, cost: int) -> None:
    price = "percentage: {rate: 1 %, floor: 0.10, cap: 1}"
    assert told(price, money * NANO, more=", scope: event").trace["amount"] == cost * NANO


def test_a_record_at_no_price_says_why() -> None:
    offer, component = compiled("per_unit: {amount: 1}")
    found = explain_nothing(offer, component, 1500, "a sponsor blocks it")
    assert found.sentence == "1,500 bytes under 'a' (o version 2) cost 0 EUR: a sponsor blocks it."
    assert found.trace["parts"] == [{"step": 0, "after": 0, "up_to": 1500, "amount": 0}]
    assert (found.trace["given"], found.trace["amount"]) == (0, 0)
    assert parts_of({"given": 7, "units": 3}) == [{"step": 0, "after": 0, "up_to": 3, "amount": 7}]


P90 = "p95: {amount: 3, per: 1 Mbit/s, percentile: 90 %, slot_seconds: 600}"
SLOTS = [("10:00", 50), ("10:10", 40), ("10:20", 30)]


def test_a_percentile_shows_the_slots_it_drops() -> None:
    # a tenth of 20 slots is 2: the third highest is priced, at 40 nano for each byte
    offer, component = compiled(P90)
    found = explain_slots(offer, component, component.rates[0], SLOTS, 20)
    assert found.trace["slots"] == {
        "counted": 20, "drop": [1, 10], "slope": 40,
        "highest": [{"slot": slot, "units": units} for slot, units in SLOTS],
    }  # fmt: skip
    assert found.trace["parts"] == [{"step": 0, "after": 0, "up_to": 30, "amount": 1200}]
    assert found.sentence == (
        "30 bytes under 'a' (o version 2) cost 0.0000012 EUR: the highest bytes of 20 slots, once the 2 highest are "
        "dropped, at 0.00000004 EUR for each."
    )


@pytest.mark.parametrize(("slots", "counted"), [(SLOTS, 30), (SLOTS, 19), (SLOTS[:2], 20), (SLOTS[::-1], 20)])
def test_slots_that_are_not_the_highest_are_refused(slots: list[tuple[str, int]], counted: int) -> None:
    offer, component = compiled(P90)
    with pytest.raises(ValueError, match="not the highest"):
        explain_slots(offer, component, component.rates[0], slots, counted)


def test_a_rule_is_told_by_whoever_knows_the_line() -> None:
    head = {"units": 4, "denominator": 1}
    found = explain_rule(head, {"is": "fee", "amount": "10", "times": "3", "of_times": "2"})
    assert found.sentence == ""
    assert found.trace["parts"] == [{"step": 0, "after": 0, "up_to": 4, "amount": 15}]


def test_a_credit_may_pay_all_it_held_and_no_more() -> None:
    for paid, over in ((["3", "4"], False), (["3", "4.5"], True)):
        trace = {"rule": {"is": "credit", "amount": "7", "paid": paid}, "denominator": 2}
        if over:
            with pytest.raises(ValueError, match="more than it held"):
                by_rule(trace)
        else:
            assert by_rule(trace) == -14


def test_amounts_of_rules_are_exact_fractions() -> None:
    rule = {"is": "maximum", "amount": "1/3", "counted": str(Fraction(1, 2))}
    assert by_rule({"rule": rule, "denominator": 6}) == -1
    with pytest.raises(ValueError, match="not whole"):
        by_rule({"rule": rule, "denominator": 3})
