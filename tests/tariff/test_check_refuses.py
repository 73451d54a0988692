"""What passes `workbench catalog check` can be rated: in every currency, with every coupon, online when it says so."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from itertools import combinations
from math import gcd, lcm
from pathlib import Path
from types import ModuleType

import pytest

from workbench.errors import CatalogueError, FileUnreadable, WorkbenchError
from workbench.model.money import NANO, decimal_text
from workbench.model.offer import Catalogue
from workbench.model.plan import Period
from workbench.tariff.calendar import period_at
from workbench.tariff.catalogue import load, loads
from workbench.tariff.check import check
from workbench.tariff.compile import INT64, compile_offer
from workbench.tariff.timeline import BEGINNING
from workbench.tariff.variants import variants

HEAD = """meters:
  - {id: m.data, unit: byte, dimensions: [country]}
  - {id: m.energy, unit: mWh}
partners: [{id: op}]
offers:
  - id: o
    version: 1
    currency: EUR
    effective: 2020-01-01
    split: {rest: op}
"""
PLAIN = "    prices: [{id: p, meter: m.data, per_unit: {amount: 1}}]\n"
REAL = """    prices:
      - {id: p, meter: m.data, graduated: {per: 1 GiB, tiers: [{up_to: 10 GiB, amount: 4.99}, {amount: 3.49, flat: 2.50}]}}
      - {id: e, meter: m.energy, per_unit: {amount: 0.312345, per: 1 kWh}}
