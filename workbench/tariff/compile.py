"""Offers to rows of integers (``model/plan.py``): tiers become steps, fractions one common denominator.

``compile_offer`` is pure and small; ``compile_plan`` (in ``plan.py``, re-exported here) does it for every offer that
the subscriptions of a billing period name. Whatever an offer says and the engine cannot price is refused here by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm

from workbench.errors import AmountOverflow, CatalogueError
from workbench.model.money import NANO
from workbench.model.offer import (
    Bundle,
    Catalogue,
    Component,
    Discount,
    Fee,
    Increment,
    Meter,
    Offer,
    Rate,
    Rollover,
    Sponsorship,
    Tax,
)
from workbench.model.plan import (
    PlanAdjustment,
    PlanBundle,
    PlanComponent,
    PlanConversion,
    PlanFee,
    PlanOffer,
    PlanPercentile,
    PlanRate,
    PlanRollover,
    PlanSponsor,
    PlanStep,
)
from workbench.model.price import (
    Dynamic,
    Percentage,
    Percentile,
    StairStep,
    Volume,
)
from workbench.tariff.pieces import Piece, pieces_of
from workbench.tariff.refuse import refused

INT64 = 2**63 - 1
_ONE = Fraction(1)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A rate before the common denominator."""

    rate: Rate
    pieces: tuple[Piece, ...]
    conversion: tuple[Fraction, Fraction, Fraction | None, Fraction | None] | None = None

    def money(self) -> Iterator[Fraction]:
        for piece in self.pieces:
            yield from piece.money()
        yield from (part for part in self.conversion or () if part is not None)


def compile_offer(
    offer: Offer,
    catalogue: Catalogue,
    *,
    currency: str = "",
    discounts: Sequence[Discount] = (),
) -> PlanOffer:
    """One version as integer rows.

    Args:
        currency: the account's; the offer's stored exchange rate is applied when it differs.
        discounts: the percentage discounts in force, applied one after the other in the order given.

    Raises:
        CatalogueError: ``not_priced`` names the construct the engine has no rows for; ``fx_missing`` when no stored
            exchange rate leads to ``currency``.
        AmountOverflow: a price does not fit 64-bit integers.
    """
    target = currency or offer.currency
    factor = exchange(offer, target)
    for what, cure in refused(offer):
        raise CatalogueError(
            f"Offer '{offer.id}' version {offer.version} says {what}, which this engine does not price.",
            where=f"offer {offer.id}",
            code="not_priced",
            cure=cure,
        )
    components = tuple(
        _component(
            component, offer, catalogue.meter(component.meter), factor * _kept(discounts, component.id)
        )
        for component in offer.components
    )
    fees = tuple(_fee(fee, factor * _kept(discounts, fee.id)) for fee in offer.fees)
    return PlanOffer(
        offer_id=offer.id,
        version=offer.version,
        sha256=offer.sha256,
        side=offer.side,
        currency=target,
        zone=offer.zone,
        period=offer.period,
        charged=offer.charged,
        prepaid=offer.prepaid,
        resets=offer.publish.counters == "reset",
        trial_days=offer.trial.days if offer.trial else 0,
        components=components,
        fees=fees,
        taxes=tuple((tax.category, _ppm(tax, offer), tax.inclusive) for tax in offer.taxes),
        fixed_discounts=tuple(discount.id for discount in discounts if discount.kind == "fixed"),
        adjustments=tuple(_adjustments(offer, factor)),
        bundles=tuple(_bundle(bundle) for bundle in offer.bundles),
        sponsors=tuple(_sponsor(sponsorship, factor) for sponsorship in offer.sponsorships),
        scope=offer.scope,
    )


def exchange(offer: Offer, currency: str) -> Fraction:
    """What one unit of the offer's currency is in the account's, by the stored rate.

    Raises:
        CatalogueError: ``fx_missing``.
    """
    if currency == offer.currency:
        return _ONE
    for rate in offer.fx:
        if rate.currency == currency:
            return rate.rate
    raise CatalogueError(
        f"Offer '{offer.id}' is in {offer.currency} and stores no exchange rate to {currency}.",
        where=f"offer {offer.id}",
        code="fx_missing",
        cure=f"Add `fx: [{{currency: {currency}, rate: ..., as_of: ...}}]`.",
    )


