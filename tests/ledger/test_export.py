"""Exports: formulas stay text, journals stay balanced, two ids never become one account (S14)."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.conftest import NOW, PERIOD
from workbench.ledger.book import post
from workbench.ledger.export import (
    beancount_account,
    hledger_account,
    rows,
    safe_cell,
    to_beancount,
    to_csv,
    to_hledger,
)

NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8)


@pytest.fixture
def filled(lake, posting):
    made = [
        posting("line:1", 1_000_000_000),
        posting("line:2", 1, memo="=HYPERLINK(1)", debit_account="receivable:a  b; c"),
        posting("line:3", 12_345_678_901, debit_account="receivable:Ärger:1"),
    ]
    post(lake, made, period=PERIOD, now=NOW)
    return lake


def test_csv_reads_back_and_runs_nothing(filled):
    read = list(csv.DictReader(io.StringIO(to_csv(rows(filled)))))
    assert [row["amount"] for row in read] == ["1.00", "0.000000001", "12.345678901"]
    assert read[1]["memo"] == "'=HYPERLINK(1)"
    assert read[0]["booked_at"] == "2026-02-01T12:00:00"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx", "  =1", " \t@x"])
def test_s14_formula_starts_get_an_apostrophe(text):
    assert safe_cell(text) == "'" + text


@pytest.mark.parametrize("text", ["acme", "", "1=1", "'=1", "a-b"])
def test_harmless_text_is_left_alone(text):
    assert safe_cell(text) == text


@pytest.mark.parametrize("export", [to_hledger, to_beancount])
def test_every_transaction_balances(filled, export):
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for account, amount, currency in re.findall(
        r"^ +(\w+:\S+)  (-?[\d.]+) (\w+)", export(rows(filled)), re.M
    ):
        assert account.split(":")[0] in {"Assets", "Liabilities", "Income"}
        sums[currency] += Fraction(amount)
    assert sums == {"EUR": 0}


def test_beancount_opens_what_it_uses(filled):
    text = to_beancount(rows(filled))
    opened = set(re.findall(r"^\S+ open (\S+)$", text, re.M))
    used = set(re.findall(r"^  (\S+)  -?\d", text, re.M))
    assert opened == used
    assert all(re.fullmatch(r"(Assets|Income)(:[A-Z0-9][A-Za-z0-9-]*)+", name) for name in opened)


@settings(max_examples=200, deadline=None)
@given(NAMES, NAMES)
def test_two_ids_never_share_an_account(one, other):
    for spell in (hledger_account, beancount_account):
        same = spell(f"receivable:{one}") == spell(f"receivable:{other}")
        assert same == (one == other)
        assert not re.search(r"[\s;]", spell(f"receivable:{one}"))


def test_one_period_of_many(filled, posting):
    assert len(list(rows(filled, period=PERIOD))) == 3
    assert list(rows(filled, period="2020-01-01/2020-02-01")) == []
    assert to_hledger([]) == to_beancount([]) == ""