"""


def refused(tmp_path: Path, body: str) -> CatalogueError:
    """The refusal of a catalogue that loads and cannot be rated."""
    file = tmp_path / "o.yaml"
    file.write_text(HEAD + body)
    catalogue = load(file)
    with pytest.raises(CatalogueError) as caught:
        check(catalogue, file)
    return caught.value


@pytest.mark.parametrize(
    ("body", "line", "named"),
    [
        (PLAIN + "    discounts: [{id: loyal, percent: 33.33333333333333333333 %}]\n", 11, "the discount loyal"),
        (REAL + "    discounts: [{id: spring, percent: 33.33 %, code: SPRING}]\n"
                "    fx: [{currency: USD, rate: 1.08512345, as_of: 2026-01-01}]\n", 12, "an account in USD"),
        (REAL + "    discounts: [{id: spring, percent: 33.333333 %, code: SPRING}]\n", 12, "the coupon SPRING"),
        (REAL + "    discounts: [{id: a, percent: 3.33 %, code: AAA}, {id: b, percent: 1.23 %, code: BBB}]\n", 12,
         "the coupons AAA, BBB"),
        (PLAIN + "    fx: [{currency: USD, rate: 99999999999, as_of: 2026-01-01}]\n", 11, "an account in USD"),
        ("    fees: [{id: rent, amount: 99999999999}]\n", 11, "The fee 'rent'"),
        ("    fees: [{id: rent, amount: 9.999999999999999999999999999}]\n", 11, "The fee 'rent'"),
    ],
)  # fmt: skip
def test_numbers_that_do_not_fit_are_refused_before_anybody_subscribes(
    tmp_path: Path, body: str, line: int, named: str
) -> None:
    error = refused(tmp_path, body)
    assert error.code == "amount_overflow"
    assert error.where == f"{tmp_path / 'o.yaml'}:{line}"
    assert named in error.what
    assert error.cure


def _all_fit(catalogue: Catalogue, period: Period) -> bool:
    """Whether every variant of the one offer can be billed in one period: each coupon set, each currency."""
    offer = catalogue.offers[0]
    codes = sorted({discount.code for discount in offer.discounts if discount.code})
    sets = [list(chosen) for number in range(len(codes) + 1) for chosen in combinations(codes, number)]
    coupons = [json.dumps({"coupons": chosen}) for chosen in sets]
    currencies = (offer.currency, *(rate.currency for rate in offer.fx))
    try:
        found = variants(catalogue, [("o", text, c) for text in coupons for c in currencies], period)
    except WorkbenchError:
        return False
    steps = [s for v in found for c in v.offer.components for rate in c.rates for s in rate.steps]
    denominators = [c.denominator for v in found for c in v.offer.components]
    return max([*denominators, *(n for s in steps for n in (s.base, s.block_amount))]) <= INT64


def test_the_widest_variant_is_the_widest_of_all() -> None:
    """Against every set of coupons, tried one by one: the checker refuses exactly what one of them cannot bear."""
    period = period_at(BEGINNING.replace(year=2026, month=2), "UTC", "month")
    seen = set()
    for digits in range(1, 12):
        for percents in (("1.5", "3", "7"), ("12.5", "50", "0.25"), ("33.33", "6.25", "99.9")):
            discounts = ", ".join(
                f"{{id: d{n}, percent: {percent} %, {f'code: C{n}' if n else 'to_period: 3'}}}"
                for n, percent in enumerate(percents)
            )
            amount = "1." + "12345678901"[:digits]
            catalogue = loads(
                HEAD + f"    prices: [{{id: p, meter: m.data, per_unit: {{amount: {amount}, per: 3 MiB}}}}]\n"
                f"    discounts: [{discounts}]\n    fx: [{{currency: USD, rate: 1.25, as_of: 2026-01-01}}]\n"
            )
            try:
                check(catalogue)
                fits = True
            except CatalogueError:
                fits = False
            assert fits == _all_fit(catalogue, period), (amount, percents)
            seen.add(fits)
    assert seen == {True, False}


def test_many_coupons_are_no_mistake_and_their_sum_is_a_warning() -> None:
    coupons = ", ".join(f"{{id: c{n}, percent: 12.5 %, code: C{n}}}" for n in range(30))
    found = check(loads(HEAD + PLAIN + f"    discounts: [{coupons}]\n"))
    assert [(f.code, f.severity) for f in found] == [("coupons_together", "warning")]
    assert check(loads(HEAD + PLAIN + f"    discounts: [{coupons[: coupons.index(', {id: c5')]}]\n")) == []


@pytest.mark.parametrize("when", ["prepaid: true", "charged: node"])
@pytest.mark.parametrize(
    ("body", "line", "named"),
    [
        (PLAIN + "    maximum: {amount: 5}\n", 13, "maximum"),
        (PLAIN + "    commitment: {amount: 5}\n", 13, "commitment"),
        (PLAIN + "    bundles: [{id: b, credits: 5, weights: {p: 1}}]\n", 13, "bundle 'b'"),
        (PLAIN + "    sponsorships: [{id: s, account: a, components: [p]}]\n", 13, "sponsorship 's'"),
        (PLAIN + "    discounts: [{id: d, fixed: 1}]\n", 13, "fixed discount 'd'"),
        (PLAIN.replace("per_unit", "fold: unique, unique_of: country, per_unit"), 12, "fold unique of 'p'"),
    ],
)  # fmt: skip
def test_what_only_a_close_decides_is_refused_where_no_close_comes(
    tmp_path: Path, when: str, body: str, line: int, named: str
) -> None:
    error = refused(tmp_path, f"    {when}\n" + body)
    assert error.code == "not_online"
    assert error.where == f"{tmp_path / 'o.yaml'}:{line}"
    assert named in error.what
    check(loads(HEAD + body))


def test_a_node_s_own_refusals_are_said_too(tmp_path: Path) -> None:
    discount = PLAIN + "    discounts: [{id: d, percent: 5 %}]\n"
    assert refused(tmp_path, "    charged: node\n" + discount).code == "not_online"
    assert check(loads(HEAD + "    prepaid: true\n" + discount)) == []


def test_a_percentile_has_slots_below_it() -> None:
    p95 = PLAIN.replace("per_unit: {amount: 1}", "p95: {amount: 1, percentile: %s}")
    for wrong in ("0", "0 %", "101 %", "1.5"):
        with pytest.raises(CatalogueError) as caught:
            loads(HEAD + p95 % wrong)
        assert caught.value.code == "percent_range"
    for right in ("0.1 %", "100 %"):
        loads(HEAD + p95 % right)


def test_a_long_number_is_not_looked_at() -> None:
    for text in ("1" * 200_000 + "x!", "1" * 101, "1_" * 60 + "kWh", "1e" * 60):
        with pytest.raises(CatalogueError) as caught:
            loads(HEAD + PLAIN.replace("amount: 1", f"amount: 1, per: {text}"))
        assert caught.value.code == "number"
    with pytest.raises(CatalogueError) as caught:
        loads(HEAD + PLAIN.replace("amount: 1", f"amount: {'9' * 200_000}"))
    assert caught.value.code == "number"


def test_a_pipe_and_a_name_that_no_file_has_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", tmp_path, tmp_path / ("x" * 400 + ".yaml"), Path("a\0b")):
        with pytest.raises(FileUnreadable) as caught:
            load(path)
        assert caught.value.code == "file_unreadable"


def test_what_an_offer_says_compiles_in_every_currency_it_names() -> None:
    catalogue = loads(HEAD + REAL + "    fx: [{currency: USD, rate: 1.1, as_of: 2026-01-01}]\n")
    assert check(catalogue) == []
    assert compile_offer(catalogue.offers[0], catalogue, currency="USD").currency == "USD"


def test_lines_are_the_same_whichever_parser_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where libyaml is not built in, PyYAML's own parser gives the same trees and refuses the same."""
    import yaml

    from workbench import yamltext

    texts = [HEAD + REAL, "", "# nothing\n", "---\n", "a: [1, {b: 'x'}]\n", "a: |\n  x\n\nb: \"~\"\n", "a: &x 1\n", "a: !!str 1\n",
             "a: 1\na: 2\n", "a: {<<: 1}\n", "? [a]\n: 1\n", "a: 1\n---\nb: 2\n", "a: <<\n", "[" * 30 + "]" * 30]  # fmt: skip
    fast = [_read(yamltext, text) for text in texts]
    monkeypatch.setattr(yamltext, "_PARSER", yaml.SafeLoader)
    assert [_read(yamltext, text) for text in texts] == fast
    assert [code for code in fast if isinstance(code, tuple)] == [
        ("alias", 1), ("tag", 1), ("duplicate_key", 2), ("alias", 1), ("key", 1), ("syntax", 2), ("alias", 1), ("depth", 1),
    ]  # fmt: skip


