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
from workbench.tariff.explain import explain
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
        "8 byte under 'data' (o version 1) cost 0.12 EUR: 4 on step 1 for 0.08 EUR and 4 on step 2 for 0.04 EUR. "
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
