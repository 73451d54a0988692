"""A plan says itself when the records of a stream are too coarse for its prices, and which grid would do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from workbench.errors import RatingError
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.model.plan import Period
from workbench.tariff.catalogue import loads
from workbench.tariff.plan import Plan, compile_plan

OFFER = """
meters: [{id: m.data, unit: byte}, {id: m.sms, unit: message}, {id: m.out, unit: byte}]
partners: [{id: op}]
offers:
  - {id: o, version: 1, currency: EUR, effective: 2020-01-01, split: {rest: op}, prices: [%s]}
"""
START = datetime(2026, 1, 1, tzinfo=UTC)
JANUARY = Period(START, datetime(2026, 2, 1, tzinfo=UTC))


def plan(*prices: str, period: Period = JANUARY, **grids: int) -> Plan:
    parties = Parties(
        (Account("acme"),), (), (Device("d"),),
        (Subscription("s", "acme", "o", datetime(2020, 1, 1, tzinfo=UTC), device_id="d"),),
    )  # fmt: skip
    named = {f"m.{name}": seconds for name, seconds in grids.items()}
    with duckdb.connect() as con:
        return compile_plan(loads(OFFER % ", ".join(prices)), parties, period, con=con, grids=named)


def refusal(*prices: str, period: Period = JANUARY, **grids: int) -> RatingError:
    with pytest.raises(RatingError) as caught:
        plan(*prices, period=period, **grids)
    assert caught.value.code == "grid_too_coarse"
    return caught.value


def night(meter: str, opens: str, shuts: str) -> str:
    return (
        f"{{id: {meter}, meter: m.{meter}, rates: [{{id: night, windows: [{{from: '{opens}', to: '{shuts}'}}], "
        "per_unit: {amount: 1}}, {id: day, per_unit: {amount: 2}}]}"
    )


SMS = "{id: sms, meter: m.sms, per_unit: {amount: 1}}"


@pytest.mark.parametrize(
    ("opens", "shuts", "seconds", "needed"),
    [("22:30", "06:00", 3600, 1800), ("22:00", "06:20", 3600, 1200), ("22:00", "06:15", 1200, 300), ("22:01", "06:00", 3600, 60)],
)  # fmt: skip
def test_a_window_that_opens_within_a_record_is_refused_and_a_grid_that_would_do_is_named(
    opens: str, shuts: str, seconds: int, needed: int
) -> None:
    error = refusal(night("data", opens, shuts), data=seconds)
    assert error.what.startswith("The price 'data' changes at ")
    assert f"not on the {seconds} s grid of 'm.data'" in error.what
    assert f"a grid of {needed} s" in error.cure
    assert plan(night("data", opens, shuts), data=needed).grids == {"m.data": needed}


def test_windows_and_counters_on_the_grid_pass() -> None:
    assert plan(night("data", "22:30", "06:00"), data=1800)
    assert plan(
        night("data", "22:30", "06:00"), SMS, sms=3600
    )  # another meter's window is no matter of this stream
    assert plan("{id: data, meter: m.data, counter_period: hour, per_unit: {amount: 1}}", data=3600)
    assert plan("{id: data, meter: m.data, counter_period: hour, package: {amount: 1, size: 5}}", data=3600)


def test_a_counter_that_begins_anew_within_a_record_is_refused() -> None:
    hourly = "{id: data, meter: m.data, counter_period: hour, package: {amount: 1, size: 5}}"
    error = refusal(hourly, data=7200)
    assert error.what.startswith("The counter of 'data' changes at 2026-01-01 01:00:00")
    assert "a grid of 3600 s" in error.cure
    assert plan(hourly, SMS, sms=7200)


def test_a_period_may_begin_and_end_anywhere() -> None:
    """Where a period is cut its records are cut too, so its edges need not lie on the grid."""
    half = timedelta(minutes=30)
    period = Period(START + 22 * 2 * half + half, START + 2 * 30 * half)
    assert plan(night("data", "22:30", "06:00"), period=period, data=3600)


BURST = "{id: data, meter: m.data, p95: {amount: 1, per: 8 bit/s, slot_seconds: 900%s}}"


def test_records_are_no_coarser_than_the_slots_of_a_percentile() -> None:
    for seconds in (900, 450, 60):
        assert plan(BURST % "", data=seconds)
    for seconds in (3600, 600):
        error = refusal(BURST % "", data=seconds)
        assert "has slots of 900 s" in error.what
        assert "a grid of 900 s" in error.cure
    assert plan(BURST % "", SMS, sms=3600)
    # traffic in and out may be two meters, and the slots are of both
    refusal(BURST % ", direction: sum, out_meter: m.out", out=3600)
