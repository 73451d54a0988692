"""An offer in words, for ``workbench catalog show`` and notebooks."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.model.money import decimal_text
from workbench.model.offer import Catalogue, Component, Offer
from workbench.model.price import (
    Dynamic,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    Percentile,
    PerUnit,
    Price,
    StairStep,
    Volume,
)
from workbench.tariff.units_text import block_text, quantity_text


def describe(offer: Offer, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """(what, sentence) pairs: every price, fee, adjustment and share of an offer."""
    for component in offer.components:
        unit = catalogue.meter(component.meter).unit
        for rate in component.rates:
            conditions = [f"{name} {' or '.join(values)}" for name, values in rate.match]
            conditions += ["at its times"] if rate.windows else []
            name = component.id if len(component.rates) == 1 else f"{component.id}/{rate.id}"
            when = f" when {' and '.join(conditions)}" if conditions else ""
            yield name, f"{price_text(rate.price, unit, offer.currency)}{when}{_extras(component, unit)}"
    for bundle in offer.bundles:
        spent = ", ".join(f"{weight} per {name}" for name, weight in bundle.weights)
        yield bundle.id, f"{bundle.credits:,} credits per period, spent {spent} unit"
    for sponsorship in offer.sponsorships:
        limit = (
            f" up to {decimal_text(sponsorship.budget)} {offer.currency}"
            if sponsorship.budget is not None
            else ""
        )
        yield sponsorship.id, f"{sponsorship.account} pays {', '.join(sponsorship.components)}{limit}"
    for credit in offer.credits:
        yield (
            credit.id,
            f"{decimal_text(credit.amount)} {offer.currency} of {credit.kind} credit, {credit.every}",
        )
    for fee in offer.fees:
        every = "once" if fee.every == "once" else f"every {fee.every}"
        yield fee.id, f"{decimal_text(fee.amount)} {offer.currency} {every} per {fee.per}"
    if offer.trial:
        yield "trial", f"the first {offer.trial.days} days are free"
    for discount in offer.discounts:
        off = (
            f"{decimal_text(discount.rate * 100)} %"
            if discount.kind == "percent"
            else decimal_text(discount.amount)
        )
        yield discount.id, f"{off} off{f' with code {discount.code}' if discount.code else ''}"
    if offer.maximum:
        yield (
            "maximum",
            f"{decimal_text(offer.maximum.amount)} {offer.currency} per {offer.maximum.scope} and period",
        )
    if offer.commitment:
        yield (
            "commitment",
            f"{decimal_text(offer.commitment.amount)} {offer.currency} per {offer.commitment.scope} and period",
        )
    yield "split", _split_text(offer)


def price_text(price: Price, unit: str, currency: str) -> str:
    """A price in words."""
    if isinstance(price, PerUnit):
        return f"{decimal_text(price.amount)} {currency} per {block_text(price.per, unit)}"
    if isinstance(price, Graduated | Volume):
        how = "each unit at its tier" if isinstance(price, Graduated) else "all units at the reached tier"
        tiers = [
            f"{'beyond' if t.up_to is None else 'up to ' + quantity_text(t.up_to, unit)} {decimal_text(t.amount)}"
            + (f" plus {decimal_text(t.flat)}" if t.flat else "")
            for t in price.tiers
        ]
        return f"{'; '.join(tiers)} {currency} per {block_text(price.per, unit)}, {how}"
    if isinstance(price, StairStep):
        steps = [
            f"{'beyond' if s.up_to is None else 'up to ' + quantity_text(s.up_to, unit)} {decimal_text(s.amount)}"
            for s in price.steps
        ]
        return f"{'; '.join(steps)} {currency} for all"
    if isinstance(price, Package):
        free = f" after {quantity_text(price.free, unit)} free" if price.free else ""
        return f"{decimal_text(price.amount)} {currency} per started {quantity_text(price.size, unit)}{free}"
    if isinstance(price, Percentage):
        return f"{decimal_text(price.rate * 100)} % of the amount of each event"
    if isinstance(price, GraduatedPercentage):
        return f"{', then '.join(decimal_text(t.rate * 100) for t in price.tiers)} % of the period's amount"
    if isinstance(price, Dynamic):
        return f"{decimal_text(price.factor)} times the amount each event carries"
    assert isinstance(price, Percentile)
    return (
        f"{decimal_text(price.amount)} {currency} per {block_text(price.per, 'bit/s')} of the "
        f"{decimal_text(price.percentile * 100)}th percentile"
    )


def labels(price: Price, unit: str, currency: str) -> list[str]:
    """What each step of a price asks, in words: ``0.02 EUR per MB``; one for all steps where they do not differ."""
    if isinstance(price, Graduated | Volume):
        per = block_text(price.per, unit)
        return [
            f"{decimal_text(t.amount)} {currency} per {per}"
            + (f" + {decimal_text(t.flat)} once" if t.flat else "")
            for t in price.tiers
        ]
    if isinstance(price, StairStep):
        return [f"{decimal_text(s.amount)} {currency} for all" for s in price.steps]
    if isinstance(price, GraduatedPercentage):
        return [f"{decimal_text(t.rate * 100)} %" for t in price.tiers]
    return [price_text(price, unit, currency)]


def _extras(component: Component, unit: str) -> str:
    found = ""
    if component.allowance:
        found += f", {quantity_text(component.allowance.units, unit)} free"
        if component.allowance.rollover:
            found += f" (unused units live {component.allowance.rollover.periods} more periods)"
    if component.increment:
        found += f", counted in steps of {quantity_text(component.increment.units, unit)} per {component.increment.per}"
    if component.counter_period != "billing":
        found += f", counted anew every {component.counter_period}"
    return found


def _split_text(offer: Offer) -> str:
    if offer.split is None:
        return "none"
    parts = []
    for rule in offer.split.rules:
        if rule.kind == "percent":
            share = f"{decimal_text(rule.rate * 100)} %"
        elif rule.kind == "fixed":
            share = f"{decimal_text(rule.amount)} {offer.currency} per {rule.per}"
        else:
            share = "a share by tiers"
        parts.append(f"{rule.partner} {share}")
    return ", ".join(parts + ([f"the rest {offer.split.rest}"] if offer.split.rest else []))
