"""Every charge explains itself: the trace gives the very amount that was charged, and does not survive tampering."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.rating.worlds import END, METER, START, World, distinct, only_what_fits, table, worlds
from workbench.errors import RatingError
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.model.plan import Period
from workbench.rating.batch import Rater
from workbench.rating.explain import explain_charge
from workbench.reference.results import Use
from workbench.tariff.catalogue import loads
from workbench.tariff.compile import compile_offer
from workbench.tariff.explain import by_rule, explain
from workbench.tariff.plan import compile_plan
from workbench.tariff.trace_check import check_trace

OFFER = """
meters: [{id: m.data, unit: byte}]
partners: [{id: op}]
offers:
  - id: o
    version: 1
    currency: EUR
    effective: 2020-01-01
    split: {rest: op}
    prices: [{id: data, meter: m.data, graduated: {tiers: [{up_to: 10, amount: 0.02}, {amount: 0.01}]}}]
"""


@given(world=worlds())
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
def test_the_trace_gives_the_amount(world: World) -> None:
    with duckdb.connect() as con, only_what_fits():
        plan = compile_plan(world.catalogue, world.parties, Period(START, END), con=con)
        con.register("records_in", table(distinct(world.uses)))
        con.execute("CREATE TABLE records AS SELECT * FROM records_in").fetchall()
        with Rater(con, plan) as rater:
            if plan.needs_totals(METER.id):
                rater.observe(METER.id, "records")
            dims = ", country" if plan.dimensions(METER.id) else ", NULL"
            charges = rater.rate(METER.id, "records").charges
            rows = con.execute(
                f"SELECT line_no, device_key, window_start, amount{dims} FROM ({charges})"
            ).fetchall()
            single = {(row[1], row[2]) for row in rows}
            for line_no, key, at, amount, country in rows[:4]:
                if len(single) < len(rows):
                    continue  # several records share a slot: without their dimension they cannot be told apart
                found = explain_charge(rater, METER.id, "records", line_no, key, at, {"country": country})
                check_trace(found.trace)
                assert found.trace["amount"] == amount
                assert found.sentence.endswith(".")


def test_a_sentence_and_a_trace() -> None:
    catalogue = loads(OFFER)
    offer = compile_offer(catalogue.offers[0], catalogue)
    component = offer.components[0]
    found = explain(offer, component, component.rates[0], 8, before=6)
    assert found.sentence == (
        "8 bytes under 'data' (o version 1) cost 0.12 EUR: 4 on step 1 for 0.08 EUR and 4 on step 2 for 0.04 EUR. "
        "The counter went from 6 to 14."
    )
    check_trace(found.trace)


@pytest.mark.parametrize(
    ("place", "value"),
    [(("amount",), 1), (("counter", "before"), 5), (("steps", 1, "block_amount"), 7), (("free_units",), 3)],
)
def test_a_changed_trace_is_found_out(place: tuple[object, ...], value: int) -> None:
    catalogue = loads(OFFER)
    offer = compile_offer(catalogue.offers[0], catalogue)
    component = offer.components[0]
    trace = copy.deepcopy(explain(offer, component, component.rates[0], 8, before=6).trace)
    spot = trace
    for key in place[:-1]:
        spot = spot[key]
    spot[place[-1]] = value
    with pytest.raises(RatingError) as caught:
        check_trace(trace)
    assert caught.value.code == "trace_wrong"


CLOSED = """
meters: [{id: m.data, unit: byte, dimensions: [country]}]
partners: [{id: op}]
offers:
  - {id: o, version: 1, currency: EUR, effective: 2020-01-01, split: {rest: op}, %s}
