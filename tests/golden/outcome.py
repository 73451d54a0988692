"""What a rater says about one period of a case, in the words of ``expect``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tests.golden.case import Case, money
from workbench.model.money import decimal_text
from workbench.reference.rater import rate_periods
from workbench.reference.results import Bill

NANO = 1_000_000_000
LineName = tuple[str, str, str]  # account, component, kind


@dataclass
class Outcome:
    """Amounts are exact nano; ``None`` where a rater has no opinion (it is then not compared)."""

    charges: list[Fraction] | None = None  # of the uses, by time, device, meter and event id
    lines: dict[LineName, Fraction] = field(default_factory=dict)
    rounded: dict[LineName, int] | None = None
    shares: dict[str, Fraction] | None = None
    statements: dict[str, int] | None = None
    invoices: dict[str, dict[str, int]] | None = None  # account -> net, tax, gross, payable ...
    uncharged: list[str] | None = None
    silent: Callable[[LineName], bool] = lambda name: False  # lines it has no opinion about


Rater = Callable[[Case], list[Outcome]]


def by_reference(case: Case) -> list[Outcome]:
    """The reference rater's opinion."""
    bills = rate_periods(case.catalogue, case.parties, case.uses, list(case.periods), case.outages)
    return [outcome_of(bill) for bill in bills]


def outcome_of(bill: Bill) -> Outcome:
    charges: list[Fraction] = []
    rounded: dict[LineName, int] = {}
    shares: dict[str, Fraction] = {}
    statements: dict[str, int] = {}
    invoices: dict[str, dict[str, int]] = {}
    reasons = [entry.reason for entry in bill.uncharged]
    found = Outcome(charges, {}, rounded, shares, statements, invoices, reasons)
    for charge in sorted(bill.charges, key=lambda c: (c.at, c.device_id, c.line.meter, c.event_id)):
        if charge.line.kind == "usage" and charge.rate_id:
            charges.append(charge.amount_nano)
    for line in bill.lines:
        name = (line.key.account_id, line.key.component_id, line.key.kind)
        found.lines[name] = found.lines.get(name, Fraction(0)) + line.amount_nano
        rounded[name] = rounded.get(name, 0) + line.net_nano
    for share in bill.shares:
        shares[share.partner_id] = shares.get(share.partner_id, Fraction(0)) + share.amount_nano
        statements[share.partner_id] = statements.get(share.partner_id, 0) + share.statement_nano
    for invoice in bill.invoices:
        invoices[invoice.account_id] = {
            "net": invoice.net_nano,
            "tax": invoice.tax_nano,
            "gross": invoice.gross_nano,
            "payable": invoice.payable_nano,
            "deferred": invoice.deferred_nano,
            "settled": invoice.settled_nano,
        }
    return found


def differences(expect: dict[str, Any], found: Outcome, default_account: str) -> list[str]:
    """Every expectation that the outcome does not meet, as sentences. Empty when all is well."""
    unknown = set(expect) - {
        "charges",
        "lines",
        "rounded",
        "shares",
        "statements",
        "invoice",
        "invoices",
        "uncharged",
    }
    wrong = [f"unknown expectation {name}" for name in sorted(unknown)]
    if "charges" in expect and found.charges is not None:
        wrong += compare("charges", [money(text) for text in expect["charges"]], found.charges)
    if "lines" in expect:
        wanted = {line_name(name, default_account): money(text) for name, text in expect["lines"].items()}
        wanted = {name: amount for name, amount in wanted.items() if not found.silent(name)}
        wrong += compare("lines", without_zeros(wanted), without_zeros(found.lines))
    if "rounded" in expect and found.rounded is not None:
        rounded = {line_name(name, default_account): money(text) for name, text in expect["rounded"].items()}
        wrong += compare("rounded", rounded, {name: Fraction(found.rounded.get(name, 0)) for name in rounded})
    if "shares" in expect and found.shares is not None:
        shares = {name: money(text) for name, text in expect["shares"].items()}
        wrong += compare("shares", without_zeros(shares), without_zeros(found.shares))
    if "statements" in expect and found.statements is not None:
        said = {name: money(text) for name, text in expect["statements"].items()}
        wrong += compare("statements", said, {name: Fraction(found.statements.get(name, 0)) for name in said})
    invoices = expect.get("invoices", {})
    if "invoice" in expect:
        invoices = {default_account: expect["invoice"]}
    if found.invoices is not None:
        for account, totals in invoices.items():
            printed = {name: money(text) for name, text in totals.items()}
            is_now = {name: Fraction(found.invoices.get(account, {}).get(name, 0)) for name in totals}
            wrong += compare(f"invoice of {account}", printed, is_now)
    if "uncharged" in expect and found.uncharged is not None:
        wrong += compare("uncharged", sorted(expect["uncharged"]), sorted(found.uncharged))
    return wrong


def line_name(text: str, default_account: str) -> LineName:
    """``component``, ``component kind`` or ``account/component kind``."""
    account, slash, rest = text.rpartition("/")
    component, _, kind = rest.partition(" ")
    return (account if slash else default_account, component, kind or "usage")


def without_zeros(amounts: dict[Any, Fraction]) -> dict[Any, Fraction]:
    return {name: amount for name, amount in amounts.items() if amount != 0}


def compare(what: str, wanted: Any, found: Any) -> list[str]:
    return [] if wanted == found else [f"{what}: wanted {shown(wanted)}, found {shown(found)}"]


def shown(value: Any) -> str:
    if isinstance(value, Fraction):
        return decimal_text(value / NANO)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(shown(item) for item in value) + "]"
    return str(value)
