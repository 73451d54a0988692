"""A slip in a price list is named as what it is, where it is, with a cure that fits."""

from __future__ import annotations

import pytest

from workbench.errors import CatalogueError
from workbench.model.units import look_alike
from workbench.tariff.catalogue import loads
from workbench.tariff.quote import price

TEXT = """meters:
  - {id: m.data, unit: byte}
partners: [{id: op}]
offers:
  - id: o
    version: 1
    currency: EUR
    effective: 2026-01-01
    prices:
      - {id: data, meter: m.data, per_unit: {amount: 0.5, per: 1 MB}}
    discounts: [{id: d, percent: 5 %}]
    taxes: [{rate: 19 %}]
    fx: [{currency: USD, rate: 1.1, as_of: 2026-01-01}]
    split: {rest: op}
"""
SLIPS = [
    ("rate: 19 %", "rate: 190 %", 12, "is 190 %, which is not between 0 and 100 %", "Write `30 %` or `0.3`."),
    ("per: 1 MB", "per: -5", 10, "must be from", "Write a positive quantity."),
    (
        "amount: 0.5",
        "amount: 1e300",
        10,
        "more digits than are read",
        "Write at most 30 digits on either side of the point.",
    ),
    (
        "amount: 0.5",
        "amount: 0." + "1" * 50,
        10,
        "more digits",
        "Write at most 30 digits on either side of the point.",
    ),
    ("amount: 0.5", "amount: 017", 10, "begins with a zero: '017'", "Leave out the zeros in front."),
    ("rate: 1.1", "rate: -1", 13, "cannot be negative", "Write zero or more."),
    ("currency: USD", "currency: EUR", 13, "makes no sense", "Name another currency."),
    ("percent: 5 %", "percent: 5 %, fixed: 1", 11, "has both `percent` and `fixed`", "Write one of the two."),
    ("effective: 2026-01-01", "effective: 1.3.2026", 8, "'1.3.2026'", "Write it as 2026-03-01."),
    (
        "unit: byte",
        "unit: Byte",
        2,
        "'Byte'",
        "Write `unit: byte`, or a word of its own for what is counted.",
    ),
    (
        "unit: byte",
        "unit: by te",
        2,
        "'by te'",
        "Write `unit: byte`, or a word of its own for what is counted.",
    ),
    ("version: 1", "version: !!int 1", 6, "is not allowed", "Leave the tag out."),
    ("version: 1", "[a, b]: 1", 6, "A key must be a word", "Write `word: value`."),
    ("version: 1", "version: 1 # \x07", 6, "cannot be read", "Remove the character."),
]


@pytest.mark.parametrize(
    ("before", "after", "line", "what", "cure"), SLIPS, ids=[after[:24] for _, after, *_ in SLIPS]
)
def test_a_slip_is_named(before: str, after: str, line: int, what: str, cure: str) -> None:
    assert before in TEXT
    with pytest.raises(CatalogueError) as caught:
        loads(TEXT.replace(before, after, 1), "f")
    assert what in caught.value.what
    assert (caught.value.where, caught.value.cure) == (f"f:{line}", cure)


def test_a_quantity_is_read_the_same_everywhere() -> None:
    catalogue = loads(TEXT.replace("per: 1 MB", "per: 1e6"))
    assert (
        price(catalogue, "1e6").amount
        == price(catalogue, "1 MB").amount
        == price(catalogue, "1,000,000").amount
    )
    assert price(catalogue, "2.5GB").units == 2_500_000_000


@pytest.mark.parametrize("unit", ["bytes", "hours", "kWh", "uplink", "SMS", "data point"])
def test_units_that_are_meant_are_taken(unit: str) -> None:
    assert not look_alike(unit)


@pytest.mark.parametrize(
    ("written", "read"),
    [("", ""), ("~", ""), ("null", ""), ("''", ""), ("'~'", "~"), ("'null'", "null"), ("none", "none")],
)
def test_what_is_left_empty_is_not_written_and_what_is_quoted_is(written: str, read: str) -> None:
    offer = loads(
        TEXT.replace("    currency: EUR\n", f"    title: {written}\n    currency: EUR\n", 1)
    ).offers[0]
    assert offer.title == read
