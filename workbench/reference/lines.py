"""From charges to invoice lines, tax and shares."""

from __future__ import annotations

from fractions import Fraction

from workbench.model.offer import Offer
from workbench.reference.results import (
    Charge,
    Invoice,
    Line,
    LineKey,
    Share,
    TaxTotal,
    Unpriceable,
)
from workbench.reference.rounding import exact_sum, exchange_rate, to_minor
from workbench.reference.splits import Takings, shares_of
from workbench.reference.who import Who


def offer_of(who: Who, offer_id: str, version: int) -> Offer:
    """The offer version a charge names."""
    for offer in who.versions[offer_id]:
        if offer.version == version:
            return offer
    raise KeyError((offer_id, version))


def make_lines(who: Who, charges: list[Charge]) -> list[Line]:
    """Sum and round: "Invoice line = account × offer version × price component × period × tax category,
    never per device": rounded here.
    """
    parts: dict[LineKey, list[Fraction]] = {}
    units: dict[LineKey, int] = {}
    for charge in charges:
        parts.setdefault(charge.line, []).append(charge.amount_nano)
        units[charge.line] = units.get(charge.line, 0) + charge.units
    lines = []
    for key in sorted(parts, key=line_order):
        currency, factor = currency_of(who, key)
        amount = exact_sum(parts[key]) * factor
        lines.append(Line(key, currency, units[key], amount, to_minor(amount, currency)))
    return lines


def line_of_charge(who: Who, charge: Charge) -> Line:
    """A line for one charge that is already in the account's currency."""
    currency, _ = currency_of(who, charge.line)
    net_nano = to_minor(charge.amount_nano, currency)
    return Line(charge.line, currency, charge.units, charge.amount_nano, net_nano)


def currency_of(who: Who, key: LineKey) -> tuple[str, Fraction]:
    """The account's currency and the stored rate from the offer's: "FX with a stored rate", before
    rounding.
    """
    offer = offer_of(who, key.offer_id, key.offer_version)
    account = who.accounts.get(key.account_id)
    if account is None or account.currency == offer.currency:
        return offer.currency, Fraction(1)
    rate = exchange_rate(offer, account.currency)
    if rate is None:
        raise Unpriceable(f"offer {offer.id} has no rate from {offer.currency} to {account.currency}")
    return account.currency, rate


def line_order(key: LineKey) -> tuple[str, str, int, str, str, str]:
    """Lines are numbered by account, offer, version, component, kind."""
    return (key.account_id, key.offer_id, key.offer_version, key.component_id, key.kind, key.tax_category)


def make_taxes(who: Who, lines: list[Line]) -> list[TaxTotal]:
    """Tax what was rounded: "Tax per rate computed on the summed base per rate"; an inclusive price
    contains its tax already.

    Lines whose offer names no tax for their category bear none.
    """
    bases: dict[tuple[str, str, str, Fraction, bool], int] = {}
    for line in lines:
        for tax in offer_of(who, line.key.offer_id, line.key.offer_version).taxes:
            if tax.category == line.key.tax_category:
                key = (line.key.account_id, line.currency, tax.category, tax.rate, tax.inclusive)
                bases[key] = bases.get(key, 0) + line.net_nano
    totals = []
    for (account_id, currency, category, rate, inclusive), amount in sorted(bases.items()):
        if inclusive:
            tax_nano = to_minor(amount * rate / (1 + rate), currency)
            totals.append(TaxTotal(account_id, currency, category, rate, amount - tax_nano, tax_nano, True))
        else:
            totals.append(
                TaxTotal(account_id, currency, category, rate, amount, to_minor(amount * rate, currency))
            )
    return totals


def make_invoice(account_id: str, currency: str, lines: list[Line], taxes: list[TaxTotal]) -> Invoice:
    """The invoice of an account in one currency: "subtotal = sum of lines"; tax as computed per rate."""
    net_nano = sum(line.net_nano for line in lines)
    invoice = Invoice(account_id, currency, net_nano, 0, net_nano)
    for tax in taxes:
        invoice.tax_nano += tax.tax_nano
        if tax.inclusive:
            invoice.net_nano -= tax.tax_nano
        else:
            invoice.gross_nano += tax.tax_nano
    return invoice


def net_of_tax(offer: Offer, charge: Charge) -> Fraction:
    """A charge without the tax that an inclusive price contains: the basis of a split is net of tax."""
    for tax in offer.taxes:
        if tax.inclusive and tax.category == charge.line.tax_category:
            return charge.amount_nano / (1 + tax.rate)
    return charge.amount_nano


def make_shares(who: Who, charges: list[Charge]) -> list[Share]:
    """Every partner's share of every offer version, over all accounts, "net of tax and discounts"."""
    takings: dict[tuple[str, int], dict[str, Takings]] = {}
    for charge in charges:
        currency, _ = currency_of(who, charge.line)
        earned = takings.setdefault((charge.line.offer_id, charge.line.offer_version), {})
        taken = earned.setdefault(currency, Takings())
        offer = offer_of(who, charge.line.offer_id, charge.line.offer_version)
        amount = net_of_tax(offer, charge)
        if charge.line.kind == "true_up" and offer.split is not None and not offer.split.share_true_ups:
            taken.unshared += amount  # "true-ups unshared unless said"
        else:
            taken.add(charge.line.component_id, amount, charge.units, charge.device_id)
    for offer, currency in promised(who):
        takings.setdefault((offer.id, offer.version), {}).setdefault(currency, Takings())
    shares = []
    for (offer_id, version), earned in sorted(takings.items()):
        shares.extend(shares_of(offer_of(who, offer_id, version), earned))
    return shares


def promised(who: Who) -> list[tuple[Offer, str]]:
    """Sold offers with a minimum guarantee that cover somebody in the period: it is due without any use, too; and in
    which currencies they are billed.
    """
    found = []
    for offer in who.catalogue.offers:
        rules = offer.split.rules if offer.split is not None else ()
        if offer.side == "sell" and any(rule.guarantee for rule in rules):
            found += [
                (offer, who.accounts[subscription.account_id].currency)
                for subscription in who.subscriptions
                if subscription.offer_id == offer.id and who.covered_days(subscription, offer)
            ]
    return found
