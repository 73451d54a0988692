"""What a subscription is given in a period, and what grants pay in which order."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

from workbench.model.plan import Period
from workbench.rating.wallet import NEVER, Balance, granted, take
from workbench.tariff.catalogue import loads

JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
TEXT = """
meters: [{id: m.data, unit: byte}]
partners: [{id: op}]
offers:
  - id: o
    version: 1
    currency: EUR
    zone: Europe/Berlin
    effective: 2020-01-01
    split: {rest: op}
    prices: [{id: a, meter: m.data, per_unit: {amount: 1}}]
    credits:
      - {id: welcome, amount: 2.00, kind: promotional, expires_after_days: 3}
      - {id: monthly, amount: 1.00, kind: promotional, every: period, priority: 5}
"""


def given(began: datetime, factor: Fraction = Fraction(1)) -> list[tuple[str, Fraction, datetime, datetime]]:
    offer = loads(TEXT).offers[0]
    return [(b.id, b.left, b.granted_at, b.expires_at) for b in granted(offer, factor, began, JANUARY)]


def test_once_at_the_beginning_and_again_each_period() -> None:
    began = datetime(2026, 1, 10, 12, tzinfo=UTC)
    expires = datetime(2026, 1, 12, 23, tzinfo=UTC)  # local midnight of the 13th
    assert given(began) == [("welcome", 2 * 10**9, began, expires), ("monthly", 10**9, began, NEVER)]
    assert given(began.replace(tzinfo=None)) == given(began)


def test_who_was_there_before_is_welcomed_no_more() -> None:
    assert given(datetime(2025, 12, 31, tzinfo=UTC)) == [("monthly", 10**9, JANUARY.start, NEVER)]
    assert len(given(JANUARY.start)) == 2
    assert len(given(JANUARY.end)) == 1


def test_in_another_currency_a_grant_is_worth_as_much() -> None:
    found = given(datetime(2026, 1, 10, tzinfo=UTC), Fraction(27, 25))
    assert [left for _, left, _, _ in found] == [2_160_000_000, 1_080_000_000]


def balance(name: str, left: int, expires: datetime = NEVER, kind: str = "promotional") -> Balance:
    return Balance(name, Fraction(left), 0, JANUARY.start, expires, kind)


def test_what_expires_first_pays_first_but_not_at_its_expiry() -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    soon = datetime(2026, 1, 6, tzinfo=UTC)
    wallet = [
        balance("b", 5),
        balance("a", 3, soon),
        balance("old", 9, at),
        balance("paid", 9, kind="paid"),
    ]
    assert list(take(wallet, Fraction(4), at)) == [("a", 3), ("b", 1)]
    assert list(take(wallet, Fraction(9), at)) == [("b", 4)]
    assert list(take([balance("a", 3)], Fraction(3), JANUARY.start)) == [("a", 3)]
