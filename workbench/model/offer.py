"""An offer: everything that is sold (or bought) under one dated, immutable version. Frozen, standard library only.

The written form is YAML (``workbench/tariff/README.md``); ``tariff/catalogue.py`` reads it, ``tariff/compile.py``
turns it into integer rows, ``workbench/reference`` prices it independently from these nouns alone.

Quantities are ``int`` base units, amounts ``Fraction`` of the currency's main unit, rates ``Fraction`` (0.7 = 70 %).
Dates are local dates in ``Offer.zone``. A field that is empty or ``None`` says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from workbench.model.price import Price
from workbench.model.split import Split
from workbench.model.when import HolidayCalendar, TimeWindow

ONE = Fraction(1)
ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Meter:
    """What is counted. ``id`` is the stream, ``<source>.<meter>``; ``unit`` its base unit.

    dimensions: the declared keys that records carry and prices may look at.
    currency: only for money meters (unit ``nano``). spans: how an event that spans a rate boundary counts.
    """

    id: str
    unit: str
    title: str = ""
    dimensions: tuple[str, ...] = ()
    currency: str = ""
    spans: str = "end"  # start | end | split


@dataclass(frozen=True, slots=True)
class PartnerRef:
    """A party named by splits and sponsorships."""

    id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Conventions:
    """What vendors disagree about, said out loud. The defaults are ours (pricing.md).

    tier_bound: ``inclusive`` (the unit at ``up_to`` still belongs to the tier) or ``exclusive``.
    flat_fee_at_zero: the first tier's flat fee is due even without usage.
    """

    tier_bound: str = "inclusive"
    flat_fee_at_zero: bool = False


@dataclass(frozen=True, slots=True)
class Increment:
    """The smallest billable quantity: usage is rounded to a multiple of ``units`` before free units and tiers.

    per: ``event`` and ``session`` are rounded in mediation, before aggregation; ``day`` rounds each device's or
    counter's local day, ``period`` the whole billing period. of: ``counter`` or ``device`` (differs for pools only).
    rounding: ``up``, ``down`` or ``nearest`` (halves up).
    """

    units: int
    per: str = "period"
    of: str = "counter"
    rounding: str = "up"


@dataclass(frozen=True, slots=True)
class Rollover:
    """Unused free units live on for ``periods`` more periods, at most ``cap`` units in stock (``None``: no cap).

    order: ``own_first`` (this period's grant is used before old stock) or ``rollover_first``; then oldest first.
    A grant of period p is usable in periods p .. p + ``periods``; what is left then expires. Forfeited at termination.
    """

    periods: int
    cap: int | None = None
    order: str = "own_first"


@dataclass(frozen=True, slots=True)
class Allowance:
    """Free units per counter and billing period, before any price: ``C(max(0, q - free))``.

    contribution (pools): what each member adds: ``full``, ``prorated`` (by active days, rounded down) or ``none``
    (``units`` is then for the whole pool). For a device scope ``prorated`` prorates a started or ended period.
    """

    units: int
    rollover: Rollover | None = None
    contribution: str = "full"  # full | prorated | none


@dataclass(frozen=True, slots=True)
class Rate:
    """One row of a component: the first row whose ``match`` and ``windows`` fit prices the record.

    match: (dimension, accepted values) pairs, all must hold; empty matches everything. windows: any may hold; empty
    means always. A row has its own counter. A row without match and windows is the default and comes last.
    """

    id: str
    price: Price
    match: tuple[tuple[str, tuple[str, ...]], ...] = ()
    windows: tuple[TimeWindow, ...] = ()


@dataclass(frozen=True, slots=True)
class Component:
    """A price for the use of one meter. ``rates`` holds one row for a simple price, several for matrix and time of use.

    fold: how records become the billed quantity: sum | count | max | last | unique | time_weighted | p95.
    counter_period: how long one counter lives: billing | month | week | day | hour | minute (local time of the offer).
    scope: overrides the offer's. unique_of: the dimension that ``unique`` counts.
    unmatched: what happens when no rate fits a record: ``refuse`` (the checker demands a default row) or ``free``.
    """

    id: str
    meter: str
    rates: tuple[Rate, ...]
    title: str = ""
    fold: str = "sum"
    scope: str = ""
    counter_period: str = "billing"
    increment: Increment | None = None
    allowance: Allowance | None = None
    unique_of: str = ""
    unmatched: str = "refuse"
    tax_category: str = "standard"


@dataclass(frozen=True, slots=True)
class Bundle:
    """One allowance for several components: each unit of component ``c`` uses ``weight`` credits of ``credits``.

    weights: (component id, credits per base unit). Credits are integers; usage beyond them pays the component's price,
    which must be linear. Use counts in attribution order (slot start, device, meter).
    """

    id: str
    credits: int
    weights: tuple[tuple[str, int], ...]
    rollover: Rollover | None = None
    contribution: str = "full"


@dataclass(frozen=True, slots=True)
class Fee:
    """Money that does not depend on usage.

    every: ``day``, ``period`` or ``once``. per: ``device`` or ``account`` (i.e. per subscription).
    timing: ``advance`` (booked at the period's start) or ``arrears``; it moves the invoice, not the amount.
    proration: of a period fee by covered days: ``daily`` (days / days in the period), ``30-day`` (days count as 30ths,
    the 31st adds nothing, the last day of a short month completes it), ``full_if_active`` (whole as soon as one day is
    covered). The day of a change belongs to the new version.
    states: the SIM states in which the fee is due. from_period, to_period: phase, counted from 1 since the
    subscription began (``to_period`` inclusive, ``None``: no end). A ``once`` fee is due once per
    subscription, on the first local day it was in such a state, however that day is cut: the last row that began on it
    in such a state owes it.
    """

    id: str
    amount: Fraction
    every: str = "period"
    per: str = "device"
    timing: str = "arrears"
    proration: str = "daily"
    states: tuple[str, ...] = ("test", "active")
    title: str = ""
    from_period: int = 1
    to_period: int | None = None
    tax_category: str = "standard"


@dataclass(frozen=True, slots=True)
class Trial:
    """The first ``days`` (local days) of a subscription are free of usage prices and recurring fees."""

    days: int


@dataclass(frozen=True, slots=True)
class Discount:
    """A reduction. kind ``percent`` (``rate``) or ``fixed`` (``amount`` per account and period, never below zero).

    components: limits it to these component and fee ids; empty means all. from_period/to_period as in ``Fee``.
    code: a coupon is a discount that only holds for subscriptions which carry its code.
    Percent discounts are applied to the price one after the other, in file order, before the maximum.
    """

    id: str
    kind: str = "percent"
    rate: Fraction = ZERO
    amount: Fraction = ZERO
    components: tuple[str, ...] = ()
    code: str = ""
    from_period: int = 1
    to_period: int | None = None


@dataclass(frozen=True, slots=True)
class Maximum:
    """The most that the counted charges of one account (``scope``: account | device) may cost in one period."""

    amount: Fraction
    scope: str = "account"
    components: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Commitment:
    """A promised spend per period: what is missing becomes a true-up charge at close.

    scope: account | device. components: the charges that count (empty: all usage and fees).
    prorated: the amount follows the covered days of the period.
    """

    amount: Fraction
    scope: str = "account"
    components: tuple[str, ...] = ()
    prorated: bool = True


@dataclass(frozen=True, slots=True)
class PrepaidGrant:
    """Money given with the offer: promotional credit reduces the taxable base, paid credit settles the total.

    priority: lower is used first; then earliest expiry, promotional before paid, earliest grant, id.
    every: ``once`` or ``period``; expires_after_days: local days after the grant (``None``: never); use at the very
    instant of expiry is no longer covered.
    """

    id: str
    amount: Fraction
    kind: str = "promotional"
    priority: int = 100
    every: str = "once"
    expires_after_days: int | None = None


@dataclass(frozen=True, slots=True)
class Sponsorship:
    """Usage that somebody else pays: when ``match`` holds, the sponsor is charged and the user's counter stands still.

    meters: the component ids it covers. budget: per period, main currency unit (``None``: unlimited).
    fallback: who pays beyond the budget: ``user`` or ``block``. account: the sponsor's account. A unit is the sponsor's when
    what is left of the budget pays it whole, so a record may be paid by both.
    """

    id: str
    account: str
    components: tuple[str, ...]
    match: tuple[tuple[str, tuple[str, ...]], ...] = ()
    budget: Fraction | None = None
    fallback: str = "user"


@dataclass(frozen=True, slots=True)
class Tax:
    """A tax category: ``rate`` of the net amount; ``inclusive`` prices already contain it."""

    category: str
    rate: Fraction
    inclusive: bool = False


@dataclass(frozen=True, slots=True)
class Fx:
    """A stored exchange rate: one unit of the offer's currency is ``rate`` units of ``currency``. Never looked up."""

    currency: str
    rate: Fraction
    as_of: date


@dataclass(frozen=True, slots=True)
class Micropayment:
    """What to do with amounts too small to collect. Rounding is once per invoice line, always.

    carry_remainder: the residue of the rounding becomes a line of its own in the next period.
    minimum_invoice: below it the amount is deferred, not lost.
    """

    carry_remainder: bool = False
    minimum_invoice: Fraction = ZERO


@dataclass(frozen=True, slots=True)
class Publish:
    """What publishing this version does to running subscriptions and to their counters.

    running: ``next_period``, ``now`` (prorated) or ``keep`` (grandfather). counters: ``carry`` or ``reset``.
    """

    running: str = "next_period"
    counters: str = "carry"


@dataclass(frozen=True, slots=True)
class Offer:
    """One version of an offer. Identity is (``id``, ``version``); ``sha256`` is the hash of its canonical form.

    side: ``sell`` or ``buy``. scope: whose usage shares a counter: device | sim_group | pool | event.
    zone: the zone of windows, counter periods and days of this offer. effective: first local day it can hold.
    period: the billing period: month | week | day | quarter | year. charged: ``node`` or ``batch``.
    pool_cap_units: the most one member may use of a pool (``None``: no cap). overage: use | excess.
    critical: granted past the limit and booked as debt.
    """

    id: str
    version: int
    currency: str
    effective: date
    title: str = ""
    side: str = "sell"
    scope: str = "device"
    zone: str = "UTC"
    period: str = "month"
    charged: str = "batch"
    prepaid: bool = False
    critical: bool = False
    pool_cap_units: int | None = None
    overage: str = "use"
    components: tuple[Component, ...] = ()
    bundles: tuple[Bundle, ...] = ()
    fees: tuple[Fee, ...] = ()
    trial: Trial | None = None
    discounts: tuple[Discount, ...] = ()
    maximum: Maximum | None = None
    commitment: Commitment | None = None
    credits: tuple[PrepaidGrant, ...] = ()
    sponsorships: tuple[Sponsorship, ...] = ()
    taxes: tuple[Tax, ...] = ()
    fx: tuple[Fx, ...] = ()
    micropayment: Micropayment = Micropayment()
    conventions: Conventions = Conventions()
    publish: Publish = Publish()
    split: Split | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Meters, partners, holidays and offer versions that were read together; ``sha256`` names the whole."""

    meters: tuple[Meter, ...] = ()
    partners: tuple[PartnerRef, ...] = ()
    holidays: tuple[HolidayCalendar, ...] = ()
    offers: tuple[Offer, ...] = ()
    sha256: str = ""

    def meter(self, meter_id: str) -> Meter:
        """The meter of that id. Raises ``KeyError`` when there is none."""
        for meter in self.meters:
            if meter.id == meter_id:
                return meter
        raise KeyError(meter_id)

    def versions(self, offer_id: str) -> tuple[Offer, ...]:
        """All versions of one offer, oldest first (by version number); empty when there is none."""
        return tuple(sorted((o for o in self.offers if o.id == offer_id), key=lambda offer: offer.version))

    def offer(self, offer_id: str) -> Offer:
        """The newest version of that offer. Raises ``KeyError`` when there is none."""
        found = self.versions(offer_id)
        if not found:
            raise KeyError(offer_id)
        return found[-1]
