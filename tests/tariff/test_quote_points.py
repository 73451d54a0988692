"""Where a quote's table has a row and its curve a point, what each step comes to, and what a line of it would be."""

from __future__ import annotations

from fractions import Fraction

import pytest

from workbench.tariff.catalogue import loads
from workbench.tariff.quote import Quote, price

HEAD = """
meters:
  - {id: n, unit: message, dimensions: [country, net]}
  - {id: sales, unit: nano, currency: EUR}
  - {id: bits, unit: byte}
partners: [{id: op}]
offers:
  - {id: o, version: 1, currency: EUR, effective: 2026-01-01, split: {rest: op}, prices: [{id: p, %s}]%s}
"""


def quoted(said: str, units: int | str, more: str = "", **dimensions: str) -> Quote:
    meter = "" if "meter:" in said else "meter: n, "
    return price(loads(HEAD % (meter + said, more)), units, dimensions=dimensions)


ONE = "per_unit: {amount: 1}"
FREE = "allowance: {units: 30}, "
TIERS = "graduated: {tiers: [{up_to: 10, amount: 2}, {up_to: %s, amount: 1}, {amount: 1}]}"
FLAT = "graduated: {tiers: [{up_to: 10, amount: 2}, {up_to: 20, amount: 1, flat: %s}, {amount: 1}]}"
STAIRS = "stair_step: {steps: [{up_to: 10, amount: 2}, {up_to: 20, amount: 3}, {amount: 9}]}"
ROWS = [
    # a price per unit: nothing, what is asked, and a round number or two up to a quarter beyond
    (ONE, 0, [0, 1, 2]),
    (ONE, 1, [0, 1, 2]),
    (ONE, 7, [*range(10)]),
    (ONE, 8, [*range(12)]),
    (ONE, 9, [0, 2, 4, 6, 8, 9, 10, 12]),
    (ONE, 100, [0, 50, 100]),
    (ONE, 160, [0, 50, 100, 150, 160, 200]),
    # free units end somewhere, used up or not
    (FREE + ONE, 10, [0, 10, 20, 30]),
    (FREE + ONE, 100, [0, 30, 50, 100]),
    # a bound is shown up to ten times the quantity, or where it is the next one
    (TIERS % 50, 5, [0, 5, 10, 20, 30, 40, 50, 60]),
    (TIERS % 51, 5, [0, 2, 4, 5, 6, 8, 10, 12]),
    (TIERS % 11, 1, [0, 1, 2, 4, 6, 8, 10, 12]),
    (TIERS % 11, 0, [0, 2, 4, 6, 8, 10, 12]),
    ("graduated: {tiers: [{up_to: 100, amount: 2}, {amount: 1}]}", 1, [0, 1, 50, 100]),
    # behind a bound there is a row where the bill jumps: by more than two units of the dearest tier, up or down
    (FLAT % 3, 15, [0, 5, 10, 15, 20, 25]),
    (FLAT % "3.01", 15, [0, 5, 10, 11, 15, 20, 25]),
    ("graduated: {tiers: [{up_to: 2, amount: 10}, {up_to: 10, amount: 1}, {amount: 1, flat: 5}]}", 20, [0, 2, 5, 10, 15, 20, 25]),
    ("volume: {tiers: [{up_to: 10, amount: 2}, {amount: 1}]}", 15, [0, 5, 10, 11, 15]),
    ("volume: {tiers: [{up_to: 10, amount: 2}, {amount: 3}]}", 15, [0, 5, 10, 11, 15]),
    ("volume: {tiers: [{up_to: 10, amount: 2}, {amount: 1}]}, allowance: {units: 5}", 15, [0, 5, 10, 15, 16]),
    (STAIRS, 15, [0, 5, 10, 11, 15, 20, 21, 25]),
]  # fmt: skip


@pytest.mark.parametrize(("said", "units", "rows"), ROWS, ids=[f"{said} {n}" for said, n, _ in ROWS])
def test_the_table_has_a_row_where_a_price_changes_and_at_round_numbers(
    said: str, units: int, rows: list[int]
) -> None:
    assert [point for point, _ in quoted(said, units).shape] == rows


