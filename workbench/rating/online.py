"""Online rating: one event at a time, plain Python integers, the same compiled rows as ``batch``.

Counters live in a dict; a charging node keeps its own durable copy of it (``counters``). What cannot be decided before
the period is over (percentiles, prices that jump, minimums, true-ups) is refused by name when the rater is made.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from workbench.errors import RatingError
from workbench.model.plan import Period, PlanComponent, PlanConversion, PlanOffer, PlanRate
from workbench.model.when import HolidayCalendar
from workbench.tariff.amount import chargeable, converted, cost, rounded
from workbench.tariff.calendar import counter_windows, expand
from workbench.tariff.lookup import Intervals, rate_at

CounterKey = tuple[str, str, object, datetime | None]
"""(component id, rate id, scope holder, start of a short counter's life or ``None``)."""
_NONE: Mapping[str, object] = {}


class Charged(NamedTuple):
    """One event under one price. ``amount`` is nano over ``denominator``; ``step`` an index of the rate's steps."""

    component_id: str
    rate_id: str
    units: int
    before: int
    after: int
    amount: int
    denominator: int
    step: int


class OnlineRater:
    """An offer at work for one billing period.

    Args:
        offer: a compiled variant (``Plan.offers``, or ``compile_offer``).
        period: the billing period; time windows and short counters are expanded for it.
        calendars: holidays that the offer's windows name.
        free_units: (component, holder) to its free units, when they are not simply the component's own.

    Raises:
        RatingError: ``not_online`` names what this offer says that only a close can decide.
    """

    def __init__(
        self,
        offer: PlanOffer,
        period: Period,
        calendars: Mapping[str, HolidayCalendar] = {},
        free_units: Callable[[PlanComponent, object], int] | None = None,
    ) -> None:
        for what in not_online(offer):
            raise RatingError(
                f"Offer '{offer.offer_id}' cannot be charged online: {what} is decided at close.",
                where=f"offer {offer.offer_id}",
                code="not_online",
                cure="Charge it in batch, or change the price.",
            )
        self.offer, self.period = offer, period
        self.counters: dict[CounterKey, int] = {}
        self._by_meter: dict[str, list[_Priced]] = {}
        for component in offer.components:
            priced = _Priced(component, offer, period, calendars, free_units, self.counters)
            self._by_meter.setdefault(component.meter, []).append(priced)

    def rate(
        self,
        holder: object,
        meter: str,
        units: int,
        at: datetime,
        dimensions: Mapping[str, object] = _NONE,
        events: int = 1,
        device: object = None,
    ) -> list[Charged]:
        """Charge one event (or one record of ``events`` events) and move its counters.

        Args:
            holder: who shares the counter: the device, SIM group or pool, whatever the scope says.
            device: which device of the holder it was; needed only for rounding per device of a pool or group.
            at: the instant that decides window and counter, UTC; inside the period.

        Returns: one charge per price of that meter; none when the offer does not price it.

        Raises:
            RatingError: ``outside_period``; ``grid_too_coarse`` for several events under a price that looks at one.
        """
        if not self.period.start <= at < self.period.end:
            raise RatingError(
                f"An event at {at} is outside the period of this rater.",
                where=meter,
                code="outside_period",
                cure="Use the rater of its period.",
            )
        return [
            charged
            for priced in self._by_meter.get(meter, ())
            if (charged := priced.charge(holder, units, at, dimensions, events, device)) is not None
        ]


def not_online(offer: PlanOffer) -> list[str]:
    """What an offer says that cannot be decided at the event, by name."""
    found = [f"the bundle '{bundle.id}'" for bundle in offer.bundles]
    found += [f"the sponsorship '{sponsor.id}'" for sponsor in offer.sponsors]
    for component in offer.components:
        if component.fold not in ("sum", "count", "max"):
            found.append(f"fold {component.fold} of '{component.id}'")
        for rate in component.rates:
            if rate.percentile is not None:
                found.append(f"the percentile price of '{component.id}'")
            elif rate.jumps:
                found.append(f"the volume or stair-step price of '{component.id}'")
    return found


class _Priced:
    """One component, its look-ups prepared."""

    def __init__(
        self,
        component: PlanComponent,
        offer: PlanOffer,
        period: Period,
        calendars: Mapping[str, HolidayCalendar],
        free_units: Callable[[PlanComponent, object], int] | None,
        counters: dict[CounterKey, int],
    ) -> None:
        self.component, self.counters = component, counters
        self.windows: dict[str, Intervals] = {
            rate.id: expand(rate.windows, period, calendars) for rate in component.rates if rate.windows
        }
        only = component.rates[0]
        self.only = 0 if len(component.rates) == 1 and not only.match and not only.windows else None
        self.froms = [[step.from_units for step in rate.steps] for rate in component.rates]
        short = component.counter_period != "billing"
        self.lives = (
            [s for s, _ in counter_windows(period, offer.zone, component.counter_period)] if short else []
        )
        self.free_units = free_units
        self.plain = component.linear
        self.alone = component.scope == "event"
        self.shape = component.shape
        self.rounding = (component.increment_units, component.increment_add)
        if self.shape in ("event", "bucket"):
            self.increment = (1, 0)
        else:
            self.increment = self.rounding
        daily = component.increment_per == "day"
        self.days = [start for start, _ in counter_windows(period, offer.zone, "day")] if daily else []
        self.buckets: dict[tuple[object, ...], int] = {}

    def charge(
        self,
        holder: object,
        units: int,
        at: datetime,
        dimensions: Mapping[str, object],
        events: int,
        device: object,
    ) -> Charged | None:
        component = self.component
        index = self.only if self.only is not None else rate_at(component, at, dimensions, self.windows)
        if index is None:
            return None
        rate = component.rates[index]
        if component.fold == "count":
            units = events
        life = self.lives[bisect_right(self.lives, at) - 1] if self.lives else None
        key = (component.id, rate.id, holder, life)
        measured = self._measured(key, units, at, events, device) if self.shape else units
        before = 0 if self.alone else self.counters.get(key, 0)
        after = before + measured
        if self.plain:
            amount, step = _linear(rate, units, events), 0
        else:
            amount, step = self._step(rate, self.froms[index], holder, before, after)
        if not self.alone:
            self.counters[key] = after
        return Charged(component.id, rate.id, units, before, after, amount, component.denominator, step)

    def _measured(self, key: CounterKey, units: int, at: datetime, events: int, device: object) -> int:
        """The difference a record makes: to its highest value, or to its bucket of rounding (see ``shaped.py``)."""
        if self.shape == "max":
            return max(units - self.counters.get(key, 0), 0)
        if self.shape == "event":
            if events != 1:
                raise _too_coarse(f"Rounding per event of '{self.component.id}'", events)
            return rounded(units, *self.rounding)
        day = self.days[bisect_right(self.days, at) - 1] if self.days else None
        member = None
        if self.component.increment_of == "device":
            member = key[2] if self.component.scope == "device" else device
            if member is None:
                raise RatingError(
                    f"'{self.component.id}' is rounded per device, and the device is not said.",
                    where=self.component.id,
                    code="device_missing",
                    cure="Pass `device=`.",
                )
        bucket = (*key, day, member)
        before = self.buckets.get(bucket, 0)
        self.buckets[bucket] = before + units
        return rounded(before + units, *self.rounding) - rounded(before, *self.rounding)

    def _step(
        self, rate: PlanRate, froms: Sequence[int], holder: object, before: int, after: int
    ) -> tuple[int, int]:
        """``C(after) - C(before)`` and the step reached."""
        component = self.component
        free = component.free_units
        if free and self.free_units is not None:
            free = self.free_units(component, holder)
        free = 0 if self.alone else free
        low = chargeable(before, *self.increment, free)
        high = chargeable(after, *self.increment, free)
        first, last = bisect_right(froms, low) - 1, bisect_right(froms, high) - 1
        x, y = rate.steps[first], rate.steps[last]
        amount = cost(high, y.origin_units, y.base, y.block_units, y.block_amount) - cost(
            low, x.origin_units, x.base, x.block_units, x.block_amount
        )
        return amount, last


def _linear(rate: PlanRate, units: int, events: int) -> int:
    conversion = rate.conversion
    if conversion is None:
        return units * rate.steps[0].block_amount
    return convert(conversion, units, events)


def convert(conversion: PlanConversion, units: int, events: int = 1) -> int:
    """What events that carried ``units`` of money cost; with a floor or a cap there must be one event.

    Raises:
        RatingError: ``grid_too_coarse``.
    """
    amount = converted(units, events, conversion.rate, conversion.fee)
    if conversion.floor is None and conversion.cap is None:
        return amount
    if events != 1:
        raise _too_coarse("A floor or cap per event", events)
    if conversion.floor is not None:
        amount = max(conversion.floor, amount)
    return amount if conversion.cap is None else min(conversion.cap, amount)


def _too_coarse(what: str, events: int) -> RatingError:
    return RatingError(
        f"{what} cannot be applied to {events} events at once.",
        where="events",
        code="grid_too_coarse",
        cure="Aggregate this stream with the grid `event`.",
    )
