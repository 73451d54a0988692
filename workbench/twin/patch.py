"""Patches on offers: find the field that a path names, read the new value as that field's type, and build a new offer.

Paths go along the nouns of ``workbench.model`` and may leave out what is obvious: a part by its id
(``lights-on.energy``), the only rate of a price and its model (``energy.amount``), the place in a list counted from 1
(``energy.tiers.2.amount``). Values: a number, a quantity with a unit (``2 GB``), a relative change (``+10 %``), a share
(``30 %`` where the field is a rate), a word, or ``none`` to take an optional part away.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from datetime import date
from fractions import Fraction
from typing import Any, get_args, get_type_hints

from workbench.errors import ScenarioError
from workbench.mediation.yamltree import did_you_mean
from workbench.model.money import exact, round_half_away
from workbench.model.offer import Allowance, Catalogue, Commitment, Component, Maximum, Offer, Rate, Trial
from workbench.model.plan import Period
from workbench.model.units import UnitMismatch, to_base
from workbench.tariff.canonical import sha256_of
from workbench.tariff.slips import slips
from workbench.tariff.timeline import stretches
from workbench.tariff.validate import validate
from workbench.twin.scenario import Patch

_SHORT: dict[type, str] = {Allowance: "units", Maximum: "amount", Commitment: "amount", Trial: "days"}
"""Parts that one number makes: ``energy.allowance: 2 GB``."""

_PARTS = ("components", "fees", "bundles", "discounts", "credits", "sponsorships")


def candidate(production: Catalogue, patches: Iterable[Patch], period: Period) -> Catalogue:
    """The catalogue with every patched offer as a new version that holds where the old one did.

    Raises:
        ScenarioError: ``offer_unknown``, ``patch_path``, ``patch_value``, ``patch_overlap``.
        CatalogueError: the patched offer cannot be sold (tiers that do not rise ...).
    """
    chosen: dict[str, list[Patch]] = {}
    for one in patches:
        chosen.setdefault(one.offer, []).append(one)
    offers = list(production.offers)
    meters = {meter.id: meter for meter in production.meters}
    kept = {offer.sha256 for offer in offers}
    for offer_id, mine in chosen.items():
        versions = production.versions(offer_id)
        if not versions:
            raise ScenarioError(
                f"The scenario names the offer '{offer_id}', which the catalogue does not have.",
                where=mine[0].where or mine[0].name,
                cure=did_you_mean(offer_id, sorted({offer.id for offer in production.offers}), "It has"),
                code="offer_unknown",
            )
        held = {stretch.offer for stretch in stretches(versions, period)} or {versions[-1]}
        for number, offer in enumerate(sorted(held, key=lambda item: item.version), 1):
            changed = patched(offer, mine, production)
            offers.remove(offer)
            offers.append(_sealed(dataclasses.replace(changed, version=versions[-1].version + number)))
            if any(slips(offer, meters)):  # what is in force holds a slip, and may be tried
                kept.add(offers[-1].sha256)
    return checked(
        dataclasses.replace(production, offers=tuple(sorted(offers, key=lambda o: (o.id, o.version)))), kept
    )


def checked(found: Catalogue, kept: Collection[str]) -> Catalogue:
    """The catalogue, validated and hashed; slips in the versions ``kept`` are let through."""
    validate(found, kept=kept)
    return dataclasses.replace(found, sha256=sha256_of(dataclasses.replace(found, sha256="")))


def as_if_in_force(proposed: Catalogue, production: Catalogue, period: Period) -> Catalogue:
    """A candidate catalogue on past traffic: each offer's newest version holds throughout; others stay as they are."""
    known = {offer.id for offer in proposed.offers}
    offers = [offer for offer in production.offers if offer.id not in known]
    begin = period.start.date()
    for offer_id in sorted(known):
        newest, old = proposed.offer(offer_id), production.versions(offer_id)
        since = min([begin, *(offer.effective for offer in old)])
        offers.append(_sealed(dataclasses.replace(newest, effective=min(since, newest.effective))))
    return checked(
        Catalogue(
            _both(production.meters, proposed.meters),
            _both(production.partners, proposed.partners),
            _both(production.holidays, proposed.holidays),
            tuple(sorted(offers, key=lambda o: (o.id, o.version))),
        ),
        {offer.sha256 for offer in offers},  # each was read already, or is in force
    )


