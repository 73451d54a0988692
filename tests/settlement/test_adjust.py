"""Late events after a close: differences on documents that name the original; closed rows never change (I15, I16)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.settlement.conftest import CENT, EUR, FEB, INCLUSIVE, JAN, NOW, Row, World, offer, small
from tests.settlement.test_close import prove, shut
from workbench.errors import SettlementError
from workbench.lake.lake import Lake
from workbench.ledger.balances import balance, trial_balance
from workbench.model.split import Split, SplitRule
from workbench.settlement.adjust import adjust
from workbench.settlement.checks import closed_equals_rerate, closed_rows_unchanged
from workbench.settlement.close import close
from workbench.settlement.work import Rated


def rated(world: World, rows: list[Row], period: str = JAN) -> Rated:
    lines, charges = world.tables(period, rows)
    for name, table in (("late_lines", lines), ("late_charges", charges)):
        world.lake.con.register("late_arrow", table)
        world.lake.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM late_arrow")
        world.lake.con.unregister("late_arrow")
    world.subscribe(rows)
    return Rated("late_lines", "late_charges")


def late(world: World, rows: list[Row]):
    again = rated(world, rows)
    result = adjust(world.lake, world.catalogue, JAN, again, NOW)
    prove(world)
    agrees = closed_equals_rerate(world.lake, JAN, again)
    assert agrees.ok, agrees
    return result


def test_a_late_event_becomes_an_adjustment_that_names_the_invoice(world):
    world.rate(JAN, [Row("a", EUR), Row("b", EUR)])
    shut(world)
    result = late(world, [Row("a", EUR), Row("a", 50 * CENT, units=5), Row("b", EUR)])
    assert (result.n, result.lines, result.documents) == (1, 1, 1)
    assert result.totals == {"EUR": {"net": 50 * CENT, "tax": 10 * CENT, "gross": 60 * CENT}}
    columns = "invoice_no, kind, account_id, refers_to, state"
    assert world.rows("invoices", columns, "1", "series = 'ADJ'") == [
        ("ADJ-000001", "adjustment", "a", "INV-000001", "issued")
    ]
    assert world.rows(
        "invoice_lines", "right(line_id, 2), kind, of_kind, units::INT", "1", "kind = 'adjustment'"
    ) == [(":1", "adjustment", "usage", 5)]


def test_tax_telescopes_over_invoice_and_adjustment(world):
    """19 % of 1.00 is 0.19; of 1.50 it is 0.285, rounded 0.29: the adjustment carries 0.10, not round(0.095)."""
    world.rate(JAN, [Row("a", EUR)])
    shut(world)
    assert late(world, [Row("a", 150 * CENT)]).totals["EUR"]["tax"] == 10 * CENT
    assert late(world, [Row("a", 151 * CENT)]).totals["EUR"]["tax"] == 0
    assert balance(world.lake, "tax:standard", "EUR") == 29 * CENT


def test_rounding_telescopes_too(world):
    """0.004 rounds to 0.00; 0.008 in all rounds to 0.01 although the difference alone would round to 0.00."""
    world.rate(JAN, [Row("a", 4_000_000)])
    shut(world)
    assert late(world, [Row("a", 8_000_000)]).totals["EUR"]["net"] == CENT
    assert late(world, [Row("a", 8_000_000, units=7)]).totals["EUR"]["net"] == 0


def test_the_same_totals_again_post_nothing(world):
    world.rate(JAN, [Row("a", EUR)])
    shut(world)
    rows = [Row("a", 3 * EUR)]
    assert late(world, rows).n == 1
    version = world.lake.state.version
    again = late(world, rows)
    assert (again.n, again.lines, world.lake.state.version) == (0, 0, version)


def test_a_charge_that_is_taken_back_takes_everything_back(world):
    world.offers["lamp"] = offer(
        split=Split(
            (
                SplitRule("maker", "fixed", amount=Fraction(1, 100), per="device"),
                SplitRule("city", rate=Fraction(1, 3), of="remainder", cap=Fraction(2)),
            ),
            rest="operator",
        )
    )
    world.rate(JAN, [Row("a", 10 * EUR, device=1), Row("b", EUR // 3, den=7, device=2)])
    shut(world)
    before = trial_balance(world.lake)
    late(world, [Row("a", 10 * EUR, device=1), Row("c", 5 * EUR, device=3), Row("b", EUR, den=7, device=2)])
    assert trial_balance(world.lake) != before
    late(world, [Row("a", 10 * EUR, device=1), Row("b", EUR // 3, den=7, device=2)])
    after = {b[:2]: b.balance_nano for b in trial_balance(world.lake)}
    assert {key: nano for key, nano in after.items() if nano} == {
        b[:2]: b.balance_nano for b in before if b.balance_nano
    }


def test_a_whole_line_may_go(world):
    world.rate(JAN, [Row("a", EUR), Row("a", 2 * EUR, component="rent", kind="recurring")])
    shut(world)
    assert late(world, [Row("a", EUR)]).totals["EUR"]["gross"] == -238 * CENT
    assert balance(world.lake, "receivable:a", "EUR") == 119 * CENT


def test_an_account_that_was_not_billed_gets_a_document_of_its_own(world):
    world.rate(JAN, [Row("a", EUR)])
    shut(world)
    late(world, [Row("a", EUR), Row("new", EUR)])
    assert world.rows("invoices", "account_id, refers_to", "1", "series = 'ADJ'") == [("new", "")]
    late(world, [Row("a", EUR), Row("new", 2 * EUR)])
    assert balance(world.lake, "receivable:new", "EUR") == 238 * CENT


def test_inclusive_prices_telescope(world):
    world.offers["lamp"] = offer(taxes=INCLUSIVE)
    world.rate(JAN, [Row("a", 999 * CENT), Row("a", CENT, component="x")])
    shut(world)
    late(world, [Row("a", 1004 * CENT), Row("a", 3 * CENT, component="x")])
    assert balance(world.lake, "receivable:a", "EUR") == 1007 * CENT
    assert balance(world.lake, "tax:standard", "EUR") == 161 * CENT  # 10.07 x 19/119 = 1.6078


def test_a_finer_denominator_is_compared_exactly(world):
    world.rate(JAN, [Row("a", EUR, den=2)])
    shut(world)
    late(world, [Row("a", EUR, den=3)])
    assert world.rows(
        "invoice_lines", "amount::BIGINT, price_denominator::INT", "1", "kind = 'adjustment'"
    ) == [(-EUR, 6)]
    late(world, [Row("a", EUR, den=5)])


def test_what_was_deferred_stays_deferred_and_is_taken_up_later(world):
    world.offers["lamp"] = offer(micropayment=small(5))
    world.rate(JAN, [Row("a", EUR)])
    world.rate(FEB, [Row("a", 5 * EUR)])
    shut(world)
    late(world, [Row("a", 2 * EUR)])
    assert balance(world.lake, "unbilled:a", "EUR") == 2 * EUR
    assert shut(world, FEB).totals["EUR"]["net"] == 7 * EUR
    assert balance(world.lake, "unbilled:a", "EUR") == 0
    assert balance(world.lake, "receivable:a", "EUR") == 833 * CENT


def test_i16_closed_rows_stay_as_they_were(world):
    world.rate(JAN, [Row("a", EUR)])
    shut(world)
    closed = {s.id: s.sha256 for s in world.lake.segments("invoice_lines", period=JAN)}
    late(world, [Row("a", 2 * EUR)])
    now = {s.id: s.sha256 for s in world.lake.segments("invoice_lines", period=JAN)}
    assert closed.items() < now.items()


@pytest.mark.parametrize("kind", ["charges", "invoice_lines", "statements"])
def test_i16_a_row_that_is_replaced_or_slipped_in_is_named(world, kind):
    world.rate(JAN, [Row("a", EUR)])
    shut(world)
    old = world.lake.segments(kind, period=JAN)
    doctored = world.lake.write(kind, f"SELECT * FROM {world.lake.scan(kind)}", period=JAN, partition="x")
    world.lake.commit({}, add=[doctored])
    assert "was added to closed period" in closed_rows_unchanged(world.lake).counter_example
    world.lake.commit(
        {},
        remove=[doctored, *old],
        add=[
            world.lake.write(
                kind, f"SELECT * FROM {world.lake.scan(kind, segments=old)}", period=JAN, partition="y"
            )
        ],
    )
    assert "is gone or was replaced" in closed_rows_unchanged(world.lake).counter_example


def test_only_a_closed_period_is_adjusted(world):
    world.rate(JAN, [Row("a", EUR)])
    with pytest.raises(SettlementError) as caught:
        adjust(world.lake, world.catalogue, JAN, rated(world, [Row("a", EUR)]), NOW)
    assert caught.value.code == "not_closed"


ROWS = st.lists(
    st.builds(
        Row,
        st.sampled_from("abc"),
        st.integers(-3 * EUR, 9 * EUR),
        component=st.sampled_from(["energy", "rent"]),
        den=st.just(7),
        units=st.integers(0, 9),
        device=st.integers(1, 4),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=st.lists(ROWS, min_size=2, max_size=3), inclusive=st.booleans())
def test_i15_close_then_hear_is_hear_then_close(tmp_path_factory, history, inclusive):
    """Whatever was closed and adjusted before, all balances but rounding order equal one close of the last state."""
    balances = []
    for path in (history, history[-1:]):
        with Lake.open(tmp_path_factory.mktemp("lake"), create=True) as lake, lake.writer():
            world = World(lake)
            if inclusive:
                world.offers["lamp"] = offer(taxes=INCLUSIVE)
            world.rate(JAN, path[0])
            close(lake, world.catalogue, JAN, NOW)
            for rows in path[1:]:
                late(world, rows)
            prove(world)
            balances.append({b.account: b.balance_nano for b in trial_balance(lake) if b.balance_nano})
    assert balances[0] == balances[1]