def _kept(discounts: Sequence[Discount], part: str) -> Fraction:
    """What percentage discounts leave of a price."""
    kept = _ONE
    for discount in discounts:
        if discount.kind == "percent" and (not discount.components or part in discount.components):
            kept *= 1 - discount.rate
    return kept


def _ppm(tax: Tax, offer: Offer) -> int:
    ppm = tax.rate * 1_000_000
    if ppm.denominator != 1:  # what was read from a file has been refused with its line
        raise CatalogueError(
            f"The tax '{tax.category}' of offer '{offer.id}' is finer than a millionth.",
            where=f"offer {offer.id}",
            code="tax_rate",
            cure="Write at most four digits of a percent after the point.",
        )
    return ppm.numerator


# -- components ----------------------------------------------------------------------------------------------


def _component(component: Component, offer: Offer, meter: Meter, factor: Fraction) -> PlanComponent:
    drafts = [_draft(rate, offer, factor) for rate in component.rates]
    denominator = lcm(1, *(part.denominator for draft in drafts for part in draft.money()))
    increment = component.increment
    allowance = component.allowance
    pooled = (component.scope or offer.scope) == "pool" and allowance is not None
    cap, excess = (offer.pool_cap_units, offer.overage == "excess") if pooled else (None, False)
    return PlanComponent(
        id=component.id,
        meter=component.meter,
        unit=meter.unit,
        denominator=denominator,
        rates=tuple(
            _rate(draft, denominator, component, shared=cap is not None or excess) for draft in drafts
        ),
        fold=component.fold,
        scope=component.scope or offer.scope,
        counter_period=component.counter_period,
        increment_units=increment.units if increment else 1,
        increment_add=_increment_add(increment) if increment else 0,
        increment_per=increment.per if increment else "",
        increment_of=increment.of if increment else "counter",
        free_units=allowance.units if allowance else 0,
        contribution=allowance.contribution if allowance else "full",
        unique_of=component.unique_of,
        free_when_unmatched=component.unmatched == "free",
        tax_category=component.tax_category,
        title=component.title,
        rollover=_rollover(allowance.rollover) if allowance and allowance.rollover else None,
        bundle=next((b.id for b in offer.bundles if component.id in dict(b.weights)), ""),
        weight=next(
            (dict(b.weights)[component.id] for b in offer.bundles if component.id in dict(b.weights)), 0
        ),
        sponsored=any(component.id in sponsorship.components for sponsorship in offer.sponsorships),
        pool_cap=cap,
        by_excess=excess,
    )


def _bundle(bundle: Bundle) -> PlanBundle:
    rollover = _rollover(bundle.rollover) if bundle.rollover else None
    return PlanBundle(bundle.id, bundle.credits, bundle.contribution, rollover)


def _sponsor(sponsorship: Sponsorship, factor: Fraction) -> PlanSponsor:
    budget = None if sponsorship.budget is None else sponsorship.budget * NANO * factor
    return PlanSponsor(
        sponsorship.id,
        sponsorship.account,
        sponsorship.components,
        sponsorship.match,
        None if budget is None else (budget.numerator, budget.denominator),
        sponsorship.fallback == "block",
    )


def _rollover(rollover: Rollover) -> PlanRollover:
    return PlanRollover(rollover.periods, rollover.cap, rollover.order == "own_first")


