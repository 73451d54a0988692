"""An offer compiled: rows of integers that both readings of the formula share. Frozen, standard library only.

All money here is an integer over ``denominator``: nano-units of the currency times that number. ``tariff/compile.py``
makes these rows, ``tariff/amount.py`` reads them, ``rating`` drives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from workbench.model.when import TimeWindow

CLOSING_FOLDS = ("time_weighted", "p95")
"""Folds of a meter's values that no event decides: the average over time, and the 95th percentile."""


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """A half-open stretch of time, ``[start, end)``, UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("a period's instants carry a time zone")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if self.end < self.start:
            raise ValueError("a period ends after it starts")

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One piece of ``C``: holds from ``from_units`` on, until the next step's.

    ``C(q) = base + ceil((q - origin_units) / block_units) * block_amount``. A price per unit has ``block_units`` 1;
    ``whole`` tells a price of started blocks from it.
    """

    from_units: int
    origin_units: int
    base: int
    block_units: int
    block_amount: int
    whole: bool = False


@dataclass(frozen=True, slots=True)
class PlanConversion:
    """Event to money, per event: ``min(cap, max(floor, rate * units + fee))``; all integers over ``denominator``."""

    rate: int
    fee: int = 0
    floor: int | None = None
    cap: int | None = None


@dataclass(frozen=True, slots=True)
class PlanPercentile:
    """The parts of a percentile price that are no step: see ``model.price.Percentile``.

    ``drop`` of the slots (a fraction) are forgiven; the step prices one byte of the slot that is left.
    """

    drop_numerator: int
    drop_denominator: int
    slot_seconds: int
    direction: str
    out_meter: str


@dataclass(frozen=True, slots=True)
class PlanRollover:
    """What happens to free units that are left: see ``model.offer.Rollover``."""

    periods: int
    cap: int | None
    own_first: bool


@dataclass(frozen=True, slots=True, order=True)
class Stock:
    """Free units left over from an earlier period. ``age``: 1 when they are from the period before.

    ``holder`` is the device's key, the SIM group's key, or 0 for an account's pool; ``rate_id`` is empty for a bundle.
    """

    account_id: str
    holder: int
    offer_id: str
    part_id: str
    rate_id: str
    age: int
    units: int


@dataclass(frozen=True, slots=True)
class PlanRate:
    """One row of a component. ``linear``: ``C(q) = q * steps[0].block_amount``, so that no ``before`` is needed.

    ``jumps``: what a unit costs depends on units already charged (volume, stair-step, a pool's overage by excess or with
    a cap per member); final only when the period's total is known.
    """

    id: str
    steps: tuple[PlanStep, ...]
    linear: bool
    jumps: bool
    match: tuple[tuple[str, tuple[str, ...]], ...] = ()
    windows: tuple[TimeWindow, ...] = ()
    conversion: PlanConversion | None = None
    percentile: PlanPercentile | None = None


@dataclass(frozen=True, slots=True)
class PlanComponent:
    """A usage price. Quantities reach the steps as ``max(0, round(used) - free)``, see ``amount.chargeable``.

    increment_units, increment_add: rounding of the counter (1, 0: none); ``increment_per`` period | day | event.
    free_units: the allowance's own grant for one holder (pools: per member unless ``contribution`` is ``none``).
    pool_cap: of a pool's free units, the most one member may draw. by_excess: a pool's overage is its members' by what
    each used beyond its own contribution.
    """

    id: str
    meter: str
    unit: str
    denominator: int
    rates: tuple[PlanRate, ...]
    fold: str
    scope: str
    counter_period: str
    increment_units: int
    increment_add: int
    increment_per: str
    increment_of: str
    free_units: int
    contribution: str
    unique_of: str
    free_when_unmatched: bool
    tax_category: str
    title: str = ""
    rollover: PlanRollover | None = None
    bundle: str = ""
    weight: int = 0
    sponsored: bool = False
    pool_cap: int | None = None
    by_excess: bool = False

    @property
    def closes(self) -> bool:
        """Its quantity is a fold that only the whole period decides: one charge per counter, at close."""
        return self.fold in CLOSING_FOLDS

    @property
    def shared(self) -> bool:
        """What a pool pays beyond its free units is shared among its members at close (a cap per member, or by
        excess).
        """
        return self.pool_cap is not None or self.by_excess

    @property
    def shape(self) -> str:
        """How a record's units reach the counter: as they are (``""``), or first as the difference they make to a
        fold (``max``, ``last``, ``unique``), to a bucket of rounding (``bucket``: a day, a device of a pool), or
        rounded alone (``event``).
        """
        if self.fold in ("max", "last", "unique"):
            return self.fold
        if self.increment_per in ("event", "session"):
            return "event"
        if self.increment_per == "day" or (
            self.increment_of == "device" and self.scope in ("pool", "sim_group")
        ):
            return "bucket"
        return "bundle" if self.bundle else ""

    @property
    def bursts(self) -> bool:
        """Priced by a percentile of its slots, at close."""
        return self.rates[0].percentile is not None

    @property
    def meters(self) -> tuple[str, ...]:
        """The meters it looks at: its own, and the other direction of a burstable line."""
        other = self.rates[0].percentile.out_meter if self.rates[0].percentile else ""
        return (self.meter, other) if other else (self.meter,)

    @property
    def linear(self) -> bool:
        """No record's charge depends on another record."""
        return (
            all(rate.linear for rate in self.rates)
            and not self.bursts
            and not self.closes
            and not self.bundle
            and not self.sponsored
            and self.increment_units == 1
            and self.free_units == 0
            and self.fold in ("sum", "count")
        )


@dataclass(frozen=True, slots=True)
class PlanFee:
    """A fee: ``amount`` (over ``denominator``) for one whole day, period or subscription."""

    id: str
    denominator: int
    amount: int
    every: str
    per: str
    proration: str
    timing: str
    states: tuple[str, ...]
    from_period: int
    to_period: int | None
    tax_category: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class PlanAdjustment:
    """A line that only the close fills: a fixed discount, ``maximum``, ``commitment`` or a promotional credit.

    ``denominator`` makes the rule's own amount whole (daily parts of a commitment come on top).
    """

    id: str
    kind: str
    denominator: int
    daily: bool
    tax_category: str


@dataclass(frozen=True, slots=True)
class PlanBundle:
    """One stock of credits for several components: see ``model.offer.Bundle``."""

    id: str
    credits: int
    contribution: str
    rollover: PlanRollover | None


@dataclass(frozen=True, slots=True)
class PlanSponsor:
    """Who pays instead: see ``model.offer.Sponsorship``. ``budget`` is nano as (numerator, denominator)."""

    id: str
    account: str
    components: tuple[str, ...]
    match: tuple[tuple[str, tuple[str, ...]], ...]
    budget: tuple[int, int] | None
    blocks: bool


@dataclass(frozen=True, slots=True)
class PlanOffer:
    """One offer version compiled for one currency and one set of overrides and discounts."""

    offer_id: str
    version: int
    sha256: str
    side: str
    currency: str
    zone: str
    period: str
    charged: str
    prepaid: bool
    resets: bool
    trial_days: int
    components: tuple[PlanComponent, ...]
    fees: tuple[PlanFee, ...]
    taxes: tuple[tuple[str, int, bool], ...]
    fixed_discounts: tuple[str, ...] = ()
    adjustments: tuple[PlanAdjustment, ...] = ()
    bundles: tuple[PlanBundle, ...] = ()
    sponsors: tuple[PlanSponsor, ...] = ()
    scope: str = "device"
