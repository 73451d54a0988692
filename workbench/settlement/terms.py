"""What a close needs to know beside the charges: the offers it bills, and the house rules of billing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Protocol

from workbench.errors import SettlementError
from workbench.model.offer import Catalogue, Offer
from workbench.model.split import Split
from workbench.settlement.splits import OPERATOR

OfferKey = tuple[str, int, str]
"""Offer id, version, and the currency it is billed in."""


class Compiled(Protocol):
    """A plan: whatever was compiled from a catalogue."""

    @property
    def catalogue(self) -> Catalogue:
        """What it was compiled from."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """House rules of billing.

    Attributes:
        operator: the partner id under which splits name ourselves; its share stays in ``revenue``.
        series: of invoices. deferral_series: of amounts below a minimum invoice. adjustment_series: of
            documents after a close. Numbers run without a gap in each.
        release: accounts that end: their carried remainders and deferred amounts are billed now, however
            small.
    """

    operator: str = OPERATOR
    series: str = "INV"
    deferral_series: str = "DEF"
    adjustment_series: str = "ADJ"
    release: frozenset[str] = field(default=frozenset())


def offers_by_key(plan: Catalogue | Compiled, wanted: Iterable[OfferKey]) -> dict[OfferKey, Offer]:
    """The offer versions that the lines of a period name, with their amounts in the billed currency.

    Raises:
        SettlementError: ``unknown_offer`` when a line names a version the plan does not hold, or
            ``unknown_rate`` when it is billed in a currency the offer has no stored exchange rate for.
    """
    catalogue = plan if isinstance(plan, Catalogue) else plan.catalogue
    known = {(offer.id, offer.version): offer for offer in catalogue.offers}
    found = {}
    for offer_id, version, currency in sorted(set(wanted)):
        if (offer_id, version) not in known:
            raise SettlementError(
                "A rated line names an offer version that the plan does not hold.",
                where=f"{offer_id} version {version}",
                cure="Close with the plan the period was rated by.",
                code="unknown_offer",
            )
        found[offer_id, version, currency] = in_currency(known[offer_id, version], currency)
    return found


def in_currency(offer: Offer, currency: str) -> Offer:
    """The offer with its minimum invoice in ``currency``, by its stored rate. The split stays in the offer's own currency,
    as shares are reckoned in it (``in_order``).
    """
    if currency == offer.currency:
        return offer
    rate = stored_rate(offer, currency)
    if rate is None:
        raise SettlementError(
            f"{offer.id} is billed in {currency} without a stored exchange rate.",
            where=f"{offer.id} version {offer.version}",
            cure="Add the rate under `fx:` in the offer.",
            code="unknown_rate",
        )
    small = replace(offer.micropayment, minimum_invoice=offer.micropayment.minimum_invoice * rate)
    return replace(offer, currency=currency, micropayment=small)


def stored_rate(offer: Offer, currency: str) -> Fraction | None:
    """What one unit of an offer's own currency is in another: the first rate that is written holds."""
    return next((fx.rate for fx in offer.fx if fx.currency == currency), None)


def in_order(offer: Offer, currencies: Iterable[str]) -> list[tuple[str, Fraction]]:
    """The currencies an offer is billed in, its own first, then by their codes; and the rate of each.

    Args:
        offer: as it is written, or as billed in any currency (``in_currency``).
    """
    rates = {currency: stored_rate(offer, currency) for currency in sorted(set(currencies))}
    listed = sorted(rates.items(), key=lambda pair: (pair[1] is not None, pair[0]))
    return [(currency, Fraction(1) if rate is None else rate) for currency, rate in listed]


def split_of(offer: Offer) -> Split:
    """The offer's split.

    Raises:
        SettlementError: ``no_split``; 100 % operator is written out, never assumed.
    """
    if offer.split is None:
        raise SettlementError(
            "An offer without a split cannot be settled.",
            where=f"{offer.id} version {offer.version}",
            cure="Write who shares its revenue; all of it for the operator is `split: {rest: operator}`.",
            code="no_split",
        )
    return offer.split
