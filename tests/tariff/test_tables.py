"""Compiled offers as the tables that the query engine joins with: rows worked out by hand from the price list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from workbench.errors import AmountOverflow
from workbench.model.offer import Catalogue
from workbench.model.plan import Period
from workbench.tariff.calendar import period_at
from workbench.tariff.catalogue import loads
from workbench.tariff.tables import day_amount, naive, offer_tables, part_table
from workbench.tariff.variants import Variant, last_phase, phases, variants

HEAD = """
meters:
  - {id: m.data, unit: byte, dimensions: [country, apn]}
  - {id: m.out, unit: byte}
  - {id: m.sms, unit: message}
  - {id: m.sales, unit: nano, currency: EUR}
partners: [{id: op}]
holidays: [{id: h, dates: [2026-01-01]}]
offers:
"""
BERLIN = period_at(datetime(2026, 2, 10, tzinfo=UTC), "Europe/Berlin")
FEBRUARY = Period(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))


def offers(*said: str) -> Catalogue:
    """Versions of one offer, each from a year of its own on."""
    return loads(
        HEAD
        + "".join(
            f"  - {{id: o, version: {n}, currency: EUR, effective: {2019 + n}-01-01, split: {{rest: op}}, {text}}}\n"
            for n, text in enumerate(said, 1)
        )
    )


def made(catalogue: Catalogue, *overrides: str, period: Period = FEBRUARY) -> list[Variant]:
    return variants(catalogue, [("o", text, "EUR") for text in overrides or ("",)], period)


def tables(
    *said: str, overrides: tuple[str, ...] = (), period: Period = FEBRUARY, billing: Period | None = None
) -> dict[str, list[dict[str, Any]]]:
    catalogue = offers(*said)
    found = offer_tables(made(catalogue, *overrides, period=period), catalogue, period, billing or period)
    return {name: table.to_pylist() for name, table in found.items()}


def columns(rows: list[dict[str, Any]], names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names.split()) for row in rows]


def parts(*said: str, period: Period = FEBRUARY) -> list[dict[str, Any]]:
    found = made(offers(*said), period=period)
    return list(part_table([variant.offer for variant in found], period).to_pylist())


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 2, day, hour)


ONE = "per_unit: {amount: 1}"
A = f"prices: [{{id: a, meter: m.data, {ONE}}}]"
TWO = (
    f"prices: [{{id: a, meter: m.data, {ONE}}}, {{id: b, meter: m.data, per_unit: {{amount: 0.5}}}}, "
    f"{{id: c, meter: m.out, {ONE}}}]"
)


def test_lines_count_the_units_of_a_meter_once_and_a_nodes_never() -> None:
    taxed = "taxes: [{category: standard, rate: 19 %, inclusive: true}, {category: reduced, rate: 7 %}]"
    rows = parts(f"{TWO}, {taxed}")
    assert columns(rows, "component_id kind meter primary_meter online fold") == [
        ("a", "usage", "m.data", True, False, "sum"),
        ("b", "usage", "m.data", False, False, "sum"),
        ("c", "usage", "m.out", True, False, "sum"),
    ]
    assert (
        columns(rows, "offer_no offer_id offer_version tax_category tax_rate_ppm tax_inclusive side")
        == [(1, "o", 1, "standard", 190_000, True, "sell")] * 3
    )
    assert columns(parts(f"{TWO}, charged: node"), "primary_meter online") == [(False, True)] * 3
    assert columns(parts(TWO), "tax_rate_ppm tax_inclusive") == [(0, False)] * 3


def test_lines_of_fees_and_of_the_close() -> None:
    rows = parts(
        "prices: [{id: a, meter: m.data, per_unit: {amount: 0.01, per: 3}}], fees: [{id: rent, amount: 1, tax_category: reduced}, "
        "{id: kit, amount: 5, every: once}], taxes: [{category: reduced, rate: 7 %, inclusive: true}], "
        "maximum: {amount: 0.00000000025, components: [a]}, commitment: {amount: 3, components: [rent]}"
    )
    # rent is cut into the 28 days; one money for all: 3rds (a), 28ths (rent, and of a daily promise), quarters (maximum)
    assert columns(rows, "component_id kind denominator tax_category tax_rate_ppm tax_inclusive online primary_meter") == [
        ("a", "usage", 3, "standard", 0, False, False, True),
        ("rent", "recurring", 28, "reduced", 70_000, True, False, False),
        ("kit", "one_off", 1, "standard", 0, False, False, False),
        ("maximum", "adjustment", 84, "standard", 0, False, False, False),
        ("commitment", "true_up", 84, "reduced", 70_000, True, False, False),
    ]  # fmt: skip


def test_a_daily_promise_is_whole_on_each_day() -> None:
    # five nano over the 28 days of February
    (row,) = parts(f"{A}, commitment: {{amount: 0.000000005}}")[1:]
    assert (row["component_id"], row["denominator"]) == ("commitment", 28)
    (row,) = parts(f"{A}, commitment: {{amount: 0.000000005, prorated: false}}")[1:]
    assert row["denominator"] == 1


def test_offers() -> None:
    said = f"charged: node, side: buy, zone: Europe/Berlin, period: week, trial: {{days: 3}}, {TWO}"
    assert columns(tables(said)["offers"], "offer_no offer_id version currency side charged zone period trial_days") == [
        (1, "o", 1, "EUR", "buy", "node", "Europe/Berlin", "week", 3)]  # fmt: skip


def test_a_component_says_how_it_counts() -> None:
    rows = tables(
        "prices: [{id: a, meter: m.data, increment: {units: 7, per: day, of: device}, per_unit: {amount: 1}}, "
        "{id: b, meter: m.sms, counter_period: day, per_unit: {amount: 1}}, {id: c, meter: m.data, fold: unique, "
        "unique_of: apn, per_unit: {amount: 1}}, {id: d, meter: m.data, allowance: {units: 5, contribution: prorated}, "
        "per_unit: {amount: 1}}, {id: e, meter: m.data, fold: p95, per_unit: {amount: 1}}]"
    )["components"]  # fmt: skip
    assert columns(
        rows, "comp_no offer_no component_id short shape increment_units increment_add by_device"
    ) == [
        (1, 1, "a", False, "bucket", 7, 6, True),
        (2, 1, "b", True, "", 1, 0, False),
        (3, 1, "c", False, "unique", 1, 0, False),
        (4, 1, "d", False, "", 1, 0, False),
        (5, 1, "e", False, "", 1, 0, False),
    ]
    assert columns(rows, "linear free_units contribution allows unique_of closes sell online may_miss") == [
        (False, 0, "full", False, "", False, True, False, False),
        (True, 0, "full", False, "", False, True, False, False),
        (False, 0, "full", False, "apn", False, True, False, False),
        (False, 5, "prorated", True, "", False, True, False, False),
        (False, 0, "full", False, "", True, True, False, False),
    ]


def test_who_buys_and_who_is_charged_by_a_node_is_said() -> None:
    node = tables(f"charged: node, {TWO}")["components"]
    assert columns(node, "sell online") == [(True, True)] * 3
    bought = tables(f"side: buy, {TWO}")["components"]
    assert columns(bought, "sell online") == [(False, False)] * 3


def test_rates_keep_their_counter_over_versions_unless_it_is_reset() -> None:
    tiers = (
        "prices: [{id: a, meter: m.data, rates: [{id: us, match: {country: [US, CA], apn: [x]}, per_unit: {amount: 2}}, "
        "{id: rest, graduated: {tiers: [{up_to: 9, amount: 3}, {amount: 1}]}}]}]"
    )
    moved = "publish: {running: now}"
    found = tables(
        tiers,
        f"{moved}, {tiers}",
        f"publish: {{running: now, counters: reset}}, {tiers}",
        period=Period(datetime(2020, 12, 20, tzinfo=UTC), datetime(2022, 2, 1, tzinfo=UTC)),
    )
    rows = found["rates"]
    # counters in the order of (offer, currency, price, rate, reset version): rest, rest of version 3, us, us of version 3
    first = [row for row in rows if row["version"] == 1][:2]
    assert columns(first, "position counter_no rate_id linear jumps slope") == [
        (0, 3, "us", False, False, 2 * 10**9),  # its neighbour looks at the counter, so the price does
        (1, 1, "rest", False, False, 3 * 10**9),
    ]
    assert {(row["version"], row["rate_id"]): row["counter_no"] for row in rows} == {
        (1, "us"): 3, (1, "rest"): 1, (2, "us"): 3, (2, "rest"): 1, (3, "us"): 4, (3, "rest"): 2,
    }  # fmt: skip
    assert columns(found["matches"][:3], "rate_no dimension value") == [
        (1, "apn", "x"), (1, "country", "US"), (1, "country", "CA")]  # fmt: skip
    assert columns(
        found["steps"][:3], "rate_no step_no from_units origin_units base block_units block_amount"
    ) == [
        (1, 0, 0, 0, 0, 1, 2 * 10**9),
        (2, 0, 0, 0, 0, 1, 3 * 10**9),
        (2, 1, 10, 9, 27 * 10**9, 1, 10**9),
    ]


def test_conversions_and_rounding_stand_beside_their_rate() -> None:
    sales = tables(
        "scope: event, prices: [{id: a, meter: m.sales, percentage: {rate: 1.5 %, fee: 0.05, floor: 0.10, cap: 2}}, "
        "{id: b, meter: m.sales, dynamic: {factor: 3}}]"
    )["rates"]
    # 3/200 of an amount: everything over 200
    assert columns(sales, "slope fee floor cap") == [
        (3, 10**10, 2 * 10**10, 4 * 10**11),
        (3, 0, None, None),
    ]
    rounded = tables(
        "prices: [{id: a, meter: m.data, increment: {units: 7}, per_unit: {amount: 2}}, "
        "{id: b, meter: m.data, increment: {units: 7, per: day}, per_unit: {amount: 2}}, "
        "{id: c, meter: m.data, increment: {units: 7, per: event}, per_unit: {amount: 2}}]"
    )["rates"]
    assert columns(rounded, "rate_no comp_no slope fee increment_units increment_add") == [
        (1, 1, 2 * 10**9, 0, 7, 6),
        (2, 2, 2 * 10**9, 0, 1, 0),  # what reaches the counter is rounded already
        (3, 3, 2 * 10**9, 0, 1, 0),
    ]


def test_a_price_that_jumps_says_its_finest_money_and_a_pool_its_cap() -> None:
    (row,) = tables(
        "prices: [{id: a, meter: m.data, volume: {tiers: [{up_to: 9, amount: 0.02}, {amount: 0.03}]}}]"
    )["rates"]
    assert (row["jumps"], row["part_unit"], row["pool_cap"], row["by_excess"], row["at_zero"]) == (
        True, 1, None, False, 0)  # fmt: skip
    (row,) = tables(
        "scope: pool, pool_cap_units: 4, overage: excess, "
        "prices: [{id: a, meter: m.data, allowance: {units: 9}, per_unit: {amount: 1}}]"
    )["rates"]
    assert (row["pool_cap"], row["by_excess"], row["jumps"]) == (4, True, True)
    (row,) = tables(
        "conventions: {flat_fee_at_zero: true}, prices: [{id: a, meter: m.data, graduated: {tiers: [{amount: 1, flat: 2}]}}]"
    )["rates"]
    assert row["at_zero"] == 2 * 10**9


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
    assert last_phase(offers(TWO).offers) == 1
    assert last_phase(offers(f"{TWO}, discounts: [{{id: x, percent: 1 %, from_period: 3}}]").offers) == 3
    fees = "fees: [{id: f, amount: 1, from_period: 4, to_period: 7}]"
    assert last_phase(offers(fees).offers) == 7
    assert last_phase(offers(fees.replace(", to_period: 7", "")).offers) == 4


def test_windows_are_expanded_and_one_that_never_holds_is_of_no_length() -> None:
    found = tables(
        "prices: [{id: a, meter: m.data, rates: [{id: never, "
        "windows: [{from: '00:00', to: '24:00', holidays: only, calendar: h}], per_unit: {amount: 1}}, "
        "{id: night, windows: [{from: '22:00', to: '06:00'}], per_unit: {amount: 1}}, {id: rest, per_unit: {amount: 2}}]}]",
        period=Period(datetime(2026, 2, 2, tzinfo=UTC), datetime(2026, 2, 4, tzinfo=UTC)),
    )  # fmt: skip
    assert columns(found["windows"], "rate_no from_at until_at") == [
        (1, at(2), at(2)),
        (2, at(2), at(2, 6)),
        (2, at(2, 22), at(3, 6)),
        (2, at(3, 22), at(4)),
    ]


def test_short_counters_and_buckets_live_local_days_and_others_none() -> None:
    found = tables(
        "zone: Europe/Berlin, prices: [{id: a, meter: m.data, per_unit: {amount: 1}}, "
        "{id: b, meter: m.data, counter_period: day, per_unit: {amount: 1}}, "
        "{id: c, meter: m.data, increment: {units: 5, per: day}, per_unit: {amount: 1}}]",
        period=Period(datetime(2026, 2, 1, 23, tzinfo=UTC), datetime(2026, 2, 3, 23, tzinfo=UTC)),
    )  # fmt: skip
    days = [(at(1, 23), at(2, 23)), (at(2, 23), at(3, 23))]
    assert columns(found["lives"], "comp_no from_at until_at") == [(2, *day) for day in days]
    assert columns(found["buckets"], "comp_no from_at until_at") == [(3, *day) for day in days]
    assert columns(found["heard"], "comp_no meter") == [(1, "m.data"), (2, "m.data"), (3, "m.data")]


def test_bundles_keep_their_number_and_others_have_none() -> None:
    text = (
        "prices: [{id: a, meter: m.data, per_unit: {amount: 1}}, {id: b, meter: m.sms, per_unit: {amount: 1}}, "
        "{id: c, meter: m.out, per_unit: {amount: 1}}], "
        "bundles: [{id: y, credits: 9, weights: {a: 2}}, {id: x, credits: 7, weights: {b: 1}, contribution: none}]"
    )
    found = tables(text, f"publish: {{running: now}}, {text}", period=FEBRUARY)
    last = max(row["offer_no"] for row in found["bundles"])
    rows = [row for row in found["bundles"] if row["offer_no"] == last]
    assert columns(rows, "bundle_no bundle_id credits contribution scope") == [
        (2, "y", 9, "full", "device"), (1, "x", 7, "none", "device")]  # fmt: skip
    assert {row["bundle_no"] for row in found["bundles"]} == {1, 2}
    assert columns(found["components"][:3], "component_id bundle_no weight") == [
        ("a", 2, 2),
        ("b", 1, 1),
        ("c", 0, 0),
    ]


def test_sponsors_stand_beside_each_price_they_cover_in_their_order() -> None:
    found = tables(
        "prices: [{id: a, meter: m.data, per_unit: {amount: 1}}, {id: b, meter: m.data, per_unit: {amount: 1}}], "
        "sponsorships: [{id: s, account: p, components: [a], match: {country: [US, CA], apn: [x]}, budget: 5, fallback: block}, "
        "{id: t, account: q, components: [a, b]}]"
    )
    assert columns(found["sponsors"], "sponsor_no offer_no comp_no position sponsor_id account_id budget blocks wants") == [
        (1, 1, 1, 0, "s", "p", True, True, 2), (2, 1, 1, 1, "t", "q", False, False, 0),
        (3, 1, 2, 1, "t", "q", False, False, 0)]  # fmt: skip
    assert columns(found["sponsor_matches"], "sponsor_no dimension value") == [
        (1, "apn", "x"), (1, "country", "US"), (1, "country", "CA")]  # fmt: skip


def test_percentiles_hear_both_directions() -> None:
    found = tables(
        "prices: [{id: a, meter: m.sms, per_unit: {amount: 1}}, "
        "{id: b, meter: m.data, p95: {amount: 3, per: 1 Mbit/s, slot_seconds: 600, direction: sum, out_meter: m.out}}]"
    )
    assert columns(found["bursts"], "comp_no meter outward slot_seconds summed drop_numerator drop_denominator slope") == [
        (2, "m.data", False, 600, True, 1, 20, 40), (2, "m.out", True, 600, True, 1, 20, 40)]  # fmt: skip
    assert columns(found["heard"], "comp_no meter") == [(1, "m.sms"), (2, "m.data"), (2, "m.out")]


def test_days_are_numbered_within_the_billing_period() -> None:
    part = Period(datetime(2026, 2, 10, 23, tzinfo=UTC), datetime(2026, 2, 12, 23, tzinfo=UTC))
    found = tables(f"zone: Europe/Berlin, {TWO}", period=part, billing=BERLIN)
    assert columns(found["days"], "zone day_no days day_start day_end") == [
        ("Europe/Berlin", 10, 28, at(10, 23), at(11, 23)),
        ("Europe/Berlin", 11, 28, at(11, 23), at(12, 23)),
    ]


FEES = (
    "fees: [{id: a, amount: 28}, {id: b, amount: 30, proration: 30-day}, {id: c, amount: 5, proration: full_if_active}, "
    "{id: d, amount: 1, every: day}, {id: e, amount: 9, every: once, from_period: 1}, "
    "{id: f, amount: 0.0000000005, from_period: 2, to_period: 3, per: account, states: [suspended, active]}]"
)


def test_fees_and_into_how_many_parts_they_are_cut() -> None:
    last = 2**31 - 1
    assert columns(tables(FEES)["fees"], "fee_no offer_no fee_id denominator every per whole phase_from phase_until states") == [
        (1, 1, "a", 28, "period", "device", False, 1, last, "active,test"),
        (2, 1, "b", 30, "period", "device", False, 1, last, "active,test"),
        (3, 1, "c", 1, "period", "device", True, 1, last, "active,test"),
        (4, 1, "d", 1, "day", "device", False, 1, last, "active,test"),
        (5, 1, "e", 1, "once", "device", True, 1, last, "active,test"),
        (6, 1, "f", 2 * 28, "period", "account", False, 2, 4, "active,suspended"),
    ]  # fmt: skip
    assert columns(parts(FEES), "component_id kind denominator primary_meter online") == [
        ("a", "recurring", 28, False, False), ("b", "recurring", 30, False, False), ("c", "recurring", 1, False, False),
        ("d", "recurring", 1, False, False), ("e", "one_off", 1, False, False), ("f", "recurring", 56, False, False),
    ]  # fmt: skip


def test_the_days_of_a_fee_sum_to_it_and_the_thirtieths_end_at_thirty() -> None:
    rows = tables(FEES)["fee_days"]
    amounts = {n: [row["amount"] for row in rows if row["fee_no"] == n] for n in (1, 2, 6)}
    assert amounts[1] == [28 * 10**9] * 28
    assert amounts[2] == [30 * 10**9] * 27 + [3 * 30 * 10**9]  # the 28th day stands for three thirtieths
    assert amounts[6] == [1] * 28
    first = [row for row in rows if row["fee_no"] == 1]
    assert columns(first[:2], "day_no day_start day_end") == [(0, at(1), at(2)), (1, at(2), at(3))]


def test_thirtieths_of_a_long_month() -> None:
    (fee,) = made(offers("fees: [{id: b, amount: 0.000000001, proration: 30-day}]"))[0].offer.fees
    assert [day_amount(fee, day, 31) for day in range(31)] == [1] * 30 + [0]
    assert [day_amount(fee, day, 29) for day in range(29)] == [1] * 28 + [2]
    (whole,) = made(offers("fees: [{id: b, amount: 0.000000007}]"))[0].offer.fees
    assert [day_amount(whole, day, 31) for day in (0, 29, 30)] == [7, 7, 7]


def test_only_days_that_end_inside_a_part_of_the_period_are_charged_there() -> None:
    part = Period(datetime(2026, 2, 10, tzinfo=UTC), datetime(2026, 2, 12, tzinfo=UTC))
    rows = tables("fees: [{id: a, amount: 28}]", period=part, billing=FEBRUARY)["fee_days"]
    assert columns(rows, "day_no day_start day_end amount") == [
        (9, at(10), at(11), 28 * 10**9),
        (10, at(11), at(12), 28 * 10**9),
    ]


def test_instants_are_written_without_a_zone() -> None:
    assert naive(BERLIN.start) == datetime(2026, 1, 31, 23)
