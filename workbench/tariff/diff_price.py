"""What changed in the prices of an offer: rates, tiers, free units, and what they are counted by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from workbench.model.money import NANO, decimal_text
from workbench.model.offer import Allowance, Component, Offer, Rate
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
from workbench.tariff.describe import price_text
from workbench.tariff.diff_words import Change, figure, neutral
from workbench.tariff.parts_text import (
    SCOPES,
    allowance_text,
    extras_text,
    increment_text,
    when_text,
)
from workbench.tariff.units_text import block_text, quantity_words

_COUNTED = {
    "sum": "the sum of all use",
    "count": "the number of events",
    "max": "the highest value",
    "last": "the last value",
    "unique": "the number of different values",
    "time_weighted": "the average over time",
    "p95": "the 95th percentile of the values",
}
_EVENT = ("fee", "floor", "cap")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a price stands: how sentences name it, and its meter's unit before and after."""

    name: str
    was_unit: str
    unit: str


def prices(change: Change) -> Iterator[str]:
    """Every sentence about the prices of an offer."""
    old, new = ({c.id: c for c in offer.components} for offer in (change.old, change.new))
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new:
            yield change.ends(
                f"price '{name}'", _whole(old[name], change.old, change.units[0][old[name].meter])
            )
        elif name not in old:
            part = new[name]
            words = _whole(part, change.new, change.units[1][part.meter])
            yield change.gets(f"a price '{name}' for {part.meter}", words)
        else:
            units = change.units[0][old[name].meter], change.units[1][new[name].meter]
            if old[name] != new[name] or units[0] != units[1]:
                yield from _component(change, old[name], new[name], _Place(f"'{name}'", *units))


def _whole(component: Component, offer: Offer, unit: str) -> str:
    rates = [_rate_words(rate, offer, unit) for rate in component.rates]
    return "; ".join(rates) + extras_text(offer, component, unit)


def _rate_words(rate: Rate, offer: Offer, unit: str) -> str:
    return price_text(rate.price, unit, offer.currency) + when_text(rate, offer.zone)


def _component(change: Change, old: Component, new: Component, place: _Place) -> Iterator[str]:
    before, after = ({r.id: r for r in part.rates} for part in (old, new))
    whose = f"{place.name} of {change.name}"
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in after:
            words = _rate_words(before[name], change.old, place.was_unit)
            yield f"From {change.on} {whose} has no rate '{name}' any more; it was {words}."
        elif name not in before:
            words = _rate_words(after[name], change.new, place.unit)
            yield f"{place.name} of {change.name} gets a rate '{name}' from {change.on}: {words}."
        elif before[name] != after[name] or place.was_unit != place.unit:
            where = place.name if len(new.rates) == 1 else f"{place.name}, rate '{name}',"
            yield from _rate(change, before[name], after[name], replace(place, name=where))
    yield from change.order(f"the rates of {whose}", [*before], [*after])
    yield from _counting(change, old, new, place, whose)


def _counting(change: Change, old: Component, new: Component, place: _Place, whose: str) -> Iterator[str]:
    yield from change.now(f"the meter of {whose}", old.meter, new.meter)
    said = [_COUNTED[c.fold] + (f" of {c.unique_of}" if c.fold == "unique" else "") for c in (old, new)]
    yield from change.now(f"what counts of {whose}", *said)
    if old.increment != new.increment:
        said = [
            "billed " + (f"in {increment_text(c.increment, unit)}" if c.increment else "without steps")
            for c, unit in ((old, place.was_unit), (new, place.unit))
        ]
        yield from change.now(whose, *said)
    if old.allowance != new.allowance:
        yield from _allowance(change, old, new, place, whose)
    if old.counter_period != new.counter_period:
        said = [
            f"counted anew every {offer.period if c.counter_period == 'billing' else c.counter_period}"
            for c, offer in ((old, change.old), (new, change.new))
        ]
        yield from change.now(whose, *said)
    if old.scope != new.scope:
        said = [
            f"that {SCOPES[c.scope or offer.scope]}" for c, offer in ((old, change.old), (new, change.new))
        ]
        yield from change.now(f"the rule for the counters of {whose}", *said)
    free = ["free" if c.unmatched == "free" else "refused" for c in (old, new)]
    yield from change.now(f"what no rate of {whose} fits", *free)
    yield from change.now(f"the tax of {whose}", old.tax_category, new.tax_category)
    yield from change.now(
        f"the title of {whose}", *(f"'{c.title}'" if c.title else "none" for c in (old, new))
    )


def _allowance(change: Change, old: Component, new: Component, place: _Place, whose: str) -> Iterator[str]:
    before, after = old.allowance, new.allowance
    if isinstance(before, Allowance) and isinstance(after, Allowance) and neutral(before, after, "units"):
        was, to = (quantity_words(part.units, place.unit) for part in (before, after))
        verb = "rise" if after.units > before.units else "fall"
        yield f"The free units of {whose} {verb} from {was} to {to} from {change.on}."
        return
    said = (allowance_text(old, change.old, place.was_unit), allowance_text(new, change.new, place.unit))
    yield from change.now(f"the free units of {whose}", *said, plural=True)


