"""Sliders: the board's answer is the simulation's, exactly; what it cannot reckon it refuses."""

from __future__ import annotations

from fractions import Fraction

import pytest

from workbench.errors import ScenarioError
from workbench.lake.open import OpenLake
from workbench.twin.board import Board
from workbench.twin.scenario import Growth, Scenario
from workbench.twin.simulate import simulate

PATCHES = {
    "rent": {"lights-on.rent.amount": "0.123"},
    "tiers": {"snack-signal.sales.tiers.1.up_to": "3 items", "snack-signal.sales.tiers.2.amount": "0.0029"},
    "free": {"pulse.heartbeat.allowance": "5", "lights-on.energy.allowance": "1 Wh"},
    "package": {"snack-signal.status.size": "7 kB"},
}


@pytest.fixture
def board(lake: OpenLake) -> Board:
    return Board.of(lake)


def test_the_board_says_what_a_simulation_says(lake: OpenLake, board: Board) -> None:
    assert board.plain == {"lights-on", "snack-signal", "pulse"} and not board.reasons
    assert all(change.delta == 0 for change in board.price().changes)
    with simulate(lake, [Scenario(name, patches=patches) for name, patches in PATCHES.items()]) as sim:
        for name, patches in PATCHES.items():
            outcome = board.price(patches)
            assert outcome.totals == sim.cell(name).totals, name
            assert outcome.changes == sim.cell(name).changes, name


def test_growth_is_the_same_growth(lake: OpenLake, board: Board) -> None:
    grown = board.price(PATCHES["tiers"], usage="1.37")
    with simulate(lake, Scenario("g", patches=PATCHES["tiers"], growth=(Growth(usage="1.37"),))) as sim:
        assert {c: after for c, (_, after) in grown.totals.items()} == {
            c: after for c, (_, after) in sim.cell().totals.items()
        }


def test_every_slider_can_be_moved(board: Board) -> None:
    now = board.price().totals
    for slider in board.sliders:
        assert board.price({slider.path: slider.value}).totals == now, slider.path


def test_rules_and_bills_sum_to_the_total(board: Board) -> None:
    outcome = board.price(PATCHES["rent"])
    before, after = outcome.totals["EUR"]
    assert after - before == 30 * (Fraction("0.123") - Fraction("0.1"))
    assert sum(a - b for b, a in outcome.rules.values()) == after - before
    assert sum(change.delta for change in outcome.changes) == after - before


@pytest.mark.parametrize(
    ("patches", "code"),
    [
        ({"lights-on.rent.every": "period"}, "board_cannot"),
        ({"lights-on.energy.scope": "pool"}, "board_cannot"),
        ({"lights-on.rent.amount": "a lot"}, "patch_value"),
        ({"lights-out.rent.amount": "1"}, "offer_unknown"),
    ],
)
def test_what_the_board_cannot_do(board: Board, patches: dict[str, str], code: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        board.price(patches)
    assert caught.value.code == code
