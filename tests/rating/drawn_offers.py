"""Random offers that may say anything the engine prices: what they charge for use, once, and each period.

An offer is drawn in parts, so that a second version of it can be drawn as a change of the first (``changed``), as people
make one. What the engine refuses by name (``tariff/refuse.py``) is avoided where it is known beforehand.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from tests.rating.worlds import prices as counted_prices
from workbench.model.offer import (
    Allowance,
    Bundle,
    Commitment,
    Component,
    Conventions,
    Discount,
    Fee,
    Fx,
    Increment,
    Maximum,
    Meter,
    Micropayment,
    Offer,
    PartnerRef,
    PrepaidGrant,
    Publish,
    Rate,
    Rollover,
    Sponsorship,
    Tax,
    Trial,
)
from workbench.model.price import Dynamic, Percentage, Percentile, PerUnit, Price
from workbench.model.split import ShareTier, Split, SplitRule
from workbench.model.when import HolidayCalendar, TimeWindow

ZONE = "Europe/Berlin"
METERS = (
    Meter("m.data", "byte", dimensions=("country",)),
    Meter("m.sms", "message", dimensions=("country",)),
    Meter("m.sales", "nano", currency="EUR"),
    Meter("m.line", "byte"),
    Meter("m.out", "byte"),
)
PARTNERS = tuple(PartnerRef(name) for name in ("operator", "maker", "city"))
HOLIDAYS = (HolidayCalendar("march", (date(2026, 3, 8), date(2026, 3, 29))),)
FEAST = TimeWindow(holidays="only", zone=ZONE, calendar="march")
NIGHT = TimeWindow(22 * 60, 6 * 60, zone=ZONE)
ABROAD = (("country", ("US",)),)
ENDS = ((None, None), (Fraction(1), None), (None, Fraction(2)), (Fraction(1), Fraction(3)))
CHANGES = (date(2026, 3, 1), date(2026, 3, 11), date(2026, 3, 29), date(2026, 4, 1), date(2026, 4, 16))
"""The first day of a period, in the middle of one, and the day of the clocks."""
STORED = (Fx("USD", Fraction(27, 25), date(2026, 1, 1)),)
SHAPED = ("max", "last", "unique")
money = st.integers(0, 60).map(lambda n: Fraction(n, 20))
small = st.integers(0, 50).map(lambda n: Fraction(n, 10_000))
sometimes = st.sampled_from([True, False, False])
per_what = st.sampled_from(["account", "device"])


def may_jump(component: Component) -> bool:
    """Whether a price of a component may fall on earlier use: not over a fold of shapes, nor rounded in short."""
    increment = component.increment
    return component.fold not in SHAPED and not (increment and increment.per != "period")


@st.composite
def rollovers(draw: st.DrawFn) -> Rollover | None:
    if not draw(st.booleans()):
        return None
    order = draw(st.sampled_from(["own_first", "rollover_first"]))
    return Rollover(draw(st.integers(1, 2)), draw(st.sampled_from([None, 50])), order)


@st.composite
def data_component(draw: st.DrawFn) -> Component:
    """A counted price: any model, with rows, a fold, rounding or free units, on any scope and counter."""
    kind = draw(
        st.sampled_from(
            ["plain", "plain", "rows", "fold", "rounded", "free", "free", "short", "event", "some"]
        )
    )
    more: dict[str, Any] = {"scope": draw(st.sampled_from(["device", "pool", "sim_group"]))}
    rows: list[dict[str, Any]] = [{"id": "rest"}]
    if kind == "rows":
        rows = [{"id": "abroad", "match": ABROAD}, {"id": "night", "windows": (NIGHT,)}, *rows]
    if kind == "fold":
        more["fold"] = draw(st.sampled_from(["count", "max", "last", "unique", "time_weighted", "p95"]))
        if more["fold"] in ("time_weighted", "p95"):
            more["counter_period"] = draw(st.sampled_from(["billing", "week", "day"]))
        more["unique_of"] = "country" if more["fold"] == "unique" else ""
    if kind == "rounded":
        per, of = draw(st.sampled_from(["period", "day"])), draw(st.sampled_from(["counter", "device"]))
        rounding = draw(st.sampled_from(["up", "down", "nearest"]))
        more["increment"] = Increment(draw(st.integers(2, 30)), per, of, rounding)
    if kind == "free":
        contribution = draw(st.sampled_from(["full", "prorated", "none"]))
        more["allowance"] = Allowance(draw(st.integers(0, 100)), draw(rollovers()), contribution)
    if kind == "event":  # each event is a counter of its own, or rounded alone
        more["scope"] = draw(st.sampled_from(["event", "device"]))
        if more["scope"] == "device":
            per = draw(st.sampled_from(["event", "session"]))
            more["increment"] = Increment(draw(st.integers(2, 30)), per, rounding="up")
    if kind == "some":  # what no row fits is free
        away, feast = {"id": "away", "match": ABROAD}, {"id": "feast", "windows": (FEAST,)}
        rows, more["unmatched"] = draw(st.sampled_from([[away], [feast], [away, feast]])), "free"
    if kind == "short":
        more["counter_period"] = draw(st.sampled_from(["week", "day", "hour"]))
    said = Component("data", "m.data", (), **more)
    rates = tuple(Rate(price=draw(counted_prices(jumps=may_jump(said))), **row) for row in rows)
    return replace(said, rates=rates)


@st.composite
def money_price(draw: st.DrawFn) -> Price:
    floor = draw(st.one_of(st.none(), money))
    cap = None if floor is None else floor + draw(money)
    if draw(st.booleans()):
        return Percentage(draw(small) * 10, draw(money) / 10, floor, cap)
    return Dynamic(Fraction(draw(st.integers(1, 30)), 10), draw(money) / 10, floor, cap)


@st.composite
def burst_price(draw: st.DrawFn) -> Price:
    out = draw(st.sampled_from(["", "m.out"]))
    return Percentile(
        Fraction(draw(st.integers(1, 9)), 1000), per=1000, slot_seconds=draw(st.sampled_from([900, 3600])),
        direction=draw(st.sampled_from(["max", "sum"])) if out else "max", out_meter=out,
    )  # fmt: skip


@st.composite
def components(draw: st.DrawFn) -> tuple[Component, ...]:
    found = [draw(data_component())]
    if draw(st.booleans()):
        text = PerUnit(draw(small), draw(st.integers(1, 3)))
        found.append(Component("sms", "m.sms", (Rate("rest", text),), tax_category=draw(categories)))
    if draw(sometimes):
        found.append(Component("sales", "m.sales", (Rate("rest", draw(money_price())),)))
    if draw(sometimes):
        found.append(Component("line", "m.line", (Rate("rest", draw(burst_price())),)))
    return tuple(found)


categories = st.sampled_from(["standard"] * 5 + ["reduced"])


def fees(draw: st.DrawFn) -> tuple[Fee, ...]:
    return (
        Fee("rent", draw(small), every="day", per=draw(per_what)),
        Fee("base", draw(money), proration=draw(st.sampled_from(["daily", "30-day", "full_if_active"]))),
        Fee("join", draw(money), every="once"),
        Fee("asleep", draw(money), per=draw(per_what), states=("suspended", "active")),
        Fee("later", draw(money), from_period=draw(st.integers(1, 3)), to_period=draw(st.sampled_from([None, 80]))),
    )  # fmt: skip


@st.composite
def discounts(draw: st.DrawFn, parts: tuple[str, ...], sponsored: bool) -> tuple[Discount, ...]:
    """Off some parts or all; never off what a sponsor pays, which has no subscription to hold a discount."""
    some = st.sampled_from([*((name,) for name in parts if name != "sms"), parts, ()])
    spared = tuple(name for name in parts if name != "sms") if sponsored else ()
    found = []
    if draw(sometimes):
        of = draw(some)
        of = spared if sponsored and (not of or "sms" in of) else of
        found.append(Discount("tenth", rate=Fraction(draw(st.integers(1, 9)), 10), components=of))
        found.append(Discount("twentieth", rate=Fraction(1, 20), components=spared))
    if draw(sometimes):
        first, code = draw(st.integers(1, 3)), draw(st.sampled_from(["", "GO", "STAY"]))
        last, third = draw(st.sampled_from([None, first, first + 70])), Fraction(1, 3)
        found.append(
            Discount("phase", rate=third, components=spared, code=code, from_period=first, to_period=last)
        )
    if draw(sometimes):
        found.append(Discount("off", kind="fixed", amount=draw(money)))
    return tuple(found)


@st.composite
def credits(draw: st.DrawFn) -> tuple[PrepaidGrant, ...]:
    """Up to three grants: which comes first, how long it lasts, whether it comes again."""
    names = draw(st.sampled_from([(), (), ("gift",), ("gift", "more"), ("gift", "more", "paid")]))
    return tuple(
        PrepaidGrant(
            name, draw(money) * 4, "paid" if name == "paid" else "promotional", draw(st.integers(1, 2)),
            draw(st.sampled_from(["once", "period"])), draw(st.sampled_from([None, 12, 40])),
        )
        for name in names
    )  # fmt: skip


@st.composite
def splits(draw: st.DrawFn, parts: tuple[str, ...]) -> Split:
    """The operator's alone, or shared by rules of every kind, the percentages of gross below 100."""
    some = st.sampled_from([(), *((name,) for name in parts)])
    rules = []
    for partner in draw(st.sampled_from([(), ("maker",), ("maker", "city"), ("maker", "city", "maker")])):
        kind = draw(st.sampled_from(["fixed", "percent", "tiers"]))
        rate = Fraction(draw(st.integers(0, 3)), 10)
        tiers = (ShareTier(draw(money), rate), ShareTier(None, Fraction(1, 8))) if kind == "tiers" else ()
        guarantee, cap = draw(st.sampled_from(ENDS))
        rules.append(
            SplitRule(
                partner, kind, rate if kind == "percent" else Fraction(0),
                "gross" if kind == "fixed" else draw(st.sampled_from(["gross", "remainder"])),
                draw(small) if kind == "fixed" else Fraction(0), draw(st.sampled_from(["unit", "device"])),
                draw(st.integers(1, 20)), tiers, guarantee, cap, draw(some),
            )
        )  # fmt: skip
    overrun = draw(st.sampled_from(["operator_bears", "capped"]))
    return Split(tuple(rules), "operator", fixed_overrun=overrun, share_true_ups=draw(st.booleans()))


