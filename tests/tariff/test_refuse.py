"""What has no rows is refused by name, and what stands just beside it is priced."""

from __future__ import annotations

import pytest

from workbench.errors import CatalogueError
from workbench.tariff.catalogue import loads
from workbench.tariff.check import check
from workbench.tariff.refuse import refused

HEAD = """
meters:
  - {id: m.data, unit: byte, dimensions: [country]}
  - {id: m.sms, unit: message}
  - {id: m.sales, unit: nano, currency: EUR}
partners: [{id: op}]
offers:
  - {id: o, version: 1, currency: EUR, effective: 2020-01-01, split: {rest: op}, %s}
"""
EACH = "per_unit: {amount: 1}"
BY_USE = "graduated: {tiers: [{up_to: 5, amount: 2}, {amount: 1}]}"
JUMPS = "volume: {tiers: [{up_to: 5, amount: 2}, {amount: 1}]}"
STAIRS = "stair_step: {steps: [{up_to: 5, amount: 2}, {amount: 3}]}"
BURST = "p95: {amount: 1, per: 8 bit/s}"
SHARE = "percentage: {rate: 1 %}"
ROWS = "rates: [{id: us, match: {country: [US]}, per_unit: {amount: 2}}, {id: rest, per_unit: {amount: 1}}]"
HOURS = "rates: [{id: only, windows: [{from: '22:00', to: '06:00'}], per_unit: {amount: 2}}], unmatched: free"
FREE = "allowance: {units: 5}"
OTHER = f"{{id: b, meter: m.sms, {EACH}}}"
BUNDLE = "bundles: [{id: x, credits: 9, weights: {a: 1}}]"
GIFT = "sponsorships: [{id: s, account: payer, components: [a]}]"
BUDGET = "sponsorships: [{id: s, account: payer, components: [a], budget: 2}]"


def said(price: str, more: str = "", meter: str = "m.data") -> str:
    """The refusals of an offer with the price ``a`` and a plain one beside it, as one text."""
    offer = loads(
        HEAD % f"prices: [{{id: a, meter: {meter}, {price}}}, {OTHER}]{more and ', ' + more}"
    ).offers[0]
    return "; ".join(what for what, _ in refused(offer))


def test_plain_prices_are_priced() -> None:
    for price in (
        EACH,
        BY_USE,
        JUMPS,
        STAIRS,
        BURST,
        ROWS,
        HOURS,
        f"{FREE}, {EACH}",
        "package: {amount: 1, size: 5}",
    ):
        for scope in ("device", "sim_group", "pool"):
            assert said(price, f"scope: {scope}") == "", price
    assert said(SHARE, meter="m.sales") == ""


FLAT = "conventions: {flat_fee_at_zero: true}"


@pytest.mark.parametrize(
    ("price", "whole"),
    [(BY_USE, True), (f"scope: pool, {BY_USE}", True), (ROWS, False), (f"counter_period: day, {BY_USE}", False),
     (f"scope: event, {BY_USE}", False)],
)  # fmt: skip
def test_a_flat_fee_without_use_is_due_once_a_period(price: str, whole: bool) -> None:
    told = said(price, FLAT)
    assert told == ("" if whole else "flat_fee_at_zero over several rates or short counters of price 'a'")
    assert said(price) == ""


@pytest.mark.parametrize(
    ("price", "fits"),
    [(EACH, True), (BY_USE, True), (f"fold: count, {EACH}", True), (JUMPS, False), (STAIRS, False),
     (f"increment: {{units: 5}}, {EACH}", False), (f"fold: max, {EACH}", False), (f"scope: pool, {EACH}", False),
     (f"scope: device, {EACH}", True)],
)  # fmt: skip
def test_the_credits_of_a_bundle_cover_plain_counters_of_its_own_scope(price: str, fits: bool) -> None:
    told = said(price, BUNDLE)
    assert told == ("" if fits else "bundle 'x' over the rounded, folded or jumping price 'a'")
    # what no bundle names may be anything
    assert said(price, BUNDLE.replace("a: 1", "b: 1")) == ""


def test_a_bundle_is_no_single_events() -> None:
    assert said(EACH, f"scope: event, {BUNDLE}") == "a bundle of single events"
    assert said(EACH, f"scope: pool, {BUNDLE}") == ""
    assert said(EACH, "scope: event") == ""


COVERED = "sponsorship 's' of the price 'a' with free units, rounding or a fold"
DEAR = "a budget of sponsorship 's' over the price 'a', which is not per unit"


