"""Booking: idempotent keys, refusals, reversals, balances (I31, I33, I34, I38)."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.conftest import NOW, PERIOD
from workbench.errors import PostingConflict, SettlementError
from workbench.ledger import chart
from workbench.ledger.balances import balance, trial_balance
from workbench.ledger.book import book, head, post, reverse, table
from workbench.ledger.checks import ledger_checks
from workbench.ledger.entry import PAYLOAD_SQL, Posting

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)


def test_first_entry_has_number_one_and_follows_the_tenant(lake, posting):
    start = head(lake)
    entry = post(lake, [posting()], period=PERIOD, now=NOW)[0]
    assert (entry.entry_no, entry.prev_hash) == (1, start.hash)
    assert head(lake) == (1, entry.hash)
    assert entry.booked_at == NOW


def test_i33_same_key_and_payload_is_the_same_entry(lake, posting):
    first = post(lake, [posting()], period=PERIOD, now=NOW)[0]
    version = lake.state.version
    assert post(lake, [posting(), posting()], period=PERIOD, now=NOW) == [first, first]
    assert lake.state.version == version


@pytest.mark.parametrize("change", [{"amount": 101}, {"memo": "x"}, {"debit_account": "receivable:other"}])
def test_i33_same_key_with_another_payload_is_refused(lake, posting, change):
    post(lake, [posting()], period=PERIOD, now=NOW)
    with pytest.raises(PostingConflict, match="line:1"):
        post(lake, [posting("line:2"), posting(**change)], period=PERIOD, now=NOW)
    assert head(lake).entry_no == 1


def test_i33_two_payloads_under_one_key_in_one_batch_are_refused(lake, posting):
    with pytest.raises(PostingConflict):
        post(lake, [posting(), posting(amount=7)], period=PERIOD, now=NOW)


def test_entries_are_numbered_by_transaction_and_key_not_by_arrival(lake, posting):
    booked = book(lake, table([posting("line:2"), posting("line:10"), posting("line:1")]), NOW)
    assert booked.entries["posting_key"].to_pylist() == ["line:1", "line:10", "line:2"]


@settings(max_examples=60, deadline=None)
@given(name=TEXT, memo=TEXT, amount=st.integers(1, 10**38 - 1))
def test_sql_and_python_hash_the_same_payload(name, memo, amount):
    made = Posting("t", "k", f"receivable:{name}", "revenue:x", "EUR", amount, PERIOD, "", memo)
    rows = table([made])
    with duckdb.connect() as con:
        con.register("rows", rows)
        assert con.execute(f"SELECT {PAYLOAD_SQL} FROM rows").fetchone() == (made.payload_sha256,)


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 0},
        {"amount": -5},
        {"amount": 1.5},
        {"amount": 10**38},
        {"amount": True},
        {"memo": "two\nlines"},
        {"memo": "sep\x1farator"},
        {"key": ""},
        {"credit_account": "receivable:acme"},
        {"credit_account": "revenue:"},
        {"credit_account": "revenue"},
        {"credit_account": "wine:red"},
    ],
)
def test_what_is_no_posting_is_refused(posting, change):
    with pytest.raises(SettlementError):
        posting(**change)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount_nano", "0::DECIMAL(38,0)"),
        ("amount_nano", "NULL::DECIMAL(38,0)"),
        ("debit_account", "'wine:red'"),
        ("debit_account", "'receivable:'"),
        ("credit_account", "'receivable:acme'"),
        ("memo", "'a' || chr(31)"),
        ("invoice_no", "NULL"),
        ("posting_key", "''"),
    ],
)
def test_bulk_booking_refuses_what_posting_refuses(lake, posting, column, value):
    lake.con.register("one_posting", table([posting()]))
    with pytest.raises(SettlementError) as caught:
        book(lake, f"SELECT * REPLACE ({value} AS {column}) FROM one_posting", NOW)
    assert caught.value.code == "bad_posting"


def test_a_correction_is_a_reversal_and_a_new_entry(lake, posting):
    wrong = post(lake, [posting(amount=100)], period=PERIOD, now=NOW)[0]
    undone = reverse(lake, "line:1", period=PERIOD, now=NOW)
    post(lake, [posting("line:1:corrected", 90)], period=PERIOD, now=NOW)
    assert undone.posting.debit_account == wrong.posting.credit_account
    assert balance(lake, "receivable:acme", "EUR") == 90
    assert balance(lake, "revenue:lamp", "EUR") == 90
    assert all(result.ok for result in ledger_checks(lake))


def test_i38_a_movement_is_reversed_once(lake, posting):
    post(lake, [posting()], period=PERIOD, now=NOW)
    once = reverse(lake, "line:1", period=PERIOD, now=NOW)
    assert reverse(lake, "line:1", period=PERIOD, now=NOW) == once
    with pytest.raises(PostingConflict):
        reverse(lake, "line:1", period="2026-02-01/2026-03-01", now=NOW)
    assert balance(lake, "receivable:acme", "EUR") == 0


def test_reversing_what_was_never_booked_is_refused(lake):
    with pytest.raises(SettlementError) as caught:
        reverse(lake, "line:404", period=PERIOD, now=NOW)
    assert caught.value.code == "unknown_posting"


def test_trial_balance_counts_each_side_in_each_currency(lake, posting):
    dollars = Posting("t", "k2", "receivable:acme", "tax:standard", "USD", 7, PERIOD)
    post(lake, [posting(amount=100), dollars], period=PERIOD, now=NOW)
    assert trial_balance(lake, prefix="receivable:") == [
        ("receivable:acme", "EUR", 100, 0, 100),
        ("receivable:acme", "USD", 7, 0, 7),
    ]
    assert {b.account: b.balance_nano for b in trial_balance(lake) if b.currency == "USD"} == {
        "receivable:acme": 7,
        "tax:standard": 7,
    }


def test_accounts_read_back_what_they_were_made_from():
    for make, kind in [(chart.receivable, "receivable"), (chart.payable, "payable"), (chart.tax, "tax")]:
        assert chart.parse(make("a:b")) == (chart.KINDS[kind], "a:b")
