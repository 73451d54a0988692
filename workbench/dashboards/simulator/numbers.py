"""Money, counts, percentages and dates as an English or a French reader writes them; money never becomes a float."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal

from workbench.model.money import MINOR_DIGITS, round_half_away

LANGUAGES = {"English": "en", "Français": "fr"}


@dataclass(frozen=True, slots=True)
class Writer:
    """How one reader writes numbers.

    >>> Writer("en").money(Fraction(12345678, 10000), "EUR"), Writer("fr").count(1234567)
    ('€1,234.57', '1\u202f234\u202f567')
    """

    locale: str = "en"

    def money(self, amount: Fraction | Decimal | int, currency: str) -> str:
        """An amount, rounded for reading to the currency's own digits, halves away from zero."""
        value = rounded(Fraction(amount), MINOR_DIGITS.get(currency, 2))
        return str(format_currency(value, currency, locale=self.locale))

    def signed(self, amount: Fraction | Decimal, currency: str) -> str:
        """The same with a plus where it grows."""
        plus = "+" if rounded(Fraction(amount), MINOR_DIGITS.get(currency, 2)) > 0 else ""
        return plus + self.money(amount, currency)

    def count(self, number: int) -> str:
        """A whole number."""
        return str(format_decimal(number, locale=self.locale))

    def percent(self, number: Fraction | Decimal | None, *, sign: bool = True) -> str:
        """A percentage with one digit; a dash where there is none."""
        if number is None:
            return "–"
        value = rounded(Fraction(number), 1)
        space = "\u202f%" if self.locale == "fr" else "%"
        return f"{'+' if sign and value > 0 else ''}{format_decimal(value, format='#,##0.0', locale=self.locale)}{space}"

    def day(self, day: date) -> str:
        """A date."""
        return str(format_date(day, format="long", locale=self.locale))

    def instant(self, at: datetime) -> str:
        """An instant, UTC."""
        return str(format_datetime(at, format="medium", locale=self.locale)) + " UTC"


def rounded(amount: Fraction, places: int) -> Decimal:
    """An exact amount to so many digits, halves away from zero; always with that many digits.

    >>> rounded(Fraction(1, 3), 2), rounded(Fraction(-5, 1000), 2)
    (Decimal('0.33'), Decimal('-0.01'))
    """
    return Decimal(round_half_away(amount.numerator * 10**places, amount.denominator)).scaleb(-places)
