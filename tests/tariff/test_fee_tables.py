"""Lines, days and fees as tables: into how many parts a fee is cut, and which days a period owns."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.tariff.tabled import BERLIN, FEBRUARY, HEAD, TWO, A, at, columns, made, offers, parts, tables
from workbench.model.plan import Period
from workbench.tariff.catalogue import loads
from workbench.tariff.tables import day_amount, offer_tables, part_table
from workbench.tariff.variants import variants


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
    assert [day_amount(fee, day, 92) for day in range(92)] == [1] * 30 + [0] * 62
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


def test_a_fee_is_cut_into_the_days_of_its_own_offers_zone() -> None:
    fee = "split: {rest: op}, fees: [{id: rent, amount: 1}]"
    catalogue = loads(
        f"{HEAD}  - {{id: o, version: 1, currency: EUR, effective: 2020-01-01, {fee}}}\n"
        f"  - {{id: p, version: 1, currency: EUR, effective: 2020-01-01, zone: Europe/Berlin, {fee}}}\n"
    )
    # days of UTC that end up to half past eleven on the 28th: 27; days of Berlin end an hour earlier: 28
    billing = Period(datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 28, 23, 30, tzinfo=UTC))
    found = variants(catalogue, [("o", "", "EUR"), ("p", "", "EUR")], billing)
    rows = offer_tables(found, catalogue, billing, billing)
    assert columns(rows["fees"].to_pylist(), "fee_no offer_no denominator") == [(1, 1, 27), (2, 2, 28)]
    lines = part_table([variant.offer for variant in found], billing).to_pylist()
    assert columns(lines, "offer_no denominator") == [(1, 27), (2, 28)]
