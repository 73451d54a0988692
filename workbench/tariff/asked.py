"""What somebody asked the calculator, in his own words: which offer, which price, how much, and under which row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from workbench.errors import UsageError
from workbench.model.money import NANO, exact
from workbench.model.offer import Catalogue, Offer
from workbench.model.plan import Period, PlanComponent, PlanOffer, PlanRate
from workbench.model.units import UnitMismatch, kind_of, ratio, to_base
from workbench.tariff.calendar import expand, period_at
from workbench.tariff.catalogue import load
from workbench.tariff.fields import number_and_unit
from workbench.tariff.lookup import rate_at
from workbench.tariff.units_text import quantity_words

_EXAMPLES = {"data": "2.5 GB", "energy": "2.5 kWh", "time": "2 hour", "volume": "2 m3", "length": "2 km"}
"""A quantity of each kind of unit, as one may be written."""


def offer_asked(
    offer: str | Path | Offer | Catalogue, catalogue: Catalogue | None, offer_id: str
) -> tuple[Offer, Catalogue]:
    """The one offer that is meant, and the catalogue with its meters."""
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


def component_asked(plan: PlanOffer, meter: str, component: str) -> PlanComponent:
    """The one price that is meant."""
    found = [c for c in plan.components if meter in ("", c.meter) and component in ("", c.id)]
    known = ", ".join(f"{c.id} ({c.meter})" for c in plan.components) or "none"
    where, cure = f"offer {plan.offer_id}", f"Name one with --component. It has: {known}."
    if not found:
        named = f"'{component[:60]}'" if component else f"of the meter '{meter[:60]}'"
        raise UsageError(
            f"The offer '{plan.offer_id}' has no price {named}.", where=where, cure=cure, code="price_unknown"
        )
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} prices of '{plan.offer_id}' fit.", where=where, cure=cure, code="price_ambiguous"
        )
    return found[0]


def instant_asked(at: datetime | str) -> datetime:
    """An instant, UTC, from an ISO time that says its zone: no zone of this machine's is ever put in its place.

    Raises:
        UsageError: ``time``: it is no time, or says no zone.
    """
    try:
        found = datetime.fromisoformat(at) if isinstance(at, str) else at
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(
            f"{str(at)[:40]!r} is no time with a zone.",
            where="--at",
            cure="Write it like 2026-03-01T18:00+01:00, or end it with Z.",
            code="time",
        )
    return found.astimezone(UTC)


def units_asked(units: int | str, component: PlanComponent, currency: str, rate: PlanRate | None) -> int:
    """A quantity in base units: ``1500``, ``2.5 GB``, ``3.50 EUR`` of a money meter, ``5 Mbit/s`` of a percentile's slot."""
    number, word = _number_and_unit(str(units))
    unit = component.unit
    example = _EXAMPLES.get(kind_of(unit)) or quantity_words(2, unit)
    burst = rate.percentile if rate else None
    if unit == "nano":
        example = f"3.50 {currency}"
    try:
        amount = exact(number)
        if unit == "nano" and word == currency:
            amount, word = amount * NANO, unit
        elif burst is not None and kind_of(word) == "rate":
            amount, word = amount * ratio(word, "bit/s") * burst.slot_seconds / 8, unit
        found = to_base(amount, word or unit, unit)
    except (ValueError, UnitMismatch) as error:
        raise UsageError(
            f"{str(units)[:40]!r} is not a quantity of {unit}: {error}.",
            cure=f"Write a whole number of {unit}, or a quantity such as `{example}`.",
            code="quantity",
        ) from None
    if not 0 <= found <= 10**18:
        raise UsageError(
            "The quantity must be from 0 to 10^18.", cure="Write a smaller one.", code="quantity"
        )
    return found


def _number_and_unit(text: str) -> tuple[str, str]:
    """``2.5 GB``, ``2.5GB`` and ``3,000,000`` as people write them."""
    words = re.sub(r"^\d{1,3}(,\d{3})+(?![\d,])", lambda found: found[0].replace(",", ""), text.strip())
    if (found := number_and_unit(words)) is not None:
        return found
    end = next((place for place, letter in enumerate(words) if letter.isalpha() or letter == " "), len(words))
    return words[:end], words[end:].strip()


def rate_asked(
    component: PlanComponent, known: Catalogue, at: datetime, dimensions: Mapping[str, str]
) -> PlanRate | None:
    """The row that holds; ``None`` where the offer says that what no row fits is free."""
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
    return None if index is None else component.rates[index]