BLOCK = "package: {amount: 2, size: 10}"
SALE = "meter: sales, percentage: "
CURVES = [
    (ONE, 100, [0, 1, 50, 100]),
    (TIERS % 50, 5, [0, 1, 5, 10, 11, 20, 30, 40, 50, 51, 60]),
    (FLAT % 3, 15, [0, 1, 5, 10, 11, 15, 20, 21, 25]),
    # both sides of a block's end, counted from where blocks begin
    (BLOCK, 25, [0, 1, 5, 10, 11, 15, 20, 21, 25, 30]),
    (BLOCK, 7, [*range(10)]),
    ("package: {amount: 2, size: 2}", 9, [*range(13)]),
    ("package: {amount: 2, size: 5}", 13, [0, 1, 2, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16]),
    ("allowance: {units: 4}, " + BLOCK, 25, [0, 1, 4, 5, 10, 14, 15, 20, 24, 25, 30]),
    ("package: {amount: 2, size: 10, free: 3}", 9, [0, 1, 2, 3, 4, 6, 8, 9, 10, 12]),
    ("package: {amount: 2, size: 10, free: 3}", 15, [0, 1, 3, 4, 5, 10, 13, 14, 15]),
    ("package: {amount: 2, size: 1}", 15, [0, 1, 5, 10, 15]),
    ("package: {amount: 2, size: 2}", 4, [0, 1, 2, 3, 4, 5, 6]),
    ("increment: {units: 10}, allowance: {units: 5}, " + ONE, 25, [0, 1, 5, 10, 11, 15, 20, 21, 25, 30]),
    # an event that costs its least or its most, in thousands of EUR: 5 EUR reach 0.20, and 45 EUR reach 1.00
    (SALE + "{rate: 2 %, fee: 0.1, floor: 0.2, cap: 1}", "60 EUR", [0, 5, 20, 40, 45, 60]),
    (SALE + "{rate: 3 %, fee: 0.1, floor: 0.25, cap: 1.6}", "60 EUR", [0, 5, 20, 40, 50, 60]),
    (SALE + "{rate: 3 %, fee: 0.1, floor: 0.05, cap: 1.9}", "60 EUR", [0, 20, 40, 60]),
    (SALE + "{rate: 2 %, fee: 0.1, floor: 0.1, cap: 3}", "60 EUR", [0, 20, 40, 60]),
    (SALE + "{rate: 2 %, fee: 0.1, floor: 0.12, cap: 1.3}", "60 EUR", [0, 1, 20, 40, 60]),
    (SALE + "{rate: 0 %, fee: 0.1, floor: 0.2}", "60 EUR", [0, 20, 40, 60]),
    ("meter: sales, dynamic: {floor: 30}", "60 EUR", [0, 20, 30, 40, 60]),
]  # fmt: skip


