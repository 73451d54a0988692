"""What changed between two versions of an offer, in sentences a price list's readers use."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from workbench.model.money import decimal_text
from workbench.model.offer import Catalogue, Component, Fee, Meter, Offer, Rate
from workbench.model.price import MODEL_NAMES, Price
from workbench.tariff.describe import price_text
from workbench.tariff.units_text import block_text, quantity_text

_SKIPPED = {"id", "version", "sha256", "effective", "components", "fees", "split", "title"}


def diff_catalogues(old: Catalogue, new: Catalogue) -> list[str]:
    """Sentences for every offer that appears, goes, or changes between two catalogues (newest versions)."""
    found: list[str] = []
    names = sorted({offer.id for offer in (*old.offers, *new.offers)})
    for name in names:
        before, after = old.versions(name), new.versions(name)
        if not before:
            found.append(f"Offer '{name}' is new, from {after[-1].effective:%-d %B %Y}.")
        elif not after:
            found.append(f"Offer '{name}' is no longer there.")
        elif before[-1].sha256 != after[-1].sha256:
            found += diff(before[-1], after[-1], {meter.id: meter for meter in (*old.meters, *new.meters)})
    return found


def diff(old: Offer, new: Offer, meters: Mapping[str, Meter]) -> list[str]:
    """What changed from one version to another, one sentence per change; empty when nothing that counts did."""
    name = new.title or new.id
    start = f" from {new.effective:%-d %B %Y}"
    sentences = [f"{text}{start}." for text in _changes(old, new, name, meters)]
    if sentences and old.version == new.version:
        sentences.append(f"Both call themselves version {new.version}: a published version never changes.")
    return sentences


def _changes(old: Offer, new: Offer, name: str, meters: Mapping[str, Meter]) -> Iterator[str]:
    before, after = {c.id: c for c in old.components}, {c.id: c for c in new.components}
    for part in [*before, *(part for part in after if part not in before)]:
        if part not in after:
            yield f"The price '{part}' of '{name}' goes"
        elif part not in before:
            told = _in_words(after[part].rates[0].price, new, meters[after[part].meter].unit)
            yield f"'{name}' gets a price '{part}' for {after[part].meter} ({told})"
        elif before[part] != after[part]:
            yield from _component(before[part], after[part], new, name, meters)
    fees_before, fees_after = {f.id: f for f in old.fees}, {f.id: f for f in new.fees}
    for part in [*fees_before, *(part for part in fees_after if part not in fees_before)]:
        if part not in fees_after:
            yield f"The fee '{part}' of '{name}' goes"
        elif part not in fees_before:
            yield f"'{name}' gets a fee '{part}' of {_money(fees_after[part].amount, new)} {_rhythm(fees_after[part])}"
        elif fees_before[part] != fees_after[part]:
            yield from _fee(fees_before[part], fees_after[part], new, name)
    if old.split != new.split:
        yield from _split(old, new, name)
    for key in (field.name for field in dataclasses.fields(Offer) if field.name not in _SKIPPED):
        if getattr(old, key) != getattr(new, key):
            yield from _told(
                f"the {key.replace('_', ' ')} of '{name}'", key, getattr(old, key), getattr(new, key), ""
            )


def _money(amount: Fraction, offer: Offer) -> str:
    return f"{decimal_text(amount)} {offer.currency}"


def _moves(before: Fraction, after: Fraction) -> str:
    return "rises" if after > before else "falls"


def _rhythm(fee: Fee) -> str:
    return f"once per {fee.per}" if fee.every == "once" else f"per {fee.per} and {fee.every}"


def _fee(old: Fee, new: Fee, offer: Offer, name: str) -> Iterator[str]:
    if old.amount != new.amount:
        yield (
            f"The fee '{new.id}' of '{name}' {_moves(old.amount, new.amount)} from "
            f"{decimal_text(old.amount)} to {_money(new.amount, offer)} {_rhythm(new)}"
        )
    yield from _fields(old, new, f"fee '{new.id}' in '{name}'", {"amount"}, "")


def _component(
    old: Component, new: Component, offer: Offer, name: str, meters: Mapping[str, Meter]
) -> Iterator[str]:
    unit = meters[new.meter].unit
    before, after = {r.id: r for r in old.rates}, {r.id: r for r in new.rates}
    for part in [*before, *(part for part in after if part not in before)]:
        if part not in after:
            yield f"Rate '{part}' of '{new.id}' in '{name}' goes"
        elif part not in before:
            yield f"'{new.id}' of '{name}' gets a rate '{part}' ({_in_words(after[part].price, offer, unit)})"
        elif before[part] != after[part]:
            yield from _rate(before[part], after[part], new, offer, name, unit)
    yield from _fields(old, new, f"price '{new.id}' in '{name}'", {"rates"}, unit)


def _fields(old: Any, new: Any, what: str, skipped: set[str], unit: str) -> Iterator[str]:
    for field in dataclasses.fields(new):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if field.name not in skipped and before != after:
            yield from _told(f"the {field.name.replace('_', ' ')} of {what}", field.name, before, after, unit)


def _told(what: str, key: str, before: Any, after: Any, unit: str) -> Iterator[str]:
    """A change as deep as it goes: what is made of parts is told by those parts that differ."""
    if isinstance(before, tuple) and isinstance(after, tuple) and len(before) == len(after) == 1:
        before, after = before[0], after[0]
    if dataclasses.is_dataclass(before) and type(before) is type(after):
        yield from _fields(before, after, what, set(), unit)
        return
    verb = "changes"
    if type(before) is type(after) and isinstance(before, int | Fraction) and not isinstance(before, bool):
        verb = _moves(Fraction(before), Fraction(after))[
            : None if key != "units" else -1
        ]  # units rise, a cap rises
    yield _capital(f"{what} {verb} from {_worded(key, before, unit)} to {_worded(key, after, unit)}")


_OF_UNITS = {"units", "cap"}
"""Fields that count units of a price's meter."""


