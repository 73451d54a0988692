"""How large a whole number may be: the reader and the published schema agree, to the last one."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.tariff.test_offer_in_words import EXAMPLE
from tests.tariff.test_templates import as_values
from workbench.errors import CatalogueError, InputError
from workbench.tariff.catalogue import load, loads
from workbench.tariff.schema import schema
from workbench.tariff.yamltree import read_text

BURST = Path("datasets/catalog/burstable-gateway.yaml").read_text(encoding="utf-8")
LIMITS = [
    ("version: 3", "version: ", 1, 10**6),
    ("periods: 1,", "periods: ", 1, 120),
    ("credits: 1000", "credits: ", 1, 10**18),
    ("{sms: 10}", "{sms: ", 1, 10**18),
    ("from_period: 13", "from_period: ", 1, 10_000),
    ("to_period: 3", "to_period: ", 1, 10_000),
    ("trial: {days: 14", "trial: {days: ", 1, 3_650),
    ("expires_after_days: 90", "expires_after_days: ", 1, 36_500),
    ("kind: promotional", "kind: promotional, priority: ", 0, 10_000),
    ("scope: pool ", "scope: pool\n    pool_cap_units: ", 1, 10**18),
    ("direction: max,", "direction: max, slot_seconds: ", 1, 86_400),
]


def written(old: str, new: str, number: int) -> str:
    """A good catalogue with another number in one place."""
    text = EXAMPLE if old in EXAMPLE else BURST
    assert text.count(old) >= 1
    tail = old[-1] if old[-1] in ",}" else " "
    return text.replace(old, f"{new}{number}{tail}", 1)


def said(text: str) -> tuple[str, int]:
    """(code of what the reader refuses, complaints of the schema)."""
    try:
        loads(text)
        code = ""
    except CatalogueError as error:
        code = error.code
    return code, len(list(Draft202012Validator(schema()).iter_errors(as_values(read_text(text, "limits")))))


@pytest.mark.parametrize(("old", "new", "least", "most"), LIMITS, ids=[new for _, new, *_ in LIMITS])
def test_the_reader_and_the_schema_end_at_the_same_number(old: str, new: str, least: int, most: int) -> None:
    for number in (least, most):
        code, complaints = said(written(old, new, number))
        assert code != "field_whole"
        assert not complaints
    for number in (least - 1, most + 1):
        code, complaints = said(written(old, new, number))
        assert code == "field_whole"
        assert complaints


HEAD = "meters: [{id: m, unit: UNIT, currency: EUR, dimensions: [c]}]\npartners: [{id: op}]\noffers:\n" + (
    "  - {id: o, version: 1, currency: EUR, effective: 2026-01-01, split: {rest: op},\n"
    "     prices: [{id: p, meter: m, PRICE}]}\n"
)
LISTS = [
    ("byte", "graduated: {tiers: [", "{amount: 1}", "]}"),
    ("byte", "volume: {tiers: [", "{amount: 1}", "]}"),
    ("byte", "stair_step: {steps: [", "{amount: 1}", "]}"),
    ("nano", "graduated_percentage: {tiers: [", "{rate: 1 %}", "]}"),
    ("byte", "rates: [", "{id: a, per_unit: {amount: 1}}", "]"),
    (
        "byte",
        "rates: [{id: b, per_unit: {amount: 1}, match: {c: [",
        "x",
        "]}}, {id: a, per_unit: {amount: 1}}]",
    ),
]


@pytest.mark.parametrize(("unit", "before", "one", "after"), LISTS, ids=[each[1] for each in LISTS])
def test_a_list_of_one_is_read_and_an_empty_one_is_not(unit: str, before: str, one: str, after: str) -> None:
    text = HEAD.replace("UNIT, currency: EUR", "nano, currency: EUR" if unit == "nano" else unit)
    assert said(text.replace("PRICE", before + one + after)) == ("", 0)
    code, complaints = said(text.replace("PRICE", before + after))
    assert code
    assert complaints


QUANTITIES = [
    ("package: {amount: 1, size: ", "}"),
    ("per_unit: {amount: 1, per: ", "}"),
    ("graduated: {tiers: [{up_to: ", ", amount: 2}, {amount: 1}]}"),
    ("stair_step: {steps: [{up_to: ", ", amount: 1}, {amount: 2}]}"),
    ("increment: {units: ", "}, per_unit: {amount: 1}"),
]


@pytest.mark.parametrize(("before", "after"), QUANTITIES, ids=[each[0] for each in QUANTITIES])
def test_a_quantity_begins_at_one_unit(before: str, after: str) -> None:
    text = HEAD.replace("UNIT, currency: EUR", "byte")
    assert said(text.replace("PRICE", f"{before}1{after}")) == ("", 0)
    assert said(text.replace("PRICE", f"{before}0{after}"))[0] == "quantity_range"


def test_a_file_of_a_million_bytes_is_read_and_a_larger_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "o.yaml"
    for more, code in ((0, ""), (1, "catalogue_too_large")):
        file.write_text(EXAMPLE + "#" * (1_000_000 + more - len(EXAMPLE)), "utf-8")
        try:
            found = "" if load(file).offers else "empty"
        except InputError as error:
            found = error.code
            assert error.what == "The catalogue file has 1,000,001 bytes; 1,000,000 is the most."
        assert found == code


ZEROS = [
    ("byte", "per_unit: {amount: ", "}"),
    ("byte", "package: {amount: 1, size: 5, free: ", "}"),
    ("byte", "allowance: {units: ", "}, per_unit: {amount: 1}"),
    ("nano", "percentage: {rate: ", "}"),
    ("nano", "percentage: {rate: 1 %, fee: ", "}"),
    ("nano", "dynamic: {factor: ", "}"),
]


@pytest.mark.parametrize(("unit", "before", "after"), ZEROS, ids=[before for _, before, _ in ZEROS])
def test_nothing_is_a_number_and_less_than_nothing_is_none(unit: str, before: str, after: str) -> None:
    text = HEAD.replace("UNIT, currency: EUR", "nano, currency: EUR" if unit == "nano" else unit)
    assert said(text.replace("PRICE", f"{before}0{after}")) == ("", 0)
    assert said(text.replace("PRICE", f"{before}1{after}")) == ("", 0)
    code, complaints = said(text.replace("PRICE", f"{before}-1{after}"))
    assert code
    assert complaints
