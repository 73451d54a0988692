"""Random small worlds: an offer, parties and usage, and the three drivers' opinions on what they come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import duckdb
import pyarrow as pa
from hypothesis import reject
from hypothesis import strategies as st

from workbench.errors import AmountOverflow
from workbench.model.ids import device_key
from workbench.model.offer import (
    Allowance,
    Catalogue,
    Component,
    Conventions,
    Increment,
    Meter,
    Offer,
    PartnerRef,
    Rate,
)
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.model.plan import Period
from workbench.model.price import (
    Graduated,
    GraduatedPercentage,
    Package,
    PerUnit,
    Price,
    RateTier,
    StairStep,
    Step,
    Tier,
    Volume,
)
from workbench.model.split import Split
from workbench.model.when import TimeWindow
from workbench.rating.batch import Rater
from workbench.reference.results import Use
from workbench.tariff.plan import Plan, compile_plan
from workbench.tariff.validate import validate

START, END = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
METER = Meter("fleet.data", "byte", dimensions=("country",))
DEVICES = ("d1", "d2", "d3")
COUNTRIES = ("DE", "FR", "US")


@dataclass(frozen=True)
class World:
    """One offer, three devices of two accounts, and uses on a grid of 15 minutes."""

    catalogue: Catalogue
    parties: Parties
    uses: tuple[Use, ...]

    @property
    def offer(self) -> Offer:
        return self.catalogue.offers[0]


amounts = st.builds(Fraction, st.integers(0, 50), st.sampled_from((1, 10, 1000, 3, 10**6)))
pers = st.sampled_from((1, 7, 10, 1000))


def bounds(most: int = 4) -> st.SearchStrategy[list[int | None]]:
    """Rising upper bounds, the last one open."""
    return st.lists(st.integers(1, 300), max_size=most, unique=True).map(lambda found: [*sorted(found), None])


@st.composite
def prices(draw: st.DrawFn, *, jumps: bool = True) -> Price:
    """Any counted price; without those that jump where a fold or a short increment forbids them."""
    steady = ("per_unit", "graduated", "package", "graduated_percentage")
    kind = draw(st.sampled_from((*steady, "volume", "stair") if jumps else steady))
    if kind == "per_unit":
        return PerUnit(draw(amounts), draw(pers))
    if kind == "package":
        return Package(draw(amounts), draw(st.integers(1, 40)), draw(st.integers(0, 50)))
    ends = draw(bounds())
    if kind == "stair":
        return StairStep(tuple(Step(end, draw(amounts)) for end in ends))
    if kind == "graduated_percentage":
        return GraduatedPercentage(tuple(RateTier(e, draw(amounts) / 50, draw(amounts)) for e in ends))
    flats = st.one_of(st.just(Fraction(0)), amounts)
    tiers = tuple(Tier(end, draw(amounts), draw(flats)) for end in ends)
    return Graduated(tiers, draw(pers)) if kind == "graduated" else Volume(tiers, draw(pers))


@st.composite
def rates(draw: st.DrawFn) -> tuple[Rate, ...]:
    found = []
    if draw(st.booleans()):
        found.append(Rate("abroad", draw(prices()), match=(("country", ("FR", "US")),)))
    if draw(st.booleans()):
        start, end = draw(st.integers(0, 95)) * 15, draw(st.integers(1, 96)) * 15
        days = tuple(sorted(draw(st.sets(st.integers(0, 6), min_size=1))))
        zone = draw(st.sampled_from(("UTC", "Europe/Berlin", "Asia/Kolkata")))
        found.append(Rate("window", draw(prices()), windows=(TimeWindow(start, end, days, zone=zone),)))
    return (*found, Rate("rest", draw(prices())))


@st.composite
def components(draw: st.DrawFn) -> Component:
    rows = draw(rates())
    increment = None
    if draw(st.integers(0, 3)) == 0:
        rounding = draw(st.sampled_from(("up", "down", "nearest")))
        increment = Increment(draw(st.integers(1, 50)), rounding=rounding)
    allowance = None
    if len(rows) == 1 and draw(st.booleans()):
        contribution = draw(st.sampled_from(("full", "prorated", "none")))
        allowance = Allowance(draw(st.integers(0, 200)), contribution=contribution)
    short = (
        draw(st.sampled_from(("billing", "billing", "day", "hour", "week")))
        if allowance is None
        else "billing"
    )
    return Component(
        "data", METER.id, rows, increment=increment, allowance=allowance, counter_period=short,
        scope=draw(st.sampled_from(("device", "pool", "sim_group"))),
        fold=draw(st.sampled_from(("sum", "sum", "sum", "count"))),
    )  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> World:
    bound = draw(st.sampled_from(("inclusive", "exclusive")))
    zone = draw(st.sampled_from(("UTC", "Europe/Berlin")))
    offer = Offer(
        "o", 1, "EUR", date(2020, 1, 1), components=(draw(components()),), zone=zone,
        conventions=Conventions(tier_bound=bound), split=Split((), rest="op"),
    )  # fmt: skip
    catalogue = Catalogue((METER,), (PartnerRef("op"),), (), (offer,))
    validate(catalogue)
    starts = [START - timedelta(days=draw(st.sampled_from((0, 40, -5)))) for _ in DEVICES]
    parties = Parties(
        accounts=(Account("a1"), Account("a2")),
        devices=(Device("d1", group_id="g"), Device("d2", group_id="g"), Device("d3")),
        subscriptions=tuple(
            Subscription(f"s{n}", account, "o", start, device_id=device)
            for n, (device, account, start) in enumerate(
                zip(DEVICES, ("a1", "a1", "a2"), starts, strict=True)
            )
        ),
    )
    return World(catalogue, parties, tuple(draw(st.lists(uses(), max_size=25))))


@st.composite
def uses(draw: st.DrawFn) -> Use:
    at = START + timedelta(minutes=15 * draw(st.integers(0, 31 * 96 - 1)))
    if draw(st.booleans()):
        at = START + timedelta(days=draw(st.integers(0, 2)), minutes=15 * draw(st.integers(0, 7)))
    return Use(
        draw(st.sampled_from(DEVICES)), METER.id, at, draw(st.integers(0, 150)),
        dims=(("country", draw(st.sampled_from(COUNTRIES))),), events=draw(st.integers(1, 5)),
    )  # fmt: skip


def distinct(found: Sequence[Use]) -> list[Use]:
    """Records have one row per device, window and dimensions: merge those that coincide."""
    merged: dict[tuple[object, ...], Use] = {}
    for use in found:
        key = (use.at, use.device_id, use.dims)
        old = merged.get(key)
        merged[key] = (
            use if old is None else replace(old, units=old.units + use.units, events=old.events + use.events)
        )
    return sorted(merged.values(), key=lambda use: (use.at, device_key("main", use.device_id), use.dims))


def table(found: Sequence[Use]) -> pa.Table:
    """Uses as records."""
    return pa.table(
        {
            "device_key": pa.array([device_key("main", use.device_id) for use in found], pa.int64()),
            "window_start": pa.array([use.at.replace(tzinfo=None) for use in found], pa.timestamp("us")),
            "units": pa.array([use.units for use in found], pa.int64()),
            "n_events": pa.array([use.events for use in found], pa.int32()),
            "country": pa.array([dict(use.dims)["country"] for use in found], pa.string()),
        }
    )


@dataclass
class Rated:
    """What the batch driver made of a world: exact nano per line, per record, and the uncharged rows."""

    plan: Plan
    lines: dict[tuple[str, str], Fraction]
    charges: dict[tuple[int, datetime, str], Fraction]
    uncharged: list[tuple[object, ...]]


def rate_batch(world: World, parts: Sequence[Sequence[Use]]) -> Rated:
    """Rate a world's records, cut into partitions in time order; a world whose amounts do not fit is no example."""
    with only_what_fits():
        return _rate_batch(world, parts)
    raise AssertionError("unreachable")


