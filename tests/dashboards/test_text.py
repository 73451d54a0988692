"""How pages write numbers."""

from __future__ import annotations

from fractions import Fraction

import pytest

from workbench.dashboards.text import count, exact_money, money, short

CENT = 10_000_000


@pytest.mark.parametrize(
    ("nano", "words"),
    [
        (0, "0.00 EUR"),
        (CENT // 2, "0.01 EUR"),
        (CENT // 2 - 1, "0.00 EUR"),
        (-CENT // 2, "-0.01 EUR"),
        (-CENT // 2 + 1, "0.00 EUR"),
        (Fraction(CENT, 2) - Fraction(1, 10**9), "0.00 EUR"),
        (1_234_567_890_000_000, "1,234,567.89 EUR"),
        (999_995_000_000, "1,000.00 EUR"),
    ],
)
def test_money_is_rounded_half_away_from_zero(nano: int | Fraction, words: str) -> None:
    assert money(nano, "EUR") == words


def test_money_without_decimals() -> None:
    assert money(1_500_000_000, "JPY", digits=0) == "2 JPY"


def test_an_exact_amount_keeps_every_digit() -> None:
    assert exact_money(Fraction(54879311, 10), "EUR") == "0.0054879311 EUR"
    assert exact_money(Fraction(20 * 10**9), "EUR") == "20.00 EUR"


def test_counts() -> None:
    assert count(1492814) == "1,492,814"
    assert short(292_350_000) == "292.3 M"
    assert short(999) == "999"
    assert short(1000) == "1.0 k"