# -- one rate ------------------------------------------------------------------------------------------------


def _rate(change: Change, old: Rate, new: Rate, place: _Place) -> Iterator[str]:
    whose = f"{place.name} of {change.name}"
    if old.match != new.match or old.windows != new.windows:
        was, to = (
            when_text(rate, offer.zone) or " always" for rate, offer in ((old, change.old), (new, change.new))
        )
        if was != to:
            yield f"From {change.on} {whose} holds{to}; it held{was}."
    if old.price == new.price and place.was_unit == place.unit:
        return
    told = _figures(change, old.price, new.price, place) if place.was_unit == place.unit else None
    if told is None:
        said = [
            price_text(price, unit, offer.currency)
            for price, unit, offer in (
                (old.price, place.was_unit, change.old),
                (new.price, place.unit, change.new),
            )
        ]
        told = list(change.now(whose, *said))
    yield from told


def _figures(change: Change, old: Price, new: Price, place: _Place) -> list[str] | None:
    """The sentences for a price of which figures moved, and no more; None where it is another price."""
    whose = f"{place.name} of {change.name}"
    if (
        type(old) is type(new)
        and isinstance(new, PerUnit | Package | Percentile)
        and neutral(old, new, "amount")
    ):
        assert isinstance(old, PerUnit | Package | Percentile)
        return [change.money_moved(whose, old.amount, new.amount, f"per {_block(new, place.unit)}")]
    if isinstance(old, Percentage) and isinstance(new, Percentage):
        moved = change.share_moved(whose, old.rate, new.rate, "of each event's amount")
        return ([moved] if old.rate != new.rate else []) + list(_per_event(change, old, new, whose))
    if isinstance(old, Dynamic) and isinstance(new, Dynamic):
        to = f"{decimal_text(new.factor)} times the amount each event carries"
        moved = change.moved(whose, old.factor, new.factor, decimal_text(old.factor), to)
        return ([moved] if old.factor != new.factor else []) + list(_per_event(change, old, new, whose))
    return _rows(change, old, new, place)


def _block(price: PerUnit | Package | Percentile, unit: str) -> str:
    if isinstance(price, Package):
        return f"started {block_text(price.size, unit)}"
    return block_text(price.per, unit if isinstance(price, PerUnit) else "bit/s")


def _per_event(change: Change, old: Any, new: Any, whose: str) -> Iterator[str]:
    words = {
        "fee": f"the fee per event of {whose}",
        "floor": f"the least that an event costs by {whose}",
        "cap": f"the most that an event costs by {whose}",
    }
    for key in _EVENT:
        before, after = getattr(old, key), getattr(new, key)
        if before == after:
            continue
        if before is None or after is None:
            said = [
                "without limit" if amount is None else f"{figure(amount)} {offer.currency}"
                for amount, offer in ((before, change.old), (after, change.new))
            ]
            yield from change.now(words[key], *said)
        else:
            yield change.money_moved(words[key], before, after)


def _rows(change: Change, old: Price, new: Price, place: _Place) -> list[str] | None:
    """The sentences for tiers or steps, one by one; None where their number, block or model is another."""
    if isinstance(old, StairStep) and isinstance(new, StairStep):
        rows, word, per = (old.steps, new.steps), "step", "for all"
    elif isinstance(old, Graduated | Volume) and type(old) is type(new) and neutral(old, new, "tiers"):
        assert isinstance(new, Graduated | Volume)
        rows, word, per = (old.tiers, new.tiers), "tier", f"per {block_text(new.per, place.unit)}"  # type: ignore[assignment]
    elif isinstance(old, GraduatedPercentage) and isinstance(new, GraduatedPercentage):
        rows, word, per = (old.tiers, new.tiers), "tier", ""  # type: ignore[assignment]
    else:
        return None
    if len(rows[0]) != len(rows[1]):
        return None
    found: list[str] = []
    for number, (before, after) in enumerate(zip(*rows, strict=True), 1):
        whose = f"{place.name} of {change.name}"
        whose = f"{word} {number} of {whose}" if len(rows[0]) > 1 else whose
        found += _row(change, before, after, whose, per, place.unit)
    return found


def _row(change: Change, old: Any, new: Any, whose: str, per: str, unit: str) -> Iterator[str]:
    money_tier = hasattr(new, "rate")
    if money_tier and old.rate != new.rate:
        yield change.share_moved(whose, old.rate, new.rate, "of the period's amount")
    if not money_tier and old.amount != new.amount:
        yield change.money_moved(whose, old.amount, new.amount, per)
    if getattr(old, "flat", 0) != getattr(new, "flat", 0):
        yield change.money_moved(f"the flat fee of {whose}", old.flat, new.flat)
    if old.up_to != new.up_to:
        was, to = (
            "no bound"
            if tier.up_to is None
            else f"{figure(Fraction(tier.up_to, NANO))} {offer.currency}"
            if money_tier
            else quantity_words(tier.up_to, unit)
            for tier, offer in ((old, change.old), (new, change.new))
        )
        yield f"{whose[:1].upper()}{whose[1:]} ends at {to} instead of {was} from {change.on}."
