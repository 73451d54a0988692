"""What changed between two versions of an offer, in sentences a price list's readers use.

Where only a figure moved, the sentence says from what to what; where more is different, what the part is and what it
was, in the words of ``describe``. Money is told with its currency, and nothing by the name of a field.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from workbench.model.money import decimal_text
from workbench.model.offer import (
    Bundle,
    Catalogue,
    Discount,
    Fee,
    Fx,
    Meter,
    Offer,
    PrepaidGrant,
    Sponsorship,
    Tax,
)
from workbench.model.split import Split, SplitRule
from workbench.tariff.describe import commitment_text, fx_text, maximum_text, tax_text
from workbench.tariff.diff_price import prices
from workbench.tariff.diff_words import Change, figure, listed, neutral
from workbench.tariff.parts_text import (
    SCOPES,
    bundle_text,
    credit_text,
    discount_text,
    fee_text,
    often_text,
    share_text,
    sponsorship_text,
)
from workbench.tariff.units_text import quantity_words

_Told = Iterator[str] | None


def diff_catalogues(old: Catalogue, new: Catalogue) -> list[str]:
    """Sentences for every offer that appears, goes, or changes between two catalogues (newest versions)."""
    found: list[str] = []
    units = tuple({meter.id: meter.unit for meter in catalogue.meters} for catalogue in (old, new))
    for name in sorted({offer.id for offer in (*old.offers, *new.offers)}):
        before, after = old.versions(name), new.versions(name)
        if not before:
            found.append(f"Offer '{name}' is new, from {after[-1].effective:%-d %B %Y}.")
        elif not after:
            found.append(f"Offer '{name}' is no longer there.")
        elif before[-1].sha256 != after[-1].sha256:
            found += _sentences(Change(before[-1], after[-1], (units[0], units[1])))
    return [*found, *_meters(old, new), *_holidays(old, new)]


def diff(old: Offer, new: Offer, meters: Mapping[str, Meter]) -> list[str]:
    """What changed from one version to another, one sentence per change; empty when nothing that counts did."""
    units = {name: meter.unit for name, meter in meters.items()}
    return _sentences(Change(old, new, (units, units)))


def _sentences(change: Change) -> list[str]:
    old, new = change.old, change.new
    found = [*prices(change), *_parts(change), *_split(change), *_plain(change)]
    bare = dataclasses.replace(old, version=new.version, effective=new.effective, sha256=new.sha256)
    if not found and bare != new:
        found.append(f"{change.name} is written differently; what it says stays the same.")
    if old.version == new.version and old.effective != new.effective:
        found.append(f"{change.name} holds from {change.on} on; it held from {old.effective:%-d %B %Y} on.")
    if found and old.version == new.version:
        found.append(f"Both call themselves version {new.version}: a published version never changes.")
    return found


# -- parts with a name ---------------------------------------------------------------------------------------


def _parts(change: Change) -> Iterator[str]:
    units = {
        offer.id + str(place): {c.id: change.units[place].get(c.meter, "unit") for c in offer.components}
        for place, offer in enumerate((change.old, change.new))
    }

    def bundle(part: Bundle, offer: Offer) -> str:
        return bundle_text(part, offer, units[offer.id + str(int(offer is change.new))])

    for field, noun, words, figures in (
        ("bundles", "bundle", bundle, _bundle),
        ("sponsorships", "sponsorship", sponsorship_text, _sponsorship),
        ("credits", "credit", credit_text, _credit),
        ("fees", "fee", fee_text, _fee),
        ("discounts", "discount", discount_text, _discount),
        ("taxes", "tax", tax_text, _tax),
        ("fx", "exchange rate", fx_text, _fx),
    ):
        old, new = (_named(getattr(offer, field)) for offer in (change.old, change.new))
        yield from listed(change, noun, old, new, words, figures)
        if field in ("sponsorships", "discounts"):
            yield from change.order(f"the {field} of {change.name}", [*old], [*new])


def _named(parts: tuple[Any, ...]) -> dict[str, Any]:
    return {
        part.category if isinstance(part, Tax) else part.currency if isinstance(part, Fx) else part.id: part
        for part in parts
    }


def _bundle(change: Change, old: Bundle, new: Bundle) -> _Told:
    if not neutral(old, new, "credits"):
        return None
    verb = "rise" if new.credits > old.credits else "fall"
    return iter(
        [
            f"The credits of bundle '{new.id}' of {change.name} {verb} from {old.credits:,} to {new.credits:,} "
            f"every {change.new.period} from {change.on}."
        ]
    )


def _sponsorship(change: Change, old: Sponsorship, new: Sponsorship) -> _Told:
    if old.budget is None or new.budget is None or not neutral(old, new, "budget"):
        return None
    what = f"the budget of sponsorship '{new.id}' of {change.name}"
    return iter([change.money_moved(what, old.budget, new.budget, f"a {change.new.period}")])


def _credit(change: Change, old: PrepaidGrant, new: PrepaidGrant) -> _Told:
    what = f"the credit '{new.id}' of {change.name}"
    often = often_text(new.every, change.new)
    return (
        iter([change.money_moved(what, old.amount, new.amount, often)])
        if neutral(old, new, "amount")
        else None
    )


def _fee(change: Change, old: Fee, new: Fee) -> _Told:
    what = f"the fee '{new.id}' of {change.name}"
    if neutral(old, new, "title"):
        return change.now(
            f"the title of {what}", *(f"'{fee.title}'" if fee.title else "none" for fee in (old, new))
        )
    if not neutral(old, new, "amount"):
        return None
    per = f"per {new.per} {often_text(new.every, change.new)}"
    return iter([change.money_moved(what, old.amount, new.amount, per)])


def _discount(change: Change, old: Discount, new: Discount) -> _Told:
    what = f"the discount '{new.id}' of {change.name}"
    if neutral(old, new, "rate"):
        return iter([change.share_moved(what, old.rate, new.rate)])
    return iter([change.money_moved(what, old.amount, new.amount)]) if neutral(old, new, "amount") else None


def _tax(change: Change, old: Tax, new: Tax) -> _Told:
    what = f"the tax '{new.category}' of {change.name}"
    return iter([change.share_moved(what, old.rate, new.rate)]) if neutral(old, new, "rate") else None


def _fx(change: Change, old: Fx, new: Fx) -> _Told:
    if not neutral(old, new, "rate") or not change.same_currency:
        return None
    what = f"the exchange rate to {new.currency} of {change.name}"
    to = f"{decimal_text(new.rate)} {new.currency} per {change.new.currency}"
    return iter([change.moved(what, old.rate, new.rate, decimal_text(old.rate), to)])


# -- the split -----------------------------------------------------------------------------------------------

_SPLIT: dict[str, tuple[str, Callable[[Any], str]]] = {
    "rest": ("the partner who gets the rest of", lambda rest: f"'{rest}'" if rest else "nobody"),
    "basis": ("what partners share of", lambda basis: f"what is {basis}"),
    "fixed_overrun": (
        "the rule for fixed shares above the charge of",
        {"operator_bears": "that the rest bears them", "capped": "that they end at the charge"}.__getitem__,
    ),
    "share_true_ups": (
        "the rule for true-ups of",
        lambda said: "that all share" if said else "that the rest gets them",
    ),
}


def _split(change: Change) -> Iterator[str]:
    old, new = change.old.split or Split(()), change.new.split or Split(())
    if old == new:
        return
    rules = [_by_partner(split.rules) for split in (old, new)]
    for partner in [*rules[0], *(name for name in rules[1] if name not in rules[0])]:
        before, after = (side.get(partner, ()) for side in rules)
        if before != after:
            yield from _partner(change, partner, before, after)
    yield from change.order(f"the shares of {change.name}", [*rules[0]], [*rules[1]])
    for key, (subject, words) in _SPLIT.items():
        yield from change.now(f"{subject} {change.name}", words(getattr(old, key)), words(getattr(new, key)))


def _by_partner(rules: tuple[SplitRule, ...]) -> dict[str, tuple[SplitRule, ...]]:
    return {rule.partner: tuple(r for r in rules if r.partner == rule.partner) for rule in rules}


def _partner(
    change: Change, partner: str, before: tuple[SplitRule, ...], after: tuple[SplitRule, ...]
) -> Iterator[str]:
    if len(before) == len(after) == 1 and (told := _share(change, before[0], after[0])):
        yield from told
        return
    said = []
    for rules, offer, units in ((before, change.old, change.units[0]), (after, change.new, change.units[1])):
        known = {c.id: units.get(c.meter, "unit") for c in offer.components}
        said.append(" and ".join(share_text(rule, offer, known) for rule in rules) or "nothing")
    yield from change.now(f"the share of '{partner}' in {change.name}", *said)


def _share(change: Change, old: SplitRule, new: SplitRule) -> list[str]:
    """The sentences for a rule of which only figures moved; nothing where it is another rule."""
    if not neutral(old, new, "rate", "amount", "cap", "guarantee"):
        return []
    whose = f"'{new.partner}' in {change.name}"
    found = []
    if old.rate != new.rate:
        of = "of the remainder" if new.of == "remainder" else ""
        found.append(change.share_moved(f"the share of {whose}", old.rate, new.rate, of))
    if old.amount != new.amount:
        units = {c.id: change.units[1].get(c.meter, "unit") for c in change.new.components}
        block = share_text(new, change.new, units).partition(" per ")[2].partition(" (")[0]
        found.append(
            change.money_moved(f"the fixed share of {whose}", old.amount, new.amount, f"per {block}")
        )
    for key, most in (("guarantee", "least"), ("cap", "most")):
        found += _limit(change, f"the {most} that {whose} gets", getattr(old, key), getattr(new, key))
    return found


def _limit(change: Change, subject: str, old: Fraction | None, new: Fraction | None) -> list[str]:
    span = f"a {change.new.period}"
    if old == new:
        return []
    if old is not None and new is not None:
        return [change.money_moved(subject, old, new, span)]
    said = [
        "without limit" if amount is None else f"{figure(amount)} {offer.currency} {span}"
        for amount, offer in ((old, change.old), (new, change.new))
    ]
    return list(change.now(subject, *said))


# -- what is said once ---------------------------------------------------------------------------------------

_YES_NO: dict[str, tuple[str, str, str]] = {
    "prepaid": ("", "prepaid", "billed afterwards"),
    "critical": ("use of", "granted past the limit", "refused past the limit"),
    "micropayment.carry_remainder": (
        "what rounding leaves of",
        "a line of the next period",
        "booked as a difference of rounding",
    ),
    "conventions.flat_fee_at_zero": (
        "the flat fee of the first tier of",
        "due without any use",
        "due with the first unit",
    ),
}
_CHOICES: dict[str, tuple[str, dict[str, str]]] = {
    "side": ("", {"sell": "sold", "buy": "bought"}),
    "scope": ("the rule for the counters of", {key: f"that {words}" for key, words in SCOPES.items()}),
    "period": ("the billing period of", {}),
    "zone": ("the time zone of", {}),
    "charged": (
        "",
        {"node": "charged by the node, event by event", "batch": "charged at close, from records"},
    ),
    "overage": (
        "what a pool's members pay beyond the free units of",
        {"use": "shared by what each used", "excess": "shared by what each used beyond its own part"},
    ),
    "conventions.tier_bound": (
        "the unit at a tier's bound of",
        {"inclusive": "part of the tier that ends there", "exclusive": "part of the next tier"},
    ),
    "publish.running": (
        "what publishing does to running subscriptions of",
        {
            "next_period": "to move them with their next period",
            "now": "to move them at once, by days",
            "keep": "to leave them on their version",
        },
    ),
    "publish.counters": (
        "what publishing does to the counters of",
        {"carry": "to carry them on", "reset": "to begin them anew"},
    ),
}


def _plain(change: Change) -> Iterator[str]:
    old, new, name = change.old, change.new, change.name
    names = [f"called '{offer.title}'" if offer.title else "without a title" for offer in (old, new)]
    yield from change.now(f"'{new.id}'", *names)
    yield from change.now(f"all money of {name}", f"in {old.currency}", f"in {new.currency}")
    for key, (subject, words) in _CHOICES.items():
        was, to = (words.get(value, value) for value in (_at(old, key), _at(new, key)))
        yield from change.now(f"{subject} {name}".strip(), was, to)
    for key, (subject, yes, no) in _YES_NO.items():
        was, to = (yes if _at(offer, key) else no for offer in (old, new))
        yield from change.now(f"{subject} {name}".strip(), was, to)
    said = ["not limited" if o.pool_cap_units is None else f"{o.pool_cap_units:,} units" for o in (old, new)]
    yield from change.now(f"what a member may draw of the free units of the pool of {name}", *said)
    said = [quantity_words(o.trial.days, "day") if o.trial else "none" for o in (old, new)]
    yield from change.now(f"the trial of {name}", *said)
    least = [o.micropayment.minimum_invoice for o in (old, new)]
    if least[0] != least[1]:
        yield change.money_moved(f"the smallest invoice of {name}", least[0], least[1])
    yield from _limit_of_offer(change, "maximum", maximum_text)
    yield from _limit_of_offer(change, "commitment", commitment_text)


def _at(offer: Offer, path: str) -> Any:
    value: Any = offer
    for name in path.split("."):
        value = getattr(value, name)
    return value


def _limit_of_offer(change: Change, noun: str, words: Callable[[Any, Offer], str]) -> Iterator[str]:
    before, after = (getattr(offer, noun) for offer in (change.old, change.new))
    if before == after:
        return
    subject = f"the {noun} of {change.name}"
    if before and after and neutral(before, after, "amount"):
        per = f"per {after.scope} and {change.new.period}"
        yield change.money_moved(subject, before.amount, after.amount, per)
        return
    said = ["none" if p is None else words(p, o) for p, o in ((before, change.old), (after, change.new))]
    yield from change.now(subject, *said)


# -- what offers look at -------------------------------------------------------------------------------------


def _meters(old: Catalogue, new: Catalogue) -> Iterator[str]:
    before = {meter.id: meter for meter in old.meters}
    for meter in new.meters:
        was = _of_meter(before.get(meter.id, meter))
        for subject, words in _of_meter(meter).items():
            if was[subject] != words:
                yield f"{subject} of the meter '{meter.id}' is {words}; it was {was[subject]}."


def _of_meter(meter: Meter) -> dict[str, str]:
    spans = {"start": "counted by its start", "end": "counted by its end", "split": "split in proportion"}
    return {
        "The unit": meter.unit,
        "The currency": meter.currency or "none",
        "What a price may look at in records": ", ".join(meter.dimensions) or "nothing",
        "An event over two rates": spans[meter.spans],
    }


def _holidays(old: Catalogue, new: Catalogue) -> Iterator[str]:
    before = {calendar.id: calendar.dates for calendar in old.holidays}
    for calendar in new.holidays:
        dates = before.get(calendar.id, calendar.dates)
        for verb, days in (
            ("gains", [day for day in calendar.dates if day not in dates]),
            ("loses", [day for day in dates if day not in calendar.dates]),
        ):
            if days:
                yield f"The calendar '{calendar.id}' {verb} {', '.join(f'{day:%-d %B %Y}' for day in days)}."
