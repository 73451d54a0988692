"""The one rounding: to the currency's minor unit, half away from zero, once per invoice line or statement."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from workbench.model.money import MINOR_DIGITS
from workbench.model.offer import Offer

NANO = 1_000_000_000


def exact_sum(amounts: Iterable[Fraction]) -> Fraction:
    """The exact sum, denominator by denominator: adding many fractions one by one only costs time."""
    numerators: dict[int, int] = {}
    for amount in amounts:
        numerators[amount.denominator] = numerators.get(amount.denominator, 0) + amount.numerator
    return sum((Fraction(n, d) for d, n in numerators.items()), Fraction(0))


def exchange_rate(offer: Offer, currency: str) -> Fraction | None:
    """What one unit of the offer's currency is in another, "with a stored rate", the first that is written."""
    if currency == offer.currency:
        return Fraction(1)
    for fx in offer.fx:
        if fx.currency == currency:
            return fx.rate
    return None


def minor_unit(currency: str) -> int:
    """Nano-units in one minor unit of a currency."""
    size: int = NANO // 10 ** MINOR_DIGITS[currency]
    return size


def to_minor(amount_nano: Fraction, currency: str) -> int:
    """``amount_nano`` as nano-units of the nearest whole minor unit; a half goes away from zero.

    >>> [to_minor(Fraction(nano), "EUR") for nano in (5_000_000, -5_000_000, 4_999_999)]
    [10000000, -10000000, 0]
    """
    minor_nano = minor_unit(currency)
    size = abs(amount_nano) / minor_nano
    whole = size.numerator // size.denominator
    if size - whole >= Fraction(1, 2):
        whole = whole + 1
    size_nano = int(whole * minor_nano)
    return size_nano if amount_nano >= 0 else -size_nano
