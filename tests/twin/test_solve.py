"""Solving: the smallest change that reaches the goal, on a grid a price list can hold."""

from __future__ import annotations

from fractions import Fraction

import pytest

from workbench.errors import ScenarioError, UsageError
from workbench.lake.open import OpenLake
from workbench.model.money import decimal_text
from workbench.twin.board import Board
from workbench.twin.solve import solve

RENT = "lights-on.rent.amount"


@pytest.fixture
def board(lake: OpenLake) -> Board:
    return Board.of(lake)


def test_the_nearest_value_that_reaches_the_goal(lake: OpenLake, board: Board) -> None:
    found = solve(lake, RENT, revenue="+5 %", board=board)
    base = board.price().totals["EUR"][0]
    assert found.value is not None and found.best.revenue >= found.goal == base * Fraction(21, 20)
    below = decimal_text(Fraction(found.value) - Fraction(1, 10_000))
    assert board.price({RENT: below}).totals["EUR"][1] < found.goal
    assert found.trials < 30


def test_a_limit_on_rises_is_kept(lake: OpenLake, board: Board) -> None:
    found = solve(lake, RENT, revenue="+50 %", max_rise_percent="10", board=board)
    assert found.value is None and found.best.steepest <= 10
    assert "No value" in found.sentence and found.best.revenue < found.goal


def test_margin_is_what_is_sold_less_what_is_bought(lake: OpenLake, board: Board) -> None:
    goal = board.price().totals["EUR"][0] + 1
    found = solve(lake, RENT, margin=decimal_text(goal), board=board)
    assert found.value is not None and found.best.margin >= found.goal


def test_more_free_units_can_only_cost(lake: OpenLake, board: Board) -> None:
    found = solve(lake, "pulse.heartbeat.allowance", revenue="+1 %", high="100", board=board)
    assert found.value is None and found.best.revenue <= board.price().totals["EUR"][0]


def test_today_is_good_enough(lake: OpenLake, board: Board) -> None:
    assert solve(lake, RENT, revenue="-5 %", board=board).value == "0.1"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"path": RENT}, "solve_goal"),
        ({"path": RENT, "revenue": "1", "margin": "1"}, "solve_goal"),
        ({"path": RENT, "revenue": "a lot"}, "solve_goal"),
        ({"path": "lights-on.rent.colour", "revenue": "+5%"}, "solve_path"),
        ({"path": RENT, "revenue": "+5%", "low": "2", "high": "1"}, "solve_range"),
        ({"path": RENT, "revenue": "+5%", "step": "little"}, "solve_range"),
    ],
)
def test_questions_without_sense(lake: OpenLake, board: Board, arguments: dict[str, str], code: str) -> None:
    with pytest.raises((UsageError, ScenarioError)) as caught:
        solve(lake, **arguments, board=board)  # type: ignore[arg-type]
    assert caught.value.code == code
