"""An offer as rows of integers: every field of them, worked out by hand from what the price list says."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from workbench.errors import AmountOverflow, CatalogueError
from workbench.model.money import NANO
from workbench.model.offer import Catalogue
from workbench.model.plan import (
    PlanAdjustment,
    PlanBundle,
    PlanConversion,
    PlanFee,
    PlanOffer,
    PlanPercentile,
    PlanRollover,
    PlanSponsor,
    PlanStep,
)
from workbench.tariff.catalogue import loads
from workbench.tariff.compile import INT64, compile_offer, exchange

HEAD = """
meters:
  - {id: m.data, unit: byte, dimensions: [country]}
  - {id: m.sms, unit: message}
  - {id: m.sales, unit: nano, currency: EUR}
  - {id: m.out, unit: byte}
partners: [{id: op}]
offers:
  - {id: o, version: 3, currency: EUR, effective: 2020-01-01, split: {rest: op}, %s}
"""


def read(text: str) -> Catalogue:
    return loads(HEAD % text)


def compiled(text: str, *, currency: str = "", discounts: bool = True) -> PlanOffer:
    catalogue = read(text)
    offer = catalogue.offers[0]
    return compile_offer(offer, catalogue, currency=currency, discounts=offer.discounts if discounts else ())


def priced(price: str, more: str = "") -> PlanOffer:
    return compiled(f"prices: [{{id: a, meter: m.data, {price}}}]{more}")


def test_the_head_of_an_offer() -> None:
    said = compiled(
        "side: buy, zone: Europe/Berlin, period: week, charged: node, prepaid: true, scope: sim_group, "
        "publish: {counters: reset}, trial: {days: 14}, taxes: [{category: standard, rate: 19 %, inclusive: true}, "
        "{category: reduced, rate: 7 %}], prices: [{id: a, meter: m.data, per_unit: {amount: 1}}]"
    )
    assert (said.offer_id, said.version, said.side, said.currency, said.zone) == (
        "o",
        3,
        "buy",
        "EUR",
        "Europe/Berlin",
    )
    assert (said.period, said.charged, said.prepaid, said.resets, said.trial_days, said.scope) == (
        "week", "node", True, True, 14, "sim_group")  # fmt: skip
    assert said.taxes == (("standard", 190_000, True), ("reduced", 70_000, False))
    plain = priced("per_unit: {amount: 1}")
    assert (plain.resets, plain.trial_days, plain.prepaid, plain.charged) == (False, 0, False, "batch")


def test_tiers_stand_over_one_denominator() -> None:
    # 0.01 for 3 bytes is 10^7/3 nano for each
    said = priced("graduated: {tiers: [{up_to: 9, amount: 0.01}, {amount: 0.02}], per: 3}").components[0]
    assert (said.denominator, said.unit, said.meter) == (3, "byte", "m.data")
    (rate,) = said.rates
    # the second tier begins at 9 x 0.01 / 3 = 0.03, that is 30,000,000 nano
    assert rate.steps == (PlanStep(0, 0, 0, 1, 10**7), PlanStep(10, 9, 3 * 30_000_000, 1, 2 * 10**7))
    assert (rate.id, rate.linear, rate.jumps, rate.conversion, rate.percentile) == (
        "default",
        False,
        False,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("price", "linear", "jumps"),
    [
        ("per_unit: {amount: 1}", True, False),
        ("package: {amount: 1, size: 10}", False, False),
        ("package: {amount: 1, size: 10, free: 5}", False, False),
        ("graduated: {tiers: [{amount: 1}]}", True, False),
        ("graduated: {tiers: [{amount: 1, flat: 2}]}", False, False),
        ("volume: {tiers: [{up_to: 5, amount: 2}, {amount: 1}]}", False, True),
        ("stair_step: {steps: [{up_to: 5, amount: 2}, {amount: 3}]}", False, True),
    ],
)
def test_which_prices_need_to_know_what_was_before(price: str, linear: bool, jumps: bool) -> None:
    (rate,) = priced(price).components[0].rates
    assert (rate.linear, rate.jumps) == (linear, jumps)


def test_a_flat_fee_at_nothing_is_not_linear() -> None:
    (rate,) = (
        priced("graduated: {tiers: [{amount: 1, flat: 2}]}", ", conventions: {flat_fee_at_zero: true}")
        .components[0]
        .rates
    )
    assert rate.steps == (PlanStep(0, 0, 2 * NANO, 1, NANO),)
    assert not rate.linear


def test_percent_discounts_one_after_the_other_and_only_where_they_apply() -> None:
    text = (
        "prices: [{id: a, meter: m.data, per_unit: {amount: 1}}, {id: b, meter: m.sms, per_unit: {amount: 1}}], "
        "fees: [{id: rent, amount: 10}], "
        "discounts: [{id: x, percent: 50 %, components: [a]}, {id: y, percent: 10 %}, {id: z, fixed: 3}]"
    )
    said = compiled(text)
    assert [c.rates[0].steps[0].block_amount for c in said.components] == [450_000_000, 900_000_000]
    assert (said.fees[0].amount, said.fixed_discounts) == (9 * NANO, ("z",))
    bare = compiled(text, discounts=False)
    assert [c.rates[0].steps[0].block_amount for c in bare.components] == [NANO, NANO]
    assert bare.fixed_discounts == ()


FX = ", fx: [{currency: GBP, rate: 0.5, as_of: 2020-01-01}, {currency: USD, rate: 1.25, as_of: 2020-01-01}]"


def test_an_exchange_rate_is_in_every_amount() -> None:
    said = compiled(
        "prices: [{id: a, meter: m.data, graduated: {tiers: [{up_to: 2, amount: 4, flat: 8}, {amount: 2}]}}], "
        "fees: [{id: rent, amount: 10}], maximum: {amount: 0.0000000001}, credits: [{id: gift, amount: 1}]"
        + FX,
        currency="USD",
    )
    assert said.currency == "USD"
    # x 1.25: 10 flat, 5 for each, then 2.50 for each after 10 + 2 x 5
    assert said.components[0].rates[0].steps == (
        PlanStep(0, 0, 0, 1, 0), PlanStep(1, 0, 10 * NANO, 1, 5 * NANO), PlanStep(3, 2, 20 * NANO, 1, 2_500_000_000))  # fmt: skip
    assert said.fees[0].amount == 12_500_000_000
    # 0.1 nano x 1.25 is an eighth of a nano
    assert said.adjustments == (
        PlanAdjustment("maximum", "adjustment", 8, False, "standard"),
        PlanAdjustment("gift", "adjustment", 1, False, "standard"),
    )


def test_an_exchange_rate_is_in_conversions_and_in_what_the_close_makes_whole() -> None:
    said = compiled(
        "scope: event, prices: [{id: a, meter: m.sales, percentage: {rate: 1 %, fee: 0.04, floor: 0.08, cap: 4}}]"
        + FX,
        currency="USD",
    ).components[0]
    # 1.25 % is 1/80 of the amount; 0.05, 0.10 and 5.00
    assert said.rates[0].conversion == PlanConversion(1, 80 * 50_000_000, 80 * 10**8, 80 * 5 * NANO)
    tenths = compiled(
        "fees: [{id: rent, amount: 10}], discounts: [{id: off, fixed: 0.0000000001}], "
        "commitment: {amount: 0.0000000003}, credits: [{id: gift, amount: 0.0000000005}]" + FX,
        currency="USD",
    )
    # 1.25 times 0.1, 0.3 and 0.5 nano
    assert [a.denominator for a in tenths.adjustments] == [8, 8, 8]


def test_no_way_to_a_currency_is_refused() -> None:
    offer = read("prices: [{id: a, meter: m.data, per_unit: {amount: 1}}]" + FX).offers[0]
    assert [exchange(offer, currency) for currency in ("EUR", "GBP", "USD")] == [
        1,
        Fraction(1, 2),
        Fraction(5, 4),
    ]
    with pytest.raises(CatalogueError) as caught:
        exchange(offer, "JPY")
    assert caught.value.code == "fx_missing"


def test_what_is_no_row_is_refused_by_name() -> None:
    with pytest.raises(CatalogueError) as caught:
        priced("counter_period: day, allowance: {units: 5}, per_unit: {amount: 1}")
    assert caught.value.code == "not_priced"
    assert "an allowance with counters anew every day of price 'a'" in caught.value.what


def test_a_tax_rate_is_whole_millionths() -> None:
    price = "prices: [{id: a, meter: m.data, per_unit: {amount: 1}}]"
    assert compiled(f"{price}, taxes: [{{category: standard, rate: 8.1234 %}}]").taxes == (
        ("standard", 81_234, False),
    )
    catalogue = read(f"{price}, taxes: [{{category: standard, rate: 8 %}}]")
    offer = catalogue.offers[0]
    finer = replace(offer, taxes=(replace(offer.taxes[0], rate=Fraction(812_345, 10**7)),))
    with pytest.raises(CatalogueError) as caught:
        compile_offer(finer, catalogue)
    assert caught.value.code == "tax_rate" and "'standard'" in caught.value.what


@pytest.mark.parametrize(("rounding", "add"), [("up", 6), ("down", 0), ("nearest", 3)])
def test_increments(rounding: str, add: int) -> None:
    said = priced(
        f"increment: {{units: 7, per: day, of: device, rounding: {rounding}}}, per_unit: {{amount: 1}}"
    ).components[0]
    assert (said.increment_units, said.increment_add, said.increment_per, said.increment_of) == (
        7,
        add,
        "day",
        "device",
    )
    plain = priced("per_unit: {amount: 1}").components[0]
    assert (plain.increment_units, plain.increment_add, plain.increment_per, plain.increment_of) == (
        1,
        0,
        "",
        "counter",
    )


def test_free_units_and_what_of_them_lives_on() -> None:
    said = priced(
        "allowance: {units: 5, contribution: prorated, rollover: {periods: 2, cap: 9, order: rollover_first}}, per_unit: {amount: 1}"
    ).components[0]
    assert (said.free_units, said.contribution) == (5, "prorated")
    assert said.rollover == PlanRollover(2, 9, False)
    own = priced("allowance: {units: 5, rollover: {periods: 1}}, per_unit: {amount: 1}").components[0]
    assert (own.contribution, own.rollover) == ("full", PlanRollover(1, None, True))
    none = priced("per_unit: {amount: 1}").components[0]
    assert (none.free_units, none.contribution, none.rollover) == (0, "full", None)


POOLED = "allowance: {units: 5}, per_unit: {amount: 1}"


@pytest.mark.parametrize(
    ("scope", "rule", "price", "cap", "excess"),
    [
        ("pool", "pool_cap_units: 4", POOLED, 4, False),
        ("pool", "overage: excess", POOLED, None, True),
        ("pool", "overage: use", POOLED, None, False),
        ("pool", "pool_cap_units: 4", "per_unit: {amount: 1}", None, False),
    ],
)
def test_a_pools_cap_and_excess_are_rules_of_its_free_units(
    scope: str, rule: str, price: str, cap: int | None, excess: bool
) -> None:
    said = compiled(f"scope: {scope}, {rule}, prices: [{{id: a, meter: m.data, {price}}}]").components[0]
    assert (said.pool_cap, said.by_excess, said.rates[0].jumps) == (cap, excess, cap is not None or excess)


def test_a_price_of_a_pools_offer_that_is_each_devices_own_is_no_pools() -> None:
    said = compiled(
        f"scope: pool, pool_cap_units: 4, prices: [{{id: a, meter: m.data, scope: device, {POOLED}}}, "
        f"{{id: b, meter: m.out, {POOLED}}}]"
    )
    assert [(c.scope, c.pool_cap) for c in said.components] == [("device", None), ("pool", 4)]


def test_bundles_and_their_weights() -> None:
    said = compiled(
        "prices: [{id: a, meter: m.data, per_unit: {amount: 1}}, {id: b, meter: m.sms, per_unit: {amount: 1}}, "
        "{id: c, meter: m.out, per_unit: {amount: 1}}], bundles: [{id: x, credits: 30, weights: {a: 2}, "
        "rollover: {periods: 1}}, {id: y, credits: 7, weights: {b: 3}, contribution: none}]"
    )
    assert [(c.bundle, c.weight) for c in said.components] == [("x", 2), ("y", 3), ("", 0)]
    assert said.bundles == (
        PlanBundle("x", 30, "full", PlanRollover(1, None, True)), PlanBundle("y", 7, "none", None))  # fmt: skip


def test_sponsors_and_their_budgets() -> None:
    said = compiled(
        "prices: [{id: a, meter: m.data, per_unit: {amount: 1}}, {id: b, meter: m.sms, per_unit: {amount: 1}}], "
        "sponsorships: [{id: s, account: payer, components: [a], match: {country: [US, CA]}, budget: 2, fallback: block}, "
        "{id: t, account: other, components: [a]}]" + FX,
        currency="USD",
    )
    assert [c.sponsored for c in said.components] == [True, False]
    assert said.sponsors == (
        PlanSponsor("s", "payer", ("a",), (("country", ("US", "CA")),), (2_500_000_000, 1), True),
        PlanSponsor("t", "other", ("a",), (), None, False),
    )


def sale(price: str) -> PlanOffer:
    return compiled(f"scope: event, prices: [{{id: a, meter: m.sales, {price}}}]")


def test_a_share_of_money_is_a_conversion_over_its_own_denominator() -> None:
    # 1.5 % is 15/1000 = 3/200
    said = sale("percentage: {rate: 1.5 %, fee: 0.05, floor: 0.10, cap: 2}").components[0]
    assert said.denominator == 200
    assert said.rates[0].conversion == PlanConversion(3, 200 * 50_000_000, 200 * 10**8, 200 * 2 * NANO)
    assert said.rates[0].steps == (PlanStep(0, 0, 0, 1, 1),)  # a charge is the conversion, taken as it is
    bare = sale("dynamic: {factor: 1.2}").components[0]
    assert (bare.denominator, bare.rates[0].conversion) == (5, PlanConversion(6, 0, None, None))
    assert bare.rates[0].linear


def test_a_share_of_nothing_is_only_its_fee() -> None:
    said = sale("percentage: {rate: 0 %, fee: 0.05}").components[0]
    assert said.rates[0].conversion == PlanConversion(0, 50_000_000, None, None)


def test_use_that_no_rate_fits_may_be_free() -> None:
    row = "meter: m.data, rates: [{id: us, match: {country: [US]}, per_unit: {amount: 1}}]"
    assert compiled(f"prices: [{{id: a, unmatched: free, {row}}}]").components[0].free_when_unmatched
    assert not priced("per_unit: {amount: 1}").components[0].free_when_unmatched


def test_a_percentile_drops_the_rest() -> None:
    said = priced(
        "p95: {amount: 3, per: 1 Mbit/s, percentile: 90 %, slot_seconds: 600, direction: sum, out_meter: m.out}"
    )
    (rate,) = said.components[0].rates
    assert rate.percentile == PlanPercentile(1, 10, 600, "sum", "m.out")
    # 3.00 for 10^6 bit/s: a byte in 600 s is 8 / 600 bit/s, so 3 x 10^9 x 8 / (600 x 10^6) = 40 nano
    assert (said.components[0].denominator, rate.steps[0].block_amount) == (1, 40)


def test_lines_of_the_close_carry_the_tax_of_what_they_adjust() -> None:
    text = (
        "prices: [{id: a, meter: m.data, per_unit: {amount: 1}, tax_category: reduced}], "
        "fees: [{id: rent, amount: 10}], discounts: [{id: off, fixed: 1, components: [a]}], "
        "maximum: {amount: 9, components: [rent]}, commitment: {amount: 5, components: [a]}"
    )
    assert compiled(text).adjustments == (
        PlanAdjustment("off", "adjustment", 1, False, "reduced"),
        PlanAdjustment("maximum", "adjustment", 1, False, "standard"),
        PlanAdjustment("commitment", "true_up", 1, True, "reduced"),
    )
    with pytest.raises(CatalogueError) as caught:
        compiled(text.replace(", components: [rent]", ""))
    assert caught.value.code == "adjustment_tax"
    assert "(reduced, standard)" in caught.value.what


def test_a_paid_credit_is_no_line_and_a_promise_may_be_whole() -> None:
    said = compiled(
        "fees: [{id: rent, amount: 10}], commitment: {amount: 5, prorated: false}, "
        "credits: [{id: top-up, amount: 3, kind: paid}, {id: gift, amount: 0.0000000005}]"
    )
    assert said.adjustments == (
        PlanAdjustment("commitment", "true_up", 1, False, "standard"),
        PlanAdjustment("gift", "adjustment", 2, False, "standard"),
    )


def test_fees() -> None:
    (fee,) = compiled(
        "fees: [{id: rent, amount: 0.0000000003, every: day, per: account, timing: advance, states: [active, suspended], "
        "from_period: 2, to_period: 4, tax_category: reduced, title: Rent}], discounts: [{id: half, percent: 50 %}]"
    ).fees
    assert (fee.denominator, fee.amount) == (20, 3)  # half of three tenths of a nano
    assert fee == PlanFee(
        "rent", 20, 3, "day", "account", "daily", "advance", ("active", "suspended"), 2, 4, "reduced", "Rent"
    )


def test_a_price_must_fit_64_bits() -> None:
    assert (
        priced("per_unit: {amount: 9223372036.854775807}").components[0].rates[0].steps[0].block_amount
        == INT64
    )
    with pytest.raises(AmountOverflow):
        priced("per_unit: {amount: 9223372036.854775808}")
