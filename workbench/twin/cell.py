"""What a scenario came to: one ``Cell`` per scenario, one ``Change`` per account. Exact fractions of the main unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from workbench.model.money import decimal_text
from workbench.twin import effects
from workbench.twin.scenario import Scenario

Money = Decimal | Fraction


def money(amount: Fraction) -> Money:
    """An exact amount for a table."""
    text = decimal_text(amount)
    return amount if "/" in text else Decimal(text)


@dataclass(frozen=True, slots=True)
class Change:
    """One account's bill (net, exact, currency's main unit) before and after."""

    account: str
    name: str
    currency: str
    before: Fraction
    after: Fraction

    @property
    def delta(self) -> Fraction:
        """After less before."""
        return self.after - self.before

    @property
    def percent(self) -> Fraction | None:
        """By how much the bill rises, in percent; None when there was none."""
        return 100 * self.delta / self.before if self.before else None


@dataclass(frozen=True, slots=True)
class Cell:
    """One scenario of a run: what came out, or why nothing did.

    Attributes:
        error: ``code``, ``what``, ``where``, ``cure`` when this scenario could not be tried; the others went on.
        pair: production and candidate. table: its contributions by rule and account on the branch's connection.
        changes: every account's bill, largest rise first.
        totals: currency -> (before, after) revenue. costs: the same of what is bought.
        shares: (world, partner, currency) -> exact share; world is ``before`` or ``after``.
        low, high: currency -> revenue at the ends of the reaction's range; empty without a reaction.
    """

    scenario: Scenario
    error: Mapping[str, str] | None = None
    pair: effects.Pair | None = None
    table: str = ""
    changes: tuple[Change, ...] = ()
    totals: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=dict)
    costs: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=dict)
    shares: Mapping[tuple[str, str, str], Fraction] = field(default_factory=dict)
    low: Mapping[str, Fraction] = field(default_factory=dict)
    high: Mapping[str, Fraction] = field(default_factory=dict)
    devices: int = 0
    records: int = 0
    wall_seconds: float = 0.0

    @property
    def name(self) -> str:
        """The scenario's name."""
        return self.scenario.name
