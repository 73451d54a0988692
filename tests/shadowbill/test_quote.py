"""A quote: the offers of a catalogue on a prospect's own usage, each exactly what its bill would be."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from tests.shadowbill.test_shadow import CDR
from workbench.clock import ReplayClock
from workbench.errors import UsageError
from workbench.shadowbill.quote import SalesQuote, quote
from workbench.shadowbill.run import shadow
from workbench.tariff.catalogue import loads

OFFERS = """
meters:
  - {id: sim.data, unit: byte, dimensions: [country]}
  - {id: door.opens, unit: open}
partners: [{id: operator}]
offers:
  - id: pay-as-you-go
    version: 1
    title: Pay as you go
    currency: EUR
    effective: 2030-01-01
    prices: [{id: data, meter: sim.data, per_unit: {amount: 0.05, per: 1 MB}}]
    split: {rest: operator}
  - id: ten
    version: 1
    title: Ten megabytes
    currency: EUR
    effective: 2020-01-01
    prices: [{id: data, meter: sim.data, allowance: {units: 10 MB}, per_unit: {amount: 0.04, per: 1 MB}}]
    fees: [{id: base, amount: 0.003, every: day, per: device}]
    split: {rest: operator}
  - id: doors
    version: 1
    currency: EUR
    effective: 2020-01-01
    prices: [{id: opens, meter: door.opens, per_unit: {amount: 1, per: 1 open}}]
    split: {rest: operator}
"""
CLOCK = ReplayClock(datetime(2026, 5, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SalesQuote]:
    path = tmp_path_factory.mktemp("quote") / "cdr.csv"
    path.write_text(CDR)
    return path, quote(path, loads(OFFERS), customer="ACME & Sons", current="pay-as-you-go", clock=CLOCK)


def test_each_option_is_what_its_own_bill_would_be(made: tuple[Path, SalesQuote]) -> None:
    path, found = made
    known = loads(OFFERS)
    assert [name for name, _ in found.skipped] == ["doors"]
    for option in found.options:
        alone = loads(OFFERS)
        offers = tuple(offer for offer in known.offers if offer.id == option.offer_id)
        bill = shadow(path, type(alone)(alone.meters, alone.partners, (), offers), clock=CLOCK)
        assert option.total == bill.total, option.offer_id
        assert {k: v for k, v in option.devices.items() if v} == {
            k: v for k, v in bill.by("device").items() if v
        }


def test_the_best_offer_and_the_plan_of_each_sim(made: tuple[Path, SalesQuote]) -> None:
    found = made[1]
    assert [option.total for option in found.options] == sorted(option.total for option in found.options)
    assert found.saving is not None and found.saving >= 0
    if found.moves:
        assert found.mixed is not None and found.mixed < found.best.total
        assert found.best.total - found.mixed == sum(move.saves for move in found.moves)


def test_the_page_can_be_sent(made: tuple[Path, SalesQuote]) -> None:
    page = made[1].html()
    assert (
        "width:100.0%" in page
        and "ACME &amp; Sons" in page
        and "2026-05-31" in page
        and made[1].best.title in page
    )
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#)""", page) and "http" not in page
    assert made[1].as_dict()["best"] == made[1].best.offer_id


def test_what_cannot_be_quoted(made: tuple[Path, SalesQuote]) -> None:
    path = made[0]
    only_doors = loads(OFFERS[: OFFERS.index("  - id: pay")] + OFFERS[OFFERS.index("  - id: doors") :])
    with pytest.raises(UsageError) as caught:
        quote(path, only_doors, clock=CLOCK)
    assert caught.value.code == "quote_no_offer"
    with pytest.raises(UsageError) as caught:
        quote(path, loads(OFFERS), current="gold", clock=CLOCK)
    assert caught.value.code == "offer_choice"


def test_amounts_are_fractions(made: tuple[Path, SalesQuote]) -> None:
    assert all(
        isinstance(amount, Fraction) for option in made[1].options for amount in option.devices.values()
    )
