"""Batch = online = reference over random offers that may say anything the engine prices, in any order and cut anyhow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from tests.golden.case import Case
from tests.golden.engine import Manner, NotPriced, by_batch
from tests.golden.online import by_online
from tests.golden.outcome import Outcome, by_reference
from tests.rating.worlds import prices as tiered_prices
from workbench.errors import AmountOverflow, CatalogueError, PartyError, RatingError
from workbench.model.offer import (
    Allowance,
    Bundle,
    Catalogue,
    Commitment,
    Component,
    Conventions,
    Discount,
    Fee,
    Fx,
    Increment,
    Maximum,
    Meter,
    Offer,
    PartnerRef,
    PrepaidGrant,
    Rate,
    Rollover,
    Sponsorship,
    Trial,
)
from workbench.model.party import Account, Device, Parties, SimState, Subscription
from workbench.model.price import Dynamic, Percentage, Percentile, PerUnit, Price
from workbench.model.split import Split
from workbench.model.when import HolidayCalendar, TimeWindow
from workbench.reference.results import Unpriceable, Use
from workbench.tariff.compile import compile_offer
from workbench.tariff.validate import validate

START, END = (
    datetime(2026, 2, 28, 23, tzinfo=UTC),
    datetime(2026, 3, 31, 22, tzinfo=UTC),
)  # March in Berlin, 743 hours
ZONE = "Europe/Berlin"
METERS = (
    Meter("m.data", "byte", dimensions=("country",)),
    Meter("m.sms", "message", dimensions=("country",)),
    Meter("m.sales", "nano", currency="EUR"),
    Meter("m.line", "byte"),
    Meter("m.out", "byte"),
)
HOLIDAYS = (HolidayCalendar("march", (date(2026, 3, 8), date(2026, 3, 29))),)
DEVICES = ("a", "b", "c")
FEAST = TimeWindow(holidays="only", zone=ZONE, calendar="march")
NIGHT = TimeWindow(22 * 60, 6 * 60, zone=ZONE)
money = st.integers(0, 60).map(lambda n: Fraction(n, 20))
small = st.integers(0, 50).map(lambda n: Fraction(n, 10_000))
sometimes = st.sampled_from([True, False, False])


@st.composite
def data_component(draw: st.DrawFn) -> Component:
    """A counted price: any model, with rows, a fold, rounding or free units, on any scope and counter."""
    kind = draw(
        st.sampled_from(["plain", "plain", "rows", "fold", "rounded", "free", "short", "event", "some"])
    )
    rates = (Rate("rest", draw(tiered_prices())),)
    more: dict[str, Any] = {"scope": draw(st.sampled_from(["device", "pool", "sim_group"]))}
    if kind == "rows":
        abroad = Rate("abroad", draw(tiered_prices()), match=(("country", ("US",)),))
        rates = (abroad, Rate("night", draw(tiered_prices()), windows=(NIGHT,)), *rates)
    if kind == "fold":
        more["fold"] = draw(st.sampled_from(["count", "max", "last", "unique", "time_weighted", "p95"]))
        if more["fold"] in ("time_weighted", "p95"):
            more["counter_period"] = draw(st.sampled_from(["billing", "week", "day"]))
        more["unique_of"] = "country" if more["fold"] == "unique" else ""
    if kind == "rounded":
        rounding = draw(st.sampled_from(["up", "down", "nearest"]))
        per, of = draw(st.sampled_from(["period", "day"])), draw(st.sampled_from(["counter", "device"]))
        more["increment"] = Increment(draw(st.integers(2, 30)), per, of, rounding)
    if kind == "free":
        rollover = Rollover(1, draw(st.sampled_from([None, 50]))) if draw(sometimes) else None
        contribution = draw(st.sampled_from(["full", "prorated", "none"]))
        more["allowance"] = Allowance(draw(st.integers(0, 100)), rollover, contribution)
    if kind == "event":  # each event is a counter of its own, or rounded alone
        more["scope"] = draw(st.sampled_from(["event", "device"]))
        if more["scope"] == "device":
            more["increment"] = Increment(
                draw(st.integers(2, 30)), draw(st.sampled_from(["event", "session"])), rounding="up"
            )
    if kind == "some":  # what no row fits is free
        away = Rate("away", draw(tiered_prices()), match=(("country", ("US",)),))
        feast = Rate("feast", draw(tiered_prices()), windows=(FEAST,))
        rates, more["unmatched"] = draw(st.sampled_from([(away,), (feast,), (away, feast)])), "free"
    if kind == "short":
        more["counter_period"] = draw(st.sampled_from(["week", "day", "hour"]))
    return Component("data", "m.data", rates, **more)


@st.composite
def money_price(draw: st.DrawFn) -> Price:
    floor = draw(st.one_of(st.none(), money))
    cap = None if floor is None else floor + draw(money)
    if draw(st.booleans()):
        return Percentage(draw(small) * 10, draw(money) / 10, floor, cap)
    return Dynamic(Fraction(draw(st.integers(1, 30)), 10), draw(money) / 10, floor, cap)


@st.composite
def offers(draw: st.DrawFn) -> Offer:
    components = [draw(data_component())]
    if draw(st.booleans()):
        components.append(
            Component("sms", "m.sms", (Rate("rest", PerUnit(draw(small), draw(st.integers(1, 3)))),))
        )
    if draw(sometimes):
        components.append(Component("sales", "m.sales", (Rate("rest", draw(money_price())),)))
    if draw(sometimes):
        out = draw(st.sampled_from(["", "m.out"]))
        burst = Percentile(
            Fraction(draw(st.integers(1, 9)), 1000), per=1000, slot_seconds=draw(st.sampled_from([900, 3600])),
            direction=draw(st.sampled_from(["max", "sum"])) if out else "max", out_meter=out,
        )  # fmt: skip
        components.append(Component("line", "m.line", (Rate("rest", burst),)))
    ids = tuple(component.id for component in components)
    some = st.sampled_from([(), *((name,) for name in ids)])
    discounts = []
    if draw(sometimes):
        discounts.append(Discount("tenth", rate=Fraction(draw(st.integers(1, 9)), 10), components=draw(some)))
        discounts.append(Discount("twentieth", rate=Fraction(1, 20)))
    if draw(sometimes):
        first, code = draw(st.integers(1, 3)), draw(st.sampled_from(["", "GO", "STAY"]))
        last = draw(st.sampled_from([None, first, first + 70]))
        discounts.append(Discount("phase", rate=Fraction(1, 3), from_period=first, to_period=last, code=code))
    if draw(sometimes):
        discounts.append(Discount("off", kind="fixed", amount=draw(money)))
    bundles: tuple[Bundle, ...] = ()
    if "sms" in ids and draw(sometimes):
        bundles = (Bundle("talk", draw(st.integers(0, 60)), (("sms", draw(st.integers(1, 4))),)),)
    sponsors: tuple[Sponsorship, ...] = ()
    if not bundles and "sms" in ids and draw(sometimes):
        budget = draw(st.one_of(st.none(), money))
        match = draw(st.sampled_from([(), (("country", ("US",)),)]))
        sponsors = (
            Sponsorship("free", "sponsor", ("sms",), match, budget, draw(st.sampled_from(["user", "block"]))),
        )
    return Offer(
        "offer", 1, "EUR", date(2020, 1, 1), zone=ZONE, scope=draw(st.sampled_from(["device", "pool"])),
        components=tuple(components), discounts=tuple(discounts), bundles=bundles, sponsorships=sponsors,
        fees=(
            Fee("rent", draw(small), every="day", per=draw(st.sampled_from(["device", "account"]))),
            Fee("base", draw(money), proration=draw(st.sampled_from(["daily", "30-day", "full_if_active"]))),
            Fee("join", draw(money), every="once"),
            Fee("asleep", draw(money), per=draw(st.sampled_from(["device", "account"])), states=("suspended", "active")),
            Fee("later", draw(money), from_period=draw(st.integers(1, 3)), to_period=draw(st.sampled_from([None, 80]))),
        ),
        trial=Trial(draw(st.integers(1, 9))) if draw(sometimes) else None,
        maximum=Maximum(draw(money), draw(st.sampled_from(["account", "device"])), draw(some)) if draw(sometimes) else None,
        commitment=Commitment(draw(money), draw(st.sampled_from(["account", "device"])), draw(some), draw(st.booleans()))
        if draw(sometimes) else None,
        credits=(PrepaidGrant("gift", draw(money), expires_after_days=draw(st.sampled_from([None, 12]))),) if draw(sometimes) else (),
        pool_cap_units=draw(st.integers(1, 80)) if draw(sometimes) else None,
        overage=draw(st.sampled_from(["use", "excess"])),
        fx=(Fx("USD", Fraction(draw(st.integers(80, 120)), 100), date(2026, 1, 1)),),
        conventions=Conventions(draw(st.sampled_from(["inclusive", "exclusive"])), flat_fee_at_zero=draw(sometimes)),
        split=Split((), rest="operator"),
    )  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> Case:
    offer = draw(offers())
    catalogue = Catalogue(METERS, (PartnerRef("operator"),), HOLIDAYS, (offer,))
    try:
        validate(catalogue)
    except CatalogueError:
        reject()
    accounts = (
        Account("acme", zone=ZONE),
        Account("beta", currency=draw(st.sampled_from(["EUR", "USD"])), zone=ZONE),
    )
    late = START + timedelta(days=draw(st.integers(0, 30)), hours=5)
    rows = (("a", "acme", datetime(2020, 1, 1, tzinfo=UTC)), ("b", "acme", START), ("c", "beta", late))
    parties = Parties(
        accounts=(*accounts, Account("sponsor", zone=ZONE)),
        devices=(Device("a", group_id="g"), Device("b", group_id="g"), Device("c")),
        subscriptions=tuple(draw(subscriptions(d, who, at)) for d, who, at in rows),
    )
    return Case("random", "worlds", catalogue, parties, draw(uses(offer)), ((START, END),), (), ({},))


@st.composite
def subscriptions(draw: st.DrawFn, device: str, account: str, at: datetime) -> Subscription:
    """A device's: with or without a coupon, asleep or awake, now and then ended inside the period."""
    ends = [None, None, START + timedelta(days=draw(st.integers(1, 30)), hours=22)]
    until = draw(st.sampled_from([end for end in ends if end is None or end > at]))
    state = draw(
        st.sampled_from(
            [SimState.ACTIVE, SimState.ACTIVE, SimState.TEST, SimState.SUSPENDED, SimState.INVENTORY]
        )
    )
    coupons = draw(st.sampled_from(["{}", '{"coupons": ["GO"]}']))
    return Subscription(
        f"s-{device}", account, "offer", at, until, device_id=device, sim_state=state, overrides=coupons
    )


