"""What the close adds to an account's charges: the rows themselves, and what counts towards them."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import duckdb
import pytest

from workbench.errors import AmountOverflow
from workbench.model.ids import device_key
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.model.plan import Period
from workbench.rating.batch import Rater
from workbench.rating.closing import Group, adjusts
from workbench.rating.wallet import NEVER, Balance
from workbench.tariff.catalogue import loads
from workbench.tariff.plan import compile_plan

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
HEAD = """
meters: [{id: m.data, unit: byte}]
partners: [{id: op}]
offers:
  - {id: o, version: 1, currency: EUR, effective: 2020-01-01, split: {rest: op}, %s}
"""
PRICE = "prices: [{id: a, meter: m.data, per_unit: {amount: 1}}]"
EUR = 10**9
KEYS = {name: device_key("main", name) for name in ("x", "y")}


def closed(
    offer: str, *, uses: dict[str, int], balances: dict[tuple[str, str], list[Balance]] | None = None
) -> tuple[list[tuple[Any, ...]], dict[tuple[str, str], list[Balance]]]:
    """The close's rows with the line's name first, and the balances that are left."""
    began = datetime(2025, 6, 1, tzinfo=UTC)
    parties = Parties(
        (Account("acme"),), (), tuple(Device(d) for d in uses),
        tuple(Subscription(f"s-{d}", "acme", "o", began, device_id=d) for d in uses),
    )  # fmt: skip
    with duckdb.connect() as con:
        plan = compile_plan(loads(HEAD % offer), parties, Period(START, END), con=con)
        rows = ", ".join(f"({KEYS[d]}, TIMESTAMP '2026-01-05', {units}, 1)" for d, units in uses.items())
        con.execute(
            "CREATE TABLE r AS SELECT col0::BIGINT AS device_key, col1 AS window_start, col2::BIGINT AS units, "
            f"col3::INTEGER AS n_events FROM (VALUES {rows})"
        ).fetchall()
        with Rater(con, plan, balances or {}) as rater:
            columns = "line_no, device_key, window_start, amount"
            con.execute(f"CREATE TABLE charges AS SELECT {columns} FROM ({rater.rate('m.data', 'r').charges})").fetchall()  # fmt: skip
            con.execute(f"INSERT INTO charges SELECT {columns} FROM ({rater.recurring()})").fetchall()
            names = {row["line_no"]: row["component_id"] for row in plan.lines.to_pylist()}
            made = con.execute(
                f"SELECT line_no, device_key, window_start, units, amount, step FROM ({rater.closing('charges')}) ORDER BY ALL"
            ).fetchall()
            return [(names[row[0]], *row[1:]) for row in made], rater.balances


def test_an_adjustment_is_a_charge_of_no_units_at_the_periods_start() -> None:
    rows, left = closed(f"{PRICE}, maximum: {{amount: 5, scope: device}}", uses={"x": 8, "y": 6})
    at = START.replace(tzinfo=None)
    assert sorted(rows) == sorted(
        [("maximum", KEYS["x"], at, 0, -3 * EUR, 0), ("maximum", KEYS["y"], at, 0, -1 * EUR, 0)]
    )
    assert left == {}


def test_where_nothing_is_adjusted_there_is_no_row() -> None:
    assert closed(f"{PRICE}, maximum: {{amount: 50}}", uses={"x": 8})[0] == []
    assert closed(PRICE, uses={"x": 8})[0] == []


def test_a_balance_of_before_is_spent_and_what_is_left_is_handed_on() -> None:
    held = Balance("gift", Fraction(5 * EUR), 1, datetime(2025, 7, 1, tzinfo=UTC), NEVER)
    rows, left = closed(
        f"{PRICE}, credits: [{{id: gift, amount: 5}}]", uses={"x": 3}, balances={("acme", "o"): [held]}
    )
    assert rows == [("gift", None, START.replace(tzinfo=None), 0, -3 * EUR, 0)]
    assert [balance.left for balance in left["acme", "o"]] == [2 * EUR]


def test_which_offers_are_adjusted_at_all() -> None:
    def said(text: str) -> bool:
        return adjusts(loads(HEAD % f"{PRICE}{text}").offers[0])

    assert not said("")
    assert not said(", discounts: [{id: d, percent: 5 %}]")
    for rule in ("discounts: [{id: d, percent: 5 %}, {id: e, fixed: 1}]", "maximum: {amount: 1}",
                 "commitment: {amount: 1}", "credits: [{id: c, amount: 1}]"):  # fmt: skip
        assert said(f", {rule}")


def test_what_counts_towards_a_rule() -> None:
    group = Group(1, loads(HEAD % PRICE).offers[0], Fraction(1))
    group.sums |= {("a", 1): Fraction(60), ("a", 2): Fraction(40), ("rent", None): Fraction(5)}
    assert group.total() == 105
    assert group.total(("a",)) == 100
    assert group.total(("a",), 2, one=True) == 40
    assert group.total((), 1, one=True) == 60
    assert group.total((), None, one=True) == 5
    group.add("maximum", Fraction(-10), 1, {"is": "maximum", "amount": Fraction(50)})
    group.add("maximum", Fraction(0), 2, {"is": "maximum"})
    group.add("gift", Fraction(-1))
    assert group.added == [("maximum", 1, -10), ("gift", None, -1)]
    assert group.rules == {("maximum", 1): {"is": "maximum", "amount": "50"}}
    assert (group.total(), group.total((), 1, one=True), group.total(("gift",))) == (94, 50, -1)


def test_an_adjustment_must_fit_64_bits() -> None:
    with pytest.raises(AmountOverflow):
        closed(f"{PRICE}, commitment: {{amount: 9223372037, prorated: false}}", uses={"x": 0})
    rows, _ = closed(f"{PRICE}, commitment: {{amount: 9223372036.854775807, prorated: false}}", uses={"x": 0})
    assert rows[0][4] == 2**63 - 1
