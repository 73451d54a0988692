"""How an amount is shown: exact where that can be read, short and marked where it cannot, in the currency's own digits."""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree

import pytest

from tests.tariff.test_quote_points import FLAT, FREE, HEAD, ONE, SALE, quoted
from workbench.errors import UsageError
from workbench.tariff.catalogue import loads
from workbench.tariff.describe import describe
from workbench.tariff.quote import price
from workbench.tariff.show import (
    amount_text,
    average_name,
    average_text,
    curve_svg,
    details,
    headline,
    money,
    price_of,
    quote_html,
    used,
)
from workbench.tariff.units_text import block_text, quantity_words

MONEY = [
    ("0", "EUR", "0.00 EUR"), ("5", "JPY", "5 JPY"), ("0.125", "KWD", "0.125 KWD"), ("0.1", "KWD", "0.100 KWD"),
    ("999", "EUR", "999.00 EUR"), ("1000", "EUR", "1,000.00 EUR"), ("1234567.5", "EUR", "1,234,567.50 EUR"),
    ("-1234.5", "EUR", "-1,234.50 EUR"), ("-999", "EUR", "-999.00 EUR"), ("1/3", "EUR", "1/3 EUR"),
    ("10000/3", "EUR", "10000/3 EUR"), ("0.1", "points", "0.10 points"),
]  # fmt: skip


@pytest.mark.parametrize(("amount", "currency", "words"), MONEY)
def test_money_has_its_thousands_apart_and_its_currencys_digits(
    amount: str, currency: str, words: str
) -> None:
    assert money(Fraction(amount), currency) == words


PRICES = [  # three digits that count, and two behind the point at least
    ("0", "0 EUR"), ("1", "1 EUR"), ("1.001", "≈ 1 EUR"), ("0.999", "0.999 EUR"), ("0.1", "0.1 EUR"), ("0.1004", "≈ 0.1 EUR"),
    ("0.0123", "0.0123 EUR"), ("0.01234", "≈ 0.0123 EUR"), ("0.00999", "0.00999 EUR"), ("-0.01234", "≈ -0.0123 EUR"),
    ("1234.5", "1,234.5 EUR"), ("1234.567", "≈ 1,234.57 EUR"), ("1/3", "≈ 0.333 EUR"), ("-5", "-5 EUR"),
]  # fmt: skip


@pytest.mark.parametrize(("amount", "words"), PRICES)
def test_a_price_per_unit_has_three_digits_that_count(amount: str, words: str) -> None:
    assert price_of(Fraction(amount), "EUR") == words


AMOUNTS = [  # twelve digits behind the point are still read; else six, or more until three of them count
    ("0", "0.00 EUR"), ("0.123456789012", "0.123456789012 EUR"), ("0.1234567890123", "≈ 0.123457 EUR"), ("1/3", "≈ 0.333333 EUR"),
    ("-1/3", "≈ -0.333333 EUR"), ("1000000/3", "≈ 333,333.333333 EUR"), ("1/3000", "≈ 0.000333 EUR"),
    ("1/30000", "≈ 0.0000333 EUR"), ("-1/30000", "≈ -0.0000333 EUR"), ("0.0001000000001", "≈ 0.0001 EUR"), ("1/9950", "≈ 0.000101 EUR"),
]  # fmt: skip


@pytest.mark.parametrize(("amount", "words"), AMOUNTS)
def test_an_amount_is_exact_as_long_as_that_can_be_read(amount: str, words: str) -> None:
    assert amount_text(Fraction(amount), "EUR") == words


@pytest.mark.parametrize(
    ("units", "unit", "currency", "words"),
    [(1, "message", "EUR", "1 message"), (3_500_000_000, "nano", "EUR", "3.50 EUR"), (7, "nano", "", "7 nano"),
     (10**8, "byte", "EUR", "100 MB")],
)  # fmt: skip
def test_a_quantity_of_money_is_money(units: int, unit: str, currency: str, words: str) -> None:
    assert used(units, unit, currency) == words


