"""Compiled offers as the tables that the query engine joins with: rows worked out by hand from the price list."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.tariff.tabled import BERLIN, FEBRUARY, HEAD, ONE, TWO, A, at, columns, parts, tables
from workbench.model.plan import Period
from workbench.tariff.catalogue import loads
from workbench.tariff.tables import naive, offer_tables
from workbench.tariff.variants import variants


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


def test_offers() -> None:
    said = f"charged: node, side: buy, zone: Europe/Berlin, period: week, trial: {{days: 3}}, {TWO}"
    assert columns(tables(said)["offers"], "offer_no offer_id version currency side charged zone period trial_days") == [
        (1, "o", 1, "EUR", "buy", "node", "Europe/Berlin", "week", 3)]  # fmt: skip


def test_a_component_says_how_it_counts() -> None:
    rows = tables(
        "prices: [{id: a, meter: m.data, increment: {units: 7, per: day, of: device}, per_unit: {amount: 1}}, "
        "{id: b, meter: m.sms, counter_period: day, per_unit: {amount: 1}}, {id: c, meter: m.data, fold: unique, "
        "unique_of: apn, per_unit: {amount: 1}}, {id: d, meter: m.data, allowance: {units: 1, contribution: prorated}, "
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
        (False, 1, "prorated", True, "", False, True, False, False),
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


def test_a_first_version_that_resets_shares_no_counter_with_the_next() -> None:
    year = Period(datetime(2020, 12, 20, tzinfo=UTC), datetime(2021, 1, 10, tzinfo=UTC))
    rows = tables(f"publish: {{counters: reset}}, {A}", f"publish: {{running: now}}, {A}", period=year)[
        "rates"
    ]
    assert {(row["version"], row["counter_no"]) for row in rows} == {(1, 2), (2, 1)}


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


def test_instants_are_written_without_a_zone() -> None:
    assert naive(BERLIN.start) == datetime(2026, 1, 31, 23)


def test_each_row_speaks_of_its_own_offer() -> None:
    prices = (
        f"prices: [{{id: a, meter: m.data, counter_period: day, {ONE}}}, "
        f"{{id: b, meter: m.sms, increment: {{units: 5, per: day}}, {ONE}}}]"
    )
    first = "split: {rest: op}, fees: [{id: rent, amount: 28}], sponsorships: [{id: s, account: q, components: [a]}]"
    second = (
        "zone: Europe/Berlin, split: {rest: op}, fees: [{id: rent, amount: 56}], charged: node, side: buy"
    )
    catalogue = loads(
        f"{HEAD}  - {{id: o, version: 1, currency: EUR, effective: 2020-01-01, {first}, {prices}}}\n"
        f"  - {{id: p, version: 7, currency: EUR, effective: 2020-01-01, {second}, {prices}}}\n"
    )
    day = Period(datetime(2026, 2, 1, 23, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC))
    found = {
        name: table.to_pylist()
        for name, table in offer_tables(
            variants(catalogue, [("o", "", "EUR"), ("p", "", "EUR")], day), catalogue, day, BERLIN
        ).items()
    }
    assert columns(found["components"], "comp_no offer_no component_id sell online sponsored") == [
        (1, 1, "a", True, False, True), (2, 1, "b", True, False, False),
        (3, 2, "a", False, True, False), (4, 2, "b", False, True, False),
    ]  # fmt: skip
    assert columns(found["rates"], "rate_no comp_no counter_no version") == [
        (1, 1, 1, 1), (2, 2, 2, 1), (3, 3, 3, 7), (4, 4, 4, 7)]  # fmt: skip
    assert columns(found["sponsors"], "sponsor_no offer_no comp_no") == [(1, 1, 1)]
    # days of UTC begin at midnight, those of Berlin an hour before; the period cuts the first ones
    utc, berlin = [(at(1, 23), at(2)), (at(2), at(3))], [(at(1, 23), at(2, 23)), (at(2, 23), at(3))]
    assert columns(found["lives"], "comp_no from_at until_at") == [
        (n, *d) for n, days in ((1, utc), (3, berlin)) for d in days
    ]
    assert columns(found["buckets"], "comp_no from_at until_at") == [
        (n, *d) for n, days in ((2, utc), (4, berlin)) for d in days
    ]
    assert columns(found["days"], "zone day_no days day_end") == [
        ("Europe/Berlin", 1, 28, at(2, 23)), ("UTC", 1, 28, at(2)), ("UTC", 2, 28, at(3))]  # fmt: skip
    assert columns(found["fees"], "fee_no offer_no denominator") == [(1, 1, 28), (2, 2, 28)]
    assert columns(found["fee_days"], "fee_no day_no day_end amount") == [
        (1, 1, at(2), 28 * 10**9), (1, 2, at(3), 28 * 10**9), (2, 1, at(2, 23), 56 * 10**9)]  # fmt: skip


def test_bundles_are_numbered_by_offer_and_currency() -> None:
    said = "split: {rest: op}, fx: [{currency: USD, rate: 2, as_of: 2020-01-01}], bundles: [{id: x, credits: 9, weights: {a: 2}}]"
    catalogue = loads(
        f"{HEAD}  - {{id: o, version: 1, currency: EUR, effective: 2020-01-01, {said}, {A}}}\n"
        f"  - {{id: p, version: 1, currency: EUR, effective: 2020-01-01, scope: pool, {said}, {A}}}\n"
    )
    wanted = [("o", "", "EUR"), ("o", "", "USD"), ("p", "", "EUR")]
    found = offer_tables(variants(catalogue, wanted, FEBRUARY), catalogue, FEBRUARY, FEBRUARY)
    assert columns(found["bundles"].to_pylist(), "bundle_no offer_no bundle_id scope") == [
        (1, 1, "x", "device"), (2, 2, "x", "device"), (3, 3, "x", "pool")]  # fmt: skip
    assert [row["bundle_no"] for row in found["components"].to_pylist()] == [1, 2, 3]
    assert [row["currency"] for row in found["offers"].to_pylist()] == ["EUR", "USD", "EUR"]
