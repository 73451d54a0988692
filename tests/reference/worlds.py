"""Random small worlds for the metamorphic relations: an offer, its customers and their use, as a golden case."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from hypothesis import strategies as st

from tests.golden.case import Case
from workbench.model.offer import Allowance, Catalogue, Component, Fee, Meter, Offer, PartnerRef, Rate
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.model.price import Graduated, Package, PerUnit, Price, StairStep, Step, Tier, Volume
from workbench.model.split import Split, SplitRule
from workbench.model.when import TimeWindow
from workbench.reference.results import Use

# The month in which Berlin's clocks go forward; boundaries of tiers lie within what one device may use.
START, END = datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC)
SLOTS = int((END - START) / timedelta(minutes=15))
DEVICES = ("a", "b", "c")

amounts = st.integers(0, 50).map(lambda n: Fraction(n, 10_000))
bounds = st.lists(st.integers(1, 40), min_size=1, max_size=3, unique=True).map(sorted)
pers = st.sampled_from([1, 3, 7])


@st.composite
def tiered(draw: st.DrawFn) -> Price:
    tops = [*draw(bounds), None]
    tiers = tuple(
        Tier(top, draw(amounts), draw(st.sampled_from([Fraction(0), Fraction(1, 2)]))) for top in tops
    )
    return draw(st.sampled_from([Graduated, Volume]))(tiers, draw(pers))


@st.composite
def stairs(draw: st.DrawFn) -> Price:
    return StairStep(tuple(Step(top, draw(amounts)) for top in [*draw(bounds), None]))


per_unit = st.builds(PerUnit, amounts, pers)
packages = st.builds(Package, amounts, st.integers(1, 9), st.integers(0, 5))
prices = st.one_of(per_unit, tiered(), stairs(), packages)

NIGHT = TimeWindow(22 * 60, 6 * 60, zone="Europe/Berlin")


@st.composite
def components(draw: st.DrawFn, price: st.SearchStrategy[Price] = prices) -> Component:
    """One price, or a price at night and another by day, or one at home and another abroad."""
    kind = draw(st.sampled_from(["simple", "night", "home", "free"]))
    last = Rate("rest", draw(price))
    if kind == "night":
        return Component("use", "m.use", (Rate("night", draw(price), windows=(NIGHT,)), last))
    if kind == "home":
        return Component("use", "m.use", (Rate("home", draw(price), match=(("country", ("DE",)),)), last))
    allowance = Allowance(draw(st.integers(1, 20))) if kind == "free" else None
    return Component("use", "m.use", (last,), allowance=allowance)


@st.composite
def uses(draw: st.DrawFn) -> tuple[Use, ...]:
    """Up to a dozen records, at most one per device and slot."""
    places = draw(
        st.lists(
            st.tuples(st.integers(0, SLOTS - 1), st.sampled_from(DEVICES)),
            min_size=1,
            max_size=12,
            unique=True,
        )
    )
    return tuple(
        Use(
            device,
            "m.use",
            START + slot * timedelta(minutes=15),
            draw(st.integers(0, 25)),
            (("country", draw(st.sampled_from(["DE", "US"]))),),
        )
        for slot, device in places
    )


SPLIT = Split(
    (SplitRule("maker", rate=Fraction(3, 10)), SplitRule("landlord", rate=Fraction(1, 8), of="remainder")),
    rest="operator",
)


@st.composite
def worlds(draw: st.DrawFn, price: st.SearchStrategy[Price] = prices) -> Case:
    """A case of one period: account ``acme`` in Berlin, three devices, one of them from the middle of the month."""
    offer = Offer(
        "offer",
        1,
        "EUR",
        date(2020, 1, 1),
        scope=draw(st.sampled_from(["device", "pool"])),
        zone="Europe/Berlin",
        components=(draw(components(price)),),
        fees=(Fee("rent", draw(amounts), every="day"), Fee("base", draw(amounts), every="period")),
        split=SPLIT,
    )
    since = {"a": datetime(2020, 1, 1, tzinfo=UTC), "b": datetime(2026, 3, 1, tzinfo=UTC)}
    since["c"] = START + timedelta(days=draw(st.integers(0, 30)), hours=5)
    parties = Parties(
        accounts=(Account("acme", zone="Europe/Berlin"),),
        devices=tuple(Device(device) for device in DEVICES),
        subscriptions=tuple(
            Subscription(f"s-{device}", "acme", "offer", begins, device_id=device)
            for device, begins in since.items()
        ),
    )
    catalogue = Catalogue(
        meters=(Meter("m.use", "unit", dimensions=("country",)),),
        partners=(PartnerRef("operator"), PartnerRef("maker"), PartnerRef("landlord")),
        offers=(offer,),
    )
    return Case("random", "worlds", catalogue, parties, draw(uses()), ((START, END),), (), ({},))


def with_offer(case: Case, **changes: object) -> Case:
    """The case with its one offer changed."""
    offer = replace(case.catalogue.offers[0], **changes)  # type: ignore[arg-type]
    return replace(case, catalogue=replace(case.catalogue, offers=(offer,)))
