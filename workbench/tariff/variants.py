"""The compiled forms of offers that subscriptions need: one per version, currency, overrides and discounts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from math import lcm

from workbench.errors import PartyError
from workbench.model.offer import Catalogue, Discount, Offer
from workbench.model.plan import Period, PlanComponent, PlanConversion, PlanOffer, PlanRate, PlanStep
from workbench.tariff.compile import compile_offer
from workbench.tariff.timeline import Stretch, override, overrides_of, stretches

ENDLESS = 1_000_000


@dataclass(frozen=True, slots=True)
class Variant:
    """``offer`` holds for subscriptions of (offer id, overrides, currency) that began in the class and are in a phase.

    Attributes:
        began_from, began_until: when the subscription began.
        start, end: when it holds, inside the plan's period.
        phase_from, phase_until: periods since the subscription began, counted from 1, half-open.
    """

    overrides: str
    stretch: Stretch
    phase_from: int
    phase_until: int
    offer: PlanOffer

    @property
    def began(self) -> tuple[datetime, datetime]:
        """The class of subscription starts."""
        return self.stretch.began_from, self.stretch.began_until


def variants(catalogue: Catalogue, wanted: Iterable[tuple[str, str, str]], period: Period) -> list[Variant]:
    """Every compiled form needed in a period.

    Args:
        wanted: distinct (offer id, overrides, account currency) of the subscriptions.

    Returns: variants in a deterministic order; those of one offer version and currency share their denominators.

    Raises:
        PartyError: a subscription names an offer or version the catalogue does not have.
    """
    found = [
        variant
        for offer_id, overrides, currency in sorted(wanted)
        for variant in _variants_of(catalogue, offer_id, overrides, currency, period)
    ]
    return _common_denominators(found)


def _variants_of(
    catalogue: Catalogue, offer_id: str, overrides: str, currency: str, period: Period
) -> Iterator[Variant]:
    where = f"subscriptions of offer {offer_id}"
    data = overrides_of(overrides, where)
    versions = [
        offer for offer in catalogue.versions(offer_id) if data.get("version") in (None, offer.version)
    ]
    if not versions:
        fixed = f" in version {data['version']}" if "version" in data else ""
        raise PartyError(
            f"A subscription names the offer '{offer_id[:64]}', which the catalogue does not have{fixed}.",
            where=where,
            code="offer_unknown",
            cure=f"Known: {', '.join(sorted({offer.id for offer in catalogue.offers}))[:200] or 'none'}.",
        )
    coupons = {str(code) for code in data.get("coupons", [])}
    for stretch in stretches(versions, period):
        offer = override(stretch.offer, overrides, where)
        held = [discount for discount in offer.discounts if not discount.code or discount.code in coupons]
        for phase_from, phase_until in phases(held):
            inside = [discount for discount in held if holds(discount, phase_from)]
            yield Variant(
                overrides,
                stretch,
                phase_from,
                phase_until,
                compile_offer(offer, catalogue, currency=currency, discounts=inside),
            )


def holds(discount: Discount, phase: int) -> bool:
    """Whether a discount is in force in a period of the subscription."""
    return discount.from_period <= phase <= (discount.to_period or ENDLESS)


def phases(discounts: Sequence[Discount]) -> list[tuple[int, int]]:
    """Half-open ranges of the period number within which the same discounts hold."""
    edges = {1, ENDLESS}
    for discount in discounts:
        edges |= {discount.from_period, (discount.to_period or ENDLESS - 1) + 1}
    ordered = sorted(edges)
    return list(pairwise(ordered))


def last_phase(offers: Iterable[Offer]) -> int:
    """The highest period number any discount or fee of these offers looks at."""
    ends = [1]
    for offer in offers:
        ends += [end for part in offer.discounts for end in (part.from_period, part.to_period or 1)]
        ends += [end for fee in offer.fees for end in (fee.from_period, fee.to_period or 1)]
    return max(ends)


def _common_denominators(found: list[Variant]) -> list[Variant]:
    """Raise each price to the denominator its siblings share, as they end up on one line."""
    shared: dict[tuple[str, int, str, str], int] = {}
    for variant in found:
        offer = variant.offer
        parts = [(c.id, c.denominator) for c in offer.components] + [
            (f.id, f.denominator) for f in offer.fees
        ]
        for part, denominator in parts:
            key = (offer.offer_id, offer.version, offer.currency, part)
            shared[key] = lcm(shared.get(key, 1), denominator)
    done = []
    for variant in found:
        offer = variant.offer
        key3 = (offer.offer_id, offer.version, offer.currency)
        components = tuple(_raised(c, shared[(*key3, c.id)] // c.denominator) for c in offer.components)
        fees = tuple(
            dataclasses.replace(
                fee,
                denominator=shared[(*key3, fee.id)],
                amount=fee.amount * (shared[(*key3, fee.id)] // fee.denominator),
            )
            for fee in offer.fees
        )
        done.append(
            dataclasses.replace(variant, offer=dataclasses.replace(offer, components=components, fees=fees))
        )
    return done


def _raised(component: PlanComponent, factor: int) -> PlanComponent:
    if factor == 1:
        return component
    return dataclasses.replace(
        component,
        denominator=component.denominator * factor,
        rates=tuple(_raised_rate(rate, factor) for rate in component.rates),
    )


def _raised_rate(rate: PlanRate, factor: int) -> PlanRate:
    if rate.conversion is None:
        steps: tuple[PlanStep, ...] = tuple(
            dataclasses.replace(step, base=step.base * factor, block_amount=step.block_amount * factor)
            for step in rate.steps
        )
        return dataclasses.replace(rate, steps=steps)
    old = rate.conversion
    ends = [None if end is None else end * factor for end in (old.floor, old.cap)]
    return dataclasses.replace(
        rate, conversion=PlanConversion(old.rate * factor, old.fee * factor, ends[0], ends[1])
    )
