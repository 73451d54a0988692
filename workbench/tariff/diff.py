"""What changed between two versions of an offer, in sentences a price list's readers use."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from workbench.model.money import decimal_text
from workbench.model.offer import Catalogue, Component, Fee, Meter, Offer, Rate
from workbench.model.price import MODEL_NAMES, Price
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
            yield f"'{name}' gets a price '{part}' for {after[part].meter}"
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
            yield (
                f"The {key.replace('_', ' ')} of '{name}' changes from {_short(getattr(old, key))} to "
                f"{_short(getattr(new, key))}"
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
    yield from _fields(old, new, f"fee '{new.id}'", name, {"amount"})


def _component(
    old: Component, new: Component, offer: Offer, name: str, meters: Mapping[str, Meter]
) -> Iterator[str]:
    unit = meters[new.meter].unit
    before, after = {r.id: r for r in old.rates}, {r.id: r for r in new.rates}
    for part in [*before, *(part for part in after if part not in before)]:
        if part not in after:
            yield f"Rate '{part}' of '{new.id}' in '{name}' goes"
        elif part not in before:
            yield f"'{new.id}' of '{name}' gets a rate '{part}'"
        elif before[part] != after[part]:
            yield from _rate(before[part], after[part], new, offer, name, unit)
    yield from _fields(old, new, f"price '{new.id}'", name, {"rates"})


def _fields(old: Any, new: Any, what: str, name: str, skipped: set[str]) -> Iterator[str]:
    for field in dataclasses.fields(new):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if field.name not in skipped and before != after:
            yield (
                f"{field.name.replace('_', ' ').capitalize()} of {what} in '{name}' changes from "
                f"{_short(before)} to {_short(after)}"
            )


def _rate(old: Rate, new: Rate, component: Component, offer: Offer, name: str, unit: str) -> Iterator[str]:
    where = f"'{component.id}'" if len(component.rates) == 1 else f"'{component.id}', rate '{new.id}',"
    if old.match != new.match or old.windows != new.windows:
        yield f"When rate '{new.id}' of '{component.id}' in '{name}' holds changes"
    if old.price == new.price:
        return
    if type(old.price) is not type(new.price):
        yield f"{where} of '{name}' changes from {MODEL_NAMES[type(old.price)]} to {MODEL_NAMES[type(new.price)]}"
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
        yield f"{where} of '{name}' has {len(rows_after)} tiers instead of {len(rows_before)}"
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
