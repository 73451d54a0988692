"""Every way to write a wrong offer gives one sentence with file, line, code and cure; nothing else happens."""

from __future__ import annotations

import random
import string
from fractions import Fraction
from pathlib import Path

import pytest

from workbench.errors import CatalogueError, InputError
from workbench.tariff.catalogue import load, loads
from workbench.tariff.check import check
from workbench.tariff.compile import compile_offer

GOOD = """meters:
  - {id: m.data, unit: byte, dimensions: [country]}
  - {id: m.sms, unit: message}
  - {id: m.sales, unit: nano, currency: EUR}
partners: [{id: op}, {id: other}]
offers:
  - id: o
    version: 1
    currency: EUR
    effective: 2026-01-01
    split: {rest: op}
    prices:
      - {id: data, meter: m.data, per_unit: {amount: 0.01, per: 1 MB}}
"""
PRICE = "{id: data, meter: m.data, per_unit: {amount: 0.01, per: 1 MB}}"
SPLIT = "split: {rest: op}"
POOLED = PRICE.replace("meter", "scope: pool, allowance: {units: 5}, meter")

CASES = [
    ("per_unit: {amount: 0.01, per: 1 MB}", "per_unit: {amount: 0.01, per: 1 kWh}", "unit_mismatch"),
    ("per_unit: {amount: 0.01, per: 1 MB}", "per_unit: {amount: 0.01, per: 0.5 byte}", "unit_mismatch"),
    ("per_unit: {amount: 0.01, per: 1 MB}", "per_unit: {amount: 0.01, per: 0}", "quantity_range"),
    ("amount: 0.01", "amount: -0.01", "amount_negative"),
    ("amount: 0.01", "amount: nan", "number"),
    ("amount: 0.01", "amount: .inf", "number"),
    ("amount: 0.01", "amount: 1e400", "number"),
    ("amount: 0.01", "amount: 0,01", "field_unknown"),
    ("amount: 0.01", "amount: 0x10", "number"),
    ("amount: 0.01", "amount: 1/3", "number"),
    ("amount: 0.01", "amount: ١", "number"),
    ("amount: 0.01", "amount: [1]", "field_type"),
    ("meter: m.data", "meter: m.dta", "meter_unknown"),
    ("id: data", "id: 'da ta'", "field_id"),
    ("id: data", "id: \"x'; drop table charges; --\"", "field_id"),
    ("id: data,", "", "field_missing"),
    (PRICE, PRICE + "\n      - " + PRICE, "duplicate_id"),
    (PRICE, "{id: data, meter: m.data}", "price_missing"),
    (PRICE, "{id: data, meter: m.data, per_unit: {amount: 1}, package: {amount: 1, size: 1}}", "price_missing"),
    (PRICE, "{id: data, meter: m.data, per_unt: {amount: 1}}", "price_missing"),
    ("amount: 0.01", "amount: 0.01, flat: 1", "field_unknown"),
    ("version: 1", "version: one", "number"),
    ("version: 1", "version: 1.5", "field_whole"),
    ("version: 1", "version: 0", "field_whole"),
    ("currency: EUR", "currency: EURO", "currency"),
    ("currency: EUR\n", "currency: XXZ\n", "currency"),
    ("effective: 2026-01-01", "effective: 1.3.2026", "field_date"),
    ("effective: 2026-01-01", "effective: 2026-02-30", "field_date"),
    ("effective: 2026-01-01", "effective: 9999-01-01", "field_date"),
    (SPLIT, "", "split_missing"),
    (SPLIT, "split: {}", "split_missing"),
    (SPLIT, "split: {rules: [{partner: op, percent: 60 %}, {partner: other, percent: 50 %}]}", "split_over_100"),
    (SPLIT, "split: {rules: [{partner: op, percent: 60 %}]}", "split_rest"),
    (SPLIT, "split: {rest: nobody}", "partner_unknown"),
    (SPLIT, "split: {rules: [{partner: op}]}", "split_kind"),
    (SPLIT, "split: {rest: op, rules: [{partner: other, percent: 10 %, components: [dta]}]}", "component_unknown"),
    (SPLIT, "split: {rest: op, rules: [{partner: other, tiers: [{up_to: 5, rate: 1 %}]}]}", "tier_gap"),
    (SPLIT, SPLIT + "\n    zone: Mars/Olympus", "zone"),
    (SPLIT, SPLIT + "\n    zone: ../../etc/passwd", "zone"),
    (SPLIT, SPLIT + "\n    period: fortnight", "field_choice"),
    (SPLIT, SPLIT + "\n    taxes: [{rate: 119 %}]", "percent_range"),
    (SPLIT, SPLIT + "\n    taxes: [{rate: 19}]", "percent_range"),
    (SPLIT, SPLIT + "\n    fx: [{currency: EUR, rate: 1, as_of: 2026-01-01}]", "fx_rate"),
    (SPLIT, SPLIT + "\n    fx: [{currency: USD, rate: 0, as_of: 2026-01-01}]", "fx_rate"),
    (SPLIT, SPLIT + "\n    discounts: [{id: d}]", "discount_kind"),
    (SPLIT, SPLIT + "\n    discounts: [{id: d, percent: 101 %}]", "percent_range"),
    (SPLIT, SPLIT + "\n    discounts: [{id: data, percent: 1 %}]", "duplicate_id"),
    (SPLIT, SPLIT + "\n    fees: [{id: f, amount: 1, every: moon}]", "field_choice"),
    (SPLIT, SPLIT + "\n    fees: [{id: f, amount: 1, states: [asleep]}]", "field_choice"),
    (SPLIT, SPLIT + "\n    maximum: {amount: 1, components: [nothing]}", "component_unknown"),
    (SPLIT, SPLIT + "\n    bundles: [{id: b, credits: 5, weights: {b: 1}}]", "bundle_circular"),
    (SPLIT, SPLIT + "\n    bundles: [{id: b, credits: 5, weights: {dta: 1}}]", "component_unknown"),
    (SPLIT, SPLIT + "\n    bundles: [{id: b, credits: 5}]", "field_missing"),
    (SPLIT, SPLIT + "\n    sponsorships: [{id: s, account: a, components: [data], match: {apn: [x]}}]",
     "dimension_unknown"),
    (SPLIT, SPLIT + "\n    trial: {days: 0}", "field_whole"),
    (SPLIT, SPLIT + "\n    secret: hunter2", "field_unknown"),
    (SPLIT, SPLIT + "\n    version: 2", "yaml_duplicate_key"),
    ("per_unit: {amount: 0.01, per: 1 MB}", "graduated: {tiers: [{up_to: 5, amount: 1}]}", "tier_gap"),
    ("per_unit: {amount: 0.01, per: 1 MB}", "graduated: {tiers: [{amount: 1}, {amount: 2}]}", "tier_overlap"),
    (
        "per_unit: {amount: 0.01, per: 1 MB}",
        "graduated: {tiers: [{up_to: 5, amount: 1}, {up_to: 5, amount: 1}, {amount: 2}]}",
        "tier_overlap",
    ),
    ("per_unit: {amount: 0.01, per: 1 MB}", "volume: {tiers: []}", "tiers_missing"),
    ("per_unit: {amount: 0.01, per: 1 MB}", "package: {amount: 1, size: 0}", "quantity_range"),
    ("per_unit: {amount: 0.01, per: 1 MB}", "percentage: {rate: 1 %}", "money_meter"),
    ("per_unit: {amount: 0.01, per: 1 MB}", "p95: {amount: 1, per: 1 MB}", "unit_mismatch"),
    (PRICE, "{id: data, meter: m.sms, p95: {amount: 1}}", "unit_mismatch"),
    (PRICE, "{id: data, meter: m.sales, percentage: {rate: 1 %, floor: 2, cap: 1}}", "floor_above_cap"),
    (PRICE, "{id: data, meter: m.data, rates: [{match: {apn: [x]}, per_unit: {amount: 1}}]}", "dimension_unknown"),
    (PRICE, "{id: data, meter: m.data, rates: [{match: {country: [DE]}, per_unit: {amount: 1}}]}", "rate_gap"),
    (PRICE, "{id: data, meter: m.data, rates: [{match: {Country: [DE]}, per_unit: {amount: 1}}]}", "dimension_name"),
    (
        PRICE,
        "{id: data, meter: m.data, rates: [{id: a, per_unit: {amount: 1}}, {id: b, per_unit: {amount: 2}}]}",
        "rate_unreachable",
    ),
    (
        PRICE,
        "{id: data, meter: m.data, rates: "
        "[{windows: [{from: 7am}], per_unit: {amount: 1}}, {per_unit: {amount: 2}}]}",
        "field_time",
    ),
    (
        PRICE,
        '{id: data, meter: m.data, rates: '
        '[{windows: [{from: "24:30"}], per_unit: {amount: 1}}, {per_unit: {amount: 2}}]}',
        "field_time",
    ),
    (
        PRICE,
        "{id: data, meter: m.data, rates: "
        "[{windows: [{days: someday}], per_unit: {amount: 1}}, {per_unit: {amount: 2}}]}",
        "field_day",
    ),
    (
        PRICE,
        "{id: data, meter: m.data, rates: "
        "[{windows: [{holidays: only}], per_unit: {amount: 1}}, {per_unit: {amount: 2}}]}",
        "window_calendar",
    ),
    (PRICE, "{id: data, meter: m.data, fold: unique, unique_of: imei, per_unit: {amount: 1}}", "dimension_unknown"),
    ("unit: nano, currency: EUR", "unit: nano", "money_meter"),
    ("unit: nano, currency: EUR", "unit: nano, currency: EUR, dimensions: [units]", "dimension_name"),
    ("id: m.sms, unit: message", "id: m.data, unit: message", "duplicate_id"),
    ("offers:", "offerrs:", "field_unknown"),
    ("meters:\n", "meters: &a\n", "yaml_alias"),
    ("partners: [{id: op}, {id: other}]", "partners: &p [{id: op}, {id: other}]\nx: *p", "yaml_alias"),
    ("    version: 1", "    <<: {version: 1}", "yaml_alias"),
    ("    version: 1", "    version: !!python/object/apply:os.system [echo]", "yaml_tag"),
    ("offers:", "offers: [", "yaml_syntax"),
    ("offers:", "\toffers:", "yaml_syntax"),
    ("version: 1", "version: \x00", "yaml_syntax"),
    ("version: 1", "? [a, b]\n    : 1", "yaml_key"),
    (SPLIT, SPLIT + "\n    bundles: [{id: b, credits: 5, weights: {data: 1}}, {id: c, credits: 5, weights: {data: 2}}]",
     "bundle_twice"),
    (
        PRICE,
        "{id: data, meter: m.data, rates: [{windows: [{holidays: only, calendar: de}], per_unit: {amount: 1}}, "
        "{per_unit: {amount: 2}}]}",
        "calendar_unknown",
    ),
    (PRICE, "{id: data, meter: m.data, rates: [{match: {country: ['']}, per_unit: {amount: 1}}]}", "dimension_value"),
    (PRICE, f"{{id: data, meter: m.data, rates: [{{match: {{country: {'x' * 101}}}, per_unit: {{amount: 1}}}}]}}", "dimension_value"),
    (PRICE, "{id: data, meter: m.data, rates: [{match: {country: [[x]]}, per_unit: {amount: 1}}]}", "dimension_value"),
    (PRICE, PRICE.replace("meter", f"title: {'x' * 201}, meter"), "field_text"),
    (f"    prices:\n      - {PRICE}\n", "", "offer_empty"),
    (SPLIT, "split: {rest: op, rules: [{partner: other, fixed: 1, per: 5 messages, components: [data, fee]}]}", "split_unit"),
    *[
        (f"{SPLIT}\n    prices:\n      - {PRICE}", f"{SPLIT}\n    {how}\n    prices:\n      - {price}", "prepaid_jump")
        for how in ("prepaid: true", "charged: node")
        for price in (
            "{id: data, meter: m.data, volume: {tiers: [{up_to: 5, amount: 2}, {amount: 1}]}}",
            "{id: data, meter: m.data, stair_step: {steps: [{up_to: 5, amount: 2}, {amount: 1}]}}",
            "{id: data, meter: m.data, p95: {amount: 1}}",
        )
    ],
    *[
        (f"{SPLIT}\n    prices:\n      - {PRICE}", f"{SPLIT}\n    prepaid: true\n    {rule}\n    prices:\n      - {POOLED}",
         "prepaid_jump")
        for rule in ("pool_cap_units: 3", "overage: excess")
    ],
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "code"), CASES, ids=[f"{i}-{c[2]}" for i, c in enumerate(CASES)])
def test_one_sentence_with_line_code_and_cure(old: str, new: str, code: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if not code:
        assert loads(text).offers
        return
    with pytest.raises(InputError) as caught:
        loads(text, "prices.yaml")
    error = caught.value
    assert error.code == code, str(error)
    assert error.what.endswith(".")
    assert error.what.count("\n") == 0
    assert error.cure
    assert error.where.startswith("prices.yaml:")


def test_the_good_one_is_good() -> None:
    offer = loads(GOOD).offers[0]
    assert str(offer.components[0].rates[0].price) == "PerUnit(amount=Fraction(1, 100), per=1000000)"


def test_a_pool_that_is_shared_by_use_may_be_prepaid() -> None:
    text = GOOD.replace(SPLIT, SPLIT + "\n    prepaid: true").replace(PRICE, POOLED)
    assert loads(text).offers[0].prepaid
    alone = GOOD.replace(SPLIT, SPLIT + "\n    prepaid: true\n    pool_cap_units: 3").replace(
        PRICE, POOLED.replace("pool", "device")
    )
    assert loads(alone, kept=None).offers[0].prepaid


def test_an_unquoted_price_never_goes_through_a_float() -> None:
    digits = "0.00000000000000000000000000031"
    price = loads(GOOD.replace("0.01", digits)).offers[0].components[0].rates[0].price
    assert price.amount == Fraction(31, 10**29)


def test_lines_point_at_the_mistake() -> None:
    with pytest.raises(CatalogueError) as caught:
        loads(GOOD.replace("per: 1 MB", "per: 1 kWh"), "f.yaml")
    assert caught.value.where == "f.yaml:13"


@pytest.mark.parametrize("depth", [30, 5000])
def test_a_deep_file_is_refused(depth: int) -> None:
    with pytest.raises(CatalogueError) as caught:
        loads("a: " + "[" * depth + "]" * depth)
    assert caught.value.code == "yaml_depth"


def test_a_big_file_is_refused_unread(tmp_path: Path) -> None:
    big = tmp_path / "big.yaml"
    big.write_bytes(b"a" * 10_000_000)
    with pytest.raises(InputError) as caught:
        load(big)
    assert caught.value.code == "catalogue_too_large"


def test_bytes_that_are_not_text(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_bytes(b"offers: \xff\xfe")
    with pytest.raises(InputError) as caught:
        load(bad)
    assert "UTF-8" in caught.value.what


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "per_unit: {",
            "fold: time_weighted, increment: {units: 1 MB, per: day}, per_unit: {",
            "fold: time_weighted over several rates, single events or rounded parts",
        ),
        (
            "per_unit: {",
            "fold: max, increment: {units: 1 MB, per: day}, per_unit: {",
            "an increment per day of a fold max",
        ),
        ("per_unit: {", "scope: event, allowance: {units: 1 MB}, per_unit: {", "an allowance per event"),
        (
            "per_unit: {",
            "scope: pool, fold: max, allowance: {units: 1 MB}, per_unit: {",
            "pool_cap_units or overage: excess over a fold",
        ),
    ],
)
def test_what_has_no_rows_is_refused_by_name(old: str, new: str, words: str) -> None:
    text = GOOD.replace(old, new, 1)
    if "pool" in words:
        text = text.replace(SPLIT, SPLIT + "\n    overage: excess")
    catalogue = loads(text)
    with pytest.raises(CatalogueError) as caught:
        compile_offer(catalogue.offers[0], catalogue)
    assert caught.value.code == "not_priced"
    assert words in caught.value.what


