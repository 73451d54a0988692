"""Margin per SIM, country, offer and customer is the difference of two exact sums over the same records."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tests.golden.books import close_together, read_books
from tests.golden.case import read_cases
from workbench.errors import UsageError
from workbench.lake.lake import Lake
from workbench.margins import margin, margins
from workbench.model.money import exact

CASE = """
meters: [{id: sim.data, unit: byte, dimensions: [country]}]
partners: [{id: operator}]
cases:
  - name: sold and bought
    offers:
      - id: retail
        prices: [{id: data, meter: sim.data, per_unit: {amount: 0.30, per: 1 MB}}]
        fees: [{id: sim, amount: 1.00, every: period, per: device}]
      - id: wholesale
        side: buy
        prices:
          - id: data
            meter: sim.data
            rates:
              - {id: home, match: {country: [DE]}, per_unit: {amount: 0.10, per: 1 MB}}
              - {id: away, per_unit: {amount: 0.70, per: 3 MB}}
    accounts: [{id: acme}, {id: beta}, {id: us}]
    devices: [{id: d1}, {id: d2}]
    subscriptions:
      - {account: acme, device: d1, offer: retail}
      - {account: beta, device: d2, offer: retail}
      - {account: us, device: d1, offer: wholesale}
      - {account: us, device: d2, offer: wholesale}
    use:
      - {at: 2026-01-05 10:00, device: d1, units: 10 MB, dims: {country: DE}}
      - {at: 2026-01-06 10:00, device: d2, units: 10 MB, dims: {country: DE}}
      - {at: 2026-01-07 10:00, device: d2, units: 100 MB, dims: {country: US}}
    expect: {lines: {}}
"""
EUR = 10**9


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("margins")
    (folder / "case.yaml").write_text(CASE, encoding="utf-8")
    cases = read_cases(folder / "case.yaml")
    close_together(folder, cases, cases[0].periods, read_books)
    return folder / "lake"


def told(path: Path, by: str) -> dict[str, tuple[Fraction, Fraction]]:
    with Lake.open(path) as opened:
        return {row.key: (row.sold_nano / EUR, row.bought_nano / EUR) for row in margins(opened, by)}


@pytest.mark.parametrize(
    ("by", "wanted"),
    [
        # d2 abroad: 100 MB are bought at 0.70 for 3 MB, 70/3 EUR, and no third of a cent is lost
        ("customer", {"c0-acme": ("4", "1"), "c0-beta": ("34", "73/3")}),
        ("sim", {"c0-d1": ("4", "1"), "c0-d2": ("34", "73/3")}),
        ("offer", {"c0-retail": ("38", "76/3")}),
        ("country", {"DE": ("6", "2"), "US": ("30", "70/3"), "": ("2", "0")}),
    ],
)
def test_both_sides_to_the_last_fraction(lake: Path, by: str, wanted: dict[str, tuple[str, str]]) -> None:
    found = told(lake, by)
    prefix = {key.replace("c0-", "", 1): value for key, value in found.items()}
    assert prefix == {
        key.replace("c0-", "", 1): (Fraction(sold), Fraction(bought))
        for key, (sold, bought) in wanted.items()
    }


def test_a_notebook_gets_decimals_to_the_nano(lake: Path) -> None:
    with Lake.open(lake) as opened:
        frame = margin(opened)
    assert list(frame.columns) == ["customer", "currency", "sold", "bought", "margin"]
    assert [exact(str(value)) for value in frame["margin"]] == [exact("9.666666667"), exact("3")]


def test_what_there_is_no_margin_by_is_named(lake: Path) -> None:
    with Lake.open(lake) as opened, pytest.raises(UsageError) as caught:
        margins(opened, "colour")
    assert caught.value.code == "margin_by"
    assert "country" in caught.value.cure
    with Lake.open(lake) as opened, pytest.raises(UsageError) as caught:
        margins(opened, "sim", "2031-01")
    assert caught.value.code == "period_unknown"