@pytest.mark.parametrize(
    ("price", "told", "with_budget"),
    [
        (EACH, "", ""),
        (ROWS, "", ""),
        (BY_USE, "", DEAR),
        (f"fold: count, {EACH}", "", DEAR),
        (f"increment: {{units: 5}}, {EACH}", COVERED, COVERED),
        (f"{FREE}, {EACH}", COVERED, COVERED),
        (f"fold: last, {EACH}", COVERED, f"{DEAR}; {COVERED}"),
        (
            JUMPS,
            "sponsorship 's' of the price 'a', which jumps",
            f"{DEAR}; sponsorship 's' of the price 'a', which jumps",
        ),
        (
            BURST,
            "sponsorship 's' of the price 'a', which jumps",
            f"{DEAR}; sponsorship 's' of the price 'a', which jumps",
        ),
    ],
)
def test_a_sponsor_pays_plain_prices_and_a_budget_ends_in_the_middle_of_them(
    price: str, told: str, with_budget: str
) -> None:
    assert said(price, GIFT) == told
    assert said(price, BUDGET) == with_budget
    # a price that nobody sponsors may be anything
    assert said(price, GIFT.replace("[a]", "[b]")) == ""


def test_what_a_sponsor_pays_is_in_no_bundle_and_has_no_percentage_off() -> None:
    assert COVERED in said(EACH, f"{GIFT}, {BUNDLE}")
    assert said(EACH, f"{GIFT}, {BUNDLE.replace('a: 1', 'b: 1')}") == ""
    off = "a percentage discount on the sponsored price 'a'"
    for discount, told in (
        ("percent: 10 %", off),
        ("percent: 10 %, components: [a]", off),
        ("percent: 10 %, components: [b]", ""),
        ("fixed: 1", ""),
        ("fixed: 1, components: [a]", ""),
    ):
        assert said(EACH, f"{GIFT}, discounts: [{{id: d, {discount}}}]") == told, discount
    assert said(EACH, "discounts: [{id: d, percent: 10 %}]") == ""


@pytest.mark.parametrize("rule", ["pool_cap_units: 4", "overage: excess"])
@pytest.mark.parametrize(
    ("price", "fits"),
    [(f"{FREE}, {EACH}", True), (f"fold: max, {FREE}, {EACH}", False), (f"increment: {{units: 2}}, {FREE}, {EACH}", False),
     (f"fold: max, {EACH}", True), (f"scope: device, fold: max, {FREE}, {EACH}", True)],
)  # fmt: skip
def test_a_members_part_of_a_pool_is_one_of_plain_sums(rule: str, price: str, fits: bool) -> None:
    told = said(price, f"scope: pool, {rule}")
    assert told == (
        "" if fits else "pool_cap_units or overage: excess over a fold or an increment of price 'a'"
    )
    assert said(price, "scope: pool, overage: use") == ""


def test_a_pools_rules_are_refused_for_a_price_that_alone_is_the_pools() -> None:
    assert "pool_cap_units or overage" in said(f"scope: pool, fold: max, {FREE}, {EACH}", "overage: excess")


@pytest.mark.parametrize("fold", ["time_weighted", "p95"])
@pytest.mark.parametrize(
    ("price", "fits"),
    [(EACH, True), (BY_USE, True), (f"counter_period: day, {EACH}", True), (f"increment: {{units: 5}}, {EACH}", True),
     (ROWS, False), (f"scope: event, {EACH}", False), (f"increment: {{units: 5, per: day}}, {EACH}", False)],
)  # fmt: skip
def test_what_only_the_close_decides_has_one_price(fold: str, price: str, fits: bool) -> None:
    told = said(f"fold: {fold}, {price}")
    whole = f"fold: {fold} over several rates, single events or rounded parts of price 'a'"
    assert told == ("" if fits else whole)


@pytest.mark.parametrize("fold", ["max", "last", "unique"])
def test_a_fold_is_of_whole_counters_and_its_price_does_not_jump(fold: str) -> None:
    of = f"fold: {fold}, unique_of: country" if fold == "unique" else f"fold: {fold}"
    assert said(f"{of}, {BY_USE}") == ""
    assert said(f"{of}, increment: {{units: 5}}, {EACH}") == ""
    assert (
        said(f"{of}, increment: {{units: 5, per: day}}, {EACH}")
        == f"an increment per day of a fold {fold} of price 'a'"
    )
    assert said(f"{of}, {JUMPS}") == "a price that jumps over a fold or a daily increment of price 'a'"
    assert said(f"{of}, scope: event, {EACH}") == "a fold of single events of price 'a'"


def test_what_is_rounded_day_by_day_does_not_jump() -> None:
    assert said(f"increment: {{units: 5}}, {JUMPS}") == ""
    assert said(f"increment: {{units: 5, per: day}}, {BY_USE}") == ""
    for price in (JUMPS, STAIRS):
        told = said(f"increment: {{units: 5, per: day}}, {price}")
        assert told == "a price that jumps over a fold or a daily increment of price 'a'"


