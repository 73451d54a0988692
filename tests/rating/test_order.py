"""Which streams must be rated in the order of time, and what a rater says to one that is not."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest

from workbench.errors import RatingError
from workbench.model.ids import device_key
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.model.plan import Period
from workbench.rating.batch import Rater
from workbench.tariff.catalogue import loads
from workbench.tariff.plan import compile_plan

OFFER = """
meters: [{id: m.data, unit: byte}]
partners: [{id: op}]
offers:
  - {id: o, version: 1, currency: EUR, effective: 2020-01-01, split: {rest: op}, prices: [{id: a, meter: m.data, %s}]}
"""
JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))


def rated(price: str, *days: int, events: int = 1) -> list[int]:
    """The charges of one record of each day, rated in the order given."""
    found: list[int] = []
    parties = Parties(
        (Account("acme"),), (), (Device("d"),),
        (Subscription("s", "acme", "o", datetime(2020, 1, 1, tzinfo=UTC), device_id="d"),),
    )  # fmt: skip
    with duckdb.connect() as con:
        plan = compile_plan(loads(OFFER % price), parties, JANUARY, con=con)
        with Rater(con, plan) as rater:
            for day in days:
                rows = rater.rate(
                    "m.data",
                    f"(SELECT {device_key('main', 'd')}::BIGINT AS device_key, TIMESTAMP '2026-01-{day:02}' AS window_start, "
                    f"5::BIGINT AS units, {events}::INTEGER AS n_events)",
                ).charges
                found += [row[0] for row in con.execute(f"SELECT amount FROM ({rows})").fetchall()]
    return found


TIERED = "graduated: {tiers: [{up_to: 5, amount: 2}, {amount: 1}]}"


@pytest.mark.parametrize(
    "price", [TIERED, "fold: p95, per_unit: {amount: 1}", "fold: max, per_unit: {amount: 1}"]
)
def test_what_has_a_counter_is_rated_in_the_order_of_time(price: str) -> None:
    rated(price, 5, 6)
    with pytest.raises(RatingError) as caught:
        rated(price, 6, 5)
    assert caught.value.code == "out_of_order"


def test_a_price_per_unit_takes_its_records_as_they_come() -> None:
    assert rated("per_unit: {amount: 1}", 6, 5) == [5 * 10**9] * 2


def test_a_price_of_single_events_refuses_a_record_of_two() -> None:
    price = "increment: {units: 4, per: event}, per_unit: {amount: 1}"
    assert rated(price, 5) == [8 * 10**9]
    with pytest.raises(RatingError) as caught:
        rated(price, 5, events=2)
    assert caught.value.code == "grid_too_coarse"
    assert rated("per_unit: {amount: 1}", 5, events=2) == [5 * 10**9]


def test_a_price_that_jumps_wants_to_have_seen_the_period() -> None:
    with pytest.raises(RatingError) as caught:
        rated("volume: {tiers: [{up_to: 5, amount: 2}, {amount: 1}]}", 5)
    assert caught.value.code == "totals_missing"