PER = "meter: bits, per_unit: {amount: 3, per: 1 MB}"
AVERAGES = [  # the block is the largest unit of which at least one was used
    (PER, "999 bytes", "average per byte", "0.000003 EUR"), (PER, "1 kB", "average per kB", "0.003 EUR"),
    (PER, "999 kB", "average per kB", "0.003 EUR"), (PER, "1 MB", "average per MB", "3 EUR"),
    (PER, "1 GB", "average per GB", "3,000 EUR"), (PER, "999 GB", "average per GB", "3,000 EUR"),
    (PER, "5000 GB", "average per GB", "3,000 EUR"), (ONE, 5000, "average per message", "1 EUR"),
    (FREE + ONE, 60, "average per message", "0.5 EUR"), (SALE + "{rate: 2 %, fee: 1}", "50 EUR", "average share", "4 %"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "units", "name", "words"), AVERAGES)
def test_an_average_is_told_for_a_block_that_was_used(
    said: str, units: int | str, name: str, words: str
) -> None:
    quote = quoted(said, units)
    assert average_name(quote) == name
    assert average_text(quote, quote.units, quote.amount) == words
    assert average_text(quote, 0, Fraction(0)) == ""


DETAILS = [
    (ONE, 7, []),
    (FREE + ONE, 60, ["On average 0.5 EUR per message."]),
    ("meter: sales, graduated_percentage: {tiers: [{up_to: 100, rate: 2 %}, {rate: 1 %}]}", "150 EUR", ["On average ≈ 1.67 %."]),
    ("per_unit: {amount: 0.001}", 7, ["An invoice line of its own would be 0.01 EUR."]),
    ("per_unit: {amount: 1, per: 3 messages}", 1, ["Exactly 1/3 EUR.", "An invoice line of its own would be 0.33 EUR."]),
]  # fmt: skip


@pytest.mark.parametrize(("said", "units", "lines"), DETAILS)
def test_what_is_said_beside_the_amount_is_news(said: str, units: int | str, lines: list[str]) -> None:
    quote = quoted(said, units)
    assert details(quote) == [
        "o version 1; used 2026-01-01 00:00 UTC; no tax said", *lines, *quote.notes
    ]  # fmt: skip


def test_a_notebook_has_a_row_for_each_step_and_marks_the_quantity_that_was_asked() -> None:
    root = ElementTree.fromstring(quote_html(quoted(FLAT % 3, 15)))
    steps, bill, more = ([[cell.text for cell in row] for row in body] for body in root.iter("tbody"))
    assert steps == [
        ["2 EUR per message", "0 messages", "10 messages", "20.00 EUR"],
        ["1 EUR per message + 3 once", "10 messages", "15 messages", "8.00 EUR"],
    ]
    assert bill == [
        ["0 messages", "0.00 EUR", None], ["5 messages", "10.00 EUR", "2 EUR"], ["10 messages", "20.00 EUR", "2 EUR"],
        ["15 messages", "28.00 EUR", "≈ 1.87 EUR"], ["20 messages", "33.00 EUR", "1.65 EUR"],
        ["25 messages", "38.00 EUR", "1.52 EUR"],
    ]  # fmt: skip
    assert more == [["split", "the rest op"]]
    strong = [
        row[0].text for row in root.iter("tr") if len(row) and "font-weight:600" in row[0].get("style", "")
    ]
    assert strong == ["price", "use", "15 messages"]


