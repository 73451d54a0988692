"""What one period hands to the next comes back from its tables as it was, exactly."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

from workbench.model.plan import Stock
from workbench.rating.carry import credits_from, credits_table, stock_from
from workbench.rating.wallet import NEVER, Balance
from workbench.tariff.grants import stock_table

GIVEN = datetime(2026, 1, 5, 12, tzinfo=UTC)


def test_free_units_come_back() -> None:
    stock = (Stock("acme", 7, "o", "data", "default", 1, 5), Stock("acme", 0, "o", "talk", "", 2, 9))
    assert stock_from(stock_table(stock)) == stock


def test_credits_come_back_in_the_order_they_are_spent_without_the_empty_ones() -> None:
    late = Balance("late", Fraction(10**20, 7), 2, GIVEN, NEVER)
    paid = Balance("paid", Fraction(1), 1, GIVEN, NEVER, "paid")
    gone = Balance("gone", Fraction(0), 1, GIVEN, NEVER)
    other = Balance("other", Fraction(3), 1, GIVEN, GIVEN.replace(month=2))
    table = credits_table({("zeta", "o"): [other], ("acme", "o"): [late, gone, paid]})
    assert [row["account_id"] for row in table.to_pylist()] == ["acme", "acme", "zeta"]
    assert credits_from(table) == {("acme", "o"): [paid, late], ("zeta", "o"): [other]}


def test_exact_money_keeps_all_its_digits() -> None:
    """Thirty-eight whole digits, no more and none after the point: as the lake keeps money."""
    most = Fraction(10**38 - 1, 10**38 - 3)
    table = credits_table({("acme", "o"): [Balance("gift", most, 1, GIVEN, NEVER)]})
    assert credits_from(table)["acme", "o"][0].left == most


def test_nothing_is_a_table_too_and_an_old_one_without_kinds_is_read() -> None:
    assert credits_from(credits_table({})) == {}
    assert credits_table({}).num_rows == 0
    old = credits_table({("acme", "o"): [Balance("gift", Fraction(3), 1, GIVEN, NEVER)]}).drop_columns(
        ["kind"]
    )
    assert credits_from(old)["acme", "o"][0].kind == "promotional"
