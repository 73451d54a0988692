"""What somebody asks the calculator is taken as people write it, or refused with what was written and what would do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from workbench.errors import UsageError
from workbench.tariff.catalogue import loads
from workbench.tariff.quote import price

HEAD = """
meters:
  - {id: n, unit: message, dimensions: [country, net]}
  - {id: plain, unit: message}
  - {id: bits, unit: byte}
  - {id: e, unit: mWh}
  - {id: t, unit: second}
  - {id: v, unit: litre}
  - {id: l, unit: m}
  - {id: w, unit: W}
  - {id: sales, unit: nano, currency: EUR}
partners: [{id: op}]
holidays: [{id: ch, dates: [2026-08-01]}]
offers:
"""
SHOP = (
    HEAD
    + """
  - id: o
    version: 1
    currency: EUR
    effective: 2026-07-01
    split: {rest: op}
    prices:
      - {id: n, meter: n, per_unit: {amount: 1}}
      - {id: plain, meter: plain, per_unit: {amount: 1}}
      - {id: bits, meter: bits, per_unit: {amount: 1}}
      - {id: burst, meter: bits, p95: {amount: 1, slot_seconds: 600}}
      - {id: e, meter: e, per_unit: {amount: 1}}
      - {id: t, meter: t, per_unit: {amount: 1}}
      - {id: v, meter: v, per_unit: {amount: 1}}
      - {id: l, meter: l, per_unit: {amount: 1}}
      - {id: w, meter: w, per_unit: {amount: 1}}
      - {id: sales, meter: sales, percentage: {rate: 1 %}}
      - id: rows
        meter: n
        rates:
          - {id: swiss, match: {country: CH}, per_unit: {amount: 2}}
          - {id: feast, windows: [{holidays: only, calendar: ch}], per_unit: {amount: 4}}
          - {id: night, windows: [{from: "22:00", to: "06:00"}], per_unit: {amount: 3}}
          - {id: rest, per_unit: {amount: 1}}
