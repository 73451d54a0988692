"""Each check finds the damage it is there for, and names it; each rounding in SQL is the one in Python."""

from __future__ import annotations

from fractions import Fraction

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.settlement.conftest import EUR, JAN, NOW, Row, offer, small
from tests.settlement.test_close import shut
from workbench.ledger.book import post
from workbench.ledger.checks import ledger_checks
from workbench.ledger.entry import Posting
from workbench.model.money import round_half_away
from workbench.settlement.apportion import round_shares
from workbench.settlement.checks import settlement_checks
from workbench.settlement.documents import net_lines, tax_groups
from workbench.settlement.work import half_away


@pytest.fixture
def closed(world):
    world.rate(JAN, [Row("a", EUR + 4_000_000), Row("b", 2 * EUR), Row("c", 3 * EUR)])
    shut(world)
    return world


def forge(world, kind: str, change: str) -> None:
    """Replace a kind's rows by doctored ones; the manifest vouches for the forgery."""
    old = world.lake.segments(kind)
    source = world.lake.scan(kind)
    types = world.lake.con.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    casts = ", ".join(f"{name}::{type_} AS {name}" for name, type_, *_ in types)
    sql = f"SELECT {casts} FROM (SELECT {change.format(source=source)})"
    world.lake.commit({}, add=[world.lake.write(kind, sql, period=JAN, partition="forged")], remove=old)


def broken(world) -> dict[str, str]:
    results = [*ledger_checks(world.lake), *settlement_checks(world.lake)]
    return {result.invariant: result.counter_example for result in results if not result.ok}


MORE = "(10000000 * (account_id = 'a')::INT)"


@pytest.mark.parametrize(
    ("kind", "change", "invariant", "says"),
    [
        ("invoice_lines", f"* REPLACE (net_nano + {MORE} AS net_nano) FROM {{source}}", "I26", "its net is"),
        (
            "invoice_lines",
            f"* REPLACE (rounded_nano + {MORE} AS rounded_nano) FROM {{source}}",
            "I26",
            "was rounded to",
        ),
        (
            "invoice_lines",
            "* REPLACE (amount + 1000000 AS amount) FROM {source}",
            "I18",
            "its charges sum to",
        ),
        ("invoice_lines", "* REPLACE (units + 1 AS units) FROM {source}", "I18", "its charges sum to"),
        (
            "invoice_lines",
            "* FROM {source} UNION ALL SELECT * FROM {source} WHERE account_id = 'b'",
            "I36",
            "2 lines",
        ),
        ("invoice_lines", "* FROM {source} WHERE account_id <> 'b'", "I36", "sub-b-lamp has neither"),
        ("invoice_lines", "* REPLACE ('zed' AS offer_id) FROM {source}", "I36", "has neither a line"),
        (
            "invoices",
            f"* REPLACE (net_nano + {MORE} AS net_nano, gross_nano + {MORE} AS gross_nano) FROM {{source}}",
            "I27",
            "lines sum to",
        ),
        (
            "invoices",
            f"* REPLACE (gross_nano + {MORE} AS gross_nano) FROM {{source}}",
            "I27",
            "is not net + tax",
        ),
        (
            "invoices",
            f"* REPLACE (tax_nano + {MORE} AS tax_nano, gross_nano + {MORE} AS gross_nano) FROM {{source}}",
            "I27",
            "the rates come to",
        ),
        ("invoices", f"* REPLACE (gross_nano + {MORE} AS gross_nano) FROM {{source}}", "I31", "are booked"),
        ("invoices", "* FROM {source} WHERE number <> 2", "I37", "3 follows 1"),
        ("invoices", "* REPLACE (if(number = 3, 2, number) AS number) FROM {source}", "I37", "2 follows 2"),
        (
            "statements",
            "* REPLACE (share_numerator + 1 AS share_numerator) FROM {source}",
            "I30",
            "shares sum to",
        ),
        (
            "statements",
            "* REPLACE (if(is_operator, statement_nano - 10000000, statement_nano + 10000000) AS statement_nano) "
            "FROM {source}",
            "I30",
            "not the shares rounded together",
        ),
        ("ledger", "* FROM {source} WHERE NOT starts_with(posting_key, 'line:')", "I32", "is missing"),
        ("ledger", "* FROM {source} WHERE tx_id <> 'INV-000002'", "I31", "INV-000002 is not booked at all"),
        ("ledger", "* REPLACE (amount_nano * 2 AS amount_nano) FROM {source}", "I34", "the entries sum to"),
        ("charges", "* REPLACE (amount + 1 AS amount) FROM {source}", "I16", "is gone or was replaced"),
    ],
)
def test_a_check_finds_its_damage(closed, kind, change, invariant, says):
    forge(closed, kind, change)
    assert says in broken(closed)[invariant]


def test_a_close_record_that_is_edited_breaks_the_chain(closed):
    fact = closed.lake.facts("close")[JAN]
    closed.lake.commit({}, facts={"close": {JAN: {**fact, "invoices": 2}}})
    assert "does not follow" in broken(closed)["I16"]


def test_payments_do_not_disturb_the_proofs(closed):
    paid = Posting("bank-1", "payment:1", "cash:bank", "receivable:a", "EUR", EUR, JAN)
    post(closed.lake, [paid], period=JAN, now=NOW)
    assert broken(closed) == {}


def test_deferred_documents_prove_too(world):
    world.offers["lamp"] = offer(micropayment=small(5))
    world.rate(JAN, [Row("a", EUR), Row("b", 9 * EUR)])
    shut(world)
    forge(
        world,
        "invoices",
        "* REPLACE (if(state = 'deferred', net_nano + 1, net_nano) AS net_nano) FROM {source}",
    )
    assert "DEF-000001" in broken(world)["I31"]


@settings(max_examples=150, deadline=None)
@given(st.integers(-(10**30), 10**30), st.integers(1, 10**25))
def test_sql_rounds_as_python_does(numerator, denominator):
    sql = half_away(f"({numerator}::HUGEINT)", f"({denominator}::HUGEINT)")
    assert duckdb.sql(f"SELECT {sql}").fetchall() == [(round_half_away(numerator, denominator),)]


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.text("abcdef", min_size=1, max_size=3), st.integers(-2000, 2000), min_size=1, max_size=6
    ),
    st.integers(0, 300_000),
)
def test_sql_parts_inclusive_nets_as_python_does(lines, ppm):
    """Line nets of a tax-inclusive document are the largest-remainder parts of what its tax leaves."""
    unit = 10**7
    values = ", ".join(f"('{name}', {amount * unit}::HUGEINT)" for name, amount in lines.items())
    table = (
        f"(SELECT 'a' AS account_id, 'EUR' AS currency, 's' AS tax_category, {ppm} AS tax_rate_ppm, "
        f"true AS inclusive, {unit}::HUGEINT AS unit, * FROM (VALUES {values}) t(line_id, rounded_nano))"
    )
    found = dict(
        duckdb.sql(f"SELECT line_id, net_nano FROM {net_lines(table, tax_groups(table))}").fetchall()
    )
    total = sum(lines.values())
    tax = round_half_away(total * ppm, 1_000_000 + ppm)
    assert sum(found.values()) == (total - tax) * unit
    exact = {name: Fraction(amount * unit * 1_000_000, 1_000_000 + ppm) for name, amount in lines.items()}
    assert all(abs(found[name] - share) <= unit for name, share in exact.items())
    if (2 * total * ppm) % (2 * (1_000_000 + ppm)) != 1_000_000 + ppm:  # no tie between tax and net
        assert found == round_shares(exact, unit)