QUANTITIES = [
    # in the largest unit of which there is one, if six characters say it; else in a smaller one
    (999, "byte", "999 bytes"), (1_000, "byte", "1 kB"), (1_234_500, "byte", "1.2345 MB"), (1_234_560, "byte", "1,234,560 bytes"),
    (999_999, "byte", "999,999 bytes"), (10**9, "byte", "1 GB"), (5 * 10**12, "byte", "5,000 GB"), (1, "mWh", "1 mWh"),
    (7_200_000, "ms", "2 hours"), (90, "second", "1.5 minutes"), (100, "second", "100 seconds"), (1_500, "litre", "1.5 m3"),
    (1, "litre", "1 litre"), (2, "litre", "2 litres"), (2_500, "m", "2.5 km"), (64_000, "bit/s", "64 kbit/s"),
    # powers of two of a binary unit are meant; other multiples are chance
    (2**10, "byte", "1 KiB"), (2**19, "byte", "512 KiB"), (2**20, "byte", "1 MiB"), (3 * 2**10, "byte", "3.072 kB"),
    (512 * 2**30, "byte", "512 GiB"), (1024 * 2**30, "byte", "1,099,511,627,776 bytes"), (2**10, "message", "1,024 messages"),
    # what is counted has its plural
    (0, "message", "0 messages"), (1, "message", "1 message"), (2, "box", "2 boxes"), (2, "glass", "2 glasses"),
    (2, "push", "2 pushes"),
    (2, "match", "2 matches"), (2, "presses", "2 presses"), (2, "delivery", "2 deliveries"), (2, "day", "2 days"),
    # a word for what is counted may be one that also names a kind of units
    (2_000, "data", "2,000 datas"), (5, "energy", "5 energies"), (1, "time", "1 time"),
]  # fmt: skip


@pytest.mark.parametrize(("units", "base", "words"), QUANTITIES)
def test_a_quantity_is_told_in_the_unit_in_which_it_is_short(units: int, base: str, words: str) -> None:
    assert quantity_words(units, base) == words


@pytest.mark.parametrize(
    ("units", "base", "block"),
    [(10**6, "byte", "MB"), (100, "message", "100 messages"), (1, "press", "press")],
)
def test_the_block_of_a_price_is_told_without_its_one(units: int, base: str, block: str) -> None:
    assert block_text(units, base) == block


@pytest.mark.parametrize("unit", ["data", "energy", "rate", "money"])
def test_a_meter_may_count_what_is_called_as_a_kind_of_units_is(unit: str) -> None:
    """``unit: data`` is a word of its own, and was taken for bytes where prices are shown."""
    text = HEAD % ("meter: n, " + FREE + ONE, "")
    catalogue = loads(text.replace("unit: message", f"unit: {unit}"))
    said = dict(describe(catalogue.offers[0], catalogue))["p"]
    assert said == f"1 EUR per {unit}, {quantity_words(30, unit)} free every month"
    assert headline(price(catalogue, 40)) == f"10.00 EUR for {quantity_words(40, unit)} of 'p'"
    with pytest.raises(UsageError) as caught:
        price(catalogue, "40 MB")
    assert f"such as `{quantity_words(2, unit)}`" in caught.value.cure


AXES = [  # (the price of a message, how many, what is written along the axes)
    ("1", 0, "0 0.5 1 1.5 2", "0 1 2"),
    ("1", 3, "0 1 2 3 4", "0 1 2 3 4"),
    ("1", 4, "0 2 4 6", "0 2 4 6"),
    ("1", 9, "0 5 10", "0 5 10"),
    ("0.001", 400, "0 0.1 0.2 0.3 0.4 0.5", "0 100 200 300 400 500"),
    ("0.1", 400, "0 10 20 30 40 50", "0 100 200 300 400 500"),
    ("1", 400, "0 100 200 300 400 500", "0 100 200 300 400 500"),
    ("0.01", 800, "0 2 4 6 8 10", "0 200 400 600 800 1,000"),
    ("0.02", 800, "0 5 10 15 20", "0 200 400 600 800 1,000"),
    ("0.0001", 100, "0 0.002 0.004 0.006 0.008 0.01", "0 20 40 60 80 100"),
    ("1", 30_000, "0 10,000 20,000 30,000", "0 10,000 20,000 30,000"),
]


@pytest.mark.parametrize(("amount", "units", "high", "low"), AXES)
def test_an_axis_has_round_numbers_at_equal_steps(amount: str, units: int, high: str, low: str) -> None:
    root = ElementTree.fromstring(curve_svg(quoted(f"per_unit: {{amount: {amount}}}", units)))
    texts = [(int(e.get("x", 0)), int(e.get("y", 0)), str(e.text)) for e in root.iter("text")]
    assert " ".join(text.removesuffix(" EUR") for x, _, text in texts if x == 88) == high
    assert " ".join(text for _, y, text in texts if y == 234) == low