@st.composite
def taxes(draw: st.DrawFn) -> tuple[Tax, ...]:
    inclusive = draw(st.booleans())
    rates = (("standard", Fraction(19, 100)), ("reduced", Fraction(7, 100)))
    return tuple(Tax(name, rate, inclusive) for name, rate in rates) if draw(st.booleans()) else ()


@st.composite
def offers(draw: st.DrawFn, name: str = "offer") -> Offer:
    priced = draw(components())
    ids = tuple(component.id for component in priced)
    bundles: tuple[Bundle, ...] = ()
    scope = draw(st.sampled_from(["device", "pool"]))
    if "sms" in ids and draw(sometimes):
        bundles = (Bundle("talk", draw(st.integers(0, 60)), (("sms", draw(st.integers(1, 4))),), draw(rollovers()),
                          draw(st.sampled_from(["full", "prorated", "none"]))),)  # fmt: skip
    sponsors: tuple[Sponsorship, ...] = ()
    if not bundles and "sms" in ids and draw(sometimes):
        match = draw(st.sampled_from([(), ABROAD]))
        budget, then = draw(st.one_of(st.none(), money)), draw(st.sampled_from(["user", "block"]))
        sponsors = (Sponsorship("free", "sponsor", ("sms",), match, budget, then),)
    parts = (*ids, "base")
    some = st.sampled_from([(), *((part,) for part in parts)])
    one_category = len({component.tax_category for component in priced}) == 1
    simple = all(len(c.rates) == 1 and c.counter_period == "billing" and c.scope != "event" for c in priced)
    said = Offer(
        name, 1, "EUR", date(2020, 1, 1), zone=ZONE, scope=scope,
        components=priced, bundles=bundles, sponsorships=sponsors,
        discounts=draw(discounts(parts, bool(sponsors))),
        fees=fees(draw),
        trial=Trial(draw(st.integers(1, 9))) if draw(sometimes) else None,
        maximum=Maximum(draw(money), draw(per_what), draw(some)) if draw(sometimes) else None,
        commitment=Commitment(draw(money), draw(per_what), draw(some), draw(st.booleans()))
        if draw(sometimes) else None,
        credits=draw(credits()),
        pool_cap_units=draw(st.integers(1, 80)) if draw(sometimes) else None,
        overage=draw(st.sampled_from(["use", "excess"])),
        taxes=draw(taxes()),
        fx=STORED,
        micropayment=Micropayment(draw(st.booleans()), draw(st.sampled_from([Fraction(0), Fraction(0), Fraction(3)]))),
        conventions=Conventions(draw(st.sampled_from(["inclusive", "exclusive"])), simple and draw(sometimes)),
        split=draw(splits(parts)),
    )  # fmt: skip
    return said if one_category else untangled(said)


