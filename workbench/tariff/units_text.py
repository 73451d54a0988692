"""Base units back to words: 1,000,000 mWh is ``kWh`` again."""

from __future__ import annotations

from fractions import Fraction

from workbench.model.money import decimal_text
from workbench.model.units import kind_of, ratio

_SCALES: dict[str, tuple[str, ...]] = {
    "data": ("GB", "MB", "kB"),
    "energy": ("MWh", "kWh", "Wh"),
    "time": ("hour", "minute", "second"),
    "volume": ("m3", "litre"),
    "length": ("km", "m"),
    "rate": ("Gbit/s", "Mbit/s", "kbit/s"),
}

_BINARY = ("GiB", "MiB", "KiB")
_POWERS = frozenset(Fraction(2**n) for n in range(10))
"""How many of a binary unit a price list means when it says so; other multiples of 1,024 are chance."""
_WORDS = ("byte", "second", "minute", "hour", "litre")
"""Units that are words, and so have a plural, though they are known by name."""


def largest_unit(most: int, base: str) -> int:
    """The size of the largest unit of which ``most`` is one or more; 1 where that is the base unit itself."""
    sizes = (ratio(unit, base) for unit in _SCALES.get(kind_of(base), ()))
    return next((size.numerator for size in sizes if size.denominator == 1 and size <= most), 1)


def quantity_text(units: int, base: str) -> str:
    """A quantity in the largest unit in which it is short: ``100 MB``, ``1.5 kWh``, ``7 message``."""
    kind = kind_of(base)
    for unit in _BINARY if kind == "data" else ():
        number = Fraction(units) / ratio(unit, base)
        if number in _POWERS:
            return f"{number} {unit}"
    for unit in _SCALES.get(kind, ()):
        number = Fraction(units) / ratio(unit, base)
        text = decimal_text(number)
        if number >= 1 and len(text) <= 6 and "/" not in text:
            return f"{number.numerator:,} {unit}" if number.denominator == 1 else f"{text} {unit}"
    return f"{units:,} {base}"


def quantity_words(units: int, base: str) -> str:
    """The same as people say it: ``3,000,000 messages``, ``15 minutes``, ``1 alarm``, ``2.5 kWh``."""
    number, _, unit = quantity_text(units, base).rpartition(" ")
    return f"{number} {unit if number == '1' else many(unit)}"


def base_words(units: int, base: str) -> str:
    """A quantity to the last unit, for those who check it: ``1,234,567 bytes``, ``1 message``, ``250 mWh``."""
    return f"{units:,} {base if units == 1 else many(base)}"


def many(unit: str) -> str:
    """A unit as it follows any number but one: ``bytes``, ``messages``, ``mWh``."""
    return _plural(unit) if unit in _WORDS or not kind_of(unit) else unit


def _plural(word: str) -> str:
    if word.endswith(("s", "x", "ch", "sh")):
        return word if word.endswith("s") and not word.endswith("ss") else f"{word}es"
    return f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in "aeiou" else f"{word}s"


def block_text(per: int, base: str) -> str:
    """The block a price is for: ``MB`` rather than ``1 MB``, ``100 messages``."""
    text = quantity_words(per, base)
    return text[2:] if text.startswith("1 ") else text
