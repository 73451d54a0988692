"""The parts of an offer in words: fees, discounts, credits, free units, shares, and when a rate holds.

``describe`` says with them what an offer is, ``diff`` what a part was and is. Whatever moves money is in the words.
"""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction

from workbench.model.money import decimal_text
from workbench.model.offer import (
    Bundle,
    Component,
    Discount,
    Fee,
    Increment,
    Offer,
    PrepaidGrant,
    Rate,
    Rollover,
    Sponsorship,
)
from workbench.model.split import SplitRule
from workbench.model.when import TimeWindow
from workbench.tariff.show import money
from workbench.tariff.units_text import block_text, quantity_words

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FOLDS = {
    "count": "events are counted",
    "max": "the highest value counts",
    "last": "the last value counts",
    "time_weighted": "the average over time counts",
    "p95": "the 95th percentile of the values counts",
}
SCOPES = {
    "device": "each device has its own",
    "sim_group": "the devices of a SIM group share them",
    "pool": "all devices of an account share them",
    "event": "each event is counted alone",
}
_PRORATED = {"daily": "by the day", "30-day": "by 30ths", "full_if_active": "whole once a day is covered"}


def extras_text(offer: Offer, component: Component, unit: str) -> str:
    """What goes with a price besides its rates, each part led by a comma."""
    found = ""
    if component.fold == "unique":
        found += f", different values of {component.unique_of} count"
    elif component.fold != "sum":
        found += f", {_FOLDS[component.fold]}"
    if component.allowance:
        found += f", {allowance_text(component, offer, unit)}"
    if component.increment:
        found += f", in {increment_text(component.increment, unit)}"
    if component.counter_period != "billing":
        found += f", counted anew every {component.counter_period}"
    if component.tax_category != "standard":
        found += f", with tax {component.tax_category}"
    scope = component.scope or offer.scope
    if scope != offer.scope:
        found += f"; {SCOPES[scope]}".replace("share them", "share it").replace(
            "its own", "a counter of its own"
        )
    return found


def increment_text(increment: Increment, unit: str) -> str:
    """The smallest billable quantity."""
    of = "" if increment.of == "counter" else " and device"
    return f"steps of {quantity_words(increment.units, unit)} per {increment.per}{of}, rounded {increment.rounding}"


def allowance_text(component: Component, offer: Offer, unit: str) -> str:
    """The free units of a price."""
    allowance = component.allowance
    if allowance is None:
        return "none"
    pooled = (component.scope or offer.scope) == "pool"
    each = {"full": " from each member", "prorated": " from each member, by its days", "none": ""}
    whose = each[allowance.contribution] if pooled else ""
    by_days = ", by its days" if allowance.contribution == "prorated" and not pooled else ""
    free = f"{quantity_words(allowance.units, unit)} free every {offer.period}{whose}{by_days}"
    return free + rollover_text(allowance.rollover, offer, unit)


def when_text(rate: Rate, zone: str) -> str:
    """What must hold for a rate, led by a blank; nothing for a rate that holds always."""
    when = f" when {_match_text(rate.match)}" if rate.match else ""
    if rate.windows:
        when += f" {' or '.join(_window(window, zone) for window in rate.windows)}"
    return when


def _window(window: TimeWindow, zone: str) -> str:
    days = "" if len(window.days) == 7 else f"on {_days(window.days)}"
    whole = (window.start_minute, window.end_minute) == (0, 1440)
    clock = "" if whole else f"from {_clock(window.start_minute)} to {_clock(window.end_minute)}"
    if window.holidays == "only":
        days = f"on holidays of {window.calendar}"
    elif window.holidays == "except":
        days = f"{days or 'on all days'} but no holidays of {window.calendar}"
    other = f" ({window.zone})" if window.zone != zone else ""
    return (" ".join(part for part in (days, clock) if part) or "at any time") + other


def _days(days: Collection[int]) -> str:
    """``mon-fri`` as a price list writes it; days that do not follow each other are listed."""
    first, last = min(days), max(days)
    if last - first == len(days) - 1 > 1:
        return f"{_DAYS[first]}-{_DAYS[last]}"
    return ", ".join(_DAYS[day] for day in sorted(days))


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _match_text(match: tuple[tuple[str, tuple[str, ...]], ...]) -> str:
    return " and ".join(f"{name} is {_either(values)}" for name, values in match)


def _either(values: tuple[str, ...]) -> str:
    return " or ".join(part for part in (", ".join(values[:-1]), values[-1]) if part)


def rollover_text(rollover: Rollover | None, offer: Offer, unit: str) -> str:
    """How unused free units live on, in brackets; nothing when they do not."""
    if rollover is None:
        return ""
    cap = "" if rollover.cap is None else f", at most {quantity_words(rollover.cap, unit)}"
    more = f"{rollover.periods} more {offer.period}{'s' if rollover.periods > 1 else ''}"
    return f" (unused ones live {more}{cap}{', and go first' if rollover.order == 'rollover_first' else ''})"


