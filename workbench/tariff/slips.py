"""Slips that change money and break no rule of form: a row nobody reaches, a share above its own cap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from workbench.model.offer import Component, Discount, Fee, Meter, Offer, Rate
from workbench.model.price import Percentile
from workbench.model.when import MINUTES_PER_DAY, TimeWindow

Mistake = tuple[str, str, str, str]  # what, part, code, cure
_WEEK = frozenset((day, minute) for day in range(7) for minute in range(MINUTES_PER_DAY))
_OTHER = "\0other"
_MOST_POINTS = 2_000


def slips(offer: Offer, meters: dict[str, Meter]) -> Iterator[Mistake]:
    """What an author of an offer cannot have meant."""
    yield from _phases(offer)
    yield from _rates_of_exchange(offer)
    yield from _nothing_covered(offer)
    yield from _shares(offer)
    for component in offer.components:
        yield from _unreachable(component)
        for rate in component.rates:
            if isinstance(rate.price, Percentile):
                yield from _percentile(component, rate.price, meters)


def _phases(offer: Offer) -> Iterator[Mistake]:
    phased: tuple[Fee | Discount, ...] = (*offer.fees, *offer.discounts)
    for part in phased:
        if part.to_period is not None and part.to_period < part.from_period:
            yield (
                f"'{part.id}' ends in period {part.to_period}, before it begins in period {part.from_period}.",
                part.id, "phase_empty", "Let `to_period` be at least `from_period`.",
            )  # fmt: skip


def _rates_of_exchange(offer: Offer) -> Iterator[Mistake]:
    days = [(rate.currency, rate.as_of) for rate in offer.fx]
    for currency, day in days:
        if days.count((currency, day)) > 1:
            yield (
                f"Offer '{offer.id}' has two exchange rates to {currency} of {day}.", "@fx", "fx_rate",
                "Keep the one that holds.",
            )  # fmt: skip


def _nothing_covered(offer: Offer) -> Iterator[Mistake]:
    for sponsorship in offer.sponsorships:
        if not sponsorship.components:
            yield (
                f"Sponsorship '{sponsorship.id}' names no price, so it pays for nothing.", sponsorship.id,
                "covers_nothing", "Name prices of the offer under `components`.",
            )  # fmt: skip
    for bundle in offer.bundles:
        if not bundle.weights:
            yield (
                f"Bundle '{bundle.id}' weighs no price, so nothing is taken from it.", bundle.id, "covers_nothing",
                "Name prices of the offer under `weights`.",
            )  # fmt: skip


def _shares(offer: Offer) -> Iterator[Mistake]:
    for rule in offer.split.rules if offer.split else ():
        if rule.guarantee is not None and rule.cap is not None and rule.guarantee > rule.cap:
            yield (
                f"The guarantee of '{rule.partner}' in the split of offer '{offer.id}' is above the cap.", "@split",
                "floor_above_cap", "Swap them.",
            )  # fmt: skip


def _percentile(component: Component, price: Percentile, meters: dict[str, Meter]) -> Iterator[Mistake]:
    name = f"price '{component.id}'"
    if 86_400 % price.slot_seconds:
        yield (
            f"The slots of {name} are {price.slot_seconds} seconds long, which does not divide a day.", component.id,
            "p95_slots", "Use 300, or another divisor of 86400.",
        )  # fmt: skip
    if price.out_meter == component.meter:
        yield (
            f"The {name} names its own meter as `out_meter`, so all use would count twice.", component.id,
            "out_meter", "Name the meter of the other direction, or leave it out.",
        )  # fmt: skip
    out, own = meters.get(price.out_meter), meters[component.meter]
    if out is not None and out.unit != own.unit:
        yield (
            f"The {name} counts {own.unit}, but its `out_meter` '{out.id}' counts {out.unit}.", component.id,
            "unit_mismatch", "Both directions have one unit.",
        )  # fmt: skip


# -- rows that nothing reaches -------------------------------------------------------------------------------


def _unreachable(component: Component) -> Iterator[Mistake]:
    """A row whose every value and time an earlier row takes; or several together, but for the default at the end.

    Day and night need a default after them (``rate_gap``), though nothing is left for it.
    """
    for number, rate in enumerate(component.rates):
        before = component.rates[:number]
        default = not rate.match and not rate.windows
        tried: list[Sequence[Rate]] = [[row] for row in before] if default else [before]
        for rows in tried:
            if rows and _taken(rate, rows):
                names = ", ".join(f"'{row.id}'" for row in rows)
                yield (
                    f"Rate '{rate.id}' of price '{component.id}' can never apply: {names} before it take everything.",
                    component.id, "rate_unreachable", "Put the more special row first, or remove one.",
                )  # fmt: skip
                return


def _taken(rate: Rate, before: Sequence[Rate]) -> bool:
    own = dict(rate.match)
    named: dict[str, set[str]] = {}
    for row in before:
        for dimension, values in row.match:
            named.setdefault(dimension, {_OTHER}).update(values)
    domains = [sorted(own.get(dimension, named[dimension])) for dimension in sorted(named)]
    points = 1
    for domain in domains:
        points *= len(domain)
    if points > _MOST_POINTS:
        return False
    for point in product(*domains):
        at = dict(zip(sorted(named), point, strict=True))
        fitting = [row for row in before if all(at[name] in values for name, values in row.match)]
        if not any(not row.windows for row in fitting) and not _hours_taken(rate, fitting):
            return False
    return True


def _hours_taken(rate: Rate, before: Sequence[Rate]) -> bool:
    held = [window for row in before for window in row.windows]
    if not held:
        return False
    zones = {window.zone for window in held}
    always = any(_surely([window for window in held if window.zone == zone]) >= _WEEK for zone in zones)
    if always or not rate.windows:
        return always
    return all(
        window in held or _perhaps(window) <= _surely([other for other in held if other.zone == window.zone])
        for window in rate.windows
    )


def _surely(windows: Sequence[TimeWindow]) -> set[tuple[int, int]]:
    """Minutes of the week that windows hold whatever day is a holiday; a night of some days only is left out."""
    found: set[tuple[int, int]] = set()
    for window in windows:
        wraps = window.end_minute <= window.start_minute
        if window.holidays == "ignore" and not (wraps and len(window.days) < 7):
            found |= _minutes(window)
    return found


def _perhaps(window: TimeWindow) -> set[tuple[int, int]]:
    """Minutes of the week that a window may hold."""
    if window.holidays != "ignore" or (window.end_minute <= window.start_minute and len(window.days) < 7):
        return set(_WEEK)
    return _minutes(window)


def _minutes(window: TimeWindow) -> set[tuple[int, int]]:
    if window.end_minute > window.start_minute:
        spans = [range(window.start_minute, window.end_minute)]
    else:
        spans = [range(window.start_minute, MINUTES_PER_DAY), range(window.end_minute)]
    return {(day, minute) for day in window.days for span in spans for minute in span}
