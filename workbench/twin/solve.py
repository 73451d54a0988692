"""Which number reaches the goal? A price, an allowance or a tier's bound, found by halving, exactly.

    solve(lake, "lights-on.energy.amount", revenue="+5 %", max_rise_percent="15")

The number is sought on a grid (``step``), so that it is one a price list can hold. Every trial is a whole pricing of the
period by the board; what a board cannot reckon is simulated, which takes longer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from workbench.errors import ScenarioError, UsageError
from workbench.lake.lake import Lake
from workbench.lake.open import OpenLake
from workbench.model.money import decimal_text, exact
from workbench.twin.board import Board
from workbench.twin.cell import Change
from workbench.twin.scenario import Scenario, patch
from workbench.twin.simulate import simulate

_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Trial:
    """One number tried: what is sold, bought, and the steepest rise of a bill in percent."""

    value: str
    revenue: Fraction
    cost: Fraction
    steepest: Fraction
    steepest_account: str

    @property
    def margin(self) -> Fraction:
        """What is sold less what is bought."""
        return self.revenue - self.cost


@dataclass(frozen=True, slots=True)
class Solution:
    """What was found.

    Attributes:
        path: of the number. now: it is today. value: it should be; None when nothing reaches the goal.
        goal: in the currency's main unit. kind: ``revenue`` or ``margin``. best: the trial of ``value``, or the
            nearest one when there is none. sentence: the answer in words. trials: how many were made.
    """

    path: str
    now: str
    value: str | None
    kind: str
    currency: str
    goal: Fraction
    best: Trial
    base: Trial
    sentence: str
    trials: int

    def as_dict(self) -> dict[str, Any]:
        """For a program: exact amounts as text."""
        return {
            "path": self.path, "now": self.now, "value": self.value, "kind": self.kind, "currency": self.currency,
            "goal": decimal_text(self.goal), "revenue": decimal_text(self.best.revenue),
            "margin": decimal_text(self.best.margin), "revenue_now": decimal_text(self.base.revenue),
            "steepest_rise_percent": decimal_text(self.best.steepest), "steepest_account": self.best.steepest_account,
            "sentence": self.sentence, "trials": self.trials,
        }  # fmt: skip


def solve(
    lake: Lake | OpenLake,
    path: str,
    *,
    revenue: str = "",
    margin: str = "",
    max_rise_percent: str | Fraction | None = None,
    low: str = "",
    high: str = "",
    step: str = "",
    period: str = "",
    board: Board | None = None,
) -> Solution:
    """Find the value of ``path`` nearest to today's that reaches the goal.

    Args:
        path: ``offer.part.field`` as in a patch.
        revenue, margin: the goal, one of them: an amount, or a change such as ``+5 %``.
        max_rise_percent: no bill may rise by more.
        low, high: where to look; left out: from nothing to three times today's value.
        step: the grid; left out: a thousandth of today's value, rounded to a power of ten.

    Raises:
        UsageError, ScenarioError: the question makes no sense.
    """
    kind, goal_text = _goal(revenue, margin)
    used = board or Board.of(lake, period=period)
    now = _now(used, path)
    grid = _Grid(now, low, high, step)
    price = _pricing(lake, used, path)
    base = price(decimal_text(now))
    goal = _wanted(goal_text, base.revenue if kind == "revenue" else base.margin)
    limit = None if max_rise_percent is None else Fraction(str(max_rise_percent).removesuffix("%").strip())
    search = _Search(grid, price, kind, goal, limit)
    value, best = search.nearest()
    sentence = _sentence(path, now, value, best, kind, goal, limit, used)
    currency = next(iter(used.price().totals))
    return Solution(path, decimal_text(now), value, kind, currency, goal, best, base, sentence, search.count)


def _goal(revenue: str, margin: str) -> tuple[str, str]:
    if bool(revenue) == bool(margin):
        raise UsageError(
            "Say what to reach: revenue or margin, one of them.", where="goal", code="solve_goal",
            cure="For example --revenue +5% or --margin 12000.",
        )  # fmt: skip
    return ("revenue", revenue) if revenue else ("margin", margin)


def _wanted(text: str, base: Fraction) -> Fraction:
    try:
        if text.strip().endswith("%"):
            return base * (1 + exact(text.strip().removesuffix("%").strip().removeprefix("+")) / 100)
        return exact(text)
    except ValueError:
        raise UsageError(
            f"{text[:40]!r} is no goal.", where="goal", cure="Write 12000 or +5 %.", code="solve_goal"
        ) from None


def _now(board: Board, path: str) -> Fraction:
    known = {slider.path: slider.value for slider in board.sliders}
    if path in known:
        return Fraction(known[path])
    from workbench.mediation.yamltree import did_you_mean

    raise ScenarioError(
        f"{path!r} is no number of an offer that can be moved here.", where="path", code="solve_path",
        cure=did_you_mean(path, sorted(known), "There are"),
    )  # fmt: skip


class _Grid:
    """Values ``low + k * step`` that a price list can hold."""

    def __init__(self, now: Fraction, low: str, high: str, step: str) -> None:
        given = [_text(text, name) for text, name in ((low, "low"), (high, "high"), (step, "step"))]
        self.step = given[2] or _power(now / _STEPS if now else Fraction(1, _STEPS))
        if now.denominator == 1 and not step and now >= 10:
            self.step = max(self.step, Fraction(1))
        self.now = now
        bottom = given[0] if given[0] is not None else Fraction(0)
        top = given[1] if given[1] is not None else max(3 * now, self.step * _STEPS)
        if self.step <= 0 or top <= bottom:
            raise UsageError("There is nothing between low and high.", where="low, high, step", code="solve_range",
                             cure="Let high be above low, and step above zero.")  # fmt: skip
        self.down = int((now - bottom) // self.step)
        self.up = int((top - now) // self.step)

    def value(self, place: int) -> str:
        """The value ``place`` steps above today's."""
        return decimal_text(self.now + place * self.step)


