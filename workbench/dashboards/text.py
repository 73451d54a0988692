"""How pages write numbers. Money enters as integers and leaves as text; nothing here is a float."""

from __future__ import annotations

from fractions import Fraction

from workbench.model.money import decimal_text

_NANO = 10**9
_SHORT = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def money(nano: int | Fraction, currency: str, digits: int = 2) -> str:
    """An amount rounded for reading, half away from zero, thousands apart.

    >>> money(20_005_487_931, "EUR"), money(-5_000_000, "EUR")
    ('20.01 EUR', '-0.01 EUR')
    """
    unit = 10 ** (9 - digits)
    exact = Fraction(nano)
    whole, rest = divmod(abs(exact.numerator), exact.denominator * unit)
    if 2 * rest >= exact.denominator * unit:
        whole += 1
    sign = "-" if nano < 0 and whole else ""
    body = f"{whole // 10**digits:,}" + (f".{whole % 10**digits:0{digits}d}" if digits else "")
    return f"{sign}{body} {currency}"


def exact_money(nano: Fraction, currency: str) -> str:
    """An amount with every digit it has.

    >>> exact_money(Fraction(54879311, 10), "EUR")
    '0.0054879311 EUR'
    """
    return f"{decimal_text(nano / _NANO, 2)} {currency}"


def count(number: int) -> str:
    """A count with its thousands apart.

    >>> count(1492814)
    '1,492,814'
    """
    return f"{number:,}"


def short(number: int) -> str:
    """A large count in three digits.

    >>> short(292_350_000), short(950)
    ('292.3 M', '950')
    """
    for size, letter in _SHORT:
        if number >= size:
            tenths = number * 10 // size
            return f"{tenths // 10}.{tenths % 10} {letter}"
    return str(number)
