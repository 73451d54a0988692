"""The online driver alone: what it refuses by name, what a node asks it in parts, and what moves a counter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from workbench.errors import RatingError
from workbench.model.plan import Period
from workbench.rating.online import OnlineRater, Price
from workbench.tariff.at_close import not_online
from workbench.tariff.catalogue import loads
from workbench.tariff.compile import compile_offer

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
HEAD = """
meters: [{id: m.data, unit: byte, dimensions: [country]}, {id: m.sales, unit: nano, currency: EUR}, {id: m.sms, unit: message}]
partners: [{id: op}]
offers:
  - {id: o, version: 1, currency: EUR, effective: 2020-01-01, split: {rest: op}, %s}
"""
TEN = "per_unit: {amount: 0.10}"


def rater(text: str, free: object = None) -> OnlineRater:
    catalogue = loads(HEAD % text)
    given = (lambda component, holder: free) if free is not None else None
    return OnlineRater(compile_offer(catalogue.offers[0], catalogue), Period(START, END), free_units=given)  # type: ignore[arg-type]


def price(text: str) -> Price:
    return next(iter(rater(text).by_meter.values()))[0]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "prices: [{id: a, meter: m.data, volume: {tiers: [{up_to: 9, amount: 2}, {amount: 1}]}}]",
            "the volume or stair-step price of 'a'",
        ),
        ("prices: [{id: a, meter: m.data, p95: {amount: 1, per: 1 bit/s}}]", "the percentile price of 'a'"),
        ("prices: [{id: a, meter: m.data, fold: last, per_unit: {amount: 1}}]", "fold last of 'a'"),
        ("prices: [{id: a, meter: m.data, fold: time_weighted, per_unit: {amount: 1}}]", "fold time_weighted of 'a'"),
        ("prices: [{id: a, meter: m.data, per_unit: {amount: 1}}], maximum: {amount: 5}", "the maximum of the period"),
        ("prices: [{id: a, meter: m.data, per_unit: {amount: 1}}], commitment: {amount: 5}", "the commitment's true-up"),
        ("prices: [{id: a, meter: m.data, per_unit: {amount: 1}}], discounts: [{id: off, fixed: 1}]", "the fixed discount 'off'"),
        ("prices: [{id: a, meter: m.sms, per_unit: {amount: 1}}], bundles: [{id: b, credits: 5, weights: {a: 1}}]", "the bundle 'b'"),
        (
            "scope: pool, overage: excess, prices: [{id: a, meter: m.data, allowance: {units: 5}, per_unit: {amount: 1}}]",
            "the pool's cap or excess of 'a'",
        ),
        (
            "scope: pool, pool_cap_units: 5, prices: [{id: a, meter: m.data, allowance: {units: 9}, per_unit: {amount: 1}}]",
            "the pool's cap or excess of 'a'",
        ),
    ],
)  # fmt: skip
def test_what_only_a_close_decides_is_refused_by_name(text: str, name: str) -> None:
    catalogue = loads(HEAD % text)
    said = not_online(
        compile_offer(catalogue.offers[0], catalogue, discounts=list(catalogue.offers[0].discounts))
    )
    assert said == [name]
    if "discount" not in name:
        with pytest.raises(RatingError) as caught:
            rater(text)
        assert caught.value.code == "not_online"
        assert name in caught.value.what


def test_events_outside_the_period_are_refused() -> None:
    at_work = rater(f"prices: [{{id: a, meter: m.data, {TEN}}}]")
    for at in (START - timedelta(microseconds=1), END):
        with pytest.raises(RatingError) as caught:
            at_work.rate("d", "m.data", 1, at)
        assert caught.value.code == "outside_period"
    assert [c.amount for c in at_work.rate("d", "m.data", 3, START)] == [300_000_000]
    assert at_work.rate("d", "m.unknown", 3, START) == []


def test_a_max_moves_its_counter_by_what_is_higher() -> None:
    at_work = rater(f"prices: [{{id: a, meter: m.data, fold: max, {TEN}}}]")
    charged = [at_work.rate("d", "m.data", units, START)[0] for units in (5, 3, 9)]
    assert [(c.before, c.after) for c in charged] == [(0, 5), (5, 5), (5, 9)]
    held = at_work.by_meter["m.data"][0]
    key = ("a", "default", "d", None)
    assert held.measured_most(at_work.counters, key, 12) == 3
    assert held.measured_most(at_work.counters, key, 4) == 0


def test_a_bucket_is_the_device_and_its_day() -> None:
    text = f"scope: pool, prices: [{{id: a, meter: m.data, increment: {{units: 10, per: day, of: device}}, {TEN}}}]"
    at_work = rater(text)
    moved = []
    for device, units, hours in (("x", 3, 0), ("x", 3, 1), ("x", 5, 2), ("y", 1, 2), ("x", 1, 24)):
        moved += at_work.rate("pool", "m.data", units, START + timedelta(hours=hours), device=device)
    assert [c.after - c.before for c in moved] == [10, 0, 10, 10, 10]
    assert at_work.by_meter["m.data"][0].measured_most({}, ("a", "default", "pool", None), 25) == 30
    with pytest.raises(RatingError) as caught:
        at_work.rate("pool", "m.data", 1, START)
    assert caught.value.code == "device_missing"


def test_an_event_is_rounded_alone_and_only_alone() -> None:
    at_work = rater(f"prices: [{{id: a, meter: m.data, increment: {{units: 8, per: event}}, {TEN}}}]")
    assert [at_work.rate("d", "m.data", units, START)[0].after for units in (1, 8, 9)] == [8, 16, 32]
    assert at_work.by_meter["m.data"][0].measured_most({}, (), 9) == 16
    with pytest.raises(RatingError) as caught:
        at_work.rate("d", "m.data", 1, START, events=2)
    assert caught.value.code == "grid_too_coarse"


def test_counts_count_events_and_floors_see_one() -> None:
    assert (
        rater(f"prices: [{{id: a, meter: m.data, fold: count, {TEN}}}]")
        .rate("d", "m.data", 77, START, events=4)[0]
        .units
        == 4
    )
    sale = price(
        "prices: [{id: a, meter: m.sales, percentage: {rate: 10 %, fee: 0.01, floor: 0.05, cap: 0.50}}]"
    )
    euro = 10**9
    scale = sale.component.denominator
    assert [sale.linear(0, units) // scale for units in (0, euro, 100 * euro)] == [
        5 * 10**7,
        11 * 10**7,
        5 * 10**8,
    ]
    assert sale.plain
    with pytest.raises(RatingError) as caught:
        sale.linear(0, euro, 2)
    assert caught.value.code == "grid_too_coarse"


def test_free_units_are_the_callers_to_say() -> None:
    text = f"prices: [{{id: a, meter: m.data, allowance: {{units: 5}}, {TEN}}}]"
    assert rater(text).rate("d", "m.data", 8, START)[0].amount == 300_000_000
    assert rater(text, free=7).rate("d", "m.data", 8, START)[0].amount == 100_000_000


def test_a_rate_by_country_has_a_counter_of_its_own_and_else_nothing_is_charged() -> None:
    held = price(
        "prices: [{id: a, meter: m.data, unmatched: free, rates: [{id: us, match: {country: [US]}, "
        "graduated: {tiers: [{up_to: 5, amount: 2}, {amount: 1}]}}]}]"
    )
    assert held.place("d", START, {"country": "DE"}) is None
    assert held.place("d", START, {"country": "US"}) == (0, ("a", "us", "d", None))
    assert held.between(0, 4, 6, 0) == (3 * 10**9, 1)
    counters: dict[tuple[object, ...], int] = {}
    assert held.charge(counters, "d", 4, START, {"country": "DE"}) is None
    assert counters == {}


def test_a_short_counter_begins_anew_and_an_event_counts_alone() -> None:
    hourly = rater(
        "prices: [{id: a, meter: m.data, counter_period: hour, graduated: {tiers: [{up_to: 5, amount: 2}, {amount: 1}]}}]"
    )
    assert hourly.by_meter["m.data"][0].timed
    for hour in (0, 1, 743):
        began = START + timedelta(hours=hour)
        placed = hourly.by_meter["m.data"][0].place("d", began + timedelta(minutes=59))
        assert placed == (0, ("a", "default", "d", began))
    charged = [hourly.rate("d", "m.data", 4, START + timedelta(minutes=m))[0] for m in (0, 59, 60)]
    assert [c.before for c in charged] == [0, 4, 0]
    alone = rater(
        "scope: event, prices: [{id: a, meter: m.data, graduated: {tiers: [{up_to: 5, amount: 2}, {amount: 1}]}}]"
    )
    assert [alone.rate(n, "m.data", 4, START)[0].before for n in (1, 1)] == [0, 0]
    assert not alone.counters


def test_a_charge_says_its_step_and_where_its_counter_went() -> None:
    tiered = rater(
        "prices: [{id: a, meter: m.data, graduated: {tiers: [{up_to: 5, amount: 2}, {amount: 1}]}}]"
    )
    charged = [tiered.rate("d", "m.data", units, START)[0] for units in (5, 1, 0)]
    assert [(c.before, c.after, c.step, c.amount // 10**9) for c in charged] == [(0, 5, 0, 10), (5, 6, 1, 1), (6, 6, 1, 0)]  # fmt: skip
    assert [(c.component_id, c.rate_id, c.denominator) for c in charged] == [("a", "default", 1)] * 3
    plain = rater(
        f"prices: [{{id: a, meter: m.data, {TEN}}}, {{id: b, meter: m.data, per_unit: {{amount: 1}}}}]"
    )
    found = plain.rate("d", "m.data", 3, START)
    assert [(c.component_id, c.step, c.before, c.after, c.amount) for c in found] == [
        ("a", 0, 0, 3, 3 * 10**8), ("b", 0, 0, 3, 3 * 10**9)]  # fmt: skip
    assert plain.counters == {("a", "default", "d", None): 3, ("b", "default", "d", None): 3}


def test_only_a_price_with_free_units_asks_how_many_there_are() -> None:
    text = "prices: [{id: a, meter: m.data, graduated: {tiers: [{up_to: 5, amount: 2}, {amount: 1}]}}]"
    assert rater(text, free=7).rate("d", "m.data", 3, START)[0].amount == 6 * 10**9


def test_what_an_event_can_move_at_most() -> None:
    daily = f"prices: [{{id: a, meter: m.data, increment: {{units: %s, per: day}}, {TEN}}}]"
    # 25 more can lift a bucket over three bounds of ten; a rounding to ones lifts nothing
    assert price(daily % 10).measured_most({}, ("a", "default", "d", None), 25) == 30
    assert price(daily % 10).measured_most({}, ("a", "default", "d", None), 20) == 30
    assert price(daily % 1).measured_most({}, ("a", "default", "d", None), 25) == 25
    assert price(daily % 2).measured_most({}, ("a", "default", "d", None), 4) == 6
    assert price(f"prices: [{{id: a, meter: m.data, {TEN}}}]").measured_most({}, (), 25) == 25
    assert (
        price(f"prices: [{{id: a, meter: m.data, increment: {{units: 8}}, {TEN}}}]").measured_most({}, (), 3)
        == 3
    )


def test_what_a_node_asks_in_parts_is_what_a_charge_does() -> None:
    held = price(f"prices: [{{id: a, meter: m.data, increment: {{units: 10, per: day}}, {TEN}}}]")
    counters: dict[tuple[object, ...], int] = {}
    placed = held.place("d", START)
    assert placed == (0, ("a", "default", "d", None))
    key = placed[1]
    for units, measured in ((3, 10), (7, 0), (1, 10)):
        assert held.measured(counters, key, units, START) == measured
        held.move(counters, key, measured, units, START)
    assert counters == {key: 20, (*key, START, None): 11}
    tomorrow = START + timedelta(days=1)
    assert held.measured(counters, key, 1, tomorrow) == 10
    assert held.measured(counters, key, 1, tomorrow - timedelta(microseconds=1)) == 0
    assert held.between(0, 20, 30, 0) == (10**9, 0)
    assert not held.plain
    assert held.timed
    assert price(f"prices: [{{id: a, meter: m.data, {TEN}}}]").measured({}, key, 4, START) == 4


def test_rounding_per_device_of_a_device_needs_no_name() -> None:
    text = f"prices: [{{id: a, meter: m.data, increment: {{units: 10, per: day, of: device}}, {TEN}}}]"
    at_work = rater(text)
    assert [at_work.rate("d", "m.data", 3, START)[0].after for _ in range(4)] == [10, 10, 10, 20]
    assert ("a", "default", "d", None, START, "d") in at_work.counters


def test_times_matter_only_where_a_price_looks_at_them() -> None:
    assert not price(f"prices: [{{id: a, meter: m.data, {TEN}}}]").timed
    night = "rates: [{id: n, windows: [{from: '22:00', to: '06:00'}], per_unit: {amount: 1}}, {id: r, per_unit: {amount: 2}}]"
    held = price(f"prices: [{{id: a, meter: m.data, {night}}}]")
    assert held.timed
    assert [held.place("d", START + timedelta(hours=hour), {})[0] for hour in (5, 6, 21, 22)] == [0, 1, 1, 0]  # type: ignore[index]


def test_a_share_of_several_events_is_the_sum_of_theirs() -> None:
    sale = price("prices: [{id: a, meter: m.sales, percentage: {rate: 10 %, fee: 0.01}}]")
    assert sale.linear(0, 10**9, 3) == (10**8 + 3 * 10**7) * sale.component.denominator
    for end in ("floor: 0.05", "cap: 0.05"):
        bounded = price(f"prices: [{{id: a, meter: m.sales, percentage: {{rate: 10 %, {end}}}}}]")
        with pytest.raises(RatingError) as caught:
            bounded.linear(0, 10**9, 2)
        assert caught.value.code == "grid_too_coarse"
        assert bounded.linear(0, 5 * 10**8) == 5 * 10**7 * bounded.component.denominator


def test_what_was_rounded_is_priced_as_it_is() -> None:
    for rule in ("per: event", "per: day", "per: period"):
        at_work = rater(f"prices: [{{id: a, meter: m.data, increment: {{units: 7, {rule}}}, {TEN}}}]")
        charged = [at_work.rate("d", "m.data", units, START)[0].amount // 10**8 for units in (3, 8)]
        assert charged == ([7, 14] if rule == "per: event" else [7, 7])