def _text(text: str, name: str) -> Fraction | None:
    try:
        return exact(text) if text else None
    except ValueError:
        raise UsageError(
            f"{text[:40]!r} is no number.", where=name, cure="Write 0.25.", code="solve_range"
        ) from None


def _power(number: Fraction) -> Fraction:
    """The power of ten at or below a positive number."""
    power = Fraction(1)
    while power > number:
        power /= 10
    while power * 10 <= number:
        power *= 10
    return power


def _pricing(lake: Lake | OpenLake, board: Board, path: str) -> Callable[[str], Trial]:
    """How one value is tried."""
    offer = path.partition(".")[0]
    bought = board.bought

    def trial(value: str) -> Trial:
        patches = {path: value}
        if offer in board.plain:
            outcome = board.price(patches)
            totals, changes = outcome.totals, outcome.changes
        else:
            with simulate(lake, Scenario("trial", patches=(patch(path, value),))) as sim:
                totals, changes = sim.cell().totals, sim.cell().changes
        return _judged(value, totals, changes, bought)

    return trial


def _judged(
    value: str,
    totals: Mapping[str, tuple[Fraction, Fraction]],
    changes: tuple[Change, ...],
    bought: Mapping[str, Fraction],
) -> Trial:
    if len(totals) != 1:
        raise UsageError("The period has bills in several currencies.", where="solve", code="solve_currency",
                         cure="Look at one of them: choose the accounts in a scenario.")  # fmt: skip
    currency, (_, after) = next(iter(totals.items()))
    steepest = max(
        ((c.percent, c.account) for c in changes if c.percent is not None), default=(Fraction(0), "")
    )
    return Trial(value, after, bought.get(currency, Fraction(0)), *steepest)


class _Search:
    """Halving on each side of today's value; the goal and the limit are each reached from one place on."""

    def __init__(
        self, grid: _Grid, price: Callable[[str], Trial], kind: str, goal: Fraction, limit: Fraction | None
    ) -> None:
        self._grid, self._price, self._kind, self._goal, self._limit = grid, price, kind, goal, limit
        self._known: dict[int, Trial] = {}

    @property
    def count(self) -> int:
        """How many values were tried."""
        return len(self._known)

    def at(self, place: int) -> Trial:
        """The trial of a place."""
        if place not in self._known:
            self._known[place] = self._price(self._grid.value(place))
        return self._known[place]

    def reaches(self, place: int) -> bool:
        """Whether the goal is reached there."""
        trial = self.at(place)
        return (trial.revenue if self._kind == "revenue" else trial.margin) >= self._goal

    def allowed(self, place: int) -> bool:
        """Whether no bill rises too far there."""
        return self._limit is None or self.at(place).steepest <= self._limit

    def nearest(self) -> tuple[str | None, Trial]:
        """The value nearest to today's that reaches the goal within the limit, else None and the best that is allowed."""
        if self.reaches(0) and self.allowed(0):
            return self._grid.value(0), self.at(0)
        ends = [
            (end, sign)
            for end, sign in ((self._grid.up, 1), (-self._grid.down, -1))
            if end and self.reaches(end)
        ]
        for end, _ in ends:
            place = self._first(0, end, self.reaches)
            if self.allowed(place):
                return self._grid.value(place), self.at(place)
        if not ends:
            far = max((self._grid.up, -self._grid.down), key=lambda end: self.at(end).revenue)
            ends = [(far, 1)]
        end = ends[0][0]
        if self.allowed(end):
            return None, self.at(end)
        beyond = self._first(0, end, lambda place: not self.allowed(place))
        last = beyond - (1 if beyond > 0 else -1)
        return None, self.at(last)

    def _first(self, start: int, end: int, holds: Callable[[int], bool]) -> int:
        """The place nearest to ``start`` where it holds, given that it does at ``end``."""
        while abs(end - start) > 1:
            middle = (start + end) // 2 if end > start else -((-start - end) // 2)
            if holds(middle):
                end = middle
            else:
                start = middle
        return end


def _sentence(
    path: str,
    now: Fraction,
    value: str | None,
    best: Trial,
    kind: str,
    goal: Fraction,
    limit: Fraction | None,
    board: Board,
) -> str:
    from workbench.twin.show import rounded

    currency = next(iter(board.price().totals))
    reached = best.revenue if kind == "revenue" else best.margin
    steep = f"the steepest rise of a bill is {rounded(best.steepest, '', 2)} %"
    if value is not None:
        return (
            f"{path} = {value} (now {decimal_text(now)}) brings {kind} to {rounded(reached, currency)} {currency}, "
            f"the goal is {rounded(goal, currency)}; {steep}."
        )
    bound = f" with no bill up more than {rounded(limit, '', 2)} %" if limit is not None else ""
    return (
        f"No value of {path} in the range reaches a {kind} of {rounded(goal, currency)} {currency}{bound}; the best is "
        f"{best.value} with {rounded(reached, currency)}, and {steep}."
    )