def test_what_only_the_compiler_refuses_has_a_line_too(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    second = (
        "      - {id: other, meter: m.data, scope: event, allowance: {units: 1 MB}, per_unit: {amount: 1}}\n"
    )
    file.write_text(GOOD + second, encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        check(load(file), file)
    assert (caught.value.code, caught.value.where) == ("not_priced", f"{file}:14")
    assert "an allowance per event of price 'other'" in caught.value.what
    assert caught.value.cure


TAXES = """    taxes:
      - {category: standard, rate: 19 %}
      - category: reduced
        inclusive: true
        rate: %s
      - rate: 5 %%
        category: %s
"""


@pytest.mark.parametrize(
    ("rate", "category", "code", "line", "words"),
    [
        (
            "7.12345 %",
            "none",
            "tax_rate",
            18,
            "The tax 'reduced' of offer 'o' is 7.12345 %, finer than a millionth.",
        ),
        (
            "0.0712345",
            "none",
            "tax_rate",
            18,
            "The tax 'reduced' of offer 'o' is 7.12345 %, finer than a millionth.",
        ),
        ("107 %", "none", "percent_range", 18, "`rate` is 107 %, which is not between 0 and 100 %."),
        ("seven", "none", "number", 18, "`rate` is not a decimal number: 'seven'."),
        ("7 %", "standard", "duplicate_id", 20, "The tax category 'standard' is written twice in offer 'o'."),
    ],
)
def test_a_wrong_tax_is_named_with_its_own_line(
    rate: str, category: str, code: str, line: int, words: str
) -> None:
    text = GOOD + TAXES.replace("%s", rate, 1).replace("%s", category).replace("%%", "%")
    assert text.splitlines()[line - 1].split(":")[0].strip() == (
        "category" if code == "duplicate_id" else "rate"
    )
    with pytest.raises(CatalogueError) as caught:
        loads(text, "prices.yaml")
    assert (caught.value.code, caught.value.where, caught.value.what) == (code, f"prices.yaml:{line}", words)
    assert caught.value.cure


def test_two_taxes_that_name_no_category_are_named_with_the_second_line() -> None:
    with pytest.raises(CatalogueError) as caught:
        loads(GOOD + "    taxes:\n      - {rate: 19 %}\n      - {rate: 7 %}\n", "prices.yaml")
    assert (caught.value.code, caught.value.where) == ("duplicate_id", "prices.yaml:16")


def test_a_part_called_as_its_offer_does_not_take_the_blame(tmp_path: Path) -> None:
    """Prices of two categories under one maximum: the line is the maximum's, though a price has the offer's name."""
    file = tmp_path / "prices.yaml"
    more = "      - {id: o, meter: m.sms, tax_category: reduced, per_unit: {amount: 1}}\n    %s\n"
    for rule, line in (("maximum: {amount: 5}", 15), ("discounts: [{id: off, fixed: 1}]", 15)):
        file.write_text(GOOD + more % rule, encoding="utf-8")
        with pytest.raises(CatalogueError) as caught:
            check(load(file), file)
        assert (caught.value.code, caught.value.where) == ("adjustment_tax", f"{file}:{line}")


HOSTILE = [
    "'; DROP TABLE charges; --", '"; DELETE FROM x; --', "${jndi:ldap://x}", "{{7*7}}",
    "__import__('os')", "\\x00", "%s%n",
    "../../etc/passwd", "$(id)", "`id`", "<script>", "NaN", "1e999", "-0", "0" * 500, "٣", "⁵", "𝟙",
    "=1+1", "@a", "*a", "&a",
    "!!binary aGk=", "!ruby/object", "?", "- -", "{}", "[]", "~", "null", "true", "0o17", "0b1", "1_0_",
    "1__0", ".5", "5.",
    "+5", "1:30", "2026-01-01T00:00:00", "\u202e", "\ufeff", "a" * 5000, "' OR 1=1", "read_csv('/etc/passwd')",
]  # fmt: skip


def test_five_hundred_hostile_values_never_crash_and_never_pass_unseen() -> None:
    """Whatever is put wherever: an offer that reads back what was meant,
    or a coded error. Never another exception."""
    rng = random.Random(11)
    spots = ["m.data", "byte", "country", "op", "EUR", "2026-01-01", "0.01", "1 MB", "1", "data", "o"]
    tried = 0
    while tried < 500:
        value = rng.choice(HOSTILE)
        if rng.random() < 0.4:
            value = "".join(rng.choice(string.printable) for _ in range(rng.randint(1, 40)))
        if rng.random() < 0.5:
            value = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        text = GOOD.replace(rng.choice(spots), value, rng.choice((1, -1)))
        tried += 1
        try:
            catalogue = loads(text)
            for offer in catalogue.offers:
                compile_offer(offer, catalogue)
        except InputError as error:
            assert error.code
            assert error.cure or error.code
        except Exception as error:
            if type(error).__name__ != "AmountOverflow":
                raise AssertionError(f"{type(error).__name__} for:\n{text}") from error
