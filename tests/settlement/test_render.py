"""Invoices and statements as people see them."""

from __future__ import annotations

from fractions import Fraction
from html.parser import HTMLParser

import pyarrow as pa
import pytest
from rich.text import Text

from tests.settlement.conftest import EUR, FEB, JAN, Row, offer, small
from tests.settlement.test_adjust import late
from tests.settlement.test_close import shut
from workbench.errors import SettlementError
from workbench.settlement.papers import invoice, statement
from workbench.settlement.render import (
    exact,
    invoice_html,
    invoice_text,
    money,
    percent,
    statement_html,
    statement_text,
)

HOSTILE = "<script>alert(1)</script>[red]\x1b[31m"


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        assert not {"src", "href"} & {name for name, _ in attrs}


@pytest.fixture
def billed(world):
    world.rate(JAN, [Row("a", EUR // 3, den=7, units=1500, device=5), Row("a", 3 * EUR, den=7, device=6)])
    names = pa.table(
        {"device_key": pa.array([5, 6]), "device_id": ["lamp-5", "lamp-6"], "source": ["lamps"] * 2}
    )
    accounts = [world.lake.write("devices", names)]
    world.lake.commit({}, add=accounts)
    shut(world)
    return world


def test_money_is_written_from_integers():
    assert money(1234567 * 10**7, "EUR") == "12,345.67"
    assert money(-5 * 10**7, "EUR") == "-0.05"
    assert money(7 * EUR, "JPY") == "7"
    assert money(1500 * 10**6, "BHD") == "1.500"
    assert (exact(Fraction(10**9, 20)), exact(Fraction(10**9, 3)), percent(190_000)) == (
        "0.05",
        "1/3",
        "19 %",
    )


def test_invoice_shows_lines_taxes_and_total(billed):
    paper = invoice(billed.lake, "INV-000001")
    text = invoice_text(paper)
    for words in (
        "Invoice INV-000001",
        "lamp v1 · energy",
        "1,501",
        "Tax standard 19 % of 0.48",
        "0.57",
        "2026-02-01",
    ):
        assert words in text
        assert words in invoice_html(paper)
    assert sum(tax.tax_nano for tax in paper.taxes) == paper.tax_nano


def test_annex_shows_devices_unrounded_and_sums_to_the_lines(billed):
    paper = invoice(billed.lake, "INV-000001", annex=True)
    assert [row.device_id for row in paper.annex] == ["lamp-5", "lamp-6"]
    assert sum(row.exact_nano for row in paper.annex) == paper.lines[0].exact_nano
    assert "lamp-6" in invoice_html(paper)
    assert invoice(billed.lake, "INV-000001").annex == ()


def test_statement_shows_the_exact_share_beside_the_amount(billed):
    paper = statement(billed.lake, "city-power", JAN)
    assert paper.totals == {"EUR": 14 * 10**7}
    for page in (statement_html(paper), statement_text(paper)):
        assert "Statement for city-power" in page
        assert "0.14 EUR" in page


def test_adjustment_and_deferral_say_what_they_are(world):
    world.offers["lamp"] = offer(micropayment=small(2))
    world.rate(JAN, [Row("a", EUR), Row("b", 9 * EUR)])
    world.rate(FEB, [Row("a", 5 * EUR)])
    shut(world)
    late(world, [Row("a", EUR), Row("b", 8 * EUR)])
    shut(world, FEB)
    deferral = invoice_text(invoice(world.lake, "DEF-000001"))
    assert "nothing is due now" in deferral
    assert "Total" not in deferral
    adjustment = invoice_text(invoice(world.lake, "ADJ-000001"))
    assert "Amends INV-000001" in adjustment
    assert "-1.19" in adjustment
    assert "deferred on DEF-000001" in invoice_text(invoice(world.lake, "INV-000002"))


def test_hostile_names_do_nothing(world):
    world.rate(JAN, [Row("a", EUR, component="x<script>[red]")])
    accounts = pa.table(
        {
            "account_id": ["a"], "name": [HOSTILE], "currency": ["EUR"], "zone": ["UTC"],
            "billing_anchor_day": pa.array([1], pa.int32()), "tax_region": [""],
            "credit_limit_nano": pa.array([0], pa.decimal128(38, 0)), "owner": [""],
        }
    )  # fmt: skip
    world.lake.commit({}, add=[world.lake.write("accounts", accounts)])
    shut(world)
    paper = invoice(world.lake, "INV-000001")
    assert "script" not in Tags(invoice_html(paper)).seen
    assert "\x1b" not in invoice_text(paper)
    shown = Text.from_markup(invoice_text(paper, markup=True)).plain
    assert shown == invoice_text(paper)


def test_what_is_not_there_is_named(world):
    with pytest.raises(SettlementError, match="INV-000404"):
        invoice(world.lake, "INV-000404")
    with pytest.raises(SettlementError, match="nobody"):
        statement(world.lake, "nobody", JAN)
