"""Slips that change money and break no rule of form: a row nobody reaches, a share above its own cap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import product

from workbench.model.money import decimal_text
from workbench.model.offer import Component, Discount, Fee, Meter, Offer, Rate
from workbench.model.price import Percentile
from workbench.model.when import MINUTES_PER_DAY, TimeWindow

Mistake = tuple[str, str, str, str]  # what, part, code, cure
_WEEK = frozenset((day, minute) for day in range(7) for minute in range(MINUTES_PER_DAY))
_OTHER = "\0other"
_MOST_POINTS = 2_000
_MOST_RIVALS = 200


def slips(offer: Offer, meters: dict[str, Meter]) -> Iterator[Mistake]:
    """What an author of an offer cannot have meant."""
    yield from _phases(offer)
    yield from _taxes(offer)
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


def _taxes(offer: Offer) -> Iterator[Mistake]:
    for number, tax in enumerate(offer.taxes):
        if (tax.rate * 1_000_000).denominator != 1:
            yield (
                f"The tax '{tax.category}' of offer '{offer.id}' is {decimal_text(tax.rate * 100)} %, finer than a "
                "millionth.",
                f"@taxes {number} rate", "tax_rate", "Write at most four digits of a percent after the point.",
            )  # fmt: skip


def _rates_of_exchange(offer: Offer) -> Iterator[Mistake]:
    """A version bills by one rate per currency, whatever the day; ``as_of`` says where the rate is from."""
    seen: dict[str, date] = {}
    for rate in offer.fx:
        if rate.currency in seen:
            first = seen[rate.currency]
            days = f"both of {first}" if rate.as_of == first else f"of {first} and of {rate.as_of}"
            yield (
                f"Offer '{offer.id}' has two exchange rates to {rate.currency}, {days}: only the first is ever used.",
                "@fx", "fx_rate", "Keep the one that holds; another rate later on is a new version of the offer.",
            )  # fmt: skip
        seen.setdefault(rate.currency, rate.as_of)


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
    rivals = _Rivals()
    for rate in component.rates:
        for dimension in (dimension for dimension, values in rate.match if not values):
            yield (
                f"Rate '{rate.id}' of price '{component.id}' can never apply: its `match` names no {dimension}.",
                component.id, "rate_unreachable", f"Name the values of {dimension}, or leave it out of `match`.",
            )  # fmt: skip
            return
        before = rivals.of(rate)
        default = not rate.match and not rate.windows
        for rows in [[row] for row in before] if default else [before]:
            if rows and _taken(rate, rows):
                names = ", ".join(f"'{row.id}'" for row in rows)
                yield (
                    f"Rate '{rate.id}' of price '{component.id}' can never apply: {names} before it take everything.",
                    component.id, "rate_unreachable", "Put the more special row first, or remove one.",
                )  # fmt: skip
                return
        rivals.add(rate)


class _Rivals:
    """Earlier rows that take some of a row, found without holding each row against each: a matrix has thousands."""

    def __init__(self) -> None:
        self._rows: list[Rate] = []
        self._any: list[int] = []
        self._named: dict[str, dict[str, list[int]]] = {}

    def add(self, rate: Rate) -> None:
        """Remember a row under every value of its first dimension."""
        number = len(self._rows)
        self._rows.append(rate)
        if not rate.match:
            self._any.append(number)
            return
        dimension, values = rate.match[0]
        for value in values:
            self._named.setdefault(dimension, {}).setdefault(value, []).append(number)

    def of(self, rate: Rate) -> list[Rate]:
        """The rows that may take some of ``rate``, in order; of too many to follow only those that match everything."""
        own = dict(rate.match)
        found = set(self._any)
        for dimension, by_value in self._named.items():
            for value in own.get(dimension, by_value):
                found.update(by_value.get(value, ()))
            if len(found) > _MOST_RIVALS:
                found = set(self._any[:_MOST_RIVALS])
                break
        return [self._rows[number] for number in sorted(found)]


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
