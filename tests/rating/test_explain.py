"""Every charge explains itself: the trace gives the very amount that was charged, and does not survive tampering."""

from __future__ import annotations

import copy

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.rating.worlds import END, METER, START, World, distinct, only_what_fits, table, worlds
from workbench.errors import RatingError
from workbench.model.plan import Period
from workbench.rating.batch import Rater
from workbench.rating.explain import explain_charge
from workbench.tariff.catalogue import loads
from workbench.tariff.compile import compile_offer
from workbench.tariff.explain import check_trace, explain
from workbench.tariff.plan import compile_plan

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
