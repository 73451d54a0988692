"""What a drawn case says, as labels, and all labels that the draws must reach."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from tests.golden.case import Case
from workbench.model.offer import Offer
from workbench.model.price import Percentile


def said(case: Case) -> Iterator[str]:
    """What a case's offers and customers say."""
    for offer in case.catalogue.offers:
        yield from _priced(offer)
        yield from _adjusted(offer)
    yield from _published(case.catalogue.offers)
    rows = case.parties.subscriptions
    yield from (f"sim {row.sim_state}" for row in rows)
    yield from ("ended" for row in rows if row.ends_at)
    yield from (
        "cut on the first day"
        for row in rows
        if row.ends_at and row.ends_at < row.starts_at + timedelta(hours=11)
    )
    yield from ("own price" for row in rows if "prices" in row.overrides)
    yield from ("pinned" for row in rows if "version" in row.overrides)
    yield from ("group" for row in rows if row.group_id)
    yield from ("only fees" for row in rows if not row.group_id and not row.device_id)
    yield from ("moved" for row in rows if row.offer_id == "other")
    names = [row.subscription_id for row in rows]
    yield from ("put to sleep" for name in set(names) if names.count(name) > 1)
    yield from ("foreign money" for account in case.parties.accounts if account.currency != "EUR")
    yield f"{len(case.periods)} periods"


def _priced(offer: Offer) -> Iterator[str]:
    for c in offer.components:
        yield from (f"fold {c.fold}", f"scope {c.scope or offer.scope}", f"counter {c.counter_period}", f"unmatched {c.unmatched}",
                    f"tax {c.tax_category}")  # fmt: skip
        for rate in c.rates:
            yield type(rate.price).__name__
            yield from (f"window {window.holidays}" for window in rate.windows)
            if isinstance(rate.price, Percentile):
                yield f"p95 {rate.price.direction if rate.price.out_meter else 'alone'}"
        if c.increment:
            yield from (
                f"rounded {word}"
                for word in (f"per {c.increment.per}", c.increment.rounding, f"of {c.increment.of}")
            )
        if c.allowance:
            yield f"free {c.allowance.contribution}"
            if rule := c.allowance.rollover:
                yield from (
                    f"rollover {rule.periods}",
                    f"rollover {rule.order}",
                    f"rollover cap {rule.cap is not None}",
                )
    for bundle in offer.bundles:
        yield from (f"bundle {bundle.contribution}", "bundle rollover" if bundle.rollover else "bundle")
    yield from (f"fee {word}" for f in offer.fees for word in (f.every, f.per, f.proration))
    yield from ("phase" for f in offer.fees if f.from_period > 1)


def _adjusted(offer: Offer) -> Iterator[str]:
    yield from (f"discount {d.kind} {d.code and 'coupon'}".strip() for d in offer.discounts)
    yield from (f"sponsor {s.fallback if s.budget is not None else 'endless'}" for s in offer.sponsorships)
    if offer.maximum:
        yield f"maximum {offer.maximum.scope}"
    if offer.commitment:
        yield f"commitment {offer.commitment.scope} {offer.commitment.prorated}"
    for credit in offer.credits:
        expires = "expires" if credit.expires_after_days else "lasts"
        yield from (
            f"credit {word}" for word in (credit.kind, credit.every, expires, f"priority {credit.priority}")
        )
    there = {"trial": offer.trial, "pool cap": offer.pool_cap_units, "flat fee at zero": offer.conventions.flat_fee_at_zero,
             "carry": offer.micropayment.carry_remainder, "least invoice": offer.micropayment.minimum_invoice}  # fmt: skip
    yield from (name for name, value in there.items() if value)
    yield from (f"overage {offer.overage}", f"bound {offer.conventions.tier_bound}", f"side {offer.side}")
    yield from ("tax inclusive" if tax.inclusive else "tax on top" for tax in offer.taxes)
    if offer.split and offer.split.rules:
        yield from (f"overrun {offer.split.fixed_overrun}", f"share true-ups {offer.split.share_true_ups}")
        for rule in offer.split.rules:
            yield from (f"split {rule.kind}", f"split of {rule.of}", f"partners {len(offer.split.rules)}")
            yield from (f"split {end}" for end in ("guarantee", "cap") if getattr(rule, end) is not None)
            yield f"split per {rule.per}"


def _published(offers: tuple[Offer, ...]) -> Iterator[str]:
    for offer in offers:
        if offer.version == 2:
            yield from (f"version {offer.publish.running}", f"counters {offer.publish.counters}")
            yield f"version on day {offer.effective.day} of {offer.effective.month}"


EVERYTHING = [
    f"{kind} {word}".strip()
    for kind, words in {
        "": "PerUnit Graduated Volume StairStep Package GraduatedPercentage Percentage Dynamic Percentile trial phase ended pinned "
            "group moved carry bundle",
        "fold": "sum count max last unique time_weighted p95", "scope": "device pool sim_group event",
        "counter": "billing week day hour", "rounded": "up down nearest", "rounded per": "event session day period",
        "rounded of": "counter device", "free": "full prorated none", "unmatched": "refuse free", "window": "ignore only",
        "p95": "alone max sum", "sim": "test active suspended inventory", "discount": "percent fixed",
        "fee": "day period once device account daily 30-day full_if_active", "sponsor": "user block endless",
        "maximum": "account device", "overage": "use excess", "bound": "inclusive exclusive", "side": "sell buy",
        "rollover": "1 2 own_first rollover_first", "rollover cap": "True False", "bundle": "full prorated none rollover",
        "credit": "promotional paid once period expires lasts", "credit priority": "1 2", "version": "now next_period keep",
        "counters": "carry reset", "version on day": ["1 of 3", "11 of 3", "29 of 3", "1 of 4", "16 of 4"],
        "split": "fixed percent tiers guarantee cap", "split of": "gross remainder", "split per": "unit device",
        "overrun": "operator_bears capped", "share true-ups": "True False", "partners": "1 2 3", "tax": "standard reduced",
    }.items()
    for word in (words.split() if isinstance(words, str) else words)
] + ["discount percent coupon", "commitment account True", "commitment device False", "pool cap", "flat fee at zero",
     "foreign money", "least invoice", "cut on the first day", "own price", "only fees", "put to sleep", "tax inclusive", "tax on top",
     "1 periods", "2 periods", "3 periods"]  # fmt: skip
