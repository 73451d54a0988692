"""Random cases: who takes which of the drawn offers and for how long, what he uses, in one billing period or three."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from tests.golden.case import Case
from tests.rating.drawn_offers import HOLIDAYS, METERS, PARTNERS, ZONE, changed, offers, sometimes, wholesale
from workbench.errors import CatalogueError
from workbench.model.offer import Catalogue, Offer
from workbench.model.party import Account, Device, Parties, SimState, Subscription
from workbench.model.price import Dynamic, Percentage, PerUnit
from workbench.reference.rater import in_order
from workbench.reference.results import Use
from workbench.tariff.validate import validate

EDGES = (
    datetime(2026, 2, 28, 23, tzinfo=UTC),
    datetime(2026, 3, 31, 22, tzinfo=UTC),
    datetime(2026, 4, 30, 22, tzinfo=UTC),
    datetime(2026, 5, 31, 22, tzinfo=UTC),
)
"""March (743 hours), April and May in Berlin."""
START, END = EDGES[:2]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
DEVICES = ("a", "b", "c", "d")
QUARTER = timedelta(minutes=15)
states = st.sampled_from(
    [SimState.ACTIVE, SimState.ACTIVE, SimState.TEST, SimState.SUSPENDED, SimState.INVENTORY]
)


@st.composite
def cases(draw: st.DrawFn, *, abroad: bool = True) -> Case:
    """Args: abroad: some customer may keep another currency than the offers."""
    first = draw(offers())
    listed = [first]
    if draw(sometimes):
        listed.append(draw(changed(first)))
    other = draw(offers("other")) if draw(st.sampled_from([True, False, False, False])) else None
    bought = draw(wholesale()) if draw(sometimes) else None
    listed += [offer for offer in (other, bought) if offer]
    catalogue = Catalogue(METERS, PARTNERS, HOLIDAYS, tuple(listed))
    try:
        validate(catalogue)
    except CatalogueError:
        reject()
    count = draw(st.sampled_from([1, 1, 2, 3])) if len(listed) == 1 else draw(st.sampled_from([1, 2]))
    periods = tuple((EDGES[n], EDGES[n + 1]) for n in range(count))
    return Case("random", "worlds", catalogue, draw(parties(listed, bool(other), abroad)), draw(uses(listed, count)), periods, (),
                ({},) * count)  # fmt: skip


@st.composite
def parties(draw: st.DrawFn, listed: list[Offer], moves: bool, abroad: bool) -> Parties:
    """Two customers, one of them perhaps abroad; their devices, a group of them subscribed as one, and who pays for others."""
    sponsored = any(offer.sponsorships for offer in listed)
    currency = draw(st.sampled_from(["EUR", "USD"])) if abroad and not sponsored else "EUR"
    late = START + timedelta(days=draw(st.integers(0, 30)), hours=5)
    rows = draw(rows_of("a", "acme", LONG_AGO, listed, moves))
    rows += draw(rows_of("b", "acme", START, listed, moves))
    rows += draw(rows_of("c", "beta", late, listed, False))
    if draw(st.booleans()):
        rows.append(
            Subscription("s-h", "beta", "offer", START + 6 * QUARTER, group_id="h", sim_state=draw(states))
        )
    if draw(sometimes):
        rows.append(Subscription("s-none", "acme", "offer", START))  # for nothing but fees
    if any(offer.side == "buy" for offer in listed):
        rows += [
            Subscription(f"w-{device}", "us", "wholesale", LONG_AGO, device_id=device) for device in "ac"
        ]
    return Parties(
        accounts=(Account("acme", zone=ZONE), Account("beta", currency=currency, zone=ZONE), Account("sponsor", zone=ZONE),
                  Account("us", zone=ZONE)),
        devices=(Device("a", group_id="g"), Device("b", group_id="g"), Device("c"), Device("d", group_id="h")),
        subscriptions=tuple(rows),
    )  # fmt: skip


@st.composite
def rows_of(
    draw: st.DrawFn, device: str, account: str, at: datetime, listed: list[Offer], moves: bool
) -> list[Subscription]:
    """A device's subscription: with or without a coupon or a price of its own, on the version it was pinned to or any;
    now and then ended, put to sleep, or moved to another offer on the way, or on the day it began.
    """
    then = START + timedelta(days=draw(st.integers(1, 50)), hours=draw(st.sampled_from([22, 23])))
    if at >= START and draw(sometimes):
        then = at + draw(st.integers(1, 40)) * QUARTER
    said = ['"coupons": ["GO"]'] if draw(st.booleans()) else []
    offer = listed[0]
    if (
        len(offer.components) > 1
        and isinstance(offer.components[1].rates[0].price, PerUnit)
        and draw(sometimes)
    ):
        said.append('"prices": {"sms": "0.003"}, "fees": {"base": "0.70"}')
    if any(other.version == 2 for other in listed) and draw(sometimes):
        said.append('"version": 1')
    row = Subscription(
        f"s-{device}", account, "offer", at, device_id=device, sim_state=draw(states), overrides="{" + ", ".join(said) + "}"
    )  # fmt: skip
    ways = ["stays", "stays", "stays", "ends", "sleeps"] + ["moves", "moves"] * moves
    way = draw(st.sampled_from(ways)) if then > at else "stays"
    if way == "stays":
        return [row]
    before, after = replace(row, ends_at=then), replace(row, starts_at=then, overrides="{}")
    return {
        "ends": [before],
        "sleeps": [before, replace(row, starts_at=then, sim_state=draw(states))],
        "moves": [
            before,
            replace(after, offer_id="other", subscription_id=f"t-{device}"),
        ],
    }[way]


@st.composite
def uses(draw: st.DrawFn, listed: list[Offer], count: int) -> tuple[Use, ...]:
    """Single events, at most one per device, meter and slot."""
    meters = sorted({component.meter for offer in listed for component in offer.components})
    meters += ["m.out"] if "m.line" in meters else []
    slots = st.integers(0, (EDGES[count] - START) // QUARTER - 1)
    places = st.tuples(slots, st.sampled_from(DEVICES), st.sampled_from(meters))
    found = []
    for slot, device, meter in draw(st.lists(places, max_size=10 + 5 * count, unique=True)):
        units = draw(st.integers(0, 60)) * (10**7 if meter == "m.sales" else 1)
        dims = (("country", draw(st.sampled_from(["DE", "US"]))),) if meter in ("m.data", "m.sms") else ()
        found.append(Use(device, meter, START + slot * QUARTER, units, dims))
    return tuple(found)


def in_parts(case: Case, dice: Any) -> tuple[Case, Case]:
    """The case with its uses one after the other, and the same with some of them cut into several records.

    Uses of one slot are set apart by seconds in the order of attribution, so that the parts of one stay together. Cut is
    what a price looks at as a sum: not what counts or compares events, or rounds or charges each of them.
    """
    whole, parts, last = [], [], START
    meters = {meter for meter in {use.meter for use in case.uses} if is_a_sum(case, meter)}
    for use in in_order(case.uses, "main"):
        last = max(use.at, last + timedelta(seconds=1))
        use = replace(use, at=last)
        whole.append(use)
        left = use.units
        while use.meter in meters and left > 1 and dice.random() < 0.7:
            part = dice.randint(1, left - 1)
            parts.append(replace(use, at=last, units=part))
            left, last = left - part, last + timedelta(seconds=1)
        parts.append(replace(use, at=last, units=left))
    return replace(case, uses=tuple(whole)), replace(case, uses=tuple(parts))


def is_a_sum(case: Case, meter: str) -> bool:
    """Whether everything that prices a meter looks at the sum of its units alone."""
    for offer in case.catalogue.offers:
        for part in offer.components:
            if part.meter != meter:
                continue
            if part.fold != "sum" or (part.scope or offer.scope) == "event":
                return False
            if part.increment is not None and part.increment.per in ("event", "session"):
                return False
            if any(
                isinstance(rate.price, Percentage | Dynamic) and of_events(rate.price) for rate in part.rates
            ):
                return False
    return True


def of_events(price: Percentage | Dynamic) -> bool:
    """Whether a price of money says something of each event: a fee, a floor or a cap."""
    return bool(price.fee) or price.floor is not None or price.cap is not None
