"""One answer, whoever gave it: the board in a moment, or the twin by replay. Exact until it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from workbench.twin.board import Outcome
from workbench.twin.cell import Change
from workbench.twin.simulation import Simulation

EDGES = (-50, -25, -10, -5, -1, 0, 1, 5, 10, 25, 50)
"""Percent at which the bars of the distribution meet; bills that stay are a bar of their own."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rule's part of the difference."""

    name: str
    delta: Fraction


@dataclass(frozen=True, slots=True)
class Answer:
    """What would be different, in one currency.

    Attributes:
        steps: rule by rule, largest first. changes: every account, largest rise first.
        shares: (partner, before, after). replayed: whether the twin ran; the board's answer has no traces.
        low, high: revenue at the ends of a reaction's range.
    """

    currency: str
    before: Fraction
    after: Fraction
    steps: tuple[Step, ...]
    changes: tuple[Change, ...]
    seconds: float
    replayed: bool
    shares: tuple[tuple[str, Fraction, Fraction], ...] = ()
    low: Fraction | None = None
    high: Fraction | None = None

    @property
    def delta(self) -> Fraction:
        """After less before."""
        return self.after - self.before

    @property
    def percent(self) -> Fraction | None:
        """The difference in percent of what is now."""
        return 100 * self.delta / self.before if self.before else None

    @property
    def moved(self) -> tuple[Change, ...]:
        """Accounts whose bill moves, those that move most first."""
        return tuple(sorted((c for c in self.changes if c.delta), key=lambda c: (-abs(c.delta), c.account)))

    @property
    def losers(self) -> tuple[Change, ...]:
        """Accounts who pay more, most first."""
        return tuple(c for c in self.changes if c.delta > 0)

    @property
    def winners(self) -> tuple[Change, ...]:
        """Accounts who pay less, most first."""
        return tuple(c for c in reversed(self.changes) if c.delta < 0)

    @property
    def same(self) -> int:
        """How many accounts pay what they pay."""
        return sum(not c.delta for c in self.changes)


def of_board(outcome: Outcome, currency: str = "") -> Answer:
    """The board's answer, in the currency that earns most when none is named."""
    chosen = currency or max(outcome.totals, key=lambda name: max(outcome.totals[name]), default="EUR")
    before, after = outcome.totals.get(chosen, (Fraction(0), Fraction(0)))
    steps = [
        Step(rule, b[1] - b[0])
        for (rule, money), b in outcome.rules.items()
        if money == chosen and b[1] != b[0]
    ]
    return Answer(
        chosen, before, after, _largest(steps), tuple(c for c in outcome.changes if c.currency == chosen),
        outcome.wall_seconds, replayed=False,
    )  # fmt: skip


def of_twin(sim: Simulation, currency: str = "") -> Answer:
    """The twin's answer.

    Raises:
        UsageError: the scenario could not be tried; its own sentence says why.
    """
    cell = sim.cell()
    chosen = currency or max(cell.totals, key=lambda name: max(cell.totals[name]), default="EUR")
    before, after = cell.totals.get(chosen, (Fraction(0), Fraction(0)))
    rows = sim.waterfall().to_dict("records")
    steps = [
        Step(str(row["step"]), _exact(row["delta"]))
        for row in rows
        if row["currency"] == chosen and row["step"] not in ("production", "candidate")
    ]
    shares = [
        (str(row["partner"]), _exact(row["before"]), _exact(row["after"]))
        for row in sim.shares().to_dict("records")
        if row["currency"] == chosen
    ]
    return Answer(
        chosen, before, after, _largest(steps), tuple(c for c in cell.changes if c.currency == chosen),
        cell.wall_seconds, replayed=True, shares=tuple(shares), low=cell.low.get(chosen), high=cell.high.get(chosen),
    )  # fmt: skip


def _exact(amount: object) -> Fraction:
    assert isinstance(amount, Decimal | Fraction)
    return Fraction(amount)


def _largest(steps: Sequence[Step]) -> tuple[Step, ...]:
    return tuple(sorted(steps, key=lambda step: (-abs(step.delta), step.name)))


def distribution(changes: Sequence[Change]) -> list[tuple[str, int, int]]:
    """How many accounts' bills move by how much: (label, accounts, direction), from the deepest fall to the steepest rise."""
    falls = [_range(low, high) for low, high in zip((None, *EDGES[:5]), EDGES[:6], strict=True)]
    rises = [_range(low, high) for low, high in zip(EDGES[5:], (*EDGES[6:], None), strict=True)]
    labels = [*falls, "same", *rises]
    counts = dict.fromkeys(labels, 0)
    for change in changes:
        percent = change.percent if change.percent is not None else Fraction(100 if change.delta > 0 else 0)
        if not change.delta:
            counts["same"] += 1
        elif percent <= 0:
            counts[falls[sum(percent > edge for edge in EDGES[:5])]] += 1
        else:
            counts[rises[sum(percent > edge for edge in EDGES[6:])]] += 1
    middle = labels.index("same")
    return [(label, counts[label], (n > middle) - (n < middle)) for n, label in enumerate(labels)]


def _range(low: int | None, high: int | None) -> str:
    if low is None:
        return f"< {high}"
    return f"> {low}" if high is None else f"{low}…{high}"
