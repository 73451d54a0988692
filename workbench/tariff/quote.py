"""What would N units cost? The calculator behind ``workbench price`` and ``wb.price``: one counter, nothing used yet.

It prices with the compiled rows and the formula that batch and online use, so that what a product manager tries here
is what the bill will say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from workbench.model.money import NANO, decimal_text, minor_nano, round_half_away
from workbench.model.offer import Catalogue, Fee, Offer
from workbench.model.plan import PlanComponent, PlanRate
from workbench.model.price import StairStep, Volume
from workbench.tariff.amount import chargeable, converted, cost
from workbench.tariff.asked import component_asked, instant_asked, offer_asked, rate_asked, units_asked
from workbench.tariff.compile import compile_offer
from workbench.tariff.describe import describe, labels
from workbench.tariff.lookup import step_at
from workbench.tariff.parts_text import increment_text
from workbench.tariff.timeline import effective_at
from workbench.tariff.units_text import quantity_words


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
        shape: (units, amount) points of the whole bill curve, for tables. curve: the same with more points, for plots.
        fees: (id, amount, every, per) that come on top whatever is used.
        invoiced: ``amount`` as an invoice line of its own would round it.
        also: what else the offer says, (name, sentence).
        zone: the offer's. tax: what of it is in the amount, or comes on top. notes: what to know of this quantity.
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
    zone: str = "UTC"
    tax: str = ""
    notes: tuple[str, ...] = ()
    curve: tuple[tuple[int, Fraction], ...] = ()

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
            "tax": self.tax,
            "also": [{"part": part, "says": sentence} for part, sentence in self.also],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        from workbench.tariff.show import details, headline

        return "\n".join([headline(self), *details(self)])

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
    at: datetime | str | None = None,
    catalogue: Catalogue | None = None,
    offer_id: str = "",
    dimensions: Mapping[str, str] | None = None,
    **named: str,
) -> Quote:
    """Price a quantity by an offer, in a subscription's first period.

    Args:
        offer: a catalogue file or folder, a loaded catalogue, or an ``Offer`` (then ``catalogue`` holds its meters).
        units: a whole number of the meter's base unit, or text such as ``"2.5 GB"``; money of a money meter (``"3.50 EUR"``)
            is one event's; a 95th percentile takes a rate (``"5 Mbit/s"``) or what each slot carries.
        meter, component: which price; needed only when the offer has several.
        offer_id: which offer, when the catalogue holds several.
        at: the instant of use, with its zone (text is read as ISO); by default when the offer becomes effective. Decides
            the time-of-use window.
        dimensions, named: such as ``country="DE"``; the two are put together.

    Raises:
        UsageError: no or several prices fit, the quantity does not convert, or ``at`` says no zone.

    >>> price("datasets/catalog/street-lamps.yaml", "1000 kWh").amount
    Fraction(1, 20)
    """
    chosen, known = offer_asked(offer, catalogue, offer_id)
    first = [d for d in chosen.discounts if d.kind == "percent" and not d.code and d.from_period == 1]
    plan = compile_offer(chosen, known, discounts=first)
    part = component_asked(plan, meter, component)
    given = {**(dimensions or {}), **named}
    instant = instant_asked(at) if at else effective_at(chosen)
    rate = rate_asked(part, known, instant, given)
    quantity = units_asked(units, part, chosen.currency, rate)
    stated = next(
        (r.price for c in chosen.components if c.id == part.id for r in c.rates if rate and r.id == rate.id),
        None,
    )
    words = labels(stated, part.unit, chosen.currency) if stated else ["free: no row of the price fits"]
    amount = _exact(part, rate, quantity)
    points = _points(part, rate, quantity)
    return Quote(
        offer_id=chosen.id,
        offer_version=chosen.version,
        component_id=part.id,
        rate_id=rate.id if rate else "",
        meter=part.meter,
        unit=part.unit,
        currency=chosen.currency,
        units=quantity,
        at=instant,
        amount=amount,
        portions=tuple(_portions(part, rate, quantity, words, whole=isinstance(stated, Volume | StairStep))),
        shape=tuple((point, _exact(part, rate, point)) for point in points),
        fees=tuple(_fee(fee) for fee in chosen.fees),
        invoiced=_invoiced(amount, chosen.currency),
        also=tuple(each for each in describe(chosen, known) if each[0].partition("/")[0] != part.id),
        zone=chosen.zone,
        tax=_tax(chosen, part.tax_category),
        notes=tuple(_notes(chosen, part, rate, given)),
        curve=tuple((point, _exact(part, rate, point)) for point in _more_points(part, rate, points)),
    )


def _exact(component: PlanComponent, rate: PlanRate | None, units: int) -> Fraction:
    """``C(units)`` in the main unit; nothing where no row fits and the offer says that such use is free."""
    return Fraction(cost_of(component, rate, units), component.denominator * NANO) if rate else Fraction(0)


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


def _notes(
    offer: Offer, component: PlanComponent, rate: PlanRate | None, given: Mapping[str, str]
) -> Iterator[str]:
    """What a reader of one number may not think of."""
    yield from _counted(offer, component)
    looks: dict[str, list[str]] = {}
    for row in component.rates:
        for name, values in row.match:
            looks.setdefault(name, []).extend(value for value in values if value not in looks.get(name, ()))
    for name, listed in looks.items():
        if name not in given:
            some = ", ".join(listed[:6]) + (" ..." if len(listed) > 6 else "")
            yield f"Other rows look at {name} ({some}); without it, this is what holds."
    if rate is not None and rate.percentile is not None:
        slot = quantity_words(rate.percentile.slot_seconds, "second")
        yield f"As if the slot of {slot} that counts carried this; which slot that is, is known at close."
    if rate is not None and rate.conversion is not None:
        yield "One event that carries this amount; each event is priced alone."


def _counted(offer: Offer, component: PlanComponent) -> Iterator[str]:
    """Whose units these are, over which time, and what is taken off or rounded before they are priced."""
    if component.bundle:
        yield f"As if the credits of '{component.bundle}' were spent; they are taken first."
    if component.free_units:
        who = {"pool": "member of the pool", "sim_group": "SIM group"}.get(component.scope, "device")
        yield f"The free units are those of one {who} in one {offer.period}."
    if component.scope == "event":
        yield "All in one event; each is counted alone."
    elif component.counter_period != "billing":
        yield f"All in one {component.counter_period}; it is counted anew every {component.counter_period}."
    stated = next((c.increment for c in offer.components if c.id == component.id), None)
    if stated is not None:
        yield f"Counted in {increment_text(stated, component.unit)}."


def _tax(offer: Offer, category: str) -> str:
    tax = next((tax for tax in offer.taxes if tax.category == category), None)
    if tax is None:
        return "no tax said"
    percent = f"{decimal_text(tax.rate * 100)} % tax"
    return f"{percent} included" if tax.inclusive else f"before {percent}"


def _ends(component: PlanComponent, rate: PlanRate) -> list[int]:
    """Used units at which a step ends: rounding and free units are undone."""
    last = [step.from_units - (0 if step.whole else 1) for step in rate.steps[1:]]
    return [end + _free(component) for end in last if end > 0]


def _free(component: PlanComponent) -> int:
    """The free units that one device can draw."""
    cap = component.pool_cap
    return component.free_units if cap is None else min(component.free_units, cap)


def _portions(
    component: PlanComponent, rate: PlanRate | None, units: int, said: Sequence[str], *, whole: bool
) -> list[Portion]:
    """What each step contributes; one portion where a price is for all units at once (``whole``), or per event."""
    if rate is None:
        return [Portion(0, 0, units, Fraction(0), said[0])]
    row = rate

    def total(used: int) -> Fraction:
        return _exact(component, row, used)

    def at(used: int) -> int:
        return step_at(row.steps, _chargeable(component, used))

    before = max(0, len(rate.steps) - len(said))  # a step of nothing, before the first tier is entered

    def label(step: int) -> str:
        return said[max(0, step - before)]

    if whole or rate.conversion is not None:
        return [Portion(at(units), 0, units, total(units), label(at(units)))]
    free_units = _free(component)
    edges = sorted({0, units, *(end for end in [free_units, *_ends(component, rate)] if 0 < end < units)})
    found = []
    for after, up_to in pairwise(edges):
        nothing = rate.steps[0].block_amount == 0 and len(said) == 1
        free = not total(up_to) and (up_to <= free_units or nothing)
        words = "free units" if free else label(at(up_to))
        found.append(Portion(at(up_to), after, up_to, total(up_to) - total(after), words))
    return found


def _points(component: PlanComponent, rate: PlanRate | None, units: int) -> list[int]:
    """Where the bill curve is worth a row: the quantity, where the price changes, round numbers up to well beyond.

    A bound has a row for the unit after it only where the bill jumps there.
    """
    if rate is None:
        return sorted({0, units})
    ends = [end for end in _ends(component, rate) if end <= 10 * max(units, 1)] or _ends(component, rate)[:1]
    most = max([units, _free(component), *ends, 1]) * 5 // 4 + 1
    stride = _round_number(max(1, most // 6))
    usual = max(
        cost_of(component, rate, point + 2) - cost_of(component, rate, point + 1) for point in (0, *ends)
    )
    jumps = [
        end + 1
        for end in ends
        if abs(cost_of(component, rate, end + 1) - cost_of(component, rate, end)) > 2 * usual
    ]
    return sorted({0, units, _free(component), *ends, *jumps, *range(0, most + 1, stride)})


def _more_points(component: PlanComponent, rate: PlanRate | None, points: Sequence[int]) -> list[int]:
    """The points of a drawing: where blocks begin, when that can be seen, and both sides of whatever jumps."""
    ends = [0, *_ends(component, rate)] if rate else []
    found = {*points, *ends, *(end + 1 for end in ends)}
    size, first = component.increment_units, 0
    if rate is not None and rate.steps[-1].whole:
        size, first = rate.steps[-1].block_units, _free(component) + rate.steps[-1].from_units
    if rate is not None and size > 1 and points[-1] // size <= 60:
        edges = range(first, points[-1], size)
        found.update(edges, (edge + 1 for edge in edges))
    said = rate.conversion if rate else None
    if said is not None and said.rate:  # an event that costs its floor or its cap
        bounds = [bound for bound in (said.floor, said.cap) if bound is not None]
        found |= {1, *((bound - said.fee) // said.rate for bound in bounds)}
    return sorted(point for point in found if 0 <= point <= points[-1])


def _round_number(about: int) -> int:
    """The next 1, 2 or 5 times a power of ten."""
    power: int = 10 ** (len(str(about)) - 1)
    return next(step * power for step in (1, 2, 5, 10) if step * power >= about)


def _invoiced(amount: Fraction, currency: str) -> Fraction:
    unit = Fraction(minor_nano(currency), NANO)
    held = amount / unit
    return round_half_away(held.numerator, held.denominator) * unit


def _fee(fee: Fee) -> tuple[str, Fraction, str, str]:
    return fee.id, fee.amount, fee.every, fee.per
