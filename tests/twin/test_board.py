"""Sliders: the board's answer is the simulation's, exactly; what it cannot reckon it refuses."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from workbench.billing import plan_of, rate_period
from workbench.errors import ScenarioError
from workbench.lake.lake import Lake
from workbench.lake.open import OpenLake
from workbench.twin import past
from workbench.twin.board import Board
from workbench.twin.patch import candidate
from workbench.twin.scenario import Growth, Scenario, patch
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


def test_a_closed_period_that_was_rated_again_is_the_last_set(town: Path, tmp_path: Path) -> None:
    shutil.copytree(town, tmp_path / "again")
    with Lake.open(tmp_path / "again") as opened, opened.writer():
        seen = past.look(opened)
        dearer = candidate(seen.catalogue, [patch("lights-on.rent.amount", "0.2")], seen.period)
        done = rate_period(opened, plan_of(opened, dearer, seen.period))
        opened.commit({"stage": "rate"}, add=done.add, remove=done.remove, facts=done.facts)
    with Lake.open(tmp_path / "again") as opened:
        board = Board.of(opened)
        assert not board.reasons
        with simulate(opened, Scenario("same")) as sim:
            assert sim.cell().totals == board.price().totals


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