"""
FREE = "allowance: {units: 5}, per_unit: {amount: 1}"
TIERED = "graduated: {tiers: [{up_to: 4, amount: 2}, {amount: 1}]}"
SPONSOR = "sponsorships: [{id: s, account: payer, components: [a], match: {country: [US]}}]"


@pytest.mark.parametrize(
    "prices",
    [
        "prices: [{id: a, meter: m.data, p95: {amount: 1, per: 8 bit/s, slot_seconds: 900, percentile: 99.99 %}}]",
        "prices: [{id: a, meter: m.data, fold: p95, per_unit: {amount: 1}}]",
        "prices: [{id: a, meter: m.data, fold: time_weighted, per_unit: {amount: 1}}]",
        "scope: pool, prices: [{id: a, meter: m.data, fold: time_weighted, per_unit: {amount: 1}}]",
        "prices: [{id: a, meter: m.data, fold: max, per_unit: {amount: 1}}]",
        "prices: [{id: a, meter: m.data, fold: last, per_unit: {amount: 1}}]",
        "prices: [{id: a, meter: m.data, increment: {units: 7, per: day}, per_unit: {amount: 1}}]",
        f"scope: pool, overage: excess, prices: [{{id: a, meter: m.data, {FREE}}}]",
        f"scope: pool, pool_cap_units: 4, prices: [{{id: a, meter: m.data, {FREE}}}]",
        f"scope: event, prices: [{{id: a, meter: m.data, {TIERED}}}]",
        f"prices: [{{id: a, meter: m.data, fold: count, {TIERED}}}]",
        f"prices: [{{id: a, meter: m.data, fold: unique, unique_of: country, {TIERED}}}]",
        f"prices: [{{id: a, meter: m.data, increment: {{units: 4, per: event}}, {TIERED}}}]",
        f"scope: pool, prices: [{{id: a, meter: m.data, allowance: {{units: 2}}, {TIERED}}}]",
        "prices: [{id: a, meter: m.data, volume: {tiers: [{up_to: 10, amount: 2}, {amount: 1}]}}]",
        "scope: pool, prices: [{id: a, meter: m.data, stair_step: {steps: [{up_to: 10, amount: 2}, {amount: 3}]}}]",
        f"prices: [{{id: a, meter: m.data, "
        f"rates: [{{id: us, match: {{country: [US]}}, {TIERED}}}, {{id: rest, per_unit: {{amount: 3}}}}]}}]",
        f"prices: [{{id: a, meter: m.data, "
        f"rates: [{{id: early, windows: [{{from: '00:00', to: '02:00'}}], {TIERED}}}, {{id: rest, {TIERED}}}]}}]",
        f"prices: [{{id: a, meter: m.data, per_unit: {{amount: 1}}}}], {SPONSOR.replace('match', 'budget: 0.000000009, match')}",
        "prices: [{id: a, meter: m.data, per_unit: {amount: 1}}], bundles: [{id: b, credits: 21, weights: {a: 2}}]",
        f"prices: [{{id: a, meter: m.data, per_unit: {{amount: 1}}}}], {SPONSOR}",
    ],
)
def test_what_a_close_decides_is_explained_too(prices: str) -> None:
    """Every charge of every kind has a trace that gives its amount; none says that it cannot be told."""
    stream, catalogue = "m.data", loads(CLOSED % prices)
    parties = Parties(
        accounts=(Account("acme"), Account("payer")),
        devices=(Device("d1"), Device("d2")),
        subscriptions=tuple(Subscription(f"s-{d}", "acme", "o", datetime(2020, 1, 1, tzinfo=UTC), device_id=d) for d in ("d1", "d2")),
    )  # fmt: skip
    uses = [
        Use(device, stream, START + timedelta(hours=hour), units, (("country", country),))
        for device, hour, units, country in (
            ("d1", 1, 5, "DE"),
            ("d2", 1, 9, "US"),
            ("d1", 2, 3, "DE"),
            ("d1", 30, 8, "US"),
        )
    ]
    with duckdb.connect() as con:
        plan = compile_plan(catalogue, parties, Period(START, END), con=con)
        con.register("records_in", table(uses))
        con.execute("CREATE TABLE records AS SELECT * FROM records_in").fetchall()
        with Rater(con, plan) as rater:
            if plan.needs_totals(stream):
                rater.observe(stream, "records")
            dims = ", country" if plan.dimensions(stream) else ", NULL AS country"
            made = f"SELECT line_no, device_key, window_start, amount{dims} FROM ({rater.rate(stream, 'records').charges})"
            rows = con.execute(made).fetchall()
            rows += [(*row, None) for row in con.execute(
                f"SELECT line_no, device_key, window_start, amount FROM ({rater.recurring()})").fetchall()]  # fmt: skip
            assert any(row[3] for row in rows)
            for line_no, key, at, amount, country in rows:
                found = explain_charge(rater, stream, "records", line_no, key, at, {"country": country})
                check_trace(found.trace)
                assert found.trace["amount"] == amount, found.sentence
                assert found.sentence.endswith(".")


def explained(price: str, units: int, **said: int) -> dict[str, object]:
    """The checked trace of some use under one price; its sentence stands in ``said``."""
    catalogue = loads(CLOSED % f"prices: [{{id: a, meter: m.data, {price}}}]")
    offer = compile_offer(catalogue.offers[0], catalogue)
    component = offer.components[0]
    found = explain(offer, component, component.rates[0], units, **said)  # type: ignore[arg-type]
    check_trace(found.trace)
    return {**found.trace, "said": found.sentence}


def test_a_plain_price_is_said_for_each_unit_and_a_package_by_its_steps() -> None:
    assert str(explained("per_unit: {amount: 0.10}", 3)["said"]).endswith(" cost 0.3 EUR: 0.1 EUR for each.")
    assert "for each" not in str(explained("package: {amount: 5, size: 100}", 3)["said"])
    assert "of which 2 are free" in str(explained("allowance: {units: 2}, per_unit: {amount: 1}", 3)["said"])


def test_use_that_moves_a_counter_by_nothing_costs_nothing_on_the_step_it_stands_on() -> None:
    trace = explained("graduated: {tiers: [{up_to: 10, amount: 2}, {amount: 1}]}", 3, before=12, measured=0)
    assert trace["parts"] == [{"step": 1, "after": 12, "up_to": 12, "amount": 0}]


RULES = [
    ({"is": "discount", "amount": "5", "counted": "3"}, -3),
    ({"is": "discount", "amount": "5", "counted": "-3"}, 0),
    ({"is": "maximum", "amount": "5", "counted": "8"}, -3),
    ({"is": "maximum", "amount": "5", "counted": "4"}, 0),
    ({"is": "commitment", "amount": "10", "counted": "3", "days": "15", "of_days": "30"}, 2),
    ({"is": "commitment", "amount": "10", "counted": "6", "days": "15", "of_days": "30"}, 0),
    ({"is": "credit", "amount": "7", "paid": ["3", "4"]}, -7),
    ({"is": "fee", "amount": "10", "times": "3", "of_times": "2"}, 15),
]


@pytest.mark.parametrize(("rule", "amount"), RULES)
def test_a_rule_of_the_close_comes_to(rule: dict[str, object], amount: int) -> None:
    assert by_rule({"rule": rule, "denominator": 1}) == amount
    assert by_rule({"rule": rule, "denominator": 20}) == 20 * amount


@pytest.mark.parametrize(
    "trace",
    [
        {"rule": {"is": "credit", "amount": "6", "paid": ["3", "4"]}, "denominator": 1},
        {"rule": {"is": "fee", "amount": "1", "times": "1", "of_times": "3"}, "denominator": 1},
    ],
)
def test_a_rule_that_cannot_hold_is_refused(trace: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"more than it held|not whole"):
        by_rule(trace)


@pytest.mark.parametrize(
    ("price", "money", "amount"),
    [("rate: 1 %", 1000, 10), ("rate: 1 %, floor: 0.00000002", 1000, 20), ("rate: 1 %, cap: 0.000000005", 1000, 5),
     ("rate: 1 %, fee: 0.000000003", 1000, 13)],
)  # fmt: skip
def test_a_share_of_the_money_an_event_carried(price: str, money: int, amount: int) -> None:
    text = CLOSED.replace("unit: byte, dimensions: [country]", "unit: nano, currency: EUR")
    catalogue = loads(text % f"scope: event, prices: [{{id: a, meter: m.data, percentage: {{{price}}}}}]")
    offer = compile_offer(catalogue.offers[0], catalogue)
    component = offer.components[0]
    trace = explain(offer, component, component.rates[0], money).trace
    check_trace(trace)
    assert trace["amount"] == amount * trace["denominator"]
