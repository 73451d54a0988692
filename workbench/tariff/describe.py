"""An offer in words, for ``workbench catalog show``, ``workbench price``, quotes and notebooks: whatever it says, said."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from workbench.model.money import decimal_text
from workbench.model.offer import (
    Bundle,
    Catalogue,
    Component,
    Conventions,
    Discount,
    Fee,
    Offer,
    PrepaidGrant,
    Rollover,
    Sponsorship,
)
from workbench.model.price import (
    Dynamic,
    Graduated,
    GraduatedPercentage,
    Package,
    Percentage,
    Percentile,
    PerUnit,
    Price,
    StairStep,
    Volume,
)
from workbench.model.split import SplitRule
from workbench.model.when import TimeWindow
from workbench.tariff.show import money
from workbench.tariff.units_text import block_text, quantity_text, quantity_words

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FOLDS = {
    "count": "events are counted",
    "max": "the highest value counts",
    "last": "the last value counts",
    "time_weighted": "the average over time counts",
    "p95": "the 95th percentile of the values counts",
}
_SCOPES = {
    "device": "each device has its own",
    "sim_group": "the devices of a SIM group share them",
    "pool": "all devices of an account share them",
    "event": "each event is counted alone",
}
_PRORATED = {"daily": "by the day", "30-day": "by 30ths", "full_if_active": "whole once a day is covered"}


def describe(offer: Offer, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """(what, sentence) pairs: every price, fee, adjustment, share and convention of an offer."""
    for component in offer.components:
        yield from _prices(offer, component, catalogue.meter(component.meter).unit)
    units = {component.id: catalogue.meter(component.meter).unit for component in offer.components}
    yield from ((bundle.id, _bundle(bundle, offer, units)) for bundle in offer.bundles)
    yield from ((sponsorship.id, _sponsorship(sponsorship, offer)) for sponsorship in offer.sponsorships)
    yield from ((credit.id, _credit(credit, offer)) for credit in offer.credits)
    yield from ((fee.id, _fee(fee, offer)) for fee in offer.fees)
    if offer.trial:
        yield "trial", f"the first {offer.trial.days} days are free of prices for use and of recurring fees"
    yield from ((discount.id, _discount(discount, offer)) for discount in offer.discounts)
    yield from _kind(offer)
    yield from _limits(offer)
    yield from _money_out(offer)
    yield from _conventions(offer.conventions)
    yield "split", _split_text(offer, units)


def price_text(price: Price, unit: str, currency: str) -> str:
    """A price in words."""
    if isinstance(price, PerUnit):
        return f"{decimal_text(price.amount)} {currency} per {block_text(price.per, unit)}"
    if isinstance(price, Graduated | Volume):
        how = "each unit at its tier" if isinstance(price, Graduated) else "all units at the reached tier"
        tiers = [
            f"{'beyond' if t.up_to is None else 'up to ' + quantity_words(t.up_to, unit)} {decimal_text(t.amount)}"
            + (f" plus {decimal_text(t.flat)}" if t.flat else "")
            for t in price.tiers
        ]
        return f"{'; '.join(tiers)} {currency} per {block_text(price.per, unit)}, {how}"
    if isinstance(price, StairStep):
        steps = [
            f"{'beyond' if s.up_to is None else 'up to ' + quantity_words(s.up_to, unit)} {decimal_text(s.amount)}"
            for s in price.steps
        ]
        return f"{'; '.join(steps)} {currency} for all"
    if isinstance(price, Package):
        free = f" after {quantity_words(price.free, unit)} free" if price.free else ""
        return f"{decimal_text(price.amount)} {currency} per started {_block(price.size, unit)}{free}"
    if isinstance(price, Percentage):
        return f"{_percent(price.rate)} of the amount of each event{_per_event(price, currency)}"
    if isinstance(price, GraduatedPercentage):
        return f"{_rates(price, currency)} of the period's amount, each part at its tier"
    if isinstance(price, Dynamic):
        return (
            f"{decimal_text(price.factor)} times the amount each event carries{_per_event(price, currency)}"
        )
    assert isinstance(price, Percentile)
    both = f", {price.direction} of both directions" if price.out_meter else ""
    return (
        f"{decimal_text(price.amount)} {currency} per {block_text(price.per, 'bit/s')} of the "
        f"{decimal_text(price.percentile * 100)}th percentile of slots of {quantity_words(price.slot_seconds, 'second')}{both}"
    )


def labels(price: Price, unit: str, currency: str) -> list[str]:
    """What each step of a price asks, in words: ``0.02 EUR per MB``; one for all steps where they do not differ."""
    if isinstance(price, Graduated | Volume):
        per = block_text(price.per, unit)
        return [
            f"{decimal_text(t.amount)} {currency} per {per}"
            + (f" + {decimal_text(t.flat)} once" if t.flat else "")
            for t in price.tiers
        ]
    if isinstance(price, StairStep):
        return [f"{decimal_text(s.amount)} {currency} for all" for s in price.steps]
    if isinstance(price, GraduatedPercentage):
        return [_percent(t.rate) + (f" + {decimal_text(t.flat)} once" if t.flat else "") for t in price.tiers]
    return [price_text(price, unit, currency)]


# -- prices --------------------------------------------------------------------------------------------------


def _kind(offer: Offer) -> Iterator[tuple[str, str]]:
    said = {
        "bought, not sold": offer.side == "buy",
        "prepaid": offer.prepaid,
        "charged by the node, event by event": offer.charged == "node",
        "granted past the limit": offer.critical,
    }
    if any(said.values()):
        yield "kind", ", ".join(words for words, holds in said.items() if holds)
    if offer.scope != "device":
        yield "counters", _SCOPES[offer.scope]


def _prices(offer: Offer, component: Component, unit: str) -> Iterator[tuple[str, str]]:
    extras = _extras(offer, component, unit)
    for rate in component.rates:
        name = component.id if len(component.rates) == 1 else f"{component.id}/{rate.id}"
        when = f" when {_match_text(rate.match)}" if rate.match else ""
        when += (
            f" {' or '.join(_window(window, offer.zone) for window in rate.windows)}" if rate.windows else ""
        )
        yield name, f"{price_text(rate.price, unit, offer.currency)}{when}{extras}"
    if component.unmatched == "free" and (component.rates[-1].match or component.rates[-1].windows):
        yield f"{component.id}/else", "free"


def _extras(offer: Offer, component: Component, unit: str) -> str:
    found = ""
    if component.fold == "unique":
        found += f", different values of {component.unique_of} count"
    elif component.fold != "sum":
        found += f", {_FOLDS[component.fold]}"
    allowance, increment = component.allowance, component.increment
    scope = component.scope or offer.scope
    if allowance:
        each = {"full": " from each member", "prorated": " from each member, by its days", "none": ""}
        whose = each[allowance.contribution] if scope == "pool" else ""
        by_days = ", by its days" if allowance.contribution == "prorated" and scope != "pool" else ""
        found += f", {quantity_words(allowance.units, unit)} free{whose}{by_days}"
        found += _rollover(allowance.rollover, offer, unit)
    if increment:
        of = "" if increment.of == "counter" else " and device"
        found += f", in steps of {quantity_text(increment.units, unit)} per {increment.per}{of}, rounded {increment.rounding}"
    if component.counter_period != "billing":
        found += f", counted anew every {component.counter_period}"
    if scope != offer.scope:
        found += f"; {_SCOPES[scope]}".replace("share them", "share it").replace(
            "its own", "a counter of its own"
        )
    return found


def _per_event(price: Percentage | Dynamic, currency: str) -> str:
    found = f" plus {money(price.fee, currency)}" if price.fee else ""
    found += f", at least {money(price.floor, currency)}" if price.floor is not None else ""
    return found + (f", at most {money(price.cap, currency)}" if price.cap is not None else "")


def _rates(price: GraduatedPercentage, currency: str) -> str:
    return "; ".join(
        ("beyond" if t.up_to is None else f"up to {money(Fraction(t.up_to, 10**9), currency)}")
        + f" {_percent(t.rate)}"
        + (f" plus {money(t.flat, currency)}" if t.flat else "")
        for t in price.tiers
    )


def _window(window: TimeWindow, zone: str) -> str:
    days = "" if len(window.days) == 7 else f"on {', '.join(_DAYS[day] for day in window.days)}"
    whole = (window.start_minute, window.end_minute) == (0, 1440)
    clock = "" if whole else f"from {_clock(window.start_minute)} to {_clock(window.end_minute)}"
    if window.holidays == "only":
        days = f"on holidays of {window.calendar}"
    elif window.holidays == "except":
        days = f"{days or 'on all days'} but no holidays of {window.calendar}"
    other = f" ({window.zone})" if window.zone != zone else ""
    return (" ".join(part for part in (days, clock) if part) or "at any time") + other


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _match_text(match: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    return " and ".join(f"{name} is {_either(values)}" for name, values in match)


def _either(values: tuple[str, ...]) -> str:
    return " or ".join(part for part in (", ".join(values[:-1]), values[-1]) if part)


def _block(size: int, unit: str) -> str:
    words = quantity_words(size, unit)
    return words[2:] if words.startswith("1 ") else words


# -- free units, credits, fees -------------------------------------------------------------------------------


def _rollover(rollover: Rollover | None, offer: Offer, unit: str) -> str:
    if rollover is None:
        return ""
    cap = "" if rollover.cap is None else f", at most {quantity_words(rollover.cap, unit)}"
    more = f"{rollover.periods} more {offer.period}{'s' if rollover.periods > 1 else ''}"
    return f" (unused ones live {more}{cap}{', and go first' if rollover.order == 'rollover_first' else ''})"


def _bundle(bundle: Bundle, offer: Offer, units: dict[str, str]) -> str:
    spent = ", ".join(
        f"{weight:,} per {units.get(name, 'unit')} of {name}" for name, weight in bundle.weights
    )
    share = {"full": "", "prorated": ", by the days of each", "none": ", in all"}[bundle.contribution]
    return f"{bundle.credits:,} credits every {offer.period}{share}, spent {spent}{_rollover(bundle.rollover, offer, 'credit')}"


def _sponsorship(sponsorship: Sponsorship, offer: Offer) -> str:
    found = f"{sponsorship.account} pays {', '.join(sponsorship.components)}"
    found += f" when {_match_text(sponsorship.match)}" if sponsorship.match else ""
    if sponsorship.budget is None:
        return found
    then = "the user pays" if sponsorship.fallback == "user" else "it is blocked"
    return f"{found}, up to {money(sponsorship.budget, offer.currency)} a {offer.period}, then {then}"


def _credit(credit: PrepaidGrant, offer: Offer) -> str:
    often = "once" if credit.every == "once" else f"every {offer.period}"
    life = f", for {credit.expires_after_days} days" if credit.expires_after_days else ""
    first = f", priority {credit.priority}" if credit.priority != 100 else ""
    return f"{money(credit.amount, offer.currency)} of {credit.kind} credit {often}{life}{first}"


def _fee(fee: Fee, offer: Offer) -> str:
    found = f"{money(fee.amount, offer.currency)} {_often(fee.every, offer)} per {fee.per}"
    if fee.every == "period":
        found += f", {_PRORATED[fee.proration]}"
    if fee.timing == "advance":
        found += ", in advance"
    if fee.states != ("test", "active"):
        found += f", while {' or '.join(fee.states)}"
    return found + _phase(fee.from_period, fee.to_period, offer)


def _discount(discount: Discount, offer: Offer) -> str:
    off = _percent(discount.rate) if discount.kind == "percent" else money(discount.amount, offer.currency)
    code = f" with code {discount.code}" if discount.code else ""
    return f"{off} off{_of(discount.components, '')}{code}{_phase(discount.from_period, discount.to_period, offer)}"


def _often(every: str, offer: Offer) -> str:
    return "once" if every == "once" else f"every {offer.period if every == 'period' else every}"


def _phase(first: int, last: int | None, offer: Offer) -> str:
    if last is None:
        return f", from {offer.period} {first} on" if first > 1 else ""
    return f", in {offer.period} {first}" if first == last else f", in {offer.period}s {first} to {last}"


# -- limits, tax, splits -------------------------------------------------------------------------------------


def _limits(offer: Offer) -> Iterator[tuple[str, str]]:
    if offer.pool_cap_units:
        yield "pool cap", f"a member draws at most {offer.pool_cap_units:,} units of the pool's free ones"
    if offer.overage == "excess":
        yield "overage", "is shared by what each member used beyond its own part"
    if offer.maximum:
        top = offer.maximum
        yield (
            "maximum",
            f"{money(top.amount, offer.currency)} per {top.scope} and {offer.period}{_of(top.components, 'for ')}",
        )
    if offer.commitment:
        least = offer.commitment
        days = ", by the days covered" if least.prorated else ""
        yield (
            "commitment",
            (
                f"{money(least.amount, offer.currency)} per {least.scope} and {offer.period}{_of(least.components, 'for ')}{days}; "
                "what is missing is billed at close"
            ),
        )


def _money_out(offer: Offer) -> Iterator[tuple[str, str]]:
    for tax in offer.taxes:
        how = "is in the prices" if tax.inclusive else "comes on top"
        name = "tax" if tax.category == "standard" else f"tax {tax.category}"
        yield name, f"{_percent(tax.rate)} {how}"
    for rate in offer.fx:
        yield (
            f"rate to {rate.currency}",
            f"1 {offer.currency} is {decimal_text(rate.rate)} {rate.currency}, stored {rate.as_of}",
        )
    if offer.micropayment.carry_remainder:
        yield "remainder", "what rounding leaves becomes a line of the next period"
    if offer.micropayment.minimum_invoice:
        least = money(offer.micropayment.minimum_invoice, offer.currency)
        yield "minimum invoice", f"below {least} the amount waits for the next invoice"


def _conventions(said: Conventions) -> Iterator[tuple[str, str]]:
    if said.tier_bound == "exclusive":
        yield "tier bound", "the unit at a tier's bound belongs to the next tier"
    if said.flat_fee_at_zero:
        yield "flat fee", "the first tier's is due without any use"


def _split_text(offer: Offer, units: dict[str, str]) -> str:
    if offer.split is None:
        return "none"
    parts = [_share(rule, offer, units) for rule in offer.split.rules]
    parts += [f"the rest {offer.split.rest}"] if offer.split.rest else []
    said = ", ".join(parts)
    said += "; of what is collected" if offer.split.basis == "collected" else ""
    said += "; fixed parts end at the charge" if offer.split.fixed_overrun == "capped" else ""
    return said + ("; true-ups are shared too" if offer.split.share_true_ups else "")


def _share(rule: SplitRule, offer: Offer, units: dict[str, str]) -> str:
    if rule.kind == "percent":
        share = _percent(rule.rate)
    elif rule.kind == "fixed":
        unit = next((units[name] for name in (rule.components or units) if name in units), "unit")
        block = "device" if rule.per == "device" else block_text(rule.per_units, unit)
        share = f"{money(rule.amount, offer.currency)} per {block}"
    else:
        share = ", ".join(
            f"{_percent(t.rate)} "
            + ("beyond" if t.up_to is None else f"up to {money(t.up_to, offer.currency)}")
            for t in rule.tiers
        )
    share += " of the remainder" if rule.of == "remainder" else ""
    limits = [f"at least {money(rule.guarantee, offer.currency)}"] if rule.guarantee is not None else []
    limits += [f"at most {money(rule.cap, offer.currency)}"] if rule.cap is not None else []
    return f"{rule.partner} {share}{_of(rule.components)}" + (f" ({', '.join(limits)})" if limits else "")


def _of(components: tuple[str, ...], word: str = "of ") -> str:
    return f" {word}{', '.join(components)}" if components else ""


def _percent(rate: Fraction) -> str:
    return f"{decimal_text(rate * 100)} %"
