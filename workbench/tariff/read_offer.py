"""Catalogue maps to offers (``model/offer.py``): one function per noun."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

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
    PrepaidGrant,
    Publish,
    Rollover,
    Sponsorship,
    Tax,
    Trial,
)
from workbench.model.units import look_alike
from workbench.tariff.fields import Table
from workbench.tariff.read_price import read_match, read_rates
from workbench.tariff.read_split import read_split

SCOPES = ("device", "sim_group", "pool", "event")
STATES = ("inventory", "test", "active", "suspended", "terminated")
_ZERO = Fraction(0)


def read_offer(table: Table, meters: Mapping[str, Meter]) -> Offer:
    """One offer version; ``meters`` gives the base units its quantities are read in."""
    table.place = f"offer '{table.ident('id')}'"
    zone = table.text("zone", "UTC")
    components = tuple(_component(row, meters, zone) for row in table.tables("prices", "price"))
    units = {component.id: meters[component.meter].unit for component in components}
    offer = Offer(
        id=table.ident("id"),
        version=table.whole("version", least=1, most=10**6),
        currency=table.text("currency", most=12),
        effective=table.day("effective"),
        title=table.text("title", ""),
        side=table.choice("side", ("sell", "buy"), "sell"),
        scope=table.choice("scope", SCOPES, "device"),
        zone=zone,
        period=table.choice("period", ("month", "week", "day", "quarter", "year"), "month"),
        charged=table.choice("charged", ("batch", "node"), "batch"),
        prepaid=table.flag("prepaid"),
        critical=table.flag("critical"),
        pool_cap_units=table.whole("pool_cap_units", least=1) if table.has("pool_cap_units") else None,
        overage=table.choice("overage", ("use", "excess"), "use"),
        components=components,
        bundles=tuple(_bundle(row) for row in table.tables("bundles", "bundle")),
        fees=tuple(_fee(row) for row in table.tables("fees", "fee")),
        trial=_trial(table),
        discounts=tuple(_discount(row) for row in table.tables("discounts", "discount")),
        maximum=_maximum(table),
        commitment=_commitment(table),
        credits=tuple(_credit(row) for row in table.tables("credits", "credit")),
        sponsorships=tuple(_sponsorship(row) for row in table.tables("sponsorships", "sponsorship")),
        taxes=tuple(_tax(row) for row in table.tables("taxes", "tax")),
        fx=tuple(_fx(row) for row in table.tables("fx", "fx rate")),
        micropayment=_micropayment(table),
        conventions=_conventions(table),
        publish=_publish(table),
        split=read_split(table, units),
    )
    table.done()
    return offer


def read_meter(table: Table) -> Meter:
    """One meter."""
    table.place = f"meter '{table.ident('id')}'"
    unit = table.text("unit", most=20)
    if near := look_alike(unit):
        raise table.wrong(
            f"The unit {unit!r} of {table.place} is not `{near}`, but looks like it.",
            "unit_mismatch",
            f"Write `unit: {near}`, or a word of its own for what is counted.",
            table.child("unit"),
        )
    meter = Meter(
        id=table.ident("id"),
        unit=unit,
        title=table.text("title", ""),
        dimensions=table.idents("dimensions"),
        currency=table.text("currency", "", most=12),
        spans=table.choice("spans", ("start", "end", "split"), "end"),
    )
    table.done()
    return meter


def _component(table: Table, meters: Mapping[str, Meter], zone: str) -> Component:
    table.place = f"price '{table.ident('id')}'"
    meter = meters.get(table.ident("meter"))
    if meter is None:
        raise table.wrong(
            f"{table.place} names the meter `{table.ident('meter')}`, which no file declares.",
            "meter_unknown",
            f"Declared: {', '.join(sorted(meters)) or 'none'}.",
            table.child("meter"),
        )
    component = Component(
        id=table.ident("id"),
        meter=meter.id,
        rates=read_rates(table, meter.unit, zone),
        title=table.text("title", ""),
        fold=table.choice("fold", ("sum", "count", "max", "last", "unique", "time_weighted", "p95"), "sum"),
        scope=table.choice("scope", SCOPES, "") if table.has("scope") else "",
        counter_period=table.choice(
            "counter_period", ("billing", "month", "week", "day", "hour", "minute"), "billing"
        ),
        increment=_increment(table, meter.unit),
        allowance=_allowance(table, meter.unit),
        unique_of=table.ident("unique_of", ""),
        unmatched=table.choice("unmatched", ("refuse", "free"), "refuse"),
        tax_category=table.ident("tax_category", "standard"),
    )
    table.done()
    return component


def _increment(table: Table, unit: str) -> Increment | None:
    inner = table.table("increment")
    if inner is None:
        return None
    found = Increment(
        units=inner.quantity("units", unit, least=1),
        per=inner.choice("per", ("event", "session", "day", "period"), "period"),
        of=inner.choice("of", ("counter", "device"), "counter"),
        rounding=inner.choice("rounding", ("up", "down", "nearest"), "up"),
    )
    inner.done()
    return found


def _rollover(table: Table, unit: str) -> Rollover | None:
    inner = table.table("rollover")
    if inner is None:
        return None
    found = Rollover(
        periods=inner.whole("periods", least=1, most=120),
        cap=inner.quantity("cap", unit) if inner.has("cap") else None,
        order=inner.choice("order", ("own_first", "rollover_first"), "own_first"),
    )
    inner.done()
    return found


def _allowance(table: Table, unit: str) -> Allowance | None:
    inner = table.table("allowance")
    if inner is None:
        return None
    found = Allowance(
        units=inner.quantity("units", unit),
        rollover=_rollover(inner, unit),
        contribution=inner.choice("contribution", ("full", "prorated", "none"), "full"),
    )
    inner.done()
    return found


def _bundle(table: Table) -> Bundle:
    table.place = f"bundle '{table.ident('id')}'"
    weights = table.table("weights")
    if weights is None:
        raise table.wrong(
            f"{table.place} has no `weights`.", "field_missing", "Write `weights: {component: credits}`."
        )
    found = Bundle(
        id=table.ident("id"),
        credits=table.whole("credits", least=1),
        weights=tuple((key, weights.whole(key, least=1)) for key in weights.node.nodes),
        rollover=_rollover(table, "credit"),
        contribution=table.choice("contribution", ("full", "prorated", "none"), "full"),
    )
    table.done()
    return found


def _phase(table: Table) -> tuple[int, int | None]:
    """The first and the last period of a fee or discount; no last one where it goes on."""
    last = table.whole("to_period", least=1, most=10_000) if table.has("to_period") else None
    return table.whole("from_period", 1, least=1, most=10_000), last


def _fee(table: Table) -> Fee:
    table.place = f"fee '{table.ident('id')}'"
    states = table.idents("states") or ("test", "active")
    if unknown := [state for state in states if state not in STATES]:
        raise table.wrong(f"`{unknown[0]}` is not a SIM state.", "field_choice", f"Use: {', '.join(STATES)}.")
    first, last = _phase(table)
    found = Fee(
        id=table.ident("id"),
        amount=table.amount("amount"),
        every=table.choice("every", ("day", "period", "once"), "period"),
        per=table.choice("per", ("device", "account"), "device"),
        timing=table.choice("timing", ("advance", "arrears"), "arrears"),
        proration=table.choice("proration", ("daily", "30-day", "full_if_active"), "daily"),
        states=states,
        title=table.text("title", ""),
        from_period=first,
        to_period=last,
        tax_category=table.ident("tax_category", "standard"),
    )
    table.done()
    return found


def _trial(table: Table) -> Trial | None:
    inner = table.table("trial")
    if inner is None:
        return None
    found = Trial(days=inner.whole("days", least=1, most=3650))
    inner.done()
    return found


def _discount(table: Table) -> Discount:
    table.place = f"discount '{table.ident('id')}'"
    if table.has("percent") == table.has("fixed"):
        says = "has both `percent` and `fixed`" if table.has("percent") else "needs `percent` or `fixed`"
        raise table.wrong(f"{table.place} {says}.", "discount_kind", "Write one of the two.")
    percent = table.has("percent")
    first, last = _phase(table)
    found = Discount(
        id=table.ident("id"),
        kind="percent" if percent else "fixed",
        rate=table.rate("percent") if percent else _ZERO,
        amount=_ZERO if percent else table.amount("fixed"),
        components=table.idents("components"),
        code=table.ident("code", ""),
        from_period=first,
        to_period=last,
    )
    table.done()
    return found


def _maximum(table: Table) -> Maximum | None:
    inner = table.table("maximum")
    if inner is None:
        return None
    found = Maximum(
        amount=inner.amount("amount"),
        scope=inner.choice("scope", ("account", "device"), "account"),
        components=inner.idents("components"),
    )
    inner.done()
    return found


def _commitment(table: Table) -> Commitment | None:
    inner = table.table("commitment")
    if inner is None:
        return None
    found = Commitment(
        amount=inner.amount("amount"),
        scope=inner.choice("scope", ("account", "device"), "account"),
        components=inner.idents("components"),
        prorated=inner.flag("prorated", True),
    )
    inner.done()
    return found


def _credit(table: Table) -> PrepaidGrant:
    table.place = f"credit '{table.ident('id')}'"
    days = (
        table.whole("expires_after_days", least=1, most=36_500) if table.has("expires_after_days") else None
    )
    found = PrepaidGrant(
        id=table.ident("id"),
        amount=table.amount("amount"),
        kind=table.choice("kind", ("promotional", "paid"), "promotional"),
        priority=table.whole("priority", 100, most=10_000),
        every=table.choice("every", ("once", "period"), "once"),
        expires_after_days=days,
    )
    table.done()
    return found


def _sponsorship(table: Table) -> Sponsorship:
    table.place = f"sponsorship '{table.ident('id')}'"
    found = Sponsorship(
        id=table.ident("id"),
        account=table.ident("account"),
        components=table.idents("components"),
        match=read_match(table),
        budget=table.maybe_amount("budget"),
        fallback=table.choice("fallback", ("user", "block"), "user"),
    )
    table.done()
    return found


def _tax(table: Table) -> Tax:
    found = Tax(
        category=table.ident("category", "standard"),
        rate=table.rate("rate"),
        inclusive=table.flag("inclusive"),
    )
    table.done()
    return found


def _fx(table: Table) -> Fx:
    found = Fx(currency=table.text("currency", most=12), rate=table.amount("rate"), as_of=table.day("as_of"))
    if found.rate == 0:
        raise table.wrong("An exchange rate cannot be zero.", "fx_rate", "Write the stored rate.")
    table.done()
    return found


def _micropayment(table: Table) -> Micropayment:
    inner = table.table("micropayment")
    if inner is None:
        return Micropayment()
    found = Micropayment(
        carry_remainder=inner.flag("carry_remainder"), minimum_invoice=inner.amount("minimum_invoice", _ZERO)
    )
    inner.done()
    return found


def _conventions(table: Table) -> Conventions:
    inner = table.table("conventions")
    if inner is None:
        return Conventions()
    found = Conventions(
        tier_bound=inner.choice("tier_bound", ("inclusive", "exclusive"), "inclusive"),
        flat_fee_at_zero=inner.flag("flat_fee_at_zero"),
    )
    inner.done()
    return found


def _publish(table: Table) -> Publish:
    inner = table.table("publish")
    if inner is None:
        return Publish()
    found = Publish(
        running=inner.choice("running", ("next_period", "now", "keep"), "next_period"),
        counters=inner.choice("counters", ("carry", "reset"), "carry"),
    )
    inner.done()
    return found