@contextmanager
def only_what_fits() -> Iterator[None]:
    """A world whose prices or amounts need more than 64 bits is refused by the engine, and is no example here."""
    try:
        yield
    except (duckdb.ConversionException, duckdb.OutOfRangeException, AmountOverflow):
        reject()


def _rate_batch(world: World, parts: Sequence[Sequence[Use]]) -> Rated:
    with duckdb.connect() as con:
        plan = compile_plan(world.catalogue, world.parties, Period(START, END), con=con)
        rater = Rater(con, plan)
        if plan.needs_totals(METER.id):
            for part in parts:
                con.register("records", table(part))
                rater.observe(METER.id, "records")
        names = {row["line_no"]: row for row in plan.lines.to_pylist()}
        found = Rated(plan, {}, {}, [])
        for part in parts:
            con.register("records", table(part))
            rated = rater.rate(METER.id, "records")
            dims = ", country" if plan.dimensions(METER.id) else ", ''"
            query = f"SELECT line_no, amount, device_key, window_start{dims} FROM ({rated.charges})"
            for line_no, amount, key, at, country in con.execute(query).fetchall():
                line = names[line_no]
                nano = Fraction(amount, int(line["price_denominator"]))
                name = (line["account_id"], line["component_id"])
                found.lines[name] = found.lines.get(name, Fraction(0)) + nano
                place = (key, at, country)
                found.charges[place] = found.charges.get(place, Fraction(0)) + nano
            found.uncharged += con.execute(rated.uncharged).fetchall()
        return found
