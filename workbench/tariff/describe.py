"""An offer in words, for ``workbench catalog show``, ``workbench price``, quotes and notebooks: whatever it says, said."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from workbench.model.money import decimal_text
from workbench.model.offer import Catalogue, Commitment, Component, Conventions, Fx, Maximum, Offer, Tax
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
from workbench.tariff.parts_text import (
    SCOPES,
    bundle_text,
    credit_text,
    discount_text,
    extras_text,
    fee_text,
    of_text,
    percent_text,
    share_text,
    sponsorship_text,
    when_text,
)
from workbench.tariff.show import money
from workbench.tariff.units_text import block_text, quantity_words


def describe(offer: Offer, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """(what, sentence) pairs: every price, fee, adjustment, share and convention of an offer."""
    for component in offer.components:
        yield from _prices(offer, component, catalogue.meter(component.meter).unit)
    units = {component.id: catalogue.meter(component.meter).unit for component in offer.components}
    yield from ((bundle.id, bundle_text(bundle, offer, units)) for bundle in offer.bundles)
    yield from ((sponsorship.id, sponsorship_text(sponsorship, offer)) for sponsorship in offer.sponsorships)
    yield from ((credit.id, credit_text(credit, offer)) for credit in offer.credits)
    yield from ((fee.id, fee_text(fee, offer)) for fee in offer.fees)
    if offer.trial:
        yield "trial", f"the first {offer.trial.days} days are free of prices for use and of recurring fees"
    yield from ((discount.id, discount_text(discount, offer)) for discount in offer.discounts)
    yield from _kind(offer)
    yield from _limits(offer)
    yield from _money_out(offer)
    yield from _conventions(offer.conventions)
    yield "split", _split_text(offer, units)


def price_text(price: Price, unit: str, currency: str) -> str:
    """A price in words."""
    if isinstance(price, PerUnit):
        return f"{decimal_text(price.amount)} {currency} per {block_text(price.per, unit)}"
    if isinstance(price, Graduated | Volume):
        how = "each unit at its tier" if isinstance(price, Graduated) else "all units at the reached tier"
        tiers = [
            f"{'beyond' if t.up_to is None else 'up to ' + quantity_words(t.up_to, unit)} {decimal_text(t.amount)}"
            + (f" plus {decimal_text(t.flat)}" if t.flat else "")
            for t in price.tiers
        ]
        return f"{'; '.join(tiers)} {currency} per {block_text(price.per, unit)}, {how}"
    if isinstance(price, StairStep):
        steps = [
            f"{'beyond' if s.up_to is None else 'up to ' + quantity_words(s.up_to, unit)} {decimal_text(s.amount)}"
            for s in price.steps
        ]
        return f"{'; '.join(steps)} {currency} for all"
    if isinstance(price, Package):
        free = f" after {quantity_words(price.free, unit)} free" if price.free else ""
        return f"{decimal_text(price.amount)} {currency} per started {block_text(price.size, unit)}{free}"
    if isinstance(price, Percentage):
        return f"{percent_text(price.rate)} of the amount of each event{_per_event(price, currency)}"
    if isinstance(price, GraduatedPercentage):
        return f"{_rates(price, currency)} of the period's amount, each part at its tier"
    if isinstance(price, Dynamic):
        return (
            f"{decimal_text(price.factor)} times the amount each event carries{_per_event(price, currency)}"
        )
    assert isinstance(price, Percentile)
    which = "the higher" if price.direction == "max" else "the sum"
    both = f", {which} of both directions (out: {price.out_meter})" if price.out_meter else ""
    return (
        f"{decimal_text(price.amount)} {currency} per {block_text(price.per, 'bit/s')} of the "
        f"{decimal_text(price.percentile * 100)}th percentile of slots of {quantity_words(price.slot_seconds, 'second')}{both}"
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
        return [
            percent_text(t.rate) + (f" + {decimal_text(t.flat)} once" if t.flat else "") for t in price.tiers
        ]
    return [price_text(price, unit, currency)]


# -- prices --------------------------------------------------------------------------------------------------


def _kind(offer: Offer) -> Iterator[tuple[str, str]]:
    said = {
        "bought, not sold": offer.side == "buy",
        "prepaid": offer.prepaid,
        "charged by the node, event by event": offer.charged == "node",
        "granted past the limit": offer.critical,
    }
    if any(said.values()):
        yield "kind", ", ".join(words for words, holds in said.items() if holds)
    if offer.scope != "device":
        yield "counters", SCOPES[offer.scope]


def _prices(offer: Offer, component: Component, unit: str) -> Iterator[tuple[str, str]]:
    extras = extras_text(offer, component, unit)
    for rate in component.rates:
        name = component.id if len(component.rates) == 1 else f"{component.id}/{rate.id}"
        when = when_text(rate, offer.zone)
        yield name, f"{price_text(rate.price, unit, offer.currency)}{when}{extras}"
    if component.unmatched == "free" and (component.rates[-1].match or component.rates[-1].windows):
        yield f"{component.id}/else", "free"


def _per_event(price: Percentage | Dynamic, currency: str) -> str:
    found = f" plus {money(price.fee, currency)}" if price.fee else ""
    found += f", at least {money(price.floor, currency)}" if price.floor is not None else ""
    return found + (f", at most {money(price.cap, currency)}" if price.cap is not None else "")


def _rates(price: GraduatedPercentage, currency: str) -> str:
    return "; ".join(
        ("beyond" if t.up_to is None else f"up to {money(Fraction(t.up_to, 10**9), currency)}")
        + f" {percent_text(t.rate)}"
        + (f" plus {money(t.flat, currency)}" if t.flat else "")
        for t in price.tiers
    )


# -- limits, tax, splits -------------------------------------------------------------------------------------


def _limits(offer: Offer) -> Iterator[tuple[str, str]]:
    if offer.pool_cap_units:
        yield "pool cap", f"a member draws at most {offer.pool_cap_units:,} units of the pool's free ones"
    if offer.overage == "excess":
        yield "overage", "is shared by what each member used beyond its own part"
    if offer.maximum:
        yield "maximum", maximum_text(offer.maximum, offer)
    if offer.commitment:
        words = commitment_text(offer.commitment, offer)
        yield "commitment", f"{words}; what is missing is billed at close"


def maximum_text(top: Maximum, offer: Offer) -> str:
    """The most that may be charged."""
    return f"{money(top.amount, offer.currency)} per {top.scope} and {offer.period}{of_text(top.components, 'for ')}"


def commitment_text(least: Commitment, offer: Offer) -> str:
    """The promised spend."""
    words = f"{money(least.amount, offer.currency)} per {least.scope} and {offer.period}"
    return f"{words}{of_text(least.components, 'for ')}{', by the days covered' if least.prorated else ''}"


def tax_text(tax: Tax, offer: Offer) -> str:
    """A tax, and whether the prices hold it."""
    return f"{percent_text(tax.rate)} {'in the prices' if tax.inclusive else 'on top of the prices'}"


def fx_text(rate: Fx, offer: Offer) -> str:
    """A stored exchange rate."""
    return f"{decimal_text(rate.rate)} {rate.currency} per {offer.currency}, stored on {rate.as_of}"


def _money_out(offer: Offer) -> Iterator[tuple[str, str]]:
    for tax in offer.taxes:
        how = "is in the prices" if tax.inclusive else "comes on top"
        name = "tax" if tax.category == "standard" else f"tax {tax.category}"
        yield name, f"{percent_text(tax.rate)} {how}"
    for rate in offer.fx:
        yield (
            f"rate to {rate.currency}",
            f"1 {offer.currency} is {decimal_text(rate.rate)} {rate.currency}, stored {rate.as_of}",
        )
    if offer.micropayment.carry_remainder:
        yield "remainder", "what rounding leaves becomes a line of the next period"
    if offer.micropayment.minimum_invoice:
        least = money(offer.micropayment.minimum_invoice, offer.currency)
        yield "minimum invoice", f"below {least} the amount waits for the next invoice"


def _conventions(said: Conventions) -> Iterator[tuple[str, str]]:
    if said.tier_bound == "exclusive":
        yield "tier bound", "the unit at a tier's bound belongs to the next tier"
    if said.flat_fee_at_zero:
        yield "flat fee", "the first tier's is due without any use"


def _split_text(offer: Offer, units: dict[str, str]) -> str:
    if offer.split is None:
        return "none"
    parts = [f"{rule.partner} {share_text(rule, offer, units)}" for rule in offer.split.rules]
    parts += [f"the rest {offer.split.rest}"] if offer.split.rest else []
    said = ", ".join(parts)
    said += "; of what is collected" if offer.split.basis == "collected" else ""
    said += "; fixed parts end at the charge" if offer.split.fixed_overrun == "capped" else ""
    return said + ("; true-ups are shared too" if offer.split.share_true_ups else "")
