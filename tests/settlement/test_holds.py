"""Held lines: the close bills the rest, a release bills the line once, and every sum is exact on the way."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.settlement.conftest import CENT, EUR, INCLUSIVE, JAN, NOW, Row, World, offer, small
from tests.settlement.test_adjust import rated
from tests.settlement.test_close import prove, shut
from workbench.errors import SettlementError
from workbench.lake.lake import Lake
from workbench.ledger.balances import balance
from workbench.settlement.adjust import AdjustResult, adjust
from workbench.settlement.checks import closed_equals_rerate, lines_are_their_charges
from workbench.settlement.close import close
from workbench.settlement.holds import Hold, held_lines, waiting
from workbench.settlement.work import rated_of

METER = "lamps.energy"
SEVEN = Hold("case-7", "lamp-7", 7, METER)
EIGHT = Hold("case-8", "lamp-8", 8, METER)


def release(world: World, *cases: str) -> AdjustResult:
    result = adjust(world.lake, world.catalogue, JAN, rated_of(world.lake, JAN), NOW, release=cases)
    prove(world)
    return result


def billed(world: World) -> list[tuple[object, ...]]:
    return world.rows("invoice_lines", "kind, units::INT, amount::BIGINT, net_nano::BIGINT", "line_id")


def sums(found: list[tuple[object, ...]]) -> dict[str, Fraction]:
    result: dict[str, Fraction] = {}
    for name, numerator, denominator in found:
        result[str(name)] = result.get(str(name), Fraction(0)) + Fraction(
            int(str(numerator)), int(str(denominator))
        )
    return result


def shares(world: World) -> dict[str, Fraction]:
    """Exact shares by partner, statements and their adjustments together."""
    return sums(world.rows("statements", "partner_id, share_numerator, share_denominator"))


def lines(world: World) -> dict[str, Fraction]:
    """Exact amounts by account, adjustments included; nothing where they cancel out."""
    found = sums(world.rows("invoice_lines", "account_id, amount, price_denominator"))
    return {account: amount for account, amount in found.items() if amount}


def test_the_close_bills_the_rest_and_the_release_the_line_once(world):
    """10.00 and a held 2.345: 10.00 is billed with 1.90 tax and 3.00 for the partner; then what is missing to 12.345."""
    world.rate(JAN, [Row("a", 10 * EUR, units=10), Row("a", 2_345_000_000, device=7, units=3), Row("b", EUR)])
    result = shut(world, holds=[SEVEN])
    assert result.held == 1
    assert result.totals == {"EUR": {"net": 11 * EUR, "tax": 2_090_000_000, "gross": 13_090_000_000}}
    assert result.shares == {"EUR": {"city-power": 3_300_000_000, "operator": 7_700_000_000}}
    (held,) = held_lines(world.lake, JAN)
    assert (held.case_id, held.device_id, held.account_id, held.component_id) == (
        "case-7",
        "lamp-7",
        "a",
        "energy",
    )
    assert (held.units, Fraction(held.amount, held.den), held.released) == (3, 2_345_000_000, False)
    assert sorted(billed(world)) == [("usage", 1, EUR, EUR), ("usage", 10, 10 * EUR, 10 * EUR)]

    assert release(world).n == 0  # nobody decided: nothing is billed
    freed = release(world, "case-7")
    # round(12.345) is 12.35 (half away from zero), so 2.35 is left; tax on 12.35 is 2.3465, 2.35, of which 1.90 was paid.
    assert freed.totals == {"EUR": {"net": 2_350_000_000, "tax": 450_000_000, "gross": 2_800_000_000}}
    assert (freed.n, freed.lines, freed.documents) == (1, 1, 1)
    assert world.rows("invoices", "invoice_no, refers_to", where="kind = 'adjustment'") == [
        ("ADJ-000001", "INV-000001")
    ]
    assert held_lines(world.lake, JAN)[0].released and waiting(world.lake, JAN) == []
    for _ in range(2):  # exactly once
        assert release(world, "case-7").n == 0
    assert balance(world.lake, "receivable:a", "EUR") == 11_900_000_000 + 2_800_000_000
    # T is 13.345 exactly: round(T) is 13.35 and the exact shares 4.0035 and 9.3415 are cut to 4.01 and 9.34 together.
    paid = balance(world.lake, "payable:city-power", "EUR")
    kept = balance(world.lake, "revenue:lamp", "EUR")
    assert (paid, kept, paid + kept) == (4_010_000_000, 9_340_000_000, 13_350_000_000)
    assert closed_equals_rerate(world.lake, JAN, rated_of(world.lake, JAN)).ok


def test_hold_and_release_come_to_the_same_as_no_hold(world):
    rows = [
        Row(name, amount, device=device, den=3)
        for name in "ab"
        for device, amount in ((1, EUR), (7, 7 * CENT + 1), (8, 11))
    ]
    world.rate(JAN, rows)
    shut(world, holds=[SEVEN, EIGHT])
    assert [one.released for one in held_lines(world.lake, JAN)] == [False] * 4
    release(world, "case-8")
    assert [one.case_id for one in waiting(world.lake, JAN)] == ["case-7"]
    release(world, "case-7", "case-8")
    (net,) = world.rows("invoice_lines", "sum(net_nano)::BIGINT")
    whole = sum((Fraction(row.amount, row.den) for row in rows if row.account == "a"), Fraction(0))
    assert net == (2 * round(whole / CENT) * CENT,)
    total = sum((Fraction(row.amount, row.den) for row in rows), Fraction(0))
    assert shares(world) == {"city-power": total * Fraction(3, 10), "operator": total * Fraction(7, 10)}


def test_an_account_whose_only_line_is_held_has_no_document_but_a_reason(world):
    world.rate(JAN, [Row("a", EUR, device=7), Row("b", EUR)])
    result = shut(world, holds=[SEVEN])
    assert result.invoices == 1
    assert world.rows("unbilled", "account_id, reason") == [("a", "held")]
    freed = release(world, "case-7")
    assert freed.totals["EUR"]["net"] == EUR
    assert balance(world.lake, "receivable:a", "EUR") == 1_190_000_000


def test_only_that_meter_and_only_use_is_held(world):
    world.rate(JAN, [Row("a", EUR, device=7), Row("a", 5 * EUR, component="fee", kind="recurring", device=7)])
    assert shut(world, holds=[SEVEN, Hold("c", "lamp-7", 7, "lamps.other")]).totals["EUR"]["net"] == 5 * EUR
    assert [one.component_id for one in held_lines(world.lake, JAN)] == ["energy"]


def test_late_usage_is_billed_while_a_line_stays_held(world):
    world.rate(JAN, [Row("a", EUR), Row("a", 2 * EUR, device=7)])
    shut(world, holds=[SEVEN])
    again = rated(
        world, [Row("a", EUR), Row("a", 2 * EUR, device=7), Row("a", 30 * CENT), Row("a", 5 * CENT, device=7)]
    )
    late = adjust(world.lake, world.catalogue, JAN, again, NOW)
    prove(world)
    assert late.totals["EUR"]["net"] == 30 * CENT and not held_lines(world.lake, JAN)[0].released
    freed = adjust(world.lake, world.catalogue, JAN, again, NOW, release=["case-7"])
    prove(world)
    assert freed.totals["EUR"]["net"] == 205 * CENT  # what came late for the held device comes with its line
    assert closed_equals_rerate(world.lake, JAN, again).ok


def test_a_line_that_two_cases_hold_waits_for_both(world):
    world.rate(JAN, [Row("a", EUR), Row("a", 2 * EUR, device=7)])
    shut(world, holds=[SEVEN, Hold("case-9", "lamp-7", 7, METER)])
    assert release(world, "case-7").n == 0
    assert release(world, "case-7", "case-9").totals["EUR"]["net"] == 2 * EUR


def test_a_hold_with_tax_inside_a_minimum_and_a_carry(world):
    world.offers["lamp"] = offer(taxes=INCLUSIVE, micropayment=small(Fraction(5), carry=True))
    world.rate(JAN, [Row("a", 4 * EUR + 1, den=2), Row("a", 8 * EUR, device=7)])
    assert shut(world, holds=[SEVEN]).deferred == 1
    assert release(world, "case-7").n == 1
    assert closed_equals_rerate(world.lake, JAN, rated_of(world.lake, JAN)).ok


def test_verify_sees_a_held_line_that_was_tampered_with(world, monkeypatch):
    world.rate(JAN, [Row("a", EUR), Row("a", 2 * EUR, device=7)])
    shut(world, holds=[SEVEN])
    facts = world.lake.state.facts["close"]
    true = facts[JAN]["held"][0]["amount"]
    monkeypatch.setitem(facts[JAN]["held"][0], "amount", str(int(true) + 1))
    bad = lines_are_their_charges(world.lake)
    assert not bad.ok and "case-7" in bad.counter_example
    monkeypatch.setitem(
        facts[JAN], "held", []
    )  # as if nothing had been held: the line is short of its charges
    assert not lines_are_their_charges(world.lake).ok


def test_nothing_is_held_after_the_close(world):
    world.rate(JAN, [Row("a", EUR, device=7)])
    shut(world)
    assert close(world.lake, world.catalogue, JAN, NOW, holds=[SEVEN]).already_closed
    assert waiting(world.lake, JAN) == []
    with pytest.raises(SettlementError):
        adjust(
            world.lake,
            world.catalogue,
            "2026-02-01/2026-03-01",
            rated_of(world.lake, JAN),
            NOW,
            release=["case-7"],
        )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    amounts=st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(-EUR, 9 * EUR), st.integers(6, 9)),
        min_size=2,
        max_size=8,
    ),
    order=st.permutations(["case-7", "case-8"]),
)
def test_any_rows_any_order(tmp_path_factory, amounts, order):
    with Lake.open(tmp_path_factory.mktemp("hold") / "lake", create=True) as lake, lake.writer():
        world = World(lake)
        rows = [Row(account, amount, device=device, den=7) for account, amount, device in amounts]
        world.rate(JAN, rows)
        shut(world, holds=[SEVEN, EIGHT])
        held = {(one.account_id, one.device_key): one.amount for one in held_lines(lake, JAN)}
        for (account, device), amount in held.items():
            assert amount == sum(r.amount for r in rows if (r.account, r.device) == (account, device))
        for case in order:
            release(world, case)
        assert closed_equals_rerate(lake, JAN, rated_of(lake, JAN)).ok
        exact = {a: sum((Fraction(r.amount, 7) for r in rows if r.account == a), Fraction(0)) for a in "ab"}
        assert lines(world) == {account: amount for account, amount in exact.items() if amount}
        total = sum(exact.values(), Fraction(0))
        assert {k: v for k, v in shares(world).items() if v} == (
            {"city-power": total * Fraction(3, 10), "operator": total * Fraction(7, 10)} if total else {}
        )