def bundle_text(bundle: Bundle, offer: Offer, units: dict[str, str]) -> str:
    """Credits, and what they are spent for."""
    spent = ", ".join(
        f"{weight:,} per {units.get(name, 'unit')} of {name}" for name, weight in bundle.weights
    )
    share = {"full": "", "prorated": ", by the days of each", "none": ", in all"}[bundle.contribution]
    return f"{bundle.credits:,} credits every {offer.period}{share}, spent {spent}{rollover_text(bundle.rollover, offer, 'credit')}"


def sponsorship_text(sponsorship: Sponsorship, offer: Offer) -> str:
    """Who pays for whom, and up to what."""
    found = f"{sponsorship.account} pays {', '.join(sponsorship.components)}"
    found += f" when {_match_text(sponsorship.match)}" if sponsorship.match else ""
    if sponsorship.budget is None:
        return found
    then = "the user pays" if sponsorship.fallback == "user" else "is blocked"
    top = f"up to {money(sponsorship.budget, offer.currency)} a {offer.period}"
    return f"{found}, {top}; the units beyond it, in the order of use, {then}"


def credit_text(credit: PrepaidGrant, offer: Offer) -> str:
    """Money given with an offer."""
    often = "once" if credit.every == "once" else f"every {offer.period}"
    life = f", for {credit.expires_after_days} days" if credit.expires_after_days else ""
    first = f", priority {credit.priority}" if credit.priority != 100 else ""
    return f"{money(credit.amount, offer.currency)} of {credit.kind} credit {often}{life}{first}"


def fee_text(fee: Fee, offer: Offer) -> str:
    """A fee, with all that decides when it is due."""
    found = f"{money(fee.amount, offer.currency)} {often_text(fee.every, offer)} per {fee.per}"
    if fee.every == "period":
        found += f", {_PRORATED[fee.proration]}"
    if fee.timing == "advance":
        found += ", in advance"
    if fee.states != ("test", "active"):
        found += f", while {' or '.join(fee.states)}"
    if fee.tax_category != "standard":
        found += f", with tax {fee.tax_category}"
    return found + _phase(fee.from_period, fee.to_period, offer)


def discount_text(discount: Discount, offer: Offer) -> str:
    """What is taken off, of what, and for whom."""
    if discount.kind == "fixed":
        off = f"{money(discount.amount, offer.currency)} off the account's charges{of_text(discount.components, 'for ')}"
        if discount.code:
            off += f", once, when one of its subscriptions carries the code {discount.code}"
    else:
        off = f"{percent_text(discount.rate)} off{of_text(discount.components, '')}"
        off += f" of subscriptions with the code {discount.code}" if discount.code else ""
    return off + _phase(discount.from_period, discount.to_period, offer)


def often_text(every: str, offer: Offer) -> str:
    """``once``, ``every day``, ``every month``."""
    return "once" if every == "once" else f"every {offer.period if every == 'period' else every}"


def _phase(first: int, last: int | None, offer: Offer) -> str:
    if last is None:
        return f", from {offer.period} {first} on" if first > 1 else ""
    return f", in {offer.period} {first}" if first == last else f", in {offer.period}s {first} to {last}"


def share_text(rule: SplitRule, offer: Offer, units: dict[str, str]) -> str:
    """One rule of a split, without the partner it is for."""
    if rule.kind == "percent":
        share = percent_text(rule.rate)
    elif rule.kind == "fixed":
        unit = next((units[name] for name in (rule.components or units) if name in units), "unit")
        block = "device" if rule.per == "device" else block_text(rule.per_units, unit)
        share = f"{money(rule.amount, offer.currency)} per {block}"
    else:
        share = ", ".join(
            f"{percent_text(t.rate)} "
            + ("beyond" if t.up_to is None else f"up to {money(t.up_to, offer.currency)}")
            for t in rule.tiers
        )
    share += " of the remainder" if rule.of == "remainder" else ""
    limits = [f"at least {money(rule.guarantee, offer.currency)}"] if rule.guarantee is not None else []
    limits += [f"at most {money(rule.cap, offer.currency)}"] if rule.cap is not None else []
    return f"{share}{of_text(rule.components)}" + (f" ({', '.join(limits)})" if limits else "")


def of_text(components: tuple[str, ...], word: str = "of ") -> str:
    """The components a rule is limited to, led by a blank; nothing when it is not."""
    return f" {word}{', '.join(components)}" if components else ""


def percent_text(rate: Fraction) -> str:
    """A rate as a percentage: ``30 %``."""
    return f"{decimal_text(rate * 100)} %"