@st.composite
def uses(draw: st.DrawFn, offer: Offer) -> tuple[Use, ...]:
    """Single events, at most one per device, meter and slot."""
    meters = sorted({component.meter for component in offer.components})
    meters += ["m.out"] if "m.line" in meters else []
    places = st.tuples(st.integers(0, 743 * 4 - 1), st.sampled_from(DEVICES), st.sampled_from(meters))
    found = []
    for slot, device, meter in draw(st.lists(places, max_size=14, unique=True)):
        units = draw(st.integers(0, 60)) * (10**7 if meter == "m.sales" else 1)
        dims = (("country", draw(st.sampled_from(["DE", "US"]))),) if meter in ("m.data", "m.sms") else ()
        found.append(Use(device, meter, START + slot * timedelta(minutes=15), units, dims))
    return tuple(found)


def lines(outcomes: list[Outcome]) -> dict[tuple[str, str, str], Fraction]:
    return {name: amount for name, amount in outcomes[0].lines.items() if amount != 0}


def agree(case: Case, manner: Manner, dice: Any) -> None:
    """All raters say the same of a case, whatever the order and the partitions."""
    try:
        wanted = by_reference(case)
        found = by_batch(case, manner)
    except (NotPriced, Unpriceable, AmountOverflow, duckdb.ConversionException, duckdb.OutOfRangeException):
        reject()
    except (CatalogueError, RatingError, PartyError) as error:
        if error.code not in (
            "not_priced",
            "adjustment_tax",
            "totals_missing",
            "pool_changed",
            "fold_changed",
            "sponsor_currency",
        ):
            raise
        reject()
    assert lines(found) == lines(wanted)
    assert sorted(found[0].uncharged or []) == sorted(wanted[0].uncharged or [])
    try:
        shuffled = list(case.uses)
        dice.shuffle(shuffled)
        online = by_online(replace(case, uses=tuple(shuffled)))
    except NotPriced:
        return
    for name, amount in lines(online).items():
        if name[2] == "usage" and name[0] == "acme":
            assert amount == lines(wanted).get(name, 0)


