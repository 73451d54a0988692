"""Margin: sold less bought, exact, by whatever it is asked for."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from workbench.errors import ScenarioError, UsageError
from workbench.lake.open import OpenLake
from workbench.tariff.catalogue import loads
from workbench.twin.margin import margin, margins
from workbench.twin.scenario import Who

BUYING = """
meters:
  - {id: esims.heartbeats, unit: heartbeat}
  - {id: lamps.energy, unit: mWh}
partners: [{id: operator}]
offers:
  - id: wholesale
    version: 1
    side: buy
    currency: EUR
    effective: 2020-01-01
    prices: [{id: beat, meter: esims.heartbeats, per_unit: {amount: 0.003, per: 1 heartbeat}}]
    split: {rest: operator}
  - id: current
    version: 1
    side: buy
    currency: EUR
    effective: 2020-01-01
    prices: [{id: energy, meter: lamps.energy, per_unit: {amount: 0.01, per: 1 kWh}}]
    fees: [{id: pole, amount: 0.02, every: day, per: device}]
    split: {rest: operator}
"""
SERVES = {"wholesale": Who(offers=("pulse",)), "current": Who(offers=("lights-on",))}


def test_margins_by_every_key_sum_to_the_same(lake: OpenLake) -> None:
    buying = loads(BUYING)
    sums = []
    for by in ("device", "account", "offer"):
        rows = margins(lake, buying, SERVES, by=by)
        assert [row.margin for row in rows] == sorted(row.margin for row in rows)
        sums.append((sum(row.revenue for row in rows), sum(row.cost for row in rows)))
    assert sums[0] == sums[1] == sums[2]
    offers = {row.key: row for row in margins(lake, buying, SERVES, by="offer")}
    assert offers["pulse"].cost == offers["pulse"].revenue * Fraction(3, 2)  # 0.003 bought, 0.002 sold
    assert offers["lights-on"].cost > 30 * Fraction("0.02") and offers["snack-signal"].cost == 0
    assert lake.inner.branches() == []


def test_the_table_shows_loss_makers_first(lake: OpenLake) -> None:
    table = margin(lake, loads(BUYING), SERVES, by="offer")
    assert table.iloc[0]["offer"] == "pulse" and table.iloc[0]["margin"] < 0
    assert table.iloc[0]["percent"] == Decimal("-50")


def test_what_cannot_be_asked(lake: OpenLake) -> None:
    with pytest.raises(ScenarioError) as caught:
        margin(lake, loads(BUYING.replace("side: buy", "side: sell", 1)))
    assert caught.value.code == "margin_side"
    with pytest.raises(ScenarioError) as caught:
        margin(lake, loads(BUYING), {"retail": Who()})
    assert caught.value.code == "offer_unknown"
    with pytest.raises(UsageError) as told:
        margin(lake, loads(BUYING), SERVES, by="colour")
    assert told.value.code == "split_by"
