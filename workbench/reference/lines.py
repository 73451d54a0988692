"""From charges to invoice lines, tax and shares."""

from __future__ import annotations

from fractions import Fraction

from workbench.model.offer import Offer
from workbench.reference.results import ZERO, Charge, Line, LineKey, Share, TaxTotal
from workbench.reference.rounding import to_minor
from workbench.reference.splits import Takings, shares_of
from workbench.reference.who import Who


def offer_of(who: Who, offer_id: str, version: int) -> Offer:
    """The offer version a charge names."""
    for offer in who.versions[offer_id]:
        if offer.version == version:
            return offer
    raise KeyError((offer_id, version))


def make_lines(who: Who, charges: list[Charge]) -> list[Line]:
    """ "Invoice line = account × offer version × price component × period × tax category, never per device":
    rounded here.
    """
    amounts: dict[LineKey, Fraction] = {}
    units: dict[LineKey, int] = {}
    for charge in charges:
        amounts[charge.line] = amounts.get(charge.line, ZERO) + charge.amount_nano
        units[charge.line] = units.get(charge.line, 0) + charge.units
    lines = []
    for key in sorted(amounts, key=line_order):
        currency = offer_of(who, key.offer_id, key.offer_version).currency
        lines.append(Line(key, currency, units[key], amounts[key], to_minor(amounts[key], currency)))
    return lines


def line_order(key: LineKey) -> tuple[str, str, int, str, str, str]:
    """Lines are numbered by account, offer, version, component, kind."""
    return (key.account_id, key.offer_id, key.offer_version, key.component_id, key.kind, key.tax_category)


def make_taxes(who: Who, lines: list[Line]) -> list[TaxTotal]:
    """ "Tax per rate computed on the summed base per rate"; an inclusive price contains its tax already.

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
            totals.append(TaxTotal(account_id, currency, category, rate, amount - tax_nano, tax_nano))
        else:
            totals.append(
                TaxTotal(account_id, currency, category, rate, amount, to_minor(amount * rate, currency))
            )
    return totals


def make_shares(who: Who, charges: list[Charge]) -> list[Share]:
    """Every partner's share of every offer version, over all accounts, "net of tax and discounts"."""
    takings: dict[tuple[str, int], Takings] = {}
    for charge in charges:
        taken = takings.setdefault((charge.line.offer_id, charge.line.offer_version), Takings())
        taken.add(charge.line.component_id, charge.amount_nano, charge.units, charge.device_id)
    shares = []
    for (offer_id, version), taken in sorted(takings.items()):
        shares.extend(shares_of(offer_of(who, offer_id, version), taken))
    return shares