@pytest.mark.parametrize(
    ("price", "told"),
    [(ROWS, "an allowance over several rates of price 'a'"),
     (f"counter_period: day, {EACH}", "an allowance with counters anew every day of price 'a'"),
     (f"scope: event, {EACH}", "an allowance per event of price 'a'")],
)  # fmt: skip
def test_free_units_are_those_of_one_price_in_a_period(price: str, told: str) -> None:
    assert said(f"{FREE}, {price}") == told
    assert said(price) == ""


@pytest.mark.parametrize(
    ("price", "more", "cure", "mended"),
    [(ROWS, "", BUNDLE.replace("id: x, credits: 9", "id: included, credits: 5"), (ROWS, "{cure}")),
     (f"scope: event, {EACH}", "", "graduated: {tiers: [{up_to: 5, amount: 0}, ...]}",
      ("scope: event, graduated: {tiers: [{up_to: 5, amount: 0}, {amount: 1}]}", "")),
     (f"counter_period: day, {BY_USE}", "", "graduated: {tiers: [{up_to: 5, amount: 0}, ...]}",
      ("counter_period: day, graduated: {tiers: [{up_to: 5, amount: 0}, {up_to: 10, amount: 2}, {amount: 1}]}", "")),
     ("counter_period: day, package: {amount: 1, size: 9, free: 2}", "", "free: 7",
      ("counter_period: day, package: {amount: 1, size: 9, free: 7}", "")),
     (f"counter_period: day, {JUMPS}", "", "", None),
     (f"counter_period: day, {EACH}", "scope: pool", "", None),
     (f"increment: {{units: 5}}, {ROWS}", "", "", None)],
)  # fmt: skip
def test_the_cure_says_how_free_units_are_said_otherwise_and_that_is_priced(
    price: str, more: str, cure: str, mended: tuple[str, str] | None
) -> None:
    offer = HEAD % f"prices: [{{id: a, meter: m.data, {FREE}, {price}}}, {OTHER}]{more and ', ' + more}"
    with pytest.raises(CatalogueError) as caught:
        check(loads(offer))
    assert caught.value.code == "not_priced"
    if mended is None:
        assert caught.value.cure == "Remove it, or rate it elsewhere; it is never ignored."
    else:
        assert f"`{cure}`" in caught.value.cure
        assert said(mended[0], mended[1].format(cure=cure)) == ""


def test_a_price_without_a_scope_has_its_offers() -> None:
    """Of an offer that counts each event alone, free units were given to nobody, without a word."""
    assert said(f"{FREE}, {EACH}", "scope: event") == "an allowance per event of price 'a'"
    assert said(f"{FREE}, scope: device, {EACH}", "scope: event") == ""
    assert said(f"fold: max, {EACH}", "scope: event") == "a fold of single events of price 'a'"
    assert said(BURST, "scope: event").startswith("p95 together with")
    assert said(f"fold: time_weighted, {EACH}", "scope: event").startswith("fold: time_weighted over")
    assert said(BY_USE, f"scope: event, {FLAT}").startswith("flat_fee_at_zero over")


MIXED = "a price per event of money next to counted prices, free units or a fold of price 'a'"
SALES = "rates: [{id: us, match: {country: [US]}, %s}, {id: rest, percentage: {rate: 1 %%}}]"


def test_a_share_of_money_stands_alone() -> None:
    money = "meters:\n  - {id: m.sales, unit: nano, currency: EUR, dimensions: [country]}"
    text = HEAD.replace("  - {id: m.sales, unit: nano, currency: EUR}\n", "").replace("meters:", money)

    def of(price: str) -> str:
        offer = loads(text % f"prices: [{{id: a, meter: m.sales, {price}}}]").offers[0]
        return "; ".join(what for what, _ in refused(offer))

    assert of(SHARE) == ""
    assert of(SALES % "dynamic: {factor: 2}") == ""
    assert of(SALES % EACH) == ""
    assert of(SALES % BY_USE) == MIXED
    assert of(f"{FREE}, {SHARE}") == MIXED
    assert of(f"fold: count, {SHARE}") == MIXED
    assert of(f"increment: {{units: 5}}, {SHARE}") == "an increment of money per event of price 'a'"
    assert of(f"increment: {{units: 5}}, {EACH}") == ""


@pytest.mark.parametrize(
    "price",
    [f"counter_period: day, {BURST}", f"scope: event, {BURST}", f"increment: {{units: 5}}, {BURST}",
     f"{FREE}, {BURST}", f"fold: count, {BURST}",
     f"rates: [{{id: us, match: {{country: [US]}}, {EACH}}}, {{id: rest, {BURST}}}]"],
)  # fmt: skip
def test_a_percentile_of_slots_stands_alone(price: str) -> None:
    told = said(price)
    assert told == "p95 together with rates, folds, increments, free units or short counters of price 'a'"
    assert said(f"scope: pool, {BURST}") == ""
