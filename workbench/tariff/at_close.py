"""What an offer says that nobody can decide at the event: named before an offer is charged online or published."""

from __future__ import annotations

from workbench.model.offer import Offer
from workbench.model.plan import PlanOffer

_ADJUSTED = {"commitment": "commitment's true-up", "maximum": "maximum of the period"}


def not_online(offer: PlanOffer) -> list[str]:
    """What an offer says that cannot be decided at the event, by name."""
    found = [f"the bundle '{bundle.id}'" for bundle in offer.bundles]
    found += [f"the sponsorship '{sponsor.id}'" for sponsor in offer.sponsors]
    found += [f"the {_ADJUSTED[a.id]}" for a in offer.adjustments if a.id in _ADJUSTED]
    found += [f"the fixed discount '{name}'" for name in offer.fixed_discounts]
    for component in offer.components:
        if component.fold not in ("sum", "count", "max"):
            found.append(f"fold {component.fold} of '{component.id}'")
        if component.shared:
            found.append(f"the pool's cap or excess of '{component.id}'")
            continue
        for rate in component.rates:
            if rate.percentile is not None:
                found.append(f"the percentile price of '{component.id}'")
            elif rate.jumps:
                found.append(f"the volume or stair-step price of '{component.id}'")
    return found


def not_at_a_node(offer: Offer) -> str:
    """Why an offer's usage cannot be charged to the unit before its period is closed; empty when it can."""
    if offer.side != "sell":
        return "It is bought, not sold."
    if any(discount.kind == "percent" for discount in offer.discounts):
        return "A percentage discount depends on when the subscription began."
    if offer.trial is not None:
        return "A trial depends on when the subscription began."
    if offer.publish.counters == "reset" or offer.publish.running != "next_period":
        return "A version that takes over within a period would price what is already held."
    for component in offer.components:
        if component.allowance and (
            component.allowance.rollover or component.allowance.contribution == "prorated"
        ):
            return f"The free units of '{component.id}' are known at the close of the period before."
    return ""