@pytest.mark.parametrize(("said", "units", "points"), CURVES, ids=[f"{said} {n}" for said, n, _ in CURVES])
def test_the_curve_bends_where_the_bill_does(said: str, units: int | str, points: list[int]) -> None:
    found = [point for point, _ in quoted(said, units).curve]
    if "sales" in said:
        assert found.pop(1) == 1  # one nano: the fee is due
        found = [point // 10**9 for point in found]
    assert found == points


def test_blocks_are_drawn_one_by_one_as_long_as_they_can_be_seen() -> None:
    """Sixty of them on the paper; of more, the curve has a point where the table has a row."""
    curve = [point for point, _ in quoted(BLOCK, 490).curve]
    assert curve == sorted({0, 490, *(n * 10 for n in range(61)), *(n * 10 + 1 for n in range(60))})
    assert [point for point, _ in quoted(BLOCK, 610).curve] == [0, 1, 200, 400, 600, 610]


PORTIONS = [
    (ONE, 7, [(0, 7, 7, "1 EUR per message")]),
    (FREE + ONE, 10, [(0, 10, 0, "free units")]),
    (FREE + ONE, 30, [(0, 30, 0, "free units")]),
    (FREE + ONE, 31, [(0, 30, 0, "free units"), (30, 31, 1, "1 EUR per message")]),
    (TIERS % 50, 12, [(0, 10, 20, "2 EUR per message"), (10, 12, 2, "1 EUR per message")]),
    (FLAT % 3, 21, [(0, 10, 20, "2 EUR per message"), (10, 20, 13, "1 EUR per message + 3 once"),
                    (20, 21, 1, "1 EUR per message")]),
    ("graduated: {tiers: [{up_to: 10, amount: 2, flat: 3}, {amount: 1}]}", 12,
     [(0, 10, 23, "2 EUR per message + 3 once"), (10, 12, 2, "1 EUR per message")]),
    (STAIRS, 10, [(0, 10, 2, "2 EUR for all")]),
    (STAIRS, 15, [(0, 15, 3, "3 EUR for all")]),
    (STAIRS, 21, [(0, 21, 9, "9 EUR for all")]),
    ("volume: {tiers: [{up_to: 10, amount: 2}, {amount: 1}]}", 10, [(0, 10, 20, "2 EUR per message")]),
    ("volume: {tiers: [{up_to: 10, amount: 2}, {amount: 1}]}", 11, [(0, 11, 11, "1 EUR per message")]),
    (BLOCK, 15, [(0, 15, 4, "2 EUR per started 10 messages")]),
    ("package: {amount: 2, size: 10, free: 3}", 3, [(0, 3, 0, "free units")]),
    ("increment: {units: 10, rounding: down}, " + ONE, 7, [(0, 7, 0, "1 EUR per message")]),
    ("graduated: {tiers: [{up_to: 10, amount: 0}, {amount: 1}]}", 11,
     [(0, 10, 0, "0 EUR per message"), (10, 11, 1, "1 EUR per message")]),
    # a whole step is begun with the first unit, so the units that the allowance covers are not free here
    ("increment: {units: 10}, allowance: {units: 5}, per_unit: {amount: 2}", 25,
     [(0, 5, 10, "2 EUR per message"), (5, 25, 40, "2 EUR per message")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "units", "portions"), PORTIONS, ids=[f"{said} {n}" for said, n, _ in PORTIONS]
)
def test_each_step_says_from_where_to_where_and_what_it_comes_to(
    said: str, units: int, portions: list[tuple[int, int, int, str]]
) -> None:
    quote = quoted(said, units)
    assert [(p.after, p.up_to, p.amount, p.label) for p in quote.portions] == portions
    assert sum(p.amount for p in quote.portions) == quote.amount


def by_country(*countries: str) -> str:
    rows = [f"{{id: r{n}, match: {{country: [{each}]}}, {ONE}}}" for n, each in enumerate(countries)]
    return f"rates: [{', '.join(rows)}, {{id: rest, per_unit: {{amount: 2}}}}]"


NET = f"rates: [{{id: a, match: {{net: A, country: CH}}, {ONE}}}, {{id: rest, per_unit: {{amount: 2}}}}]"
NOTES = [
    (by_country("A, B, C", "D, E, F"), {}, ["Other rows look at country (A, B, C, D, E, F); without it, this is what holds."]),
    (by_country("A, B, C", "D, E, F, G"), {},
     ["Other rows look at country (A, B, C, D, E, F ...); without it, this is what holds."]),
    (by_country("A, B, C", "C, D, E, F"), {},
     ["Other rows look at country (A, B, C, D, E, F); without it, this is what holds."]),
    (by_country("A"), {"country": "A"}, []),
    (NET, {"country": "CH"}, ["Other rows look at net (A); without it, this is what holds."]),
    (ONE, {}, []),
    (FREE + ONE + ", scope: pool", {}, ["The free units are those of one member of the pool in one month."]),
    (FREE + ONE + ", scope: sim_group", {}, ["The free units are those of one SIM group in one month."]),
    (FREE + ONE, {}, ["The free units are those of one device in one month."]),
    ("increment: {units: 5, per: event}, " + ONE, {}, ["Counted in steps of 5 messages per event, rounded up."]),
    ("meter: bits, p95: {amount: 1, slot_seconds: 900}", {},
     ["As if the slot of 15 minutes that counts carried this; which slot that is, is known at close."]),
    (SALE + "{rate: 1 %}", {}, ["One event that carries this amount; each event is priced alone."]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "given", "notes"), NOTES, ids=[f"{said} {given}" for said, given, _ in NOTES]
)
def test_a_quote_says_what_the_number_leaves_open(said: str, given: dict[str, str], notes: list[str]) -> None:
    units = "1 EUR" if "sales" in said else 7
    assert list(quoted(said, units, **given).notes) == notes


LINES = [  # the exact amount, and what an invoice line of its own would be: halves go away from zero
    ("per_unit: {amount: 0.001}", 4, "0.004", "0"),
    ("per_unit: {amount: 0.001}", 5, "0.005", "0.01"),
    ("per_unit: {amount: 0.001}", 14, "0.014", "0.01"),
    ("per_unit: {amount: 0.001}", 15, "0.015", "0.02"),
    ("per_unit: {amount: 0.01}", 7, "0.07", "0.07"),
]


@pytest.mark.parametrize(("said", "units", "amount", "line"), LINES)
def test_an_invoice_line_rounds_once(said: str, units: int, amount: str, line: str) -> None:
    quote = quoted(said, units)
    assert (quote.amount, quote.invoiced) == (Fraction(amount), Fraction(line))
    assert quote.average == Fraction(amount) / units


@pytest.mark.parametrize(
    ("sale", "amount"),
    [
        ("0 EUR", "0"),
        ("1 EUR", "0.20"),
        ("5 EUR", "0.20"),
        ("6 EUR", "0.22"),
        ("45 EUR", "1"),
        ("50 EUR", "1"),
    ],
)
def test_an_event_costs_its_least_and_its_most_and_no_event_nothing(sale: str, amount: str) -> None:
    quote = quoted(SALE + "{rate: 2 %, fee: 0.1, floor: 0.2, cap: 1}", sale)
    assert quote.amount == Fraction(amount)
    assert quote.portions[-1].amount == Fraction(amount)


OFF = ", discounts: [{id: d, percent: 10 %%%s}]"
DISCOUNTS = [("", "9"), (", from_period: 1", "9"), (", from_period: 2", "10"), (", code: SPRING", "10"), (", to_period: 3", "9"),
             (", components: [p]", "9")]  # fmt: skip


@pytest.mark.parametrize(("said", "amount"), DISCOUNTS)
def test_a_percentage_off_counts_where_everybody_has_it_from_the_first_period_on(
    said: str, amount: str
) -> None:
    assert quoted(ONE, 10, OFF % said).amount == Fraction(amount)


@pytest.mark.parametrize(
    ("more", "said"),
    [("", "no tax said"), (", taxes: [{rate: 19 %}]", "before 19 % tax"),
     (", taxes: [{rate: 19 %, inclusive: true}]", "19 % tax included"),
     (", taxes: [{category: low, rate: 7.5 %}]", "no tax said"),
     (", taxes: [{category: low, rate: 7.5 %}, {rate: 19 %}]", "before 19 % tax")],
)  # fmt: skip
def test_a_quote_says_its_tax(more: str, said: str) -> None:
    assert quoted(ONE, 10, more).tax == said


def test_without_use_there_is_no_average_and_nothing_is_contributed() -> None:
    quote = quoted(ONE, 0)
    assert (quote.average, quote.portions, quote.amount) == (None, (), 0)


def test_units_that_no_row_fits_cost_nothing_from_the_first_to_the_last() -> None:
    quote = quoted(f"unmatched: free, rates: [{{id: a, match: {{country: CH}}, {ONE}}}]", 7)
    assert [(p.step, p.after, p.up_to, p.amount, p.label) for p in quote.portions] == [
        (0, 0, 7, 0, "free: no row of the price fits")
    ]
    assert quote.shape == quote.curve == ((0, Fraction(0)), (7, Fraction(0)))


def test_a_program_is_told_the_same() -> None:
    fees = ", fees: [{id: rent, amount: 1.5, every: day, per: account}, {id: card, amount: 2}]"
    said = quoted(FLAT % 3, 15, fees).as_dict()
    assert [(s["step"], s["after"], s["up_to"], s["units"], s["amount"]) for s in said["steps"]] == [
        (0, 0, 10, 10, "20"),
        (1, 10, 15, 5, "8"),
    ]
    assert said["fees"] == [
        {"id": "rent", "amount": "1.5", "every": "day", "per": "account"},
        {"id": "card", "amount": "2", "every": "period", "per": "device"},
    ]
    assert [each["part"] for each in said["also"]] == ["rent", "card", "split"]
