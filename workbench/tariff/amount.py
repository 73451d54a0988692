"""THE formula. One body that runs on Python integers and, given ``Sql`` operands, prints its own SQL.

``C(q)`` is the exact cost of ``q`` units of one counter; a charge is ``C(before + units) - C(before)``. Everything a
price can be was turned into steps by the compiler, so this is all the arithmetic there is, for both drivers.

Operands are never negative and divisors never zero, so that ``//`` means the same in Python and in SQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import TypeVar

from workbench.model.plan import PlanStep


class Sql:
    """An integer expression as SQL text. Made from column names and literals of the program's own, never from data."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text

    def _join(self, operator: str, other: Sql | int, *, swapped: bool = False) -> Sql:
        left, right = (other, self) if swapped else (self, other)
        return Sql(f"({left} {operator} {right})")

    def __add__(self, other: Sql | int) -> Sql:
        return self._join("+", other)

    def __radd__(self, other: int) -> Sql:
        return self._join("+", other, swapped=True)

    def __sub__(self, other: Sql | int) -> Sql:
        return self._join("-", other)

    def __rsub__(self, other: int) -> Sql:
        return self._join("-", other, swapped=True)

    def __mul__(self, other: Sql | int) -> Sql:
        return self._join("*", other)

    def __rmul__(self, other: int) -> Sql:
        return self._join("*", other, swapped=True)

    def __floordiv__(self, other: Sql | int) -> Sql:
        return self._join("//", other)


N = TypeVar("N", int, Sql)


def greater(left: N, right: N) -> N:
    """The larger of two."""
    if isinstance(left, Sql):
        return Sql(f"greatest({left}, {right})")
    return max(left, right)


def smaller(left: N, right: N) -> N:
    """The smaller of two."""
    if isinstance(left, Sql):
        return Sql(f"least({left}, {right})")
    return min(left, right)


def rounded(used: N, increment_units: N, increment_add: N) -> N:
    """A counter rounded to whole increments: add is ``units - 1`` for up, 0 for down, ``units // 2`` for nearest."""
    return (used + increment_add) // increment_units * increment_units


def chargeable(used: N, increment_units: N, increment_add: N, free_units: N) -> N:
    """What the price sees of a counter: rounded to whole increments, less the free units."""
    held = rounded(used, increment_units, increment_add)
    return greater(held, free_units) - free_units


def cost(units: N, origin_units: N, base: N, block_units: N, block_amount: N) -> N:
    """``C(units)`` on the step that ``lookup.step_at`` found: nano-units times the price's denominator."""
    return base + (units - origin_units + block_units - 1) // block_units * block_amount


def converted(units: N, events: N, rate: N, fee: N) -> N:
    """What ``events`` events that carried ``units`` of money together cost, before their floor and cap."""
    return units * rate + events * fee


def shared(total: N, units_before: N, units: N, units_total: N, part_unit: N) -> N:
    """A record's part of a counter's ``total`` by use, when its price jumps: the parts sum to the total exactly.

    Parts are whole multiples of ``part_unit``: the finest money in which all amounts of the price are whole. So they do
    not depend on the denominator the price happens to share with others.
    """
    whole = units_total * part_unit
    return total * (units_before + units) // whole * part_unit - total * units_before // whole * part_unit


def part_unit(denominator: int, steps: Sequence[PlanStep]) -> int:
    """The finest money in which every amount of a price is whole, over its denominator (see ``shared``)."""
    return gcd(denominator, *(money for step in steps for money in (step.base, step.block_amount)))