def limited(examples: int) -> Any:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    return settings(max_examples=examples, deadline=None, suppress_health_check=checks, phases=phases)


def said(case: Case) -> Iterator[str]:
    """What a case's offer and customers say, as labels."""
    offer = case.catalogue.offers[0]
    for c in offer.components:
        yield from (
            f"fold {c.fold}",
            f"scope {c.scope or offer.scope}",
            f"counter {c.counter_period}",
            f"unmatched {c.unmatched}",
        )
        for rate in c.rates:
            yield type(rate.price).__name__
            yield from (f"window {window.holidays}" for window in rate.windows)
            if isinstance(rate.price, Percentile):
                yield f"p95 {rate.price.direction if rate.price.out_meter else 'alone'}"
        if c.increment:
            yield from (
                f"rounded per {c.increment.per}",
                f"rounded {c.increment.rounding}",
                f"rounded of {c.increment.of}",
            )
        if c.allowance:
            yield f"free {c.allowance.contribution}"
            yield "rollover" if c.allowance.rollover else "no rollover"
    yield from (f"discount {d.kind} {d.code and 'coupon'}".strip() for d in offer.discounts)
    yield from (f"sponsor {s.fallback if s.budget is not None else 'endless'}" for s in offer.sponsorships)
    yield from (f"fee {word}" for f in offer.fees for word in (f.every, f.per, f.proration))
    yield from ("phase" for f in offer.fees if f.from_period > 1)
    if offer.maximum:
        yield f"maximum {offer.maximum.scope}"
    if offer.commitment:
        yield f"commitment {offer.commitment.scope} {offer.commitment.prorated}"
    there = {"bundle": offer.bundles, "trial": offer.trial, "credit": offer.credits, "pool cap": offer.pool_cap_units,
             "flat fee at zero": offer.conventions.flat_fee_at_zero}  # fmt: skip
    yield from (name for name, value in there.items() if value)
    yield from (f"overage {offer.overage}", f"bound {offer.conventions.tier_bound}")
    yield from (f"sim {row.sim_state}" for row in case.parties.subscriptions)
    yield from ("ended" for row in case.parties.subscriptions if row.ends_at)
    yield from ("foreign money" for account in case.parties.accounts if account.currency != offer.currency)


