"""Hashes, the README's own example, the checker's witnesses, the diff's sentences, and immutable versions."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from workbench.errors import CatalogueError, FileUnreadable, UsageError
from workbench.tariff.catalogue import load, loads
from workbench.tariff.check import check
from workbench.tariff.diff import diff_catalogues
from workbench.tariff.publish import publish, read_lock
from workbench.tariff.quote import price

TEXT = """
meters: [{{id: m.data, unit: byte}}]
partners: [{{id: op}}, {{id: x}}]
offers:
  - id: meter-s
    version: {version}
    title: Smart meter S
    currency: EUR
    effective: {effective}
    split: {{rules: [{{partner: op, percent: {share}}}], rest: x}}
    prices:
      - id: data
        meter: m.data
        {model}: {{per: 1 MB, tiers: [{{up_to: 1 GB, amount: 0.0008}}, {{amount: {second}}}]}}
    fees: [{{id: base, amount: {base}}}]
"""
USUAL = {"version": "1", "effective": "2026-01-01", "share": "70 %", "model": "graduated", "second": "0.0004",
         "base": "1.00"}  # fmt: skip


def text(**changes: str) -> str:
    return TEXT.format(**{**USUAL, **changes})


def test_the_example_of_the_readme_is_a_catalogue() -> None:
    readme = Path("workbench/tariff/README.md").read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(.*?)```", readme, re.DOTALL)
    assert example is not None
    offer = loads(example[1]).offers[0]
    assert offer.sponsorships
    assert offer.commitment


def test_i28_layout_does_not_change_the_hash_and_content_does() -> None:
    plain = loads(text()).offers[0]
    other = loads(text().replace("amount: 0.0008", "amount: '0.00080'")).offers[0]
    assert plain.sha256 == other.sha256
    assert loads(text(second="0.0003")).offers[0].sha256 != plain.sha256


def test_the_diff_speaks() -> None:
    old, new = (
        loads(text()),
        loads(text(version="2", effective="2026-03-01", second="0.0003", base="1.50", share="60 %")),
    )
    assert diff_catalogues(old, new) == [
        "Tier 2 of 'data' of 'Smart meter S' falls from 0.0004 to 0.0003 EUR per MB from 1 March 2026.",
        "The fee 'base' of 'Smart meter S' rises from 1 to 1.5 EUR per device every month from 1 March 2026.",
        "The share of 'op' in 'Smart meter S' falls from 70 to 60 % from 1 March 2026.",
    ]
    assert diff_catalogues(old, old) == []


def test_a_bill_that_falls_has_a_witness_anyone_can_recompute(tmp_path: Path) -> None:
    catalogue = loads(text(model="volume"))
    (finding,) = [f for f in check(catalogue) if f.code == "bill_falls"]
    file = tmp_path / "o.yaml"
    file.write_text(text(model="volume"))
    for units, amount in finding.witness:
        assert price(file, units).amount == amount
    (_, before), (_, after) = finding.witness
    assert after < before
    assert "bill_falls" not in {f.code for f in check(loads(text()))}


def test_a_bill_that_falls_where_a_block_was_begun() -> None:
    """In blocks of 1,000, 1,001 bytes are 2,000 and so beyond the bound of 1,500: two at 1 instead of one at 5."""
    blocks = text(model="volume").replace(
        "meter: m.data\n", "meter: m.data\n        increment: {units: 1000 bytes}\n"
    )
    for old, new in (
        ("per: 1 MB", "per: 1000 bytes"),
        ("1 GB, amount: 0.0008", "1500 bytes, amount: 5"),
        ("amount: 0.0004", "amount: 1"),
    ):
        blocks = blocks.replace(old, new)
    (finding,) = [f for f in check(loads(blocks)) if f.code == "bill_falls"]
    assert finding.witness == ((1000, Fraction(5)), (1001, Fraction(2)))


def test_the_first_unit_may_already_make_the_bill_smaller() -> None:
    """With the flat fee due without use, and the first unit in the second tier, not using anything costs more."""
    begun = (
        text(model="volume")
        .replace(
            "    prices:\n", "    conventions: {tier_bound: exclusive, flat_fee_at_zero: true}\n    prices:\n"
        )
        .replace("{up_to: 1 GB, amount: 0.0008}", "{up_to: 1 byte, amount: 0, flat: 3}")
    )
    (finding,) = [f for f in check(loads(begun)) if f.code == "bill_falls"]
    assert finding.witness == ((0, Fraction(3)), (1, Fraction(4, 10_000) / 10**6))
    assert finding.sentence.startswith("Using 1 byte of 'data' instead of 0 bytes makes the bill smaller: ")


def test_a_finding_names_the_row_where_a_price_has_several() -> None:
    price = re.search(r" +volume: .*\n", text(model="volume"))
    assert price is not None
    row = price[0].strip()
    rows = f"        rates: [{{id: near, match: {{country: CH}}, {row}}}, {{id: far, per_unit: {{amount: 1}}}}]\n"
    several = (
        text(model="volume")
        .replace(price[0], rows)
        .replace("unit: byte}", "unit: byte, dimensions: [country]}")
    )
    assert {f.part for f in check(loads(several)) if f.code == "bill_falls"} == {"data/near"}
    assert {f.part for f in check(loads(text(model="volume"))) if f.code == "bill_falls"} == {"data"}


def test_a_price_that_rounds_to_nothing_is_noticed() -> None:
    tiny = text().replace("0.0008", "0.0000000000008").replace("0.0004", "0.0000000000004")
    assert "rounds_to_zero" in {f.code for f in check(loads(tiny))}
    assert "rounds_to_zero" not in {f.code for f in check(loads(text()))}


def test_two_offers_cross_where_it_is_said() -> None:
    other = text(second="0.0001", base="1.20").replace("meter-s", "meter-l").split("offers:")[1]
    catalogue = loads(text() + other)
    (finding,) = [f for f in check(catalogue) if f.code == "arbitrage"]
    (units, left), (_, right) = finding.witness
    before = [_bill(catalogue, name, units - 1) for name in ("meter-l", "meter-s")]
    assert (left >= right) != (before[0] > before[1]) or left == right


def _bill(catalogue: object, name: str, units: int) -> Fraction:
    from workbench.model.offer import Catalogue

    assert isinstance(catalogue, Catalogue)
    quote = price(catalogue.offer(name), units, catalogue=catalogue)
    return quote.amount + sum((amount for _, amount, _, _ in quote.fees), Fraction(0))


def test_a_published_version_cannot_change(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(text())
    today = date(2025, 12, 1)
    assert [o.version for o in publish(load(file), tmp_path, today)] == [1]
    assert publish(load(file), tmp_path, today) == []
    assert ("meter-s", 1) in read_lock(tmp_path)
    file.write_text(text(second="0.0003"))
    with pytest.raises(CatalogueError) as caught:
        load(file)
    assert caught.value.code == "version_changed"
    (tmp_path / "prices.yaml").write_text(text(version="2", effective="2025-12-24", second="0.0003"))
    with pytest.raises(CatalogueError) as caught:
        publish(load(file), tmp_path, today)
    assert caught.value.code == "version_order"


@pytest.mark.parametrize(
    ("version", "effective", "today", "code"),
    [("3", "2026-03-01", date(2026, 2, 1), ""), ("3", "2026-03-01", date(2026, 3, 1), ""),
     ("3", "2026-03-01", date(2026, 3, 2), "effective_past"), ("3", "2026-02-28", date(2026, 2, 1), "version_order"),
     ("1", "2026-03-01", date(2026, 2, 1), "version_order"), ("1", "2026-04-01", date(2026, 2, 1), "version_order")],
)  # fmt: skip
def test_versions_and_their_days_rise_together(
    tmp_path: Path, version: str, effective: str, today: date, code: str
) -> None:
    publish(loads(text(version="2", effective="2026-03-01")), tmp_path, date(2026, 3, 1))
    other = loads(text(version=version, effective=effective, second="0.0003"))
    if not code:
        assert [offer.version for offer in publish(other, tmp_path, today)] == [int(version)]
        assert sorted(read_lock(tmp_path)) == [("meter-s", 2), ("meter-s", 3)]
        return
    with pytest.raises(CatalogueError) as caught:
        publish(other, tmp_path, today)
    assert caught.value.code == code
    assert sorted(read_lock(tmp_path)) == [("meter-s", 2)]
    assert not list(tmp_path.glob("*.tmp"))


def test_a_changed_version_is_told_which_number_is_free(tmp_path: Path) -> None:
    publish(loads(text()), tmp_path, date(2026, 1, 1))
    with pytest.raises(CatalogueError) as caught:
        publish(loads(text(second="0.0003")), tmp_path, date(2026, 1, 1))
    assert caught.value.cure == "Restore it, and write the change as version 2."


@pytest.mark.parametrize("line", ["meter-s 1", "meter-s one {sha} 2026-01-01", "meter-s 1 {sha} soon"])
def test_a_lock_that_cannot_be_read_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "catalog.lock").write_text(
        "# what was published\n\n" + line.replace("{sha}", "0" * 64) + "\n"
    )
    with pytest.raises(FileUnreadable) as caught:
        read_lock(tmp_path)
    assert caught.value.code == "catalogue_lock"
    assert caught.value.where.endswith("catalog.lock:3")


def test_a_version_that_has_begun_is_not_published_by_accident(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(text())
    with pytest.raises(CatalogueError) as caught:
        publish(load(file), tmp_path, date(2026, 1, 2))
    assert caught.value.code == "effective_past"
    assert publish(load(file), tmp_path, date(2026, 1, 2), backdate=True)


def test_the_calculator() -> None:
    catalogue = loads(text())
    quote = price(catalogue, "1.5 GB")
    assert quote.amount == Fraction(1)  # 1,000 MB x 0.0008 + 500 MB x 0.0004
    assert sum(portion.amount for portion in quote.portions) == quote.amount
    assert [portion.units for portion in quote.portions] == [10**9, 5 * 10**8]
    assert "1.00 EUR" in quote._repr_html_()
    assert all(later[1] >= sooner[1] for sooner, later in zip(quote.shape, quote.shape[1:], strict=False))
    for wrong in ("x", "1.5 kWh", "-1", "0.5", 10**19):
        with pytest.raises(UsageError):
            price(catalogue, wrong)


def test_free_units_and_percent_discounts_are_in_the_quote() -> None:
    changed = text().replace("meter: m.data\n", "meter: m.data\n        allowance: {units: 500 MB}\n")
    changed += "    discounts: [{id: tenth, percent: 10 %}, {id: later, percent: 50 %, from_period: 2}]\n"
    assert price(loads(changed), "600 MB").amount == Fraction(8, 100) * Fraction(9, 10)
