"""What a unit of use costs: one frozen class per price model. Pure data; ``tariff/compile.py`` gives it its meaning.

Amounts are ``Fraction`` of the currency's main unit (EUR, not cents); quantities are integers in the meter's base
unit. ``per`` is the block of base units one amount is for: 0.00005 EUR per kWh is ``amount=1/20000, per=1_000_000``
on a meter in mWh. ``C(q)`` below is the exact cost of ``q`` units of one counter.

A *money meter* has base unit ``nano``: its units are nano-units of currency that a conversion made per event.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

ZERO = Fraction(0)
ONE = Fraction(1)


@dataclass(frozen=True, slots=True)
class PerUnit:
    """Every unit at one price: ``C(q) = amount * q / per``."""

    amount: Fraction
    per: int = 1


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier. ``up_to`` (base units, counted from 0) is its upper bound, ``None`` for the open last tier.

    ``amount`` is per the price's ``per`` units; ``flat`` is due once, when the tier is entered.
    """

    up_to: int | None
    amount: Fraction
    flat: Fraction = ZERO


@dataclass(frozen=True, slots=True)
class Graduated:
    """Each unit at the price of the tier it falls into, plus the flat fee of every tier entered.

    With ``tier_bound: inclusive`` tier k holds the units ``(up_to[k-1], up_to[k]]`` and is entered by the first unit
    above ``up_to[k-1]``. With ``exclusive`` it is entered as soon as ``q`` reaches ``up_to[k-1]``; as the price is
    per unit this only moves the flat fees.
    """

    tiers: tuple[Tier, ...]
    per: int = 1


@dataclass(frozen=True, slots=True)
class Volume:
    """All units at the price of the tier that ``q`` reaches, plus that tier's flat fee: ``C`` may jump or fall."""

    tiers: tuple[Tier, ...]
    per: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One stair: ``amount`` for everything up to ``up_to`` base units (``None``: without end)."""

    up_to: int | None
    amount: Fraction


@dataclass(frozen=True, slots=True)
class StairStep:
    """One price for the reached step, whatever the units inside it; nothing at zero units."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """Started packages: ``C(q) = ceil(max(0, q - free) / size) * amount``; ``size`` and ``free`` in base units."""

    amount: Fraction
    size: int
    free: int = 0


@dataclass(frozen=True, slots=True)
class Percentage:
    """A share of an amount of money that each event carries (money meter, units are nano).

    Conversion, per event: ``max(floor, min(cap, rate * amount + fee))``; ``C`` is then the sum. ``fee``, ``floor``
    and ``cap`` belong to one event (transaction); an event of zero money still pays the fee and the floor.
    """

    rate: Fraction
    fee: Fraction = ZERO
    floor: Fraction | None = None
    cap: Fraction | None = None


@dataclass(frozen=True, slots=True)
class RateTier:
    """``rate`` for the money up to ``up_to`` (nano, cumulative over the counter); ``None`` for the open last tier."""

    up_to: int | None
    rate: Fraction
    flat: Fraction = ZERO


@dataclass(frozen=True, slots=True)
class GraduatedPercentage:
    """Graduated over the money of the period: each nano at the rate of the tier it falls into, plus flat fees."""

    tiers: tuple[RateTier, ...]


@dataclass(frozen=True, slots=True)
class Dynamic:
    """The event carries its own amount (money meter); the price is that amount times ``factor`` (1.2: 20 % markup).

    ``floor`` and ``cap`` bound what one event may cost, ``fee`` is added before them, as in ``Percentage``.
    """

    factor: Fraction = ONE
    fee: Fraction = ZERO
    floor: Fraction | None = None
    cap: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Percentile:
    """Burstable rate: rate of a slot = bytes * 8 / slot_seconds; the period's highest slots are dropped.

    Of the ``n`` slots counted, the highest ``floor((1 - percentile) * n)`` are dropped and the highest left is priced:
    ``amount`` per ``per`` bit/s, exactly (the rate is a fraction, it is not rounded). Slots before activation or
    inside a known outage are not counted; a counted slot without data is zero. Priced at close only.
    ``direction`` says how the two meters of a line (``in_meter`` = the component's meter, ``out_meter``) combine per
    slot: ``max`` or ``sum``; without an ``out_meter`` the one meter is taken as it is.
    """

    amount: Fraction
    per: int = 1
    percentile: Fraction = Fraction(95, 100)
    slot_seconds: int = 300
    direction: str = "max"
    out_meter: str = ""


Price = (
    PerUnit
    | Graduated
    | Volume
    | StairStep
    | Package
    | Percentage
    | GraduatedPercentage
    | Dynamic
    | Percentile
)
"""Any price model."""

MODEL_NAMES: dict[type, str] = {
    PerUnit: "per_unit",
    Graduated: "graduated",
    Volume: "volume",
    StairStep: "stair_step",
    Package: "package",
    Percentage: "percentage",
    GraduatedPercentage: "graduated_percentage",
    Dynamic: "dynamic",
    Percentile: "percentile",
}
"""The word a catalogue file uses for each model."""