def _read(module: ModuleType, text: str) -> object:
    try:
        return module.tree_of(text)
    except module.Refused as refusal:
        return refusal.code, refusal.line


LENGTHS = [  # (period, the parts that the price is cut into, the one length of a period that these do not divide)
    ("month", 3 * 29 * 31, 28), ("month", 7 * 3 * 31, 29), ("month", 7 * 29 * 31, 30), ("month", 7 * 29 * 3, 31),
    ("quarter", 91 * 23, 90), ("quarter", 9 * 23, 91), ("quarter", 9 * 91, 92), ("year", 3 * 61, 365), ("year", 73, 366),
]  # fmt: skip


@pytest.mark.parametrize(("period", "per", "days"), LENGTHS)
def test_a_fee_by_the_day_has_to_fit_in_the_one_month_that_is_shorter(
    period: str, per: int, days: int
) -> None:
    """A February's days and a price per 2,697 messages under one maximum: no bill of any other month is too fine."""
    lengths = [length for name, _, length in LENGTHS if name == period]

    def widest(parts: int) -> dict[int, int]:
        return {length: lcm(per, parts * length) for length in lengths}

    finest = (10**tens * 2**twos for tens in range(20) for twos in range(4))
    parts = next(
        n for n in finest if [length for length, whole in widest(n).items() if whole > INT64] == [days]
    )
    body = (
        f"    period: {period}\n    prices: [{{id: p, meter: m.data, per_unit: {{amount: 1, per: {per}}}}}]\n"
        f"    fees: [{{id: rent, amount: {decimal_text(Fraction(1, parts * NANO))}}}]\n    maximum: {{amount: 5}}\n"
    )
    with pytest.raises(CatalogueError) as caught:
        check(loads(HEAD + body))
    assert caught.value.what == "All prices, fees and 'maximum' together need numbers beyond 64 bits."
    check(loads(HEAD + body.replace("rent, ", "rent, proration: full_if_active, ")))


@pytest.mark.parametrize(("period", "per", "days"), LENGTHS)
def test_a_promise_by_the_days_covered_has_to_fit_too(period: str, per: int, days: int) -> None:
    lengths = [length for name, _, length in LENGTHS if name == period]
    finest = (10**tens * 2**twos for tens in range(20) for twos in range(4))
    parts = next(n for n in finest if [each for each in lengths if lcm(per, n * each) > INT64] == [days])
    body = (
        f"    period: {period}\n    prices: [{{id: p, meter: m.data, per_unit: {{amount: 1, per: {per}}}}}]\n"
        f"    commitment: {{amount: {decimal_text(Fraction(1, parts * NANO))}}}\n"
    )
    with pytest.raises(CatalogueError) as caught:
        check(loads(HEAD + body))
    assert caught.value.what == "All prices, fees and 'commitment' together need numbers beyond 64 bits."
    check(loads(HEAD + body.replace("}\n", ", prorated: false}\n")))


@pytest.mark.parametrize(
    "amounts",
    [(153_092_023, 60_247_241_209, "5"), (922_337_203, 1, "0.0000000000000000001")],
    ids=["the largest number itself", "and no twice as large one"],
)
def test_all_together_may_need_all_of_64_bits(amounts: tuple[int, int, str]) -> None:
    first, second, most = amounts
    prices = ", ".join(
        f"{{id: p{n}, meter: m.data, per_unit: {{amount: 1, per: {n}}}}}" for n in (first, second)
    )
    assert check(loads(HEAD + f"    prices: [{prices}]\n    maximum: {{amount: {most}}}\n")) == []


