"""What would N units cost? The calculator behind ``workbench price`` and ``wb.price``: one counter, nothing used yet.

It prices with the compiled rows and the formula that batch and online use, so that what a product manager tries here
is what the bill will say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from workbench.errors import UsageError
from workbench.model.money import NANO, decimal_text, exact, minor_nano, round_half_away
from workbench.model.offer import Catalogue, Fee, Offer
from workbench.model.plan import Period, PlanComponent, PlanOffer, PlanRate
from workbench.model.units import UnitMismatch, to_base
from workbench.tariff.amount import chargeable, converted, cost
from workbench.tariff.calendar import expand, period_at
from workbench.tariff.catalogue import load
from workbench.tariff.compile import compile_offer
from workbench.tariff.describe import describe, labels
from workbench.tariff.lookup import rate_at, step_at
from workbench.tariff.timeline import effective_at


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of the units that one step prices: ``(after, up_to]`` of the counter, what it comes to, and why, in words."""

    step: int
    after: int
    up_to: int
    amount: Fraction
    label: str = ""

    @property
    def units(self) -> int:
        """How many units."""
        return self.up_to - self.after


@dataclass(frozen=True, slots=True)
class Quote:
    """A priced quantity. Amounts are exact fractions of the currency's main unit.

    Attributes:
        amount: what ``units`` of ``meter`` cost by the price ``component``.
        portions: the same by step; they sum to ``amount``.
        shape: (units, amount) points of the whole bill curve, for tables and plots.
        fees: (id, amount, every, per) that come on top whatever is used.
        invoiced: ``amount`` as an invoice line of its own would round it.
        also: what else the offer says, (name, sentence).
    """

    offer_id: str
    offer_version: int
    component_id: str
    rate_id: str
    meter: str
    unit: str
    currency: str
    units: int
    at: datetime
    amount: Fraction
    portions: tuple[Portion, ...]
    shape: tuple[tuple[int, Fraction], ...]
    fees: tuple[tuple[str, Fraction, str, str], ...]
    invoiced: Fraction = Fraction(0)
    also: tuple[tuple[str, str], ...] = ()

    @property
    def average(self) -> Fraction | None:
        """What one unit cost on average; ``None`` without use."""
        return self.amount / self.units if self.units else None

    def as_dict(self) -> dict[str, Any]:
        """For a program: money as exact decimal text (``n/d`` where it has no finite decimal form)."""
        return {
            "offer_id": self.offer_id,
            "offer_version": self.offer_version,
            "component_id": self.component_id,
            "rate_id": self.rate_id,
            "meter": self.meter,
            "unit": self.unit,
            "units": self.units,
            "at": self.at.isoformat(),
            "currency": self.currency,
            "amount": decimal_text(self.amount),
            "invoiced": decimal_text(self.invoiced),
            "steps": [
                {
                    "step": p.step,
                    "after": p.after,
                    "up_to": p.up_to,
                    "units": p.units,
                    "amount": decimal_text(p.amount),
                    "label": p.label,
                }
                for p in self.portions
            ],
            "shape": [{"units": units, "amount": decimal_text(amount)} for units, amount in self.shape],
            "fees": [
                {"id": name, "amount": decimal_text(amount), "every": every, "per": per}
                for name, amount, every, per in self.fees
            ],
        }

    def _repr_html_(self) -> str:
        from workbench.tariff.show import quote_html

        return quote_html(self)

    def plot(self) -> Any:
        """The bill curve as an hvPlot chart with the quoted point on it."""
        from workbench.tariff.show import quote_plot

        return quote_plot(self)


