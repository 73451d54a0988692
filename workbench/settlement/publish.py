"""Write what a close or an adjustment made as segments, and sum it up for the record.

Works on the temporary tables of the run: ``settle_final`` (lines with net), ``settle_docs`` (documents with numbers),
``settle_groups`` (tax per document and rate), ``settle_booked`` (lines with their document).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from workbench.lake.engine import one
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.lake.sql import quote
from workbench.ledger import book as ledger
from workbench.ledger.balances import kind_totals
from workbench.settlement import record, statements

_MONEY = "::DECIMAL(38,0) AS"


def put_together(lake: Lake, groups: str, doc: str) -> None:
    """Make ``settle_booked`` and ``settle_groups``: lines and tax groups, each with its document.

    Args:
        groups: SQL of tax per document and rate (see ``documents.tax_groups``).
        doc: the columns that make a document.
    """
    named = "invoice_no, state AS doc_state, series, number, kind AS doc_kind"
    more = "" if "amends" in doc else ", amends"
    numbered = f"(SELECT {doc}, {named}{more} FROM settle_docs)"
    lake.con.execute(
        f"CREATE OR REPLACE TEMP TABLE settle_groups AS SELECT * FROM {groups} JOIN {numbered} USING ({doc})"
    )
    lake.con.execute(
        f"CREATE OR REPLACE TEMP TABLE settle_booked AS SELECT f.*, d.invoice_no FROM settle_final f "
        f"JOIN settle_docs d USING ({doc})"
    )


def write_all(
    lake: Lake,
    period: str,
    partition: str,
    now: datetime,
    made: list[statements.Statement],
    booked: ledger.Booked,
) -> list[Segment]:
    """Write invoices, invoice lines, statements and ledger entries; kinds without a row get no segment."""
    net = {"net_nano": "sum(net_nano)"}
    segments = [
        lake.write("invoices", _invoices(period, now), period=period, partition=partition,
                   order_by=("series", "number"), controls={**net, "tax_nano": "sum(tax_nano)"}),
        lake.write("invoice_lines", _lines(), period=period, partition=partition,
                   order_by=("invoice_no", "line_no", "line_id"), controls=net),
        lake.write("statements", statements.table(made), period=period, partition=partition,
                   order_by=("offer_id", "offer_version", "currency", "partner_id"),
                   controls={"statement_nano": "sum(statement_nano)"}),
    ]  # fmt: skip
    if len(booked.entries):
        segments.append(ledger.write(lake, booked, period=period, partition=partition))
    return [segment for segment in segments if segment.rows]


def summary(
    lake: Lake,
    stage: str,
    period: str,
    now: datetime,
    made: Sequence[statements.Statement],
    booked: ledger.Booked,
    segments: Sequence[Segment],
) -> dict[str, Any]:
    """The record of a close; amounts are text, since JSON readers lose digits past 2**53."""
    new = [segment for segment in segments if segment.kind == "ledger"]
    totals = lake.con.execute(
        "SELECT currency, sum(net_nano)::HUGEINT, sum(tax_nano)::HUGEINT FROM settle_groups "
        "WHERE doc_state = 'issued' GROUP BY currency ORDER BY currency"
    ).fetchall()
    counts = one(
        lake.con,
        "SELECT count(*) FILTER (state = 'issued'), count(*) FILTER (state = 'deferred'), min_by(invoice_no, number) "
        "FILTER (state = 'issued'), max_by(invoice_no, number) FILTER (state = 'issued') FROM settle_docs",
    ) or (0, 0, None, None)
    shares: dict[str, dict[str, int]] = {}
    for item in made:
        parties = shares.setdefault(item.currency, {})
        parties[item.partner_id] = parties.get(item.partner_id, 0) + item.statement_nano
    return {
        "stage": stage,
        "period": period,
        "closed_at": now.isoformat(),
        "invoices": counts[0],
        "deferred": counts[1],
        "first_invoice": counts[2] or "",
        "last_invoice": counts[3] or "",
        "lines": sum(segment.rows for segment in segments if segment.kind == "invoice_lines"),
        "entries": len(booked.entries),
        "totals": {c: {"net": str(n), "tax": str(t), "gross": str(n + t)} for c, n, t in totals},
        "shares": {c: {name: str(nano) for name, nano in parts.items()} for c, parts in shares.items()},
        "last_entry_no": booked.head.entry_no,
        "ledger_head": booked.head.hash,
        "balances": {key: str(nano) for key, nano in kind_totals(lake, more=new).items()},
        "segments": record.files(segments),
    }


def _invoices(period: str, now: datetime) -> str:
    at = f"TIMESTAMP '{now.replace(tzinfo=None).isoformat(sep=' ')}'"
    span = (
        "(SELECT invoice_no, min(period_start) AS period_start, max(period_end) AS period_end FROM settle_booked "
        "GROUP BY invoice_no)"
    )
    return (
        f"SELECT invoice_no, series, account_id, period_start, period_end, currency, net{_MONEY} net_nano, "
        f"tax{_MONEY} tax_nano, (net + tax){_MONEY} gross_nano, {at} AS issued_at, state, number, kind, "
        f"amends AS refers_to, {quote(period)} AS period FROM (SELECT invoice_no, series, account_id, currency, "
        "doc_state AS state, number, doc_kind AS kind, amends, sum(net_nano)::HUGEINT AS net, "
        f"sum(tax_nano)::HUGEINT AS tax FROM settle_groups GROUP BY ALL) JOIN {span} USING (invoice_no)"
    )


def _lines() -> str:
    return (
        f"SELECT invoice_no, line_no, line_id, account_id, offer_id, offer_version, component_id, kind, "
        f"units{_MONEY} units, amount{_MONEY} amount, den{_MONEY} price_denominator, net_nano{_MONEY} net_nano, "
        f"tax_category, tax_rate_ppm, currency, period, period_start, period_end, inclusive, "
        f"rounded_nano{_MONEY} rounded_nano, refers_to, of_kind FROM settle_booked"
    )