LONGEST = [("day", 1), ("week", 7), ("month", 31), ("quarter", 92), ("year", 366)]


@pytest.mark.parametrize(("period", "days"), LONGEST)
def test_a_fee_by_the_day_fits_as_long_as_its_longest_period_is(period: str, days: int) -> None:
    """With a day more it would not fit; a price per so many bytes makes all together as fine as can be."""
    parts = 10**10
    per = next(
        n
        for n in range(INT64 // (parts * days), 0, -1)
        if gcd(n, 10 * lcm(*(n for _, n in LONGEST), *range(28, 31), 365)) == 1
    )
    assert per * parts * days <= INT64 < per * parts * (days + 1)
    rent = decimal_text(Fraction(1, parts * NANO))
    body = (
        f"    period: {period}\n    prices: [{{id: p, meter: m.data, per_unit: {{amount: 1, per: {per}}}}}]\n"
    )
    assert (
        check(loads(HEAD + body + f"    fees: [{{id: rent, amount: {rent}}}]\n    maximum: {{amount: 5}}\n"))
        == []
    )


FINE = "0.12345678901234"
TWO = (
    f"    prices: [{{id: p, meter: m.data, per_unit: {{amount: {FINE}}}}}, {{id: e, meter: m.energy, per_unit: {{amount: 1}}}}]\n"
    "    fees: [{id: rent, amount: 5}]\n"
)


@pytest.mark.parametrize(
    ("discount", "what"),
    [("percent: 12.345678901234 %", "The price 'p' needs numbers beyond 64 bits with the discount d."),
     ("percent: 12.345678901234 %, components: [p]", "The price 'p' needs numbers beyond 64 bits with the discount d."),
     ("percent: 12.345678901234 %, components: [e, p]", "The price 'p' needs numbers beyond 64 bits with the discount d."),
     ("percent: 12.345678901234 %, components: [e]", ""),
     ("percent: 12.345678901234 %, components: [rent, e]", ""),
     ("percent: 12.345678901234 %, to_period: 3", "The price 'p' needs numbers beyond 64 bits with the discount d."),
     ("percent: 12.345678901234 %, code: C", "The price 'p' needs numbers beyond 64 bits with the coupon C."),
     ("percent: 12.345678901234 %}, {id: c, percent: 50 %", "The price 'p' needs numbers beyond 64 bits with the discounts d, c."),
     ("percent: 12.345678901234 %}, {id: c, fixed: 1", "The price 'p' needs numbers beyond 64 bits with the discount d."),
     ("percent: 12.345678901234 %, code: B}, {id: c, percent: 50 %, code: A",
      "The price 'p' needs numbers beyond 64 bits with the coupon B."),
     ("percent: 50 %", ""), ("fixed: 0.12345678901234", "")],
)  # fmt: skip
def test_a_discount_makes_what_it_is_taken_off_finer_and_nothing_else(discount: str, what: str) -> None:
    catalogue = loads(HEAD + TWO + f"    discounts: [{{id: d, {discount}}}]\n")
    if not what:
        assert check(catalogue) == []
        return
    with pytest.raises(CatalogueError) as caught:
        check(catalogue)
    assert caught.value.what == what


@pytest.mark.parametrize(
    ("amount", "fits"),
    [("9223372036.854775807", True), ("9223372036.854775808", False), ("0.000000000922337203", True),
     ("9.223372036854775807", True), ("9.2233720368547758070", True), ("9.2233720368547758071", False)],
)  # fmt: skip
def test_the_largest_number_is_that_of_64_bits(amount: str, fits: bool) -> None:
    """A fee once, and nothing else: it is kept in nano-units, or finer where it says so."""
    text = HEAD + f"    fees: [{{id: rent, amount: {amount}, every: once}}]\n"
    if fits:
        assert check(loads(text)) == []
        return
    with pytest.raises(CatalogueError) as caught:
        check(loads(text))
    assert caught.value.code == "amount_overflow"


@pytest.mark.parametrize("percent", ["50 %", "99.5 %"])
def test_what_a_discount_leaves_is_no_larger_number(percent: str) -> None:
    """A price of nineteen digits, half of it, and next to nothing of it: all fit."""
    price = PLAIN.replace(
        "amount: 1}", "amount: 5.000000000000000001}" if percent == "50 %" else "amount: 5.0000000000000001}"
    )
    assert check(loads(HEAD + price + f"    discounts: [{{id: d, percent: {percent}}}]\n")) == []
