"""Documents as they are read: an invoice or a partner's statement gathered from the lake, exact, ready to render."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from workbench.errors import SettlementError
from workbench.lake.engine import one
from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.settlement.paid import settled_nano
from workbench.settlement.work import relation


@dataclass(frozen=True, slots=True)
class PaperLine:
    """One line of an invoice; ``exact_nano`` is what was rounded, ``net_nano`` what is billed."""

    line_no: int
    line_id: str
    offer_id: str
    offer_version: int
    component_id: str
    kind: str
    units: int
    exact_nano: Fraction
    net_nano: int
    tax_category: str
    tax_rate_ppm: int
    refers_to: str


@dataclass(frozen=True, slots=True)
class PaperTax:
    """Tax of one category and rate: what it was reckoned on and what it comes to, nano."""

    category: str
    rate_ppm: int
    base_nano: int
    tax_nano: int


@dataclass(frozen=True, slots=True)
class AnnexRow:
    """What one device came to on one line, unrounded."""

    line_no: int
    device_id: str
    units: int
    exact_nano: Fraction


@dataclass(frozen=True, slots=True)
class InvoicePaper:
    """An invoice, a deferral or an adjustment."""

    invoice_no: str
    kind: str
    state: str
    account_id: str
    account_name: str
    period: str
    period_start: datetime
    period_end: datetime
    currency: str
    net_nano: int
    tax_nano: int
    gross_nano: int
    issued_at: datetime
    refers_to: str
    lines: tuple[PaperLine, ...]
    taxes: tuple[PaperTax, ...]
    annex: tuple[AnnexRow, ...] = ()
    settled_nano: int = 0
    """What the account's paid balances settled of it."""
    online_nano: int = 0
    """What of it a charging node has taken before, from the balance or as a debt; not in whole minor units."""

    @property
    def payable_nano(self) -> int:
        """What is left to pay, with what a charging node has not been paid for yet."""
        return self.gross_nano - self.settled_nano


@dataclass(frozen=True, slots=True)
class StatementRow:
    """What one offer version brings the partner: exact share and its rounded statement, nano."""

    statement_id: str
    offer_id: str
    offer_version: int
    currency: str
    share_nano: Fraction
    statement_nano: int
    refers_to: str


@dataclass(frozen=True, slots=True)
class StatementPaper:
    """Everything one partner is told about one period."""

    partner_id: str
    partner_name: str
    period: str
    rows: tuple[StatementRow, ...]

    @property
    def totals(self) -> dict[str, int]:
        """Currency -> nano."""
        totals: dict[str, int] = {}
        for row in self.rows:
            totals[row.currency] = totals.get(row.currency, 0) + row.statement_nano
        return totals


def invoice(lake: Lake, invoice_no: str, *, annex: bool = False) -> InvoicePaper:
    """A document with its lines and taxes.

    Args:
        annex: also what each device came to, unrounded (one row per line and device).

    Raises:
        SettlementError: ``unknown_document``.
    """
    head = one(
        lake.con,
        "SELECT invoice_no, kind, state, account_id, period, period_start, period_end, currency, net_nano::HUGEINT, "
        "tax_nano::HUGEINT, gross_nano::HUGEINT, issued_at, refers_to "
        f"FROM {relation(lake, 'invoices')} WHERE invoice_no = ?",
        [invoice_no],
    )
    if head is None:
        raise SettlementError(
            f"There is no document {invoice_no}.",
            cure="Look its number up in the invoices.",
            code="unknown_document",
        )
    lines = _lines(lake, invoice_no)
    names = ("invoice_no", "kind", "state", "account_id", "period", "period_start", "period_end", "currency",
             "net_nano", "tax_nano", "gross_nano", "issued_at", "refers_to")  # fmt: skip
    fields = dict(zip(names, head, strict=True))
    return InvoicePaper(
        **fields,
        account_name=_name(lake, "accounts", "account_id", fields["account_id"]),
        lines=lines,
        taxes=_taxes(lake, invoice_no, lines),
        annex=_annex(lake, fields["period"], lines) if annex else (),
        settled_nano=settled_nano(lake, invoice_no),
        online_nano=_online(lake, invoice_no, fields["account_id"]),
    )


def _online(lake: Lake, invoice_no: str, account_id: str) -> int:
    row = one(
        lake.con,
        "SELECT coalesce(sum(if(credit_account = $1, amount_nano, -amount_nano)), 0)::HUGEINT "
        f"FROM {lake.scan('ledger')} WHERE tx_id = $2",
        [f"receivable:{account_id}", f"online:{invoice_no}"],
    )
    return int(row[0]) if row else 0