def _both(old: tuple[Any, ...], new: tuple[Any, ...]) -> tuple[Any, ...]:
    """Declarations of two catalogues; where both have one, the new one's."""
    return tuple({item.id: item for item in (*old, *new)}.values())


def patched(offer: Offer, patches: Iterable[Patch], catalogue: Catalogue) -> Offer:
    """The offer with every patch applied; two patches may not touch the same place."""
    seen: dict[tuple[str, ...], Patch] = {}
    for one in patches:
        trail: list[str] = []
        offer = _put(offer, one.path.split("."), one, _Unit(catalogue), trail)
        place = tuple(trail)
        for other, earlier in seen.items():
            if place[: len(other)] == other or other[: len(place)] == place:
                raise ScenarioError(
                    f"The patches {earlier.name} and {one.name} change the same place.",
                    where=one.where or one.name,
                    cure="Keep one of them.",
                    code="patch_overlap",
                )
        seen[place] = one
        _check_numbers(offer, one)
    return offer


def _check_numbers(offer: Offer, one: Patch) -> None:
    """What reading a file would have refused: tiers that do not rise, money below zero."""
    for component in offer.components:
        for rate in component.rates:
            parts = getattr(rate.price, "tiers", ()) or getattr(rate.price, "steps", ())
            ends = [part.up_to for part in parts[:-1]]
            if (
                any(end is None for end in ends)
                or ends != sorted(set(ends))
                or (parts and parts[-1].up_to is not None)
            ):
                raise ScenarioError(
                    f"With {one.name} = {one.value} the tiers of '{component.id}' no longer rise one after the other.",
                    where=one.where or one.name,
                    cure="Each `up_to` must be above the one before; the last tier has none.",
                    code="patch_value",
                )
            for item in (rate.price, *parts):
                numbers = (getattr(item, name, None) for name in ("amount", "flat", "rate", "factor", "fee"))
                if (
                    any(number is not None and number < 0 for number in numbers)
                    or getattr(item, "per", 1) <= 0
                ):
                    raise _bad(one, "cannot be below zero")
    if any(fee.amount < 0 for fee in offer.fees):
        raise _bad(one, "cannot be below zero")


def _sealed(offer: Offer) -> Offer:
    return dataclasses.replace(offer, sha256=sha256_of(offer))