def price(
    offer: str | Path | Offer | Catalogue,
    units: int | str,
    *,
    meter: str = "",
    component: str = "",
    at: datetime | None = None,
    catalogue: Catalogue | None = None,
    offer_id: str = "",
    dimensions: Mapping[str, str] | None = None,
    **named: str,
) -> Quote:
    """Price a quantity by an offer, in a subscription's first period.

    Args:
        offer: a catalogue file or folder, a loaded catalogue, or an ``Offer`` (then ``catalogue`` holds its meters).
        units: a whole number of the meter's base unit, or text such as ``"2.5 GB"``.
        meter, component: which price; needed only when the offer has several.
        offer_id: which offer, when the catalogue holds several.
        at: the instant of use (default: when the offer becomes effective); decides the time-of-use window.
        dimensions, named: such as ``country="DE"``; the two are put together.

    Raises:
        UsageError: no or several prices fit, the quantity does not convert, or no rate holds for the dimensions.

    >>> price("datasets/catalog/street-lamps.yaml", "1000 kWh").amount
    Fraction(1, 20)
    """
    chosen, known = _offer(offer, catalogue, offer_id)
    first = [d for d in chosen.discounts if d.kind == "percent" and not d.code and d.from_period == 1]
    plan = compile_offer(chosen, known, discounts=first)
    part = _component(plan, meter, component)
    quantity = _units(units, part.unit)
    instant = at.astimezone(UTC) if at else effective_at(chosen)
    index = _rate(part, known, instant, {**(dimensions or {}), **named})
    rate = part.rates[index]
    scale = part.denominator * NANO
    ends = _points(part, rate, quantity)
    amount = Fraction(cost_of(part, rate, quantity), scale)
    said = next(r.price for c in chosen.components if c.id == part.id for r in c.rates if r.id == rate.id)
    return Quote(
        offer_id=chosen.id,
        offer_version=chosen.version,
        component_id=part.id,
        rate_id=rate.id,
        meter=part.meter,
        unit=part.unit,
        currency=chosen.currency,
        units=quantity,
        at=instant,
        amount=amount,
        portions=tuple(_portions(part, rate, quantity, labels(said, part.unit, chosen.currency))),
        shape=tuple((point, Fraction(cost_of(part, rate, point), scale)) for point in ends),
        fees=tuple(_fee(fee) for fee in chosen.fees),
        invoiced=_invoiced(amount, chosen.currency),
        also=tuple(
            found for found in describe(chosen, known) if found[0].partition("/")[0] not in _told(chosen)
        ),
    )


def cost_of(component: PlanComponent, rate: PlanRate, units: int) -> int:
    """``C(units)`` over the component's denominator, rounding and free units included; one event for a conversion."""
    if rate.conversion is not None:
        amount = converted(units, 1 if units else 0, rate.conversion.rate, rate.conversion.fee)
        if units and rate.conversion.floor is not None:
            amount = max(amount, rate.conversion.floor)
        return amount if rate.conversion.cap is None else min(amount, rate.conversion.cap)
    q = _chargeable(component, units)
    step = rate.steps[step_at(rate.steps, q)]
    return cost(q, step.origin_units, step.base, step.block_units, step.block_amount)


def _chargeable(component: PlanComponent, units: int) -> int:
    """What the price sees of one device's units: what goes beyond its cap draws on no free units."""
    beyond = 0 if component.pool_cap is None else max(0, units - component.pool_cap)
    rule = (component.increment_units, component.increment_add, component.free_units)
    return int(chargeable(units - beyond, *rule)) + beyond


def _offer(
    offer: str | Path | Offer | Catalogue, catalogue: Catalogue | None, offer_id: str
) -> tuple[Offer, Catalogue]:
    if isinstance(offer, Offer):
        if catalogue is None:
            raise UsageError(
                "An offer alone does not say what its meters count.", cure="Pass `catalogue=` too."
            )
        return offer, catalogue
    known = offer if isinstance(offer, Catalogue) else load(offer)
    names = sorted({found.id for found in known.offers})
    fitting = [name for name in names if offer_id in ("", name)]
    if len(fitting) != 1:
        what = f"holds no offer '{offer_id[:60]}'" if offer_id else f"holds {len(names)} offers"
        raise UsageError(
            f"The catalogue {what}.",
            where=str(offer) if isinstance(offer, str | Path) else "catalogue",
            cure=f"Name one with --id. It has: {', '.join(names)[:200] or 'none'}.",
            code="offer_ambiguous",
        )
    return known.offer(fitting[0]), known


def _component(plan: PlanOffer, meter: str, component: str) -> PlanComponent:
    found = [c for c in plan.components if meter in ("", c.meter) and component in ("", c.id)]
    if len(found) != 1:
        known = ", ".join(f"{c.id} ({c.meter})" for c in plan.components) or "none"
        raise UsageError(
            f"{len(found) or 'No'} prices of '{plan.offer_id}' fit.",
            where=f"offer {plan.offer_id}",
            cure=f"Name one with --component. It has: {known}.",
            code="price_ambiguous",
        )
    return found[0]


def _units(units: int | str, unit: str) -> int:
    number, word = _number_and_unit(str(units))
    try:
        found = to_base(exact(number), word or unit, unit)
    except (ValueError, UnitMismatch) as error:
        raise UsageError(
            f"{str(units)[:40]!r} is not a quantity of {unit}: {error}.",
            cure=f"Write a whole number of {unit}, or a quantity such as `2 {unit}`.",
            code="quantity",
        ) from None
    if not 0 <= found <= 10**18:
        raise UsageError(
            "The quantity must be from 0 to 10^18.", cure="Write a smaller one.", code="quantity"
        )
    return found


