"""Base units back to words: 1,000,000 mWh is ``kWh`` again."""

from __future__ import annotations

from fractions import Fraction

from workbench.model.money import decimal_text
from workbench.model.units import UnitMismatch, kind_of, ratio

_SCALES: dict[str, tuple[str, ...]] = {
    "data": ("GB", "MB", "kB"),
    "energy": ("MWh", "kWh", "Wh"),
    "time": ("hour", "minute", "second"),
    "volume": ("m3", "litre"),
    "length": ("km", "m"),
    "rate": ("Gbit/s", "Mbit/s", "kbit/s"),
}


def quantity_text(units: int, base: str) -> str:
    """A quantity in the largest unit in which it is short: ``100 MB``, ``1.5 kWh``, ``7 message``."""
    for unit in _SCALES.get(kind_of(base), ()):
        try:
            number = Fraction(units) / ratio(unit, base)
        except UnitMismatch:
            continue
        if number >= 1 and len(decimal_text(number)) <= 6:
            return f"{decimal_text(number)} {unit}"
    return f"{units:,} {base}"


def block_text(per: int, base: str) -> str:
    """The block a price is for: ``MB`` rather than ``1 MB``."""
    text = quantity_text(per, base)
    return text[2:] if text.startswith("1 ") else text