class _Unit:
    """The base unit that quantities at the place of a patch are in, once its component is known."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue, self.base = catalogue, ""

    def of(self, component: Component) -> None:
        self.base = self._catalogue.meter(component.meter).unit


def _put(noun: Any, path: list[str], one: Patch, unit: _Unit, trail: list[str]) -> Any:
    """``noun`` with the value at ``path`` replaced; the full path it took is noted in ``trail``."""
    if isinstance(noun, Component):
        unit.of(noun)
    head, rest = path[0], path[1:]
    if isinstance(noun, tuple):
        index = _place(noun, head, one)
        trail.append(str(index + 1))
        item = noun[index]
        return (
            *noun[:index],
            _put(item, rest, one, unit, trail) if rest else _no_value(one),
            *noun[index + 1 :],
        )
    names = {field.name for field in dataclasses.fields(noun)} - {"sha256", "id", "version"}
    if head in names:
        trail.append(head)
        old, hint = getattr(noun, head), get_type_hints(type(noun))[head]
        if rest and (dataclasses.is_dataclass(old) or isinstance(old, tuple)):
            return dataclasses.replace(noun, **{head: _put(old, rest, one, unit, trail)})
        if rest:
            raise _no_path(one, rest[0], ())
        return dataclasses.replace(noun, **{head: _value(old, hint, head, one, unit.base)})
    return _shortened(noun, path, one, unit, trail, names)


def _shortened(noun: Any, path: list[str], one: Patch, unit: _Unit, trail: list[str], names: set[str]) -> Any:
    """A path that leaves out what is obvious."""
    head = path[0]
    if isinstance(noun, Offer):
        for part in _PARTS:
            if head in {item.id for item in getattr(noun, part)}:
                return _put(noun, [part, *path], one, unit, trail)
        known = [item.id for part in _PARTS for item in getattr(noun, part)]
        raise _no_path(one, head, (*known, *sorted(names)))
    if isinstance(noun, Component):
        if head in {rate.id for rate in noun.rates}:
            return _put(noun, ["rates", *path], one, unit, trail)
        if len(noun.rates) == 1:
            return _put(noun, ["rates", "1", *path], one, unit, trail)
        raise _no_path(one, head, (*(rate.id for rate in noun.rates), *sorted(names)))
    if isinstance(noun, Rate):
        return _put(noun, ["price", *path], one, unit, trail)
    raise _no_path(one, head, sorted(names))


def _place(items: tuple[Any, ...], head: str, one: Patch) -> int:
    """The index of an item by its id or its place, counted from 1."""
    for index, item in enumerate(items):
        if getattr(item, "id", None) == head or getattr(item, "partner", None) == head:
            return index
    if head.isdigit() and 1 <= int(head) <= len(items):
        return int(head) - 1
    known = [str(getattr(item, "id", index)) for index, item in enumerate(items, 1)]
    raise _no_path(one, head, known)


def _value(old: Any, hint: Any, field: str, one: Patch, base: str) -> Any:
    """The text of a patch as the type of the field it replaces."""
    text = one.value.strip()
    kinds = set(get_args(hint)) or {hint}
    if text.lower() == "none":
        if type(None) in kinds:
            return None
        raise _bad(one, "has to be there")
    noun = next((kind for kind in _SHORT if kind is type(old) or kind in kinds), None)
    if noun is not None:
        inner, name = get_type_hints(noun)[_SHORT[noun]], _SHORT[noun]
        made = _value(getattr(old, name, None), inner, name, one, base)
        return dataclasses.replace(old, **{name: made}) if old is not None else noun(made)
    if bool in kinds:
        if text.lower() not in ("true", "false"):
            raise _bad(one, "is true or false")
        return text.lower() == "true"
    if Fraction in kinds:
        return _fraction(text, old, field, one)
    if int in kinds:
        return _quantity(text, old, one, base)
    if date in kinds:
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise _bad(one, "is a day like 2026-04-01") from None
    if str in kinds:
        return text
    raise _no_value(one)


def _fraction(text: str, old: Fraction | None, field: str, one: Patch) -> Fraction:
    percent = text.endswith("%")
    number = _exact(text.removesuffix("%"), one)
    if percent and text[0] in "+-":
        return (old or Fraction(0)) * (1 + number / 100)
    if percent and field not in ("rate", "factor", "percentile"):
        raise _bad(one, "is money: write an amount, or a change such as +10 %")
    return number / 100 if percent else number


def _quantity(text: str, old: int | None, one: Patch, base: str) -> int:
    if text.endswith("%") and text[0] in "+-":
        scaled = Fraction(old or 0) * (1 + _exact(text.removesuffix("%"), one) / 100)
        return round_half_away(scaled.numerator, scaled.denominator)
    number, _, word = text.partition(" ")
    try:
        return to_base(_exact(number, one), word.strip() or base, base) if base else int(text)
    except (ValueError, UnitMismatch):
        raise _bad(one, f"is a whole number{f' of {base}' if base else ''}") from None


def _exact(text: str, one: Patch) -> Fraction:
    try:
        return exact(text.strip().removeprefix("+"))
    except ValueError:
        raise _bad(one, "is a number") from None


def _bad(one: Patch, what: str) -> ScenarioError:
    return ScenarioError(
        f"{one.name} {what}, and {one.value[:40]!r} is not.",
        where=one.where or one.name,
        cure="Write for example 0.00006, +10 %, 2 GB or none.",
        code="patch_value",
    )


def _no_value(one: Patch) -> ScenarioError:
    return ScenarioError(
        f"{one.name} is not a single value.",
        where=one.where or one.name,
        cure="Name one of its fields, for example its amount.",
        code="patch_path",
    )


def _no_path(one: Patch, word: str, known: Iterable[str]) -> ScenarioError:
    return ScenarioError(
        f"{one.name}: there is no {word!r} there.",
        where=one.where or one.name,
        cure=did_you_mean(word, list(known), "There are") or "Name a field above it.",
        code="patch_path",
    )