def untangled(offer: Offer) -> Offer:
    """Without what adjusts charges of several tax categories at once, which is refused by name."""
    limits = (offer.maximum, offer.commitment)
    maximum, commitment = (limit if limit and limit.components else None for limit in limits)
    percent = tuple(d for d in offer.discounts if d.kind == "percent")
    kept = tuple(credit for credit in offer.credits if credit.kind == "paid")
    return replace(offer, maximum=maximum, commitment=commitment, discounts=percent, credits=kept)  # type: ignore[arg-type]


@st.composite
def changed(draw: st.DrawFn, first: Offer) -> Offer:
    """A second version, as somebody makes one: other prices, fees and free units of the same parts, from a day on."""
    held = replace(first, version=2)
    day = draw(st.sampled_from(CHANGES))
    parts = tuple(
        replace(component, rates=tuple(replace(r, price=draw(another(component, r.price))) for r in component.rates),
                allowance=component.allowance and replace(component.allowance, units=draw(st.integers(0, 100))))
        for component in first.components
    )  # fmt: skip
    return replace(
        held, effective=day, components=parts, fees=fees(draw),
        publish=Publish(draw(st.sampled_from(["now", "now", "next_period", "keep"])), draw(st.sampled_from(["carry", "reset"]))),
        trial=first.trial if draw(st.booleans()) else None,
        maximum=first.maximum and replace(first.maximum, amount=draw(money)),
        credits=first.credits if draw(st.booleans()) else (),
        conventions=replace(first.conventions, tier_bound=draw(st.sampled_from(["inclusive", "exclusive"]))),
    )  # fmt: skip


def another(component: Component, price: Price) -> st.SearchStrategy[Price]:
    """A price that may stand in another's place."""
    if isinstance(price, Percentage | Dynamic):
        return money_price()
    if isinstance(price, Percentile):
        return st.integers(1, 9).map(lambda n: replace(price, amount=Fraction(n, 1000)))
    if component.meter == "m.sms":
        return st.builds(PerUnit, small, st.integers(1, 3))
    return counted_prices(jumps=may_jump(component))


@st.composite
def wholesale(draw: st.DrawFn) -> Offer:
    """What the same use costs him who sells it: per SIM, network, byte and message."""
    home, away = draw(counted_prices()), draw(counted_prices())
    bought = [Component("data", "m.data", (Rate("away", away, match=ABROAD), Rate("home", home)))]
    if draw(st.booleans()):
        bought.append(Component("sms", "m.sms", (Rate("rest", PerUnit(draw(small))),)))
    return Offer(
        "wholesale", 1, "EUR", date(2020, 1, 1), side="buy", zone=ZONE, scope=draw(st.sampled_from(["device", "pool"])),
        components=tuple(bought), fees=(Fee("sim", draw(small), per="device"),), split=Split((), rest="operator"), fx=STORED,
    )  # fmt: skip
