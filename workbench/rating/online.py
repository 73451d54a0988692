"""Online rating: one event at a time, plain Python integers, the same compiled rows as ``batch``.

Counters live in a dict that the caller may own: a charging node keeps one per account, durably. What cannot be decided
before the period is over (percentiles, prices that jump, minimums, true-ups) is refused by name when the rater is made.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from workbench.errors import RatingError
from workbench.model.plan import Period, PlanComponent, PlanConversion, PlanOffer, PlanRate
from workbench.model.when import HolidayCalendar
from workbench.tariff.amount import chargeable, converted, cost, rounded
from workbench.tariff.at_close import not_online
from workbench.tariff.calendar import counter_windows, expand
from workbench.tariff.lookup import Intervals, rate_at

CounterKey = tuple[object, ...]
"""(component id, rate id, scope holder, start of a short counter's life or ``None``); a bucket of rounding adds its day
and its device.
"""
Counters = dict[CounterKey, int]
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
        self.counters: Counters = {}
        self.by_meter: dict[str, list[Price]] = {}
        for component in offer.components:
            price = Price(component, offer, period, calendars, free_units)
            self.by_meter.setdefault(component.meter, []).append(price)

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
            for price in self.by_meter.get(meter, ())
            if (charged := price.charge(self.counters, holder, units, at, dimensions, events, device))
            is not None
        ]


class Price:
    """One component at work in one period, its look-ups prepared.

    ``charge`` does everything. A charging node that holds money before it is spent asks in parts: ``place`` (which
    rate, which counter), ``measured`` (how far the counter moves), ``between`` (what that costs).

    Attributes:
        plain: no record's charge depends on another; ``alone`` is all there is to ask.
        timed: the answer depends on the instant within the period.
    """

    __slots__ = (
        "alone", "component", "counts", "days", "free_units", "froms", "increment", "lives", "only", "plain",
        "rounding", "shape", "steps", "timed", "whole", "windows",
    )  # fmt: skip

    def __init__(
        self,
        component: PlanComponent,
        offer: PlanOffer,
        period: Period,
        calendars: Mapping[str, HolidayCalendar],
        free_units: Callable[[PlanComponent, object], int] | None = None,
    ) -> None:
        self.component = component
        self.windows: dict[str, Intervals] = {
            rate.id: expand(rate.windows, period, calendars) for rate in component.rates if rate.windows
        }
        only = component.rates[0]
        self.only = None if only.match or only.windows else 0  # a first row without conditions always fits
        self.froms = [[step.from_units for step in rate.steps] for rate in component.rates]
        self.steps = [
            [(s.origin_units, s.base, s.block_units, s.block_amount) for s in rate.steps]
            for rate in component.rates
        ]
        short = component.counter_period != "billing"
        self.lives = (
            [s for s, _ in counter_windows(period, offer.zone, component.counter_period)] if short else []
        )
        self.free_units = free_units
        self.plain = component.linear
        self.alone = component.scope == "event"
        self.counts = component.fold == "count"
        self.shape = component.shape
        self.rounding = (component.increment_units, component.increment_add)
        self.increment = (1, 0) if self.shape in ("event", "bucket") else self.rounding
        self.whole = self.increment == (1, 0)
        daily = component.increment_per == "day"
        self.days = [start for start, _ in counter_windows(period, offer.zone, "day")] if daily else []
        self.timed = bool(self.windows or self.lives or self.days)

    def charge(
        self,
        counters: Counters,
        holder: object,
        units: int,
        at: datetime,
        dimensions: Mapping[str, object] = _NONE,
        events: int = 1,
        device: object = None,
    ) -> Charged | None:
        """Charge one event and move its counter; ``None`` when no rate fits. See ``OnlineRater.rate``."""
        placed = self.place(holder, at, dimensions)
        if placed is None:
            return None
        index, key = placed
        if self.counts:
            units = events
        before = 0 if self.alone else counters.get(key, 0)
        measured = self.measured(counters, key, units, at, events, device) if self.shape else units
        after = before + measured
        if self.plain:
            amount, step = self.linear(index, units, events), 0
        else:
            free = self.component.free_units
            if free and self.free_units is not None:
                free = self.free_units(self.component, holder)
            amount, step = self.between(index, before, after, free)
        self.move(counters, key, measured, units, at, device)
        component = self.component
        rate_id = component.rates[index].id
        return Charged(component.id, rate_id, units, before, after, amount, component.denominator, step)

    def place(
        self, holder: object, at: datetime, dimensions: Mapping[str, object] = _NONE
    ) -> tuple[int, CounterKey] | None:
        """Which rate and which counter an event falls on; ``None`` when no rate fits."""
        component = self.component
        index = self.only if self.only is not None else rate_at(component, at, dimensions, self.windows)
        if index is None:
            return None
        life = self.lives[bisect_right(self.lives, at) - 1] if self.lives else None
        return index, (component.id, component.rates[index].id, holder, life)

    def linear(self, index: int, units: int, events: int = 1) -> int:
        """What units cost under a ``plain`` price."""
        return _linear(self.component.rates[index], units, events)

    def measured(
        self,
        counters: Counters,
        key: CounterKey,
        units: int,
        at: datetime,
        events: int = 1,
        device: object = None,
    ) -> int:
        """How far an event moves its counter: by its units, by the difference to the highest value so far, or by what
        it adds to its bucket of rounding (see ``shaped.py``). Nothing is moved yet.
        """
        if not self.shape:
            return units
        if self.shape == "max":
            return max(units - counters.get(key, 0), 0)
        if self.shape == "event":
            if events != 1:
                raise _too_coarse(f"Rounding per event of '{self.component.id}'", events)
            return rounded(units, *self.rounding)
        before = counters.get(self._bucket(key, at, device), 0)
        return rounded(before + units, *self.rounding) - rounded(before, *self.rounding)

    def measured_most(self, counters: Counters, key: CounterKey, units: int) -> int:
        """The farthest that up to ``units`` can move the counter later, whatever is charged in between."""
        if self.shape == "event":
            return rounded(units, *self.rounding)
        if self.shape == "bucket":
            size = self.rounding[0]
            return (units // size + 1) * size if size > 1 else units
        return max(units - counters.get(key, 0), 0) if self.shape == "max" else units

    def move(
        self,
        counters: Counters,
        key: CounterKey,
        measured: int,
        units: int,
        at: datetime,
        device: object = None,
    ) -> None:
        """Book what ``measured`` said."""
        if self.shape == "bucket":
            bucket = self._bucket(key, at, device)
            counters[bucket] = counters.get(bucket, 0) + units
        if not self.alone:
            counters[key] = counters.get(key, 0) + measured

    def _bucket(self, key: CounterKey, at: datetime, device: object) -> CounterKey:
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
        return (*key, day, member)

    def between(self, index: int, before: int, after: int, free: int) -> tuple[int, int]:
        """``C(after) - C(before)`` of a counter with ``free`` free units, and the step reached."""
        froms, steps = self.froms[index], self.steps[index]
        if self.whole and not free and before >= 0 <= after:
            low, high = before, after
        else:
            low, high = chargeable(before, *self.increment, free), chargeable(after, *self.increment, free)
        first, last = bisect_right(froms, low) - 1, bisect_right(froms, high) - 1
        if first == last and steps[last][2] == 1:  # nearly always: within one step of single units
            return (high - low) * steps[last][3], last
        return cost(high, *steps[last]) - cost(low, *steps[first]), last


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