def _number_and_unit(text: str) -> tuple[str, str]:
    """``2.5 GB``, ``2.5GB`` and ``3,000,000`` as people write them."""
    words = text.strip()
    end = next((place for place, letter in enumerate(words) if letter.isalpha() or letter == " "), len(words))
    number = words[:end]
    if re.fullmatch(r"\d{1,3}(,\d{3})+", number):
        number = number.replace(",", "")
    return number, words[end:].strip()


def _rate(component: PlanComponent, known: Catalogue, at: datetime, dimensions: Mapping[str, str]) -> int:
    has = next((meter.dimensions for meter in known.meters if meter.id == component.meter), ())
    for name in dimensions:
        if name not in has:
            raise UsageError(
                f"The meter '{component.meter}' has no dimension '{name[:60]}'.",
                where=f"{name[:60]}={str(dimensions[name])[:60]}",
                cure=f"It has: {', '.join(has) or 'none'}.",
                code="dimension_unknown",
            )
    calendars = {calendar.id: calendar for calendar in known.holidays}
    week = Period(period_at(at, "UTC", "week", shift=-1).start, period_at(at, "UTC", "week", shift=1).end)
    windows = {rate.id: expand(rate.windows, week, calendars) for rate in component.rates if rate.windows}
    index = rate_at(component, at, dimensions, windows)
    if index is None:
        raise UsageError(
            f"No rate of '{component.id}' holds for that.",
            cure="Say more with --dimension NAME=VALUE, or --at.",
            code="rate_unmatched",
        )
    return index


def _ends(component: PlanComponent, rate: PlanRate) -> list[int]:
    """Used units at which a step ends: rounding and free units are undone."""
    return [step.from_units - 1 + component.free_units for step in rate.steps[1:] if step.from_units > 0]


def _portions(component: PlanComponent, rate: PlanRate, units: int, said: Sequence[str]) -> list[Portion]:
    scale = component.denominator * NANO

    def total(used: int) -> Fraction:
        return Fraction(cost_of(component, rate, used), scale)

    def at(used: int) -> int:
        return step_at(rate.steps, _chargeable(component, used))

    def label(step: int) -> str:
        return said[min(step, len(said) - 1)] if said else ""

    if rate.jumps or rate.conversion is not None:
        return [Portion(at(units), 0, units, total(units), label(at(units)))]
    edges = sorted(
        {0, units, *(end for end in [component.free_units, *_ends(component, rate)] if 0 < end < units)}
    )
    found = []
    for after, up_to in pairwise(edges):
        free = up_to <= component.free_units
        found.append(
            Portion(
                at(up_to),
                after,
                up_to,
                total(up_to) - total(after),
                "free units" if free else label(at(up_to)),
            )
        )
    return found


def _points(component: PlanComponent, rate: PlanRate, units: int) -> list[int]:
    """Where the bill curve is worth a row: the quantity, where the price changes, round numbers up to well beyond.

    A bound has a row for the unit after it only where the bill jumps there.
    """
    ends = [end for end in _ends(component, rate) if end <= 10 * max(units, 1)] or _ends(component, rate)[:1]
    most = max([units, component.free_units, *ends, 1]) * 5 // 4 + 1
    stride = _round_number(max(1, most // 6))
    usual = max(
        cost_of(component, rate, point + 2) - cost_of(component, rate, point + 1) for point in (0, *ends)
    )
    jumps = [
        end + 1
        for end in ends
        if abs(cost_of(component, rate, end + 1) - cost_of(component, rate, end)) > 2 * usual
    ]
    free = [component.free_units] if component.free_units else []
    return sorted({0, units, *free, *ends, *jumps, *range(0, most + 1, stride)})


def _round_number(about: int) -> int:
    """The next 1, 2 or 5 times a power of ten."""
    power: int = 10 ** (len(str(about)) - 1)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= about)


def _invoiced(amount: Fraction, currency: str) -> Fraction:
    unit = Fraction(minor_nano(currency), NANO)
    held = amount / unit
    return round_half_away(held.numerator, held.denominator) * unit


def _told(offer: Offer) -> set[str]:
    """Parts of an offer that a quote shows in other places."""
    return {component.id for component in offer.components} | {fee.id for fee in offer.fees}


def _fee(fee: Fee) -> tuple[str, Fraction, str, str]:
    return fee.id, fee.amount, fee.every, fee.per