def _worded(key: str, value: Any, unit: str) -> str:
    if key == "rate" and isinstance(value, Fraction):
        return f"{decimal_text(value * 100)} %"
    if unit and key in _OF_UNITS and isinstance(value, int):
        return quantity_text(value, unit)
    return _short(value)


def _in_words(price: Price, offer: Offer, unit: str) -> str:
    return price_text(price, unit, offer.currency)


def _rate(old: Rate, new: Rate, component: Component, offer: Offer, name: str, unit: str) -> Iterator[str]:
    where = f"'{component.id}'" if len(component.rates) == 1 else f"'{component.id}', rate '{new.id}',"
    if old.match != new.match or old.windows != new.windows:
        yield f"When rate '{new.id}' of '{component.id}' in '{name}' holds changes"
    if old.price == new.price:
        return
    if type(old.price) is not type(new.price):
        models = [
            f"{MODEL_NAMES[type(price)]} ({_in_words(price, offer, unit)})"
            for price in (old.price, new.price)
        ]
        yield f"{where} of '{name}' changes from {models[0]} to {models[1]}"
        return
    yield from _price(old.price, new.price, where, offer, name, unit)


def _price(old: Price, new: Price, where: str, offer: Offer, name: str, unit: str) -> Iterator[str]:
    rows_before, rows_after = _rows(old), _rows(new)
    per = getattr(new, "per", 1)
    if getattr(old, "per", 1) != per:
        yield (
            f"The block of {where} of '{name}' changes from {block_text(getattr(old, 'per', 1), unit)} "
            f"to {block_text(per, unit)}"
        )
    if len(rows_before) != len(rows_after):
        yield (
            f"{where} of '{name}' has {len(rows_after)} tiers instead of {len(rows_before)}: it was "
            f"{_in_words(old, offer, unit)}, and is {_in_words(new, offer, unit)}"
        )
        return
    for number, (before, after) in enumerate(zip(rows_before, rows_after, strict=True), 1):
        tier = f"tier {number} of {where}" if len(rows_after) > 1 else where
        for key in after:
            if before[key] != after[key]:
                yield _sentence(key, before[key], after[key], tier, offer, name, unit, per)


def _rows(price: Price) -> list[dict[str, Any]]:
    """A price as rows of plain fields: its tiers, or itself."""
    tiers = getattr(price, "tiers", None) or getattr(price, "steps", None) or (price,)
    fields = [
        [f.name for f in dataclasses.fields(row) if f.name not in ("per", "tiers", "steps")] for row in tiers
    ]
    return [{name: getattr(row, name) for name in names} for row, names in zip(tiers, fields, strict=True)]


def _sentence(
    key: str, before: Any, after: Any, tier: str, offer: Offer, name: str, unit: str, per: int
) -> str:
    block = f" per {block_text(per, unit)}" if key == "amount" else ""
    if isinstance(before, Fraction) and isinstance(after, Fraction):
        if key in ("rate", "factor", "percentile"):
            text = f"{decimal_text(before * 100)} to {decimal_text(after * 100)} %"
        else:
            text = f"{decimal_text(before)} to {_money(after, offer)}{block}"
        what = "" if key in ("amount", "rate") else f"the {key} of "
        return _capital(f"{what}{tier} of '{name}' {_moves(before, after)} from {text}")
    if key in ("up_to", "size", "free"):
        words = [quantity_text(value, unit) if value is not None else "no end" for value in (before, after)]
        return _capital(
            f"the {key.replace('_', ' ')} of {tier} of '{name}' moves from {words[0]} to {words[1]}"
        )
    return _capital(
        f"the {key.replace('_', ' ')} of {tier} of '{name}' changes from {_short(before)} to {_short(after)}"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _split(old: Offer, new: Offer, name: str) -> Iterator[str]:
    shares = [
        {r.partner: r.rate for r in (offer.split.rules if offer.split else ()) if r.kind == "percent"}
        for offer in (old, new)
    ]
    told = False
    for partner in sorted({*shares[0], *shares[1]}):
        before, after = (share.get(partner, Fraction(0)) for share in shares)
        if before != after:
            told = True
            yield (
                f"The share of '{partner}' in '{name}' {_moves(before, after)} from "
                f"{decimal_text(before * 100)} to {decimal_text(after * 100)} %"
            )
    if not told:
        yield f"The rules of the split of '{name}' change"


def _short(value: Any) -> str:
    if isinstance(value, Fraction):
        return decimal_text(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = (
            f"{f.name} {_short(getattr(value, f.name))}"
            for f in dataclasses.fields(value)
            if getattr(value, f.name) is not None
        )
        return ", ".join(parts)
    if isinstance(value, tuple):
        return "; ".join(_short(item) for item in value) or "none"
    return (
        {None: "none", "": "none", True: "yes", False: "no"}.get(value, str(value))
        if isinstance(value, str | bool | None)
        else str(value)
    )
