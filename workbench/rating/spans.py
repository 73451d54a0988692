"""Whether a period is one of those an offer is billed by: a month must not bear a year's fee.

Somebody who tries a price list bills a few hours or days of traffic as if they were the period; that stays possible. A
whole month, quarter or year is no trial: offers that are billed by another one of these, or by the week or day, are
refused in it, unless nothing in them looks at the period.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.errors import RatingError
from workbench.model.offer import Offer
from workbench.model.plan import Period
from workbench.model.price import Graduated, GraduatedPercentage, Percentile, StairStep, Volume
from workbench.tariff.calendar import billed_days

_COUNTED = (Graduated, GraduatedPercentage, Percentile, StairStep, Volume)
"""Prices that look at the use of a whole period."""

_DAYS = {"day": (1, 1), "week": (6, 7), "month": (28, 31), "quarter": (89, 92), "year": (364, 366)}
"""Local days; Apia had no 30 December 2011."""


def hold_spans(offers: Iterable[Offer], billing: Period) -> None:
    """Refuse to bill over a whole month, quarter or year what an offer says of another period.

    Prices per unit, fees per day and fees due once do not look at the period: an offer of these alone fits any.

    Args:
        offers: the versions that somebody subscribes to.
        billing: the span that is rated.

    Raises:
        RatingError: ``billing_span``: names the offer, what is due once, and the span.
    """
    for offer in offers:
        days = len(billed_days(billing, offer.zone))
        least, most = _DAYS[offer.period]
        whole = any(
            low <= days <= high for low, high in (_DAYS[name] for name in ("month", "quarter", "year"))
        )
        due = next(_due_once(offer), "")
        if whole and due and not least <= days <= most:
            raise RatingError(
                f"Offer '{offer.id}' is billed every {offer.period}, and {due} is for a whole one; this period has {days} "
                f"day{'' if days == 1 else 's'}.",
                where=f"offer {offer.id} version {offer.version}",
                cure=f"Rate a {offer.period}, or say in the offer the `period:` in which it is billed.",
                code="billing_span",
            )


def _due_once(offer: Offer) -> Iterator[str]:
    """What an offer says of a whole period, in the words of a price list."""
    for fee in offer.fees:
        if fee.every == "period":
            yield f"the fee '{fee.id}'"
    for name, limit in (("maximum", offer.maximum), ("commitment", offer.commitment)):
        if limit is not None:
            yield f"the {name}"
    for bundle in offer.bundles:
        yield f"the bundle '{bundle.id}'"
    for component in offer.components:
        if component.counter_period != "billing":
            continue
        if component.allowance is not None:
            yield f"what is free of '{component.id}'"
        if any(isinstance(rate.price, _COUNTED) for rate in component.rates):
            yield f"the steps of '{component.id}'"
    for credit in offer.credits:
        if credit.every == "period":
            yield f"the credit '{credit.id}'"
    if offer.split is not None and any(rule.guarantee is not None for rule in offer.split.rules):
        yield "a partner's guarantee"