"""
)
CATALOGUE = loads(SHOP)
LONG = "abcdefghij" * 9
TAKEN = [
    ("n", 7, 7), ("n", "7", 7), ("n", " 7 ", 7), ("n", "7 messages", 7), ("n", "1,000", 1000), ("n", "12,345,678", 12_345_678),
    ("n", "1e3", 1000), ("n", 0, 0), ("n", 10**18, 10**18), ("bits", "2.5 GB", 2_500_000_000), ("bits", "2.5GB", 2_500_000_000),
    ("bits", "1 KiB", 1024), ("e", "1.5 kWh", 1_500_000), ("t", "2 hours", 7200), ("t", "1,500 minutes", 90_000), ("v", "2 m3", 2000),
    ("l", "2 km", 2000), ("sales", "3.50 EUR", 3_500_000_000), ("sales", 5, 5),
    # a percentile takes a rate, or what a slot of ten minutes carries at it
    ("burst", "8 bit/s", 600), ("burst", "1 kbit/s", 75_000), ("burst", "1 MB", 1_000_000),
]  # fmt: skip


@pytest.mark.parametrize(("component", "units", "taken"), TAKEN)
def test_a_quantity_is_taken_as_it_is_written(component: str, units: int | str, taken: int) -> None:
    assert price(CATALOGUE, units, component=component).units == taken


REFUSED = [
    ("n", "1,00", "'1,00' is not a quantity of message: ", "Write a whole number of message, or a quantity such as `2 messages`."),
    ("bits", "1,5 GB", "'1,5 GB' is not a quantity of byte: not a decimal number: '1,5'.", "`2.5 GB`"),
    ("bits", "25:30", "'25:30' is not a quantity of byte: not a decimal number: '25:30'.", "`2.5 GB`"),
    ("n", "1..5messages", "'1..5messages' is not a quantity of message: not a decimal number: '1..5'.", "`2 messages`"),
    ("n", "1,0000", "'1,0000' is not", "`2 messages`"),
    ("n", "1234,567", "'1234,567' is not", "`2 messages`"),
    ("n", "1.5", "'1.5' is not a quantity of message: 3/2 message is not a whole number of message.", "`2 messages`"),
    ("n", LONG, f"'{LONG[:40]}' is not a quantity of message: ", "`2 messages`"),
    ("bits", "1 kWh", "'1 kWh' is not a quantity of byte: 'kWh' does not convert to 'byte'.", "`2.5 GB`"),
    ("bits", "1 Mbit/s", "'1 Mbit/s' is not", "`2.5 GB`"),
    ("e", "x", "'x' is not a quantity of mWh", "`2.5 kWh`"),
    ("t", "x", "'x' is not a quantity of second", "`2 hour`"),
    ("v", "x", "'x' is not a quantity of litre", "`2 m3`"),
    ("l", "x", "'x' is not a quantity of m:", "`2 km`"),
    ("w", "x", "'x' is not a quantity of W", "`2 W`"),
    ("sales", "3.50", "'3.50' is not a quantity of nano", "`3.50 EUR`"),
    ("sales", "3.50 USD", "'3.50 USD' is not a quantity of nano", "`3.50 EUR`"),
    ("sales", "0.0000000005 EUR", "is not a quantity of nano", "`3.50 EUR`"),
    ("n", -1, "The quantity must be from 0 to 10^18.", "Write a smaller one."),
    ("n", 10**18 + 1, "The quantity must be from 0 to 10^18.", "Write a smaller one."),
    ("x" * 70, 7, f"The offer 'o' has no price '{'x' * 60}'.", "Name one with --component. It has: n (n), plain (plain), bits (bits)"),
]  # fmt: skip


@pytest.mark.parametrize(("component", "units", "what", "cure"), REFUSED)
def test_what_is_no_quantity_is_refused_with_one_that_is(
    component: str, units: int | str, what: str, cure: str
) -> None:
    with pytest.raises(UsageError) as caught:
        price(CATALOGUE, units, component=component)
    assert what in caught.value.what
    assert cure in caught.value.cure


ROWS = [  # under which conditions which row holds; without a time the day on which the offer begins counts, at midnight
    ({}, None, "night"),
    ({"country": "CH"}, None, "swiss"),
    ({"country": "DE"}, "2026-07-05T12:00Z", "rest"),
    ({}, "2026-07-05T05:59:59Z", "night"),
    ({}, "2026-07-05T06:00Z", "rest"),
    ({}, "2026-07-05T21:59:59Z", "rest"),
    ({}, "2026-07-05T22:00Z", "night"),
    ({}, "2026-07-06T00:00Z", "night"),  # a Monday: the night began in another week
    ({}, "2026-07-31T23:59:59Z", "night"),
    ({}, "2026-08-01T00:00Z", "feast"),
    ({}, "2026-08-01T23:59:59Z", "feast"),
    ({}, "2026-08-02T00:00Z", "night"),
    ({}, "2026-08-02T00:00+02:00", "feast"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "at", "row"), ROWS)
def test_the_row_that_holds_is_the_one_that_is_priced(
    given: dict[str, str], at: str | None, row: str
) -> None:
    quote = price(CATALOGUE, 1, component="rows", at=at, dimensions=given)
    assert quote.rate_id == row
    assert quote.amount == {"swiss": 2, "feast": 4, "night": 3, "rest": 1}[row]


def test_a_price_is_found_by_its_meter_or_its_name_or_both() -> None:
    assert price(CATALOGUE, 1, meter="e").component_id == "e"
    assert price(CATALOGUE, 1, meter="bits", component="burst").component_id == "burst"
    for asked, what in (
        ({"meter": "bits"}, "2 prices of 'o' fit."),
        ({}, "11 prices of 'o' fit."),
        ({"meter": "e", "component": "t"}, "The offer 'o' has no price 't'."),
        ({"meter": "x" * 70}, f"The offer 'o' has no price of the meter '{'x' * 60}'."),
    ):
        with pytest.raises(UsageError) as caught:
            price(CATALOGUE, 1, **asked)  # type: ignore[arg-type]
        assert caught.value.what == what


def test_a_dimension_the_meter_does_not_have_is_named_with_those_it_has() -> None:
    for component, cure in (("n", "It has: country, net."), ("plain", "It has: none.")):
        with pytest.raises(UsageError) as caught:
            price(CATALOGUE, 1, component=component, dimensions={LONG: LONG})
        assert caught.value.what == f"The meter '{component}' has no dimension '{LONG[:60]}'."
        assert caught.value.where == f"{LONG[:60]}={LONG[:60]}"
        assert caught.value.cure == cure


def test_offers_are_named_as_far_as_two_hundred_letters_go() -> None:
    one = SHOP[SHOP.index("  - id: o") :]
    text = HEAD + "".join(one.replace("id: o\n", f"id: offer-number-{n}\n") for n in range(20))
    names = ", ".join(sorted(f"offer-number-{n}" for n in range(20)))
    with pytest.raises(UsageError) as caught:
        price(loads(text), 1, component="n")
    assert caught.value.what == "The catalogue holds 20 offers."
    assert caught.value.cure == f"Name one with --id. It has: {names[:200]}."
    with pytest.raises(UsageError) as caught:
        price(loads(text), 1, offer_id="y" * 70)
    assert caught.value.what == f"The catalogue holds no offer '{'y' * 60}'."
    with pytest.raises(UsageError) as caught:
        price(loads(HEAD.replace("offers:\n", "")), 1)
    assert (caught.value.what, caught.value.cure) == (
        "The catalogue holds 0 offers.",
        "Name one with --id. It has: none.",
    )
    with pytest.raises(UsageError, match="An offer alone does not say what its meters count"):
        price(CATALOGUE.offers[0], 1)


def test_a_time_that_is_none_is_quoted_by_its_beginning() -> None:
    with pytest.raises(UsageError) as caught:
        price(CATALOGUE, 1, component="n", at=LONG)
    assert caught.value.what == f"'{LONG[:40]}' is no time with a zone."
    assert price(CATALOGUE, 1, component="n").at == datetime(2026, 7, 1, tzinfo=UTC)
