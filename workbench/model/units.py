"""Units of measure: a meter counts integers of one base unit; a price list may use larger ones.

Seven physical kinds are known (data, energy, power, time, volume, length, rate), plus money. Any other word is a
*counting unit* (``message``, ``press``, ``uplink``): it converts only to itself and to its plural.
"""

from __future__ import annotations

from fractions import Fraction

_KINDS: dict[str, dict[str, int]] = {
    "data": {
        "byte": 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
        "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
    },
    "energy": {"mWh": 1, "Wh": 10**3, "kWh": 10**6, "MWh": 10**9},
    "power": {"mW": 1, "W": 10**3, "kW": 10**6, "MW": 10**9},
    "time": {"ms": 1, "second": 10**3, "s": 10**3, "minute": 60_000, "min": 60_000, "hour": 3_600_000,
             "h": 3_600_000},
    "volume": {"ml": 1, "cm3": 1, "litre": 10**3, "l": 10**3, "dm3": 10**3, "m3": 10**6},
    "length": {"mm": 1, "m": 10**3, "km": 10**6},
    "rate": {"bit/s": 1, "kbit/s": 10**3, "Mbit/s": 10**6, "Gbit/s": 10**9},
    "money": {"nano": 1},
}  # fmt: skip
_KNOWN = {unit: (kind, size) for kind, units in _KINDS.items() for unit, size in units.items()}


class UnitMismatch(ValueError):
    """Two units that do not convert, or a conversion that is not a whole number of base units."""


def kind_of(unit: str) -> str:
    """The physical kind a unit belongs to; empty for a counting unit, also one that is called as a kind is (``data``)."""
    found = _find(unit)
    return found[0] if found else ""


def look_alike(unit: str) -> str:
    """The known unit that a word differs from in case or blanks only (``Byte``, ``by te``); empty when there is none."""
    if _find(unit):
        return ""
    words = {known.casefold(): known for known in _KNOWN}
    bare = "".join(unit.split()).casefold()
    return words.get(bare) or words.get(singular(bare), "")


def singular(unit: str) -> str:
    """``messages`` -> ``message``, ``presses`` -> ``press``; known units come back unchanged."""
    if unit in _KNOWN:
        return unit
    for ending, cut in (("sses", 2), ("shes", 2), ("ches", 2), ("ies", 0), ("s", 1)):
        if unit.endswith(ending) and not unit.endswith("ss") and len(unit) > len(ending) + 1:
            word = unit[:-3] + "y" if ending == "ies" else unit[:-cut]
            return word
    return unit


def _find(unit: str) -> tuple[str, int] | None:
    """The known kind and size of a unit or of its plural (``bytes``, ``hours``)."""
    return _KNOWN.get(unit) or _KNOWN.get(singular(unit))


def ratio(unit: str, base: str) -> Fraction:
    """How many ``base`` units one ``unit`` is: ``ratio("kWh", "mWh") == 1_000_000``.

    Raises:
        UnitMismatch: the two are of different kinds.
    """
    if singular(unit) == singular(base):
        return Fraction(1)
    known_unit = _find(unit)
    known_base = _find(base)
    if known_unit is None or known_base is None or known_unit[0] != known_base[0]:
        raise UnitMismatch(f"{unit!r} does not convert to {base!r}")
    return Fraction(known_unit[1], known_base[1])


def to_base(amount: Fraction, unit: str, base: str) -> int:
    """``amount`` of ``unit`` as a whole number of ``base`` units.

    Raises:
        UnitMismatch: the units differ in kind, or the result is not whole (``5.5 byte``).
    """
    number = amount * ratio(unit, base)
    if number.denominator != 1:
        raise UnitMismatch(f"{amount} {unit} is not a whole number of {base}")
    return number.numerator
