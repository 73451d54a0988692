"""What an offer may say and the engine does not price, by name: refused before anything is compiled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from workbench.model.offer import Component, Offer
from workbench.model.plan import CLOSING_FOLDS
from workbench.model.price import (
    Dynamic,
    Graduated,
    Package,
    Percentage,
    Percentile,
    PerUnit,
    StairStep,
    Volume,
)

_NO_OTHER_WAY = "Remove it, or rate it elsewhere; it is never ignored."


def refused(offer: Offer) -> Iterator[tuple[str, str]]:
    """The constructs of an offer that have no rows yet: words for an error, and how to say the same otherwise."""
    own = tuple(replace(component, scope=component.scope or offer.scope) for component in offer.components)
    offer = replace(offer, components=own)  # a price without a scope has its offer's
    for component in offer.components:
        yield from _refused_allowance(component)
    yield from ((what, _NO_OTHER_WAY) for what in _refused(offer))


def _refused_allowance(component: Component) -> Iterator[tuple[str, str]]:
    """Free units that one counter of a billing period does not have."""
    if component.allowance is None:
        return
    name = f"of price '{component.id}'"
    if component.scope == "event":
        yield f"an allowance per event {name}", _free_first(component)
    if component.counter_period != "billing":
        yield (
            f"an allowance with counters anew every {component.counter_period} {name}",
            _free_first(component),
        )
    if len(component.rates) > 1:
        yield f"an allowance over several rates {name}", _as_credits(component)


def _free_first(component: Component) -> str:
    """Free units as the beginning of each counter, where that comes to the same."""
    allowance, price = component.allowance, component.rates[0].price
    assert allowance is not None
    by_member = component.scope == "pool" and allowance.contribution != "none"
    if len(component.rates) > 1 or allowance.rollover or allowance.contribution == "prorated" or by_member:
        return _NO_OTHER_WAY
    if isinstance(price, PerUnit | Graduated):
        return f"Let the price begin with a tier of them: `graduated: {{tiers: [{{up_to: {allowance.units}, amount: 0}}, ...]}}`."
    if isinstance(price, Package):
        return f"Say it in the package: `free: {price.free + allowance.units}`."
    return _NO_OTHER_WAY


def _as_credits(component: Component) -> str:
    """Free units that several rates share are a bundle's, one credit per unit, where a bundle may cover the price."""
    allowance = component.allowance
    assert allowance is not None
    plain = all(isinstance(rate.price, PerUnit | Graduated | Package) for rate in component.rates)
    billed = component.counter_period == "billing" and component.scope != "event"
    if not (plain and billed) or component.increment or component.fold not in ("sum", "count"):
        return _NO_OTHER_WAY
    weights = f"weights: {{{component.id}: 1}}"
    return f"Give them as credits: `bundles: [{{id: included, credits: {allowance.units}, {weights}}}]`."


def _refused(offer: Offer) -> Iterator[str]:
    yield from _refused_bundles(offer)
    yield from _refused_sponsors(offer)
    for component in offer.components:
        yield from _refused_component(component)
        yield from _refused_pool(offer, component)
        if offer.conventions.flat_fee_at_zero and (
            len(component.rates) > 1 or component.counter_period != "billing" or component.scope == "event"
        ):
            yield f"flat_fee_at_zero over several rates or short counters of price '{component.id}'"


def _refused_bundles(offer: Offer) -> Iterator[str]:
    weighed = {name: bundle.id for bundle in offer.bundles for name, _ in bundle.weights}
    for component in offer.components:
        jumps = any(
            isinstance(rate.price, Volume | StairStep | Percentage | Dynamic) for rate in component.rates
        )
        if component.id in weighed and (
            jumps
            or component.increment
            or component.fold not in ("sum", "count")
            or component.scope != offer.scope
        ):
            yield f"bundle '{weighed[component.id]}' over the rounded, folded or jumping price '{component.id}'"
    if offer.bundles and offer.scope == "event":
        yield "a bundle of single events"


def _refused_sponsors(offer: Offer) -> Iterator[str]:
    weighed = {name for bundle in offer.bundles for name, _ in bundle.weights}
    for sponsorship in offer.sponsorships:
        for component in offer.components:
            if component.id not in sponsorship.components:
                continue
            plain = all(isinstance(rate.price, PerUnit) for rate in component.rates)
            if sponsorship.budget is not None and not (plain and component.fold == "sum"):
                yield (
                    f"a budget of sponsorship '{sponsorship.id}' over the price '{component.id}', which "
                    "is not per unit"
                )
            if (
                component.increment
                or component.allowance
                or component.id in weighed
                or component.fold not in ("sum", "count")
            ):
                yield (
                    f"sponsorship '{sponsorship.id}' of the price '{component.id}' with free units, "
                    "rounding or a fold"
                )
            if any(isinstance(rate.price, Volume | StairStep | Percentile) for rate in component.rates):
                yield f"sponsorship '{sponsorship.id}' of the price '{component.id}', which jumps"
            if any(
                d.kind == "percent" and (not d.components or component.id in d.components)
                for d in offer.discounts
            ):
                yield f"a percentage discount on the sponsored price '{component.id}'"


def _refused_pool(offer: Offer, component: Component) -> Iterator[str]:
    """A cap per member and overage by excess are rules about a pool's free units, which are a plain sum's."""
    if component.scope != "pool" or component.allowance is None:
        return
    if (offer.pool_cap_units is not None or offer.overage != "use") and (
        component.fold != "sum" or component.increment is not None
    ):
        yield f"pool_cap_units or overage: excess over a fold or an increment of price '{component.id}'"


def _refused_component(component: Component) -> Iterator[str]:
    name = f"of price '{component.id}'"
    if component.fold in CLOSING_FOLDS and (
        len(component.rates) > 1
        or component.scope == "event"
        or (component.increment and component.increment.per != "period")
        or any(isinstance(rate.price, Percentage | Dynamic | Percentile) for rate in component.rates)
    ):
        yield f"fold: {component.fold} over several rates, single events or rounded parts {name}"
    shaped = component.fold in ("max", "last", "unique")
    increment = component.increment
    if shaped and increment and increment.per != "period":
        yield f"an increment per {increment.per} of a fold {component.fold} {name}"
    if (shaped or (increment and increment.per != "period")) and any(
        isinstance(rate.price, Volume | StairStep) for rate in component.rates
    ):
        yield f"a price that jumps over a fold or a daily increment {name}"
    if shaped and component.scope == "event":
        yield f"a fold of single events {name}"
    if increment and any(isinstance(rate.price, Percentage | Dynamic) for rate in component.rates):
        yield f"an increment of money per event {name}"
    converts = any(isinstance(rate.price, Percentage | Dynamic) for rate in component.rates)
    counts = any(not isinstance(rate.price, Percentage | Dynamic | PerUnit) for rate in component.rates)
    if converts and (counts or component.allowance or component.fold != "sum"):
        yield f"a price per event of money next to counted prices, free units or a fold {name}"
    bursts = any(isinstance(rate.price, Percentile) for rate in component.rates)
    if bursts and (
        len(component.rates) > 1
        or component.counter_period != "billing"
        or component.scope == "event"
        or component.increment
        or component.allowance
        or component.fold != "sum"
    ):
        yield f"p95 together with rates, folds, increments, free units or short counters {name}"