def _increment_add(increment: Increment) -> int:
    return {"up": increment.units - 1, "down": 0, "nearest": increment.units // 2}[increment.rounding]


def _draft(rate: Rate, offer: Offer, factor: Fraction) -> _Draft:
    price = rate.price
    if isinstance(price, Percentage | Dynamic):
        share = price.rate if isinstance(price, Percentage) else price.factor
        ends = [None if end is None else end * NANO * factor for end in (price.floor, price.cap)]
        return _Draft(rate, (), (share * factor, price.fee * NANO * factor, ends[0], ends[1]))
    pieces = pieces_of(price, offer.conventions.tier_bound == "inclusive", offer.conventions.flat_fee_at_zero)
    return _Draft(
        rate,
        tuple(replace(p, base=p.base * factor, block_amount=p.block_amount * factor) for p in pieces),
    )


def _rate(draft: _Draft, denominator: int, component: Component, *, shared: bool) -> PlanRate:
    steps = tuple(
        PlanStep(
            piece.from_units,
            piece.origin_units,
            _whole(piece.base * denominator, component),
            piece.block_units,
            _whole(piece.block_amount * denominator, component),
            piece.whole,
        )
        for piece in draft.pieces
    )
    conversion = None
    if draft.conversion is not None:
        steps = (PlanStep(0, 0, 0, 1, 1),)  # the conversion has already made nano over the denominator
        parts = [None if part is None else _whole(part * denominator, component) for part in draft.conversion]
        rate, fee, floor, cap = parts
        conversion = PlanConversion(rate or 0, fee or 0, floor, cap)
    price = draft.rate.price
    return PlanRate(
        id=draft.rate.id,
        steps=steps,
        linear=len(steps) == 1 and not steps[0].whole and steps[0].base == 0 and steps[0].origin_units == 0,
        jumps=isinstance(price, Volume | StairStep) or shared,
        match=draft.rate.match,
        windows=draft.rate.windows,
        conversion=conversion,
        percentile=_percentile(price) if isinstance(price, Percentile) else None,
    )


def _percentile(price: Percentile) -> PlanPercentile:
    drop = 1 - price.percentile
    return PlanPercentile(
        drop.numerator, drop.denominator, price.slot_seconds, price.direction, price.out_meter
    )


def _whole(amount: Fraction, component: Component) -> int:
    """A numerator over the common denominator; it must fit the charge column."""
    assert amount.denominator == 1
    if amount.numerator > INT64:
        raise AmountOverflow(
            f"The price '{component.id}' needs numbers beyond 64 bits.",
            where=f"price {component.id}",
            cure="Use fewer digits in its amounts, or a smaller `per`.",
        )
    return amount.numerator


# -- prices to pieces ----------------------------------------------------------------------------------------


def _adjustments(offer: Offer, factor: Fraction) -> Iterator[PlanAdjustment]:
    """The lines that the close may fill, each in the one tax category of what it adjusts."""
    for discount in offer.discounts:
        if discount.kind == "fixed":
            yield _adjustment(offer, discount.id, "adjustment", discount.amount * factor, discount.components)
    if offer.maximum:
        yield _adjustment(
            offer, "maximum", "adjustment", offer.maximum.amount * factor, offer.maximum.components
        )
    if offer.commitment:
        rule = offer.commitment
        yield _adjustment(
            offer, "commitment", "true_up", rule.amount * factor, rule.components, daily=rule.prorated
        )
    for credit in offer.credits:  # a paid one settles the invoice and is no line of it
        if credit.kind == "paid":
            continue
        yield _adjustment(offer, credit.id, "adjustment", credit.amount * factor, ())


def _adjustment(
    offer: Offer, name: str, kind: str, amount: Fraction, parts: tuple[str, ...], *, daily: bool = False
) -> PlanAdjustment:
    counted = [(c.id, c.tax_category) for c in offer.components] + [
        (f.id, f.tax_category) for f in offer.fees
    ]
    categories = sorted({category for part, category in counted if not parts or part in parts})
    if len(categories) > 1:
        raise CatalogueError(
            f"'{name}' of offer '{offer.id}' adjusts charges of several tax categories ({', '.join(categories)}).",
            where=f"offer {offer.id}",
            code="adjustment_tax",
            cure="Name components of one tax category.",
        )
    return PlanAdjustment(
        name, kind, (amount * NANO).denominator, daily, categories[0] if categories else "standard"
    )


# -- fees ----------------------------------------------------------------------------------------------------


def _fee(fee: Fee, factor: Fraction) -> PlanFee:
    amount = fee.amount * NANO * factor
    return PlanFee(
        id=fee.id,
        denominator=amount.denominator,
        amount=amount.numerator,
        every=fee.every,
        per=fee.per,
        proration=fee.proration,
        timing=fee.timing,
        states=fee.states,
        from_period=fee.from_period,
        to_period=fee.to_period,
        tax_category=fee.tax_category,
        title=fee.title,
    )


def day_parts(fee: PlanFee, days: int) -> int:
    """Into how many parts a period's fee is cut, so that each day's part is whole: the days, or 30ths."""
    if fee.every != "period" or fee.proration == "full_if_active":
        return 1
    return 30 if fee.proration == "30-day" else days
