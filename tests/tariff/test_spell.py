"""Nouns, written out and read again, are the same nouns."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from workbench.tariff.catalogue import loads
from workbench.tariff.spell import spelled

ROOT = Path(__file__).parents[2]
FILES = sorted(
    [
        *ROOT.glob("datasets/catalog/*.yaml"),
        *ROOT.glob("workbench/showcase/files/offers/*.yaml"),
    ]
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_spelled_out_is_read_as_the_same(path: Path) -> None:
    catalogue = loads(path.read_text())
    text = yaml.safe_dump(spelled(catalogue), sort_keys=False, allow_unicode=True)
    assert loads(text) == catalogue


def test_the_price_list_of_the_manual_is_spelled_out_too() -> None:
    text = (ROOT / "workbench/tariff/README.md").read_text().split("```yaml\n")[1].split("```")[0]
    catalogue = loads(text)
    again = loads(yaml.safe_dump(spelled(catalogue), sort_keys=False))
    assert again == catalogue
    assert again.sha256 == catalogue.sha256


SHORT = """
meters:
  - {id: n, unit: message, dimensions: [country], spans: split}
  - {id: bits, unit: byte}
  - {id: sales, unit: nano, currency: EUR}
  - {id: power, unit: mWh}
partners: [{id: op}, {id: pa}]
offers:
  - id: o
    version: 7
    side: buy
    currency: EUR
    effective: 2026-02-01
    zone: Europe/Berlin
    period: quarter
    charged: batch
    critical: true
    conventions: {flat_fee_at_zero: true}
    prices:
      - {id: one, meter: n, rates: [{id: default, per_unit: {amount: 0.1, per: 1000 messages}}]}
      - {id: named, meter: n, rates: [{id: all, per_unit: {amount: 1}}]}
      - {id: first, meter: n, unmatched: free, rates: [{id: default, match: {country: CH}, per_unit: {amount: 1}}]}
      - {id: days, meter: n, unmatched: free, rates: [{id: default, windows: [{days: fri-mon, zone: UTC}], per_unit: {amount: 1}}]}
      - {id: two, meter: n, rates: [{id: default, match: {country: CH}, per_unit: {amount: 1}}, {id: rest, per_unit: {amount: 2}}]}
      - {id: volume, meter: power, volume: {per: 1 kWh, tiers: [{up_to: 1500 Wh, amount: 0.3, flat: 2}, {amount: 0.25}]}}
      - {id: stairs, meter: bits, stair_step: {steps: [{up_to: 1 GiB, amount: 3}, {amount: 5}]}}
      - {id: burst, meter: bits, p95: {amount: 3.2, per: 1 Mbit/s, percentile: 97.5 %, slot_seconds: 900}}
      - {id: usual, meter: bits, p95: {amount: 3}}
      - {id: each, meter: sales, percentage: {rate: 1.25 %}}
      - {id: part, meter: sales, graduated_percentage: {tiers: [{up_to: 99.5, rate: 2 %, flat: 1}, {rate: 1 %}]}}
      - {id: as_is, meter: sales, dynamic: {}}
      - {id: more, meter: sales, dynamic: {factor: 1.2, floor: 0.5}}
      - {id: seen, meter: n, fold: unique, unique_of: country, tax_category: low, title: Countries, per_unit: {amount: 1}}
      - {id: left, meter: n, scope: pool, allowance: {units: 5, rollover: {periods: 2, order: rollover_first}}, per_unit: {amount: 1}}
    bundles: [{id: b, credits: 9, weights: {one: 1, named: 2}, rollover: {periods: 1, cap: 5}, contribution: none}]
    fees: [{id: rent, amount: 1.005, states: [active, suspended], to_period: 4}]
    discounts: [{id: d, percent: 12.5 %}]
    commitment: {amount: 5, prorated: false}
    split:
      rest: op
      rules:
        - {partner: pa, fixed: 0.01, per: 100 messages, components: [one, two]}
        - {partner: pa, tiers: [{up_to: 10.5, rate: 1 %}, {rate: 2 %}], components: [each]}
"""
WRITTEN = Path("tests/tariff/spelled.yaml")
"""Both price lists below as they are written out: ``python -m tests.tariff.test_spell`` writes it anew; read what changed."""


def written() -> str:
    readme = (
        (ROOT / "workbench/tariff/README.md")
        .read_text(encoding="utf-8")
        .split("```yaml\n")[1]
        .split("```")[0]
    )
    pages = [spelled(loads(text)) for text in (readme, SHORT)]
    return yaml.safe_dump_all(pages, sort_keys=False, default_flow_style=None, width=130)


def test_a_price_list_is_spelled_out_without_what_goes_without_saying() -> None:
    text = WRITTEN.read_text(encoding="utf-8")
    assert written() == text
    assert loads(text.split("\n---\n")[1]) == loads(SHORT)


def test_a_published_version_has_the_hash_that_it_was_published_with() -> None:
    """``catalog.lock`` files and lakes hold them: what a default means, and how a noun is written, is not free to change."""
    pages = WRITTEN.read_text(encoding="utf-8").split("\n---\n")
    assert [offer.sha256[:16] for page in pages for offer in loads(page).offers] == [
        "a32fcef5da7209bf",
        "3180897771e2611f",
    ]


if __name__ == "__main__":
    WRITTEN.write_text(written(), encoding="utf-8")
