"""Paid balances: money a customer put in before, which settles the total of his next invoices, tax included.

Rating hands over the grants of each account (the lake's kind ``credits``); what invoices took from them so far stands
in the ledger. A grant settles invoices of a period when it is valid at the account's last use in it, in the order of
all credits: priority, expiry, grant, id. Whole minor units are taken, so that what is left to pay is an amount of money.

    grant      cash:top-up          <-  prepaid:<account>       once, when a close first sees it
    invoice    prepaid:<account>    <-  receivable:<account>    what its balances pay
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.ledger.chart import receivable
from workbench.ledger.entry import Posting
from workbench.model.money import minor_nano

CASH = "cash:top-up"


@dataclass(slots=True)
class _Grant:
    account: str
    currency: str
    offer: str
    id: str
    nano: int
    granted_at: datetime
    expires_at: datetime
    copy: int = 1
    used: int = 0

    @property
    def key(self) -> str:
        """Names the grant for good: an account is given a credit once at an instant for each SIM that begins then."""
        parts = (self.account, self.offer, self.id, self.granted_at.isoformat())
        named = (*parts, str(self.copy)) if self.copy > 1 else parts
        return hashlib.sha256("\x1f".join(named).encode()).hexdigest()[:24]


def postings(lake: Lake, period: str) -> list[Posting]:
    """What the documents of ``settle_groups`` take from paid balances, and the grants the ledger has not seen yet."""
    grants = list(_grants(lake, period))
    if not grants:
        return []
    found = [
        Posting(
            f"topup:{g.key}",
            f"granted:{g.key}",
            CASH,
            f"prepaid:{g.account}",
            g.currency,
            g.nano,
            period,
            memo=g.id,
        )
        for g in _unseen(lake, grants)
        if g.nano > 0
    ]
    for used_by, nano in lake.con.execute(
        f"SELECT split_part(posting_key, ':', 2), sum(amount_nano)::HUGEINT FROM {lake.scan('ledger')} "
        "WHERE starts_with(posting_key, 'paid:') GROUP BY 1"
    ).fetchall():
        for grant in grants:
            grant.used += int(nano) if grant.key == used_by else 0
    last_use = _last_use(lake, period)
    for invoice_no, account, currency, due in lake.con.execute(
        "SELECT invoice_no, account_id, currency, sum(net_nano + tax_nano)::HUGEINT FROM settle_groups "
        "WHERE doc_state = 'issued' GROUP BY ALL ORDER BY ALL"
    ).fetchall():
        mine = [g for g in grants if (g.account, g.currency) == (account, currency) and account in last_use]
        found += _pay(invoice_no, int(due), mine, last_use.get(account), period)
    return found


def _pay(
    invoice_no: str, due: int, grants: list[_Grant], at: datetime | None, period: str
) -> Iterator[Posting]:
    for grant in grants:
        if at is None or not grant.granted_at <= at < grant.expires_at:
            continue
        unit = minor_nano(grant.currency)
        part = min(due, (grant.nano - grant.used) // unit * unit)
        if part > 0:
            due -= part
            grant.used += part
            yield Posting(
                f"paid:{invoice_no}", f"paid:{grant.key}:{invoice_no}", f"prepaid:{grant.account}",
                receivable(grant.account), grant.currency, part, period, memo=f"{grant.id} pays {invoice_no}",
            )  # fmt: skip


def _grants(lake: Lake, period: str) -> Iterator[_Grant]:
    """The paid grants of every account, first used first."""
    credits = lake.segments("credits", period=period)
    if not credits:
        return
    held = lake.scan("credits", segments=credits)
    if "kind" not in lake.con.sql(f"SELECT * FROM {held}").columns:
        return  # rated before there were paid credits
    rows = lake.con.execute(
        f"SELECT account_id, l.currency, offer_id, credit_id, left_nano::HUGEINT // left_denominator::HUGEINT, "
        "granted_at, expires_at, row_number() OVER (PARTITION BY account_id, offer_id, l.currency, credit_id, granted_at "
        f"ORDER BY left_nano) FROM {held} c JOIN (SELECT DISTINCT account_id, "
        f"offer_id, currency FROM {lake.scan('lines', period=period)}) l USING (account_id, offer_id) "
        "WHERE kind = 'paid' ORDER BY account_id, priority, expires_at, granted_at, credit_id, offer_id"
    ).fetchall()
    for account, currency, offer, name, nano, granted_at, expires_at, copy in rows:
        yield _Grant(account, currency, offer, name, int(nano), granted_at, expires_at, copy)


def _unseen(lake: Lake, grants: list[_Grant]) -> list[_Grant]:
    seen = {
        key
        for (key,) in lake.con.execute(
            f"SELECT split_part(posting_key, ':', 2) FROM {lake.scan('ledger')} WHERE starts_with(posting_key, 'granted:')"
        ).fetchall()
    }
    return [grant for grant in grants if grant.key not in seen]


def _last_use(lake: Lake, period: str) -> dict[str, datetime]:
    """Each account's last use in the period; the period's start where it has none."""
    return dict(
        lake.con.execute(
            "SELECT account_id, coalesce(max(window_start) FILTER (kind = 'usage'), min(period_start)) FROM "
            f"{lake.scan('lines', period=period)} LEFT JOIN {lake.scan('charges', period=period)} USING (line_no) GROUP BY 1"
        ).fetchall()
    )


def settled_nano(lake: Lake, invoice_no: str) -> int:
    """What paid balances settled of a document, nano."""
    rows = lake.con.execute(
        f"SELECT coalesce(sum(amount_nano), 0)::HUGEINT FROM {lake.scan('ledger')} "
        f"WHERE starts_with(posting_key, 'paid:') AND split_part(posting_key, ':', 3) = {quote(invoice_no)}"
    ).fetchall()
    return int(rows[0][0])
