"""A closed period, told by the books and by the reference in the same words, down to the partner's cent."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.golden.books import close_together, select
from tests.golden.case import Case
from tests.verify.proven import broken
from workbench.lake.lake import Lake
from workbench.reference.rater import rate_periods
from workbench.reference.results import Bill
from workbench.settlement.paid import settled_nano

Key = tuple[Any, ...]


@dataclass
class Whole:
    """What a period came to; whatever is zero is left out.

    Attributes:
        lines: (account, offer, version, part, kind, tax category, currency) -> exact nano, and what it was rounded to.
        documents: (account, currency) -> net, tax, gross, payable, deferred, settled.
        shares: (offer, version, currency, partner) -> exact nano, and the statement.
    """

    lines: dict[Key, tuple[Fraction, int]] = field(default_factory=dict)
    documents: dict[Key, dict[str, int]] = field(default_factory=dict)
    shares: dict[Key, tuple[Fraction, int]] = field(default_factory=dict)


def by_reference(case: Case) -> list[Whole]:
    """What the reference says of each period."""
    bought = {offer.id for offer in case.catalogue.offers if offer.side != "sell"}
    bills = rate_periods(case.catalogue, case.parties, case.uses, list(case.periods), case.outages)
    return [_of_bill(bill, bought) for bill in bills]


def _of_bill(bill: Bill, bought: set[str]) -> Whole:
    found = Whole()
    for line in bill.lines:
        key = line.key
        if key.offer_id not in bought and (line.amount_nano or line.net_nano):
            name = (
                key.account_id,
                key.offer_id,
                key.offer_version,
                key.component_id,
                key.kind,
                key.tax_category,
            )
            found.lines[*name, line.currency] = (line.amount_nano, line.net_nano)
    for invoice in bill.invoices:
        totals = {
            "net": invoice.net_nano, "tax": invoice.tax_nano, "gross": invoice.gross_nano,
            "payable": invoice.payable_nano, "deferred": invoice.deferred_nano, "settled": invoice.settled_nano,
        }  # fmt: skip
        if any(totals.values()) and any(key[0] == invoice.account_id for key in found.lines):
            found.documents[invoice.account_id, invoice.currency] = totals
    for share in bill.shares:
        if share.offer_id not in bought and (share.amount_nano or share.statement_nano):
            name = (share.offer_id, share.offer_version, share.currency, share.partner_id)
            found.shares[name] = (share.amount_nano, share.statement_nano)
    return found


def by_books(case: Case, folder: Path) -> list[tuple[Whole, list[str]]]:
    """What the closed books say of each period, and which promises ``verify`` finds broken in them."""

    def read(lake: Lake, period: str, _: int) -> list[tuple[Whole, list[str]]]:
        return [(_read(lake, period), broken(lake))]

    return [told[0] for told in close_together(folder, [case], case.periods, read)]


def _read(lake: Lake, period: str) -> Whole:
    found = Whole()
    for account, offer, version, part, kind, category, currency, amount, den, rounded in select(
        lake, "invoice_lines", period,
        "account_id, offer_id, offer_version, component_id, kind, tax_category, currency, amount, price_denominator, rounded_nano",
    ):  # fmt: skip
        if kind != "deferred" and (amount or rounded):
            name = (_own(account), _own(offer), version, part, kind, category or "standard", currency)
            found.lines[name] = (Fraction(int(amount), int(den)), int(rounded))
    sums: dict[Key, dict[str, int]] = defaultdict(
        lambda: dict.fromkeys(("net", "tax", "gross", "payable", "deferred", "settled"), 0)
    )
    for account, currency, state, net, tax, gross, invoice_no in select(
        lake, "invoices", period, "account_id, currency, state, net_nano, tax_nano, gross_nano, invoice_no"
    ):
        totals, settled = sums[_own(account), currency], settled_nano(lake, invoice_no)
        for name, value in (("net", net), ("tax", tax), ("gross", gross), ("settled", settled)):
            totals[name] += int(value)
        totals["deferred" if state == "deferred" else "payable"] += int(gross) - settled
    found.documents = {key: totals for key, totals in sums.items() if any(totals.values())}
    for offer, version, currency, partner, top, bottom, stated in select(
        lake, "statements", period,
        "offer_id, offer_version, currency, partner_id, share_numerator, share_denominator, statement_nano",
    ):  # fmt: skip
        if top or stated:
            found.shares[_own(offer), version, currency, partner] = (
                Fraction(int(top), int(bottom)),
                int(stated),
            )
    return found


def _own(name: str) -> str:
    return name.partition("-")[2]


def differences(wanted: Whole, found: Whole) -> list[str]:
    """Where the books are not the reference's, as sentences."""
    said = []
    for what in ("lines", "documents", "shares"):
        ours, theirs = getattr(found, what), getattr(wanted, what)
        said += [
            f"{what} {key}: reference {theirs.get(key)}, books {ours.get(key)}"
            for key in sorted(ours.keys() | theirs.keys(), key=str)
            if ours.get(key) != theirs.get(key)
        ]
    return said
