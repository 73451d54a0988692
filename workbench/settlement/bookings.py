"""What a set of documents books: one posting per line and per tax group, made in SQL, plus the partners'
shares.

    issued line      receivable:<account>  <-  revenue:<offer>       net of the line
    deferred line    unbilled:<account>    <-  revenue:<offer>       earned now, invoiced later
    taken-up line    receivable:<account>  <-  unbilled:<account>    when the deferred amount is invoiced
    charged online   revenue:<offer>       <-  receivable:<account>  what a charging node booked before: paid or owed
    tax              receivable:<account>  <-  tax:<category>        once per document and rate
    paid balance     prepaid:<account>     <-  receivable:<account>  what an account's paid credits settle (``paid.py``)
    share            revenue:<offer>       <-  payable:<partner>     each partner's statement but the
    operator's rounding         revenue:<offer>       <-  rounding:<currency>   sum of rounded lines less
    the rounded total

A negative amount swaps the two sides. Zero books nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.ledger import book as ledger
from workbench.ledger.entry import Posting

_COLUMNS = (
    "tx_id, posting_key, debit_account, credit_account, currency, amount_nano, period, invoice_no, memo"
)


def line_postings(period: str) -> str:
    """SQL of the postings of ``settle_booked``: lines with their documents."""
    here = "CASE state WHEN 'issued' THEN 'receivable:' ELSE 'unbilled:' END || account_id"
    earned = _pair(
        "invoice_no", "'line:' || line_id", here, "'revenue:' || offer_id", "net_nano",
        "component_id || ' ' || kind", period, "settle_booked WHERE kind <> 'deferred'",
    )  # fmt: skip
    taken = _pair(
        "invoice_no", "'line:' || line_id", "'receivable:' || account_id", "'unbilled:' || account_id",
        "accrued_nano", "'deferred on ' || refers_to", period, "settle_booked WHERE kind = 'deferred'",
    )  # fmt: skip
    differs = _pair(
        "invoice_no", "'rounding:' || line_id", "'receivable:' || account_id", "'rounding:' || currency",
        "net_nano - accrued_nano", "'net of a deferred line'", period, "settle_booked WHERE kind = 'deferred'",
    )  # fmt: skip
    online = _pair(
        "'online:' || invoice_no", "'online:' || line_id", "'revenue:' || offer_id", "'receivable:' || account_id",
        whole_nano(), "'charged in real time'", period,
        "settle_booked SEMI JOIN (FROM settle_offers WHERE online) USING (offer_id, offer_version, currency) "
        "WHERE of_kind = 'usage'", invoice="''",
    )  # fmt: skip
    return " UNION ALL ".join((earned, taken, differs, online))


def whole_nano(amount: str = "amount", den: str = "den") -> str:
    """SQL of an exact amount in whole nano-units, towards zero: the rest is less than one and stays with the rounding."""
    return f"(sign({amount})::HUGEINT * (abs({amount}) // {den}))"


def tax_postings(period: str) -> str:
    """SQL of one posting per issued document, tax category and rate, from ``settle_groups``."""
    key = "'tax:' || invoice_no || ':' || tax_rate_ppm || ':' || inclusive || ':' || tax_category"
    return _pair(
        "invoice_no", key, "'receivable:' || account_id", "'tax:' || tax_category", "tax_nano",
        "'tax ' || tax_category || ' ' || tax_rate_ppm || ' ppm'", period, "settle_groups WHERE doc_state = 'issued'",
    )  # fmt: skip


def book_all(lake: Lake, shares: Sequence[Posting], period: str, now: datetime) -> ledger.Booked:
    """Number and chain everything the documents and statements book.

    Args:
        shares: what ``statements.postings`` and ``paid.postings`` made.
    """
    lake.con.register("settle_shares", ledger.table(shares))
    try:
        rows = " UNION ALL ".join(
            (line_postings(period), tax_postings(period), f"SELECT {_COLUMNS} FROM settle_shares")
        )
        return ledger.book(lake, rows, now)
    finally:
        lake.con.unregister("settle_shares")


def _pair(
    tx: str,
    key: str,
    debit: str,
    credit: str,
    amount: str,
    memo: str,
    period: str,
    source: str,
    *,
    invoice: str = "invoice_no",
) -> str:
    """SQL of postings from expressions; the sides swap where the amount is negative."""
    return (
        f"SELECT {tx} AS tx_id, {key} AS posting_key, if({amount} > 0, {debit}, {credit}) AS debit_account, "
        f"if({amount} > 0, {credit}, {debit}) AS credit_account, currency, "
        f"abs({amount})::DECIMAL(38,0) AS amount_nano, {quote(period)} AS period, {invoice} AS invoice_no, {memo} AS memo "
        f"FROM (SELECT * FROM {source}) WHERE {amount} <> 0"
    )
