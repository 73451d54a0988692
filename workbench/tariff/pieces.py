"""Prices to pieces of the cumulative cost: the one place that knows what a price model means.

A piece is exact and has no denominator yet; ``compile.py`` puts all pieces of a component over a common one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from workbench.model.money import NANO
from workbench.model.price import (
    Graduated,
    GraduatedPercentage,
    Package,
    Percentile,
    PerUnit,
    Price,
    StairStep,
    Volume,
)

_NONE = Fraction(0)


@dataclass(frozen=True, slots=True)
class Piece:
    """A step before the common denominator: money is nano as a fraction."""

    from_units: int
    origin_units: int
    base: Fraction
    block_units: int
    block_amount: Fraction
    whole: bool = False

    def money(self) -> tuple[Fraction, ...]:
        """What the common denominator must make whole."""
        return (self.base, self.block_amount)


def pieces_of(price: Price, inclusive: bool, at_zero: bool) -> tuple[Piece, ...]:
    """``C`` of a price as pieces; with an inclusive bound a tier begins one unit after the last one's ``up_to``.

    ``at_zero``: the first tier's flat fee is due even without usage.
    """
    if isinstance(price, PerUnit):
        return (Piece(0, 0, _NONE, 1, price.amount * NANO / price.per),)
    if isinstance(price, Graduated):
        tiers = [(tier.up_to, tier.amount * NANO / price.per, tier.flat * NANO) for tier in price.tiers]
        return _graduated(tiers, inclusive, at_zero)
    if isinstance(price, GraduatedPercentage):
        return _graduated(
            [(tier.up_to, tier.rate, tier.flat * NANO) for tier in price.tiers], inclusive, at_zero
        )
    if isinstance(price, Package):
        free = (Piece(0, 0, _NONE, 1, _NONE),) if price.free else ()
        return (*free, Piece(price.free, price.free, _NONE, price.size, price.amount * NANO, True))
    if isinstance(price, Volume):
        rows = [(tier.up_to, tier.amount * NANO / price.per, tier.flat * NANO) for tier in price.tiers]
        return _reached(rows, inclusive, at_zero)
    if isinstance(price, StairStep):
        return _reached([(step.up_to, _NONE, step.amount * NANO) for step in price.steps], inclusive, False)
    assert isinstance(price, Percentile)
    return (Piece(0, 0, _NONE, 1, price.amount * NANO * 8 / (price.slot_seconds * price.per)),)


_Row = tuple[int | None, Fraction, Fraction]  # up_to, per unit, flat


def _graduated(rows: Sequence[_Row], inclusive: bool, at_zero: bool) -> tuple[Piece, ...]:
    pieces = []
    begins, base = 0, _NONE
    for up_to, each, flat in rows:
        entered = begins + 1 if inclusive or begins == 0 else begins
        late = flat and begins == 0 and not at_zero
        if late:
            pieces.append(Piece(0, 0, _NONE, 1, _NONE))
        pieces.append(Piece(entered if begins or late else 0, begins, base + flat, 1, each))
        if up_to is not None:
            base += flat + each * (up_to - begins)
            begins = up_to
    return _last_at_each(pieces)


def _reached(rows: Sequence[_Row], inclusive: bool, at_zero: bool) -> tuple[Piece, ...]:
    pieces = [] if at_zero else [Piece(0, 0, _NONE, 1, _NONE)]
    begins = 0
    for up_to, each, flat in rows:
        entered = begins + 1 if inclusive or begins == 0 else begins
        pieces.append(Piece(0 if at_zero and begins == 0 else entered, 0, flat, 1, each))
        if up_to is not None:
            begins = up_to
    return _last_at_each(pieces)


def _last_at_each(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """With an exclusive bound of one unit the first tier is left as it is entered: the later piece holds."""
    return tuple({piece.from_units: piece for piece in pieces}.values())