EVERYTHING = [
    f"{kind} {word}".strip()
    for kind, words in {
        "": "PerUnit Graduated Volume StairStep Package GraduatedPercentage Percentage Dynamic Percentile bundle trial credit phase "
            "ended rollover",
        "fold": "sum count max last unique time_weighted p95", "scope": "device pool sim_group event",
        "counter": "billing week day hour", "rounded": "up down nearest", "rounded per": "event session day period",
        "rounded of": "counter device", "free": "full prorated none", "unmatched": "refuse free", "window": "ignore only",
        "p95": "alone max sum", "sim": "test active suspended inventory", "discount": "percent fixed",
        "fee": "day period once device account daily 30-day full_if_active", "sponsor": "user block endless",
        "maximum": "account device", "overage": "use excess", "bound": "inclusive exclusive",
    }.items()
    for word in words.split()
] + ["discount percent coupon", "commitment account True", "commitment device False", "pool cap", "flat fee at zero",
     "foreign money"]  # fmt: skip


@pytest.mark.slow
def test_the_cases_say_everything() -> None:
    """No construct has silently left the cases: each is in some that the engine does not refuse by name."""
    seen: Counter[str] = Counter()

    @given(case=cases())
    @settings(limited(2000), derandomize=True, database=None)
    def look(case: Case) -> None:
        try:
            compile_offer(case.catalogue.offers[0], case.catalogue)
        except (CatalogueError, AmountOverflow):
            return
        seen.update(set(said(case)))

    look()
    assert not [label for label in EVERYTHING if not seen[label]]


manners = st.builds(Manner, st.integers(1, 4), st.sampled_from([1, 2]))


@given(case=cases(), manner=manners, dice=st.randoms(use_true_random=False))
@limited(25)
def test_all_raters_agree(case: Case, manner: Manner, dice: Any) -> None:
    agree(case, manner, dice)


@pytest.mark.slow
@given(case=cases(), manner=manners, dice=st.randoms(use_true_random=False))
@limited(250)
def test_all_raters_agree_on_many(case: Case, manner: Manner, dice: Any) -> None:
    agree(case, manner, dice)
