"""For random offers, use and scenarios: contributions sum to the nano at every grouping, and every road gives one number."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.rating.worlds import World, worlds
from tests.twin import small
from workbench.errors import ScenarioError
from workbench.lake.lake import Lake
from workbench.twin.board import Board
from workbench.twin.reconcile import assert_reconciles
from workbench.twin.scenario import Growth, Scenario
from workbench.twin.simulate import simulate

CHANGES = ("+10 %", "-25 %", "+33.3 %", "+0 %")


@st.composite
def patches(draw: st.DrawFn, world: World) -> dict[str, str]:
    """A change to some number of some rate, and now and then free units."""
    component = world.offer.components[0]
    rate = draw(st.sampled_from(component.rates))
    price, path = rate.price, f"o.data.rates.{rate.id}.price"
    found = {}
    if hasattr(price, "amount"):
        found[f"{path}.amount"] = draw(st.sampled_from(CHANGES))
    else:
        where = "tiers" if hasattr(price, "tiers") else "steps"
        parts = getattr(price, where)
        field = "rate" if hasattr(parts[0], "rate") else "amount"
        place = draw(st.integers(1, len(parts)))
        found[f"{path}.{where}.{place}.{field}"] = draw(st.sampled_from(CHANGES))
    if len(component.rates) == 1 and component.counter_period == "billing" and draw(st.booleans()):
        found["o.data.allowance"] = str(draw(st.integers(0, 300)))
    return found


def check(data: st.DataObject) -> None:
    world = data.draw(worlds())
    assume(world.uses)
    changed = data.draw(patches(world))
    usage, more = (
        data.draw(st.sampled_from(("1", "1.37", "0.5"))),
        data.draw(st.sampled_from(("1", "2", "1.5"))),
    )
    growth = (Growth(usage=usage, devices=more),) if (usage, more) != ("1", "1") else ()
    scenario = Scenario("x", patches=changed, growth=growth)
    with tempfile.TemporaryDirectory() as folder:
        small.make(Path(folder), world)
        found = []
        for depth in ("record", "total"):
            with simulate(folder, scenario, depth=depth) as sim:
                assert sim.cells[0].error is None, sim.cells[0].error
                assert_reconciles(sim)
                found.append((sim.cell().changes, sim.cell().totals, sim.cell().shares))
        assert found[0] == found[1]
        if more == "1":
            _check_board(folder, changed, usage, found[0][1])


def _check_board(folder: str, changed: dict[str, str], usage: str, totals: object) -> None:
    with Lake.open(folder) as lake:
        board = Board.of(lake)
        try:
            outcome = board.price(changed, usage=usage)
        except ScenarioError as error:
            assert error.code == "board_cannot", error
            return
        after = {currency: amount for currency, (_, amount) in outcome.totals.items()}
        assert after == {currency: amount for currency, (_, amount) in totals.items()}  # type: ignore[attr-defined]


@pytest.mark.slow
@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_contributions_sum_and_every_road_agrees(data: st.DataObject) -> None:
    check(data)