def statement(lake: Lake, partner_id: str, period: str) -> StatementPaper:
    """A partner's statement of a period, adjustments included.

    Raises:
        SettlementError: ``unknown_document`` when the partner has none.
    """
    rows = lake.con.execute(
        "SELECT statement_id, offer_id, offer_version, currency, share_numerator::HUGEINT, "
        "share_denominator::HUGEINT, statement_nano::HUGEINT, refers_to "
        f"FROM {relation(lake, 'statements', period=period)} WHERE partner_id = ? "
        "ORDER BY offer_id, offer_version, currency, refers_to",
        [partner_id],
    ).fetchall()
    if not rows:
        raise SettlementError(
            f"Partner {partner_id} has no statement for {period}.",
            cure="Close the period first, or check the partner's id.",
            code="unknown_document",
        )
    made = tuple(
        StatementRow(id_, offer_id, version, currency, Fraction(numerator, denominator), nano, refers_to)
        for id_, offer_id, version, currency, numerator, denominator, nano, refers_to in rows
    )
    return StatementPaper(partner_id, _name(lake, "partners", "partner_id", partner_id), period, made)


def _lines(lake: Lake, invoice_no: str) -> tuple[PaperLine, ...]:
    rows = lake.con.execute(
        "SELECT line_no, line_id, offer_id, offer_version, component_id, kind, units::HUGEINT, amount::HUGEINT, "
        "price_denominator::HUGEINT, net_nano::HUGEINT, tax_category, tax_rate_ppm, refers_to "
        f"FROM {relation(lake, 'invoice_lines')} WHERE invoice_no = ? ORDER BY line_no, line_id",
        [invoice_no],
    ).fetchall()
    return tuple(
        PaperLine(
            no,
            id_,
            offer_id,
            version,
            component,
            kind,
            units,
            Fraction(amount, den),
            net,
            category,
            ppm,
            refers,
        )
        for no, id_, offer_id, version, component, kind, units, amount, den, net, category, ppm, refers in rows
    )


def _taxes(lake: Lake, invoice_no: str, lines: tuple[PaperLine, ...]) -> tuple[PaperTax, ...]:
    """Bases from the lines, tax as it was booked; a deferred document books none yet."""
    bases: dict[tuple[str, int], int] = {}
    for line in lines:
        key = (line.tax_category, line.tax_rate_ppm)
        bases[key] = bases.get(key, 0) + line.net_nano
    booked: dict[tuple[str, int], int] = {}
    for key_text, credit, amount in lake.con.execute(
        f"SELECT posting_key, credit_account, amount_nano::HUGEINT FROM {lake.scan('ledger')} "
        "WHERE invoice_no = ? AND starts_with(posting_key, 'tax:')",
        [invoice_no],
    ).fetchall():
        ppm, _, category = key_text.removeprefix(f"tax:{invoice_no}:").split(":", 2)
        sign = 1 if credit.startswith("tax:") else -1
        booked[category, int(ppm)] = booked.get((category, int(ppm)), 0) + sign * amount
    return tuple(PaperTax(*key, base, booked.get(key, 0)) for key, base in sorted(bases.items()))


def _annex(lake: Lake, period: str, lines: tuple[PaperLine, ...]) -> tuple[AnnexRow, ...]:
    numbers = [str(line.line_no) for line in lines if line.kind not in ("carry", "deferred", "adjustment")]
    if not numbers:
        return ()
    rows = lake.con.execute(
        "SELECT line_no, coalesce(device_id, device_key::VARCHAR, ''), units, amount, price_denominator::HUGEINT FROM "
        "(SELECT line_no, device_key, sum(units)::HUGEINT AS units, sum(amount)::HUGEINT AS amount FROM "
        f"{lake.scan('charges', period=period)} WHERE line_no IN ({', '.join(numbers)}) GROUP BY ALL) "
        f"JOIN (SELECT line_no, price_denominator FROM {lake.scan('lines', period=period)}) USING (line_no) "
        f"LEFT JOIN (SELECT device_key, min(device_id) AS device_id FROM {lake.scan('devices')} GROUP BY device_key) "
        "USING (device_key) ORDER BY ALL"
    ).fetchall()
    return tuple(
        AnnexRow(number, device, units, Fraction(amount, den)) for number, device, units, amount, den in rows
    )


def _name(lake: Lake, kind: str, key: str, value: str) -> str:
    row = one(lake.con, f"SELECT max(name) FROM {lake.scan(kind)} WHERE {key} = {quote(value)}")
    return str(row[0]) if row and row[0] else ""
