"""Money, exactly: decimal text to fractions, minor units, and the one rounding function of the house.

Between the price list and the invoice line nothing is rounded: amounts are ``Fraction`` of the currency's main unit
in an offer, and integers over a price's denominator in a plan (nano-units, 1e-9 of the main unit).
"""

from __future__ import annotations

import re
from fractions import Fraction

NANO = 1_000_000_000
"""Nano-units in one main unit of any currency."""

MINOR_DIGITS: dict[str, int] = {
    **dict.fromkeys(
        (
            "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC "
            "CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD "
            "KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO "
            "NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL "
            "THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
        ).split(),
        2,
    ),
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}
"""Digits of the minor unit per currency in use (ISO 4217; no metals, funds or codes for testing)."""

_DECIMAL = re.compile(r"([+-]?)(\d{1,30})(?:\.(\d{1,30}))?(?:[eE]([+-]?\d{1,2}))?\Z", re.ASCII)


def exact(text: str) -> Fraction:
    """The number that decimal text says, exactly; never through a float.

    Accepts ``12``, ``-0.00005``, ``5e-5`` and ``_`` between digits; at most 30 digits either side of the point.

    Raises:
        ValueError: the text is not such a number (``nan``, ``1/3``, ``0x10``, ``1,5`` ...).

    >>> exact("0.00005") * 1_000_000_000
    Fraction(50000, 1)
    """
    found = _DECIMAL.match(re.sub(r"(?<=\d)_(?=\d)", "", text.strip()))
    if found is None:
        raise ValueError(f"not a decimal number: {text[:40]!r}")
    sign, whole, fraction, exponent = found.groups()
    digits = fraction or ""
    scale = int(exponent or 0) - len(digits)
    number = Fraction(int(whole + digits)) * (Fraction(10) ** scale)
    return -number if sign == "-" else number


def round_half_away(numerator: int, denominator: int) -> int:
    """``numerator / denominator`` rounded to the nearest integer, halves away from zero; ``denominator`` > 0.

    The only rounding of money there is. It is applied once per invoice line, and once per partner statement.

    >>> round_half_away(5, 2), round_half_away(-5, 2), round_half_away(7, 3)
    (3, -3, 2)
    """
    if denominator <= 0:
        raise ValueError("a denominator is a positive integer")
    size = (2 * abs(numerator) + denominator) // (2 * denominator)
    return size if numerator >= 0 else -size


def minor_nano(currency: str) -> int:
    """Nano-units in one minor unit of ``currency``: 10,000,000 for EUR, 1,000,000,000 for JPY.

    Raises:
        KeyError: the currency is not in ``MINOR_DIGITS``.
    """
    return int(NANO // 10 ** MINOR_DIGITS[currency])


def round_to_minor(amount_nano: Fraction, currency: str) -> int:
    """``amount_nano`` as nano-units of a whole number of minor units, halves away from zero.

    >>> round_to_minor(Fraction(5_000_000), "EUR")  # half a cent
    10000000
    """
    unit = minor_nano(currency)
    return round_half_away(amount_nano.numerator, amount_nano.denominator * unit) * unit


def decimal_text(number: Fraction, least_digits: int = 0) -> str:
    """``number`` as decimal text, exact when it has a finite decimal form, else as ``n/d``.

    >>> decimal_text(Fraction(1, 20)), decimal_text(Fraction(1, 3)), decimal_text(Fraction(5), 2)
    ('0.05', '1/3', '5.00')
    """
    rest, twos, fives = number.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return f"{number.numerator}/{number.denominator}"
    digits = max(twos, fives, least_digits)
    scaled = abs(number) * 10**digits
    text = str(scaled.numerator).rjust(digits + 1, "0")
    whole, part = (text[:-digits], text[-digits:]) if digits else (text, "")
    sign = "-" if number < 0 else ""
    return f"{sign}{whole}.{part}" if part else f"{sign}{whole}"
