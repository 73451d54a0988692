"""Free units and credits of bundles roll over as the reference rolls them, over random periods of use."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.model.ids import device_key
from workbench.model.offer import Rollover
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.model.plan import Period, PlanRollover, Stock
from workbench.rating.batch import Rater
from workbench.rating.rollover import roll
from workbench.reference.allowance import Grant
from workbench.reference.allowance import roll as reference_roll
from workbench.tariff.catalogue import loads
from workbench.tariff.plan import compile_plan

KEY = ("a", 1, "o", "data", "default")


@given(
    uses=st.lists(st.integers(0, 40), min_size=1, max_size=8),
    own=st.integers(0, 20),
    periods=st.integers(1, 4),
    cap=st.none() | st.integers(0, 30),
    own_first=st.booleans(),
)
@settings(deadline=None)
def test_stock_is_what_the_reference_keeps(
    uses: list[int], own: int, periods: int, cap: int | None, own_first: bool
) -> None:
    rule = Rollover(periods, cap, "own_first" if own_first else "rollover_first")
    stock: list[Stock] = []
    wanted: list[Grant] = []
    for number, used in enumerate(uses):
        stock = roll(KEY, stock, own, used, PlanRollover(periods, cap, own_first))
        wanted = reference_roll(wanted, own, used, number, rule)
        ages = [(row.age, row.units) for row in stock]
        assert ages == [(number + 1 - grant.period, grant.units) for grant in wanted if grant.units]


def test_credits_of_a_bundle_roll_over() -> None:
    catalogue = loads(
        """
meters: [{id: home.sms, unit: message}]
partners: [{id: op}]
offers:
  - id: o
    version: 1
    currency: EUR
    effective: 2020-01-01
    split: {rest: op}
    prices: [{id: sms, meter: home.sms, per_unit: {amount: 1}}]
    bundles: [{id: talk, credits: 10, weights: {sms: 2}, rollover: {periods: 1}}]
"""
    )
    start = datetime(2020, 1, 1, tzinfo=UTC)
    parties = Parties(
        (Account("a"),), (), (Device("d"),), (Subscription("s", "a", "o", start, device_id="d"),)
    )
    stock: list[Stock] = []
    amounts = []
    with duckdb.connect() as con:
        for month, units in ((1, 2), (2, 9)):
            period = Period(datetime(2026, month, 1, tzinfo=UTC), datetime(2026, month + 1, 1, tzinfo=UTC))
            plan = compile_plan(catalogue, parties, period, con=con, stock=stock)
            con.execute(
                f"CREATE OR REPLACE TABLE r AS SELECT {device_key('main', 'd')}::BIGINT AS device_key, "
                f"TIMESTAMP '2026-0{month}-05' AS window_start, {units}::BIGINT AS units, 1::INTEGER AS n_events"
            ).fetchall()
            with Rater(con, plan) as rater:
                rater.observe("home.sms", "r")
                charges = rater.rate("home.sms", "r").charges
                amounts += [row[0] for row in con.execute(f"SELECT amount FROM ({charges})").fetchall()]
                stock = rater.stock()
    # January spends 4 of 10 credits; February has 10 + 6, which cover 8 of its 9 messages
    assert amounts == [0, 1_000_000_000]
    assert stock == []
