"""Canonical text back to nouns, so that a lake remembers the catalogue its charges were made by.

``rows`` is a catalogue as the lake's kind ``catalog``: a row per offer version, and one (offer id empty, version 0)
for the meters, partners and holidays they refer to. ``catalogue`` reads those rows. Nothing is executed or guessed:
a text only ever becomes one of the nouns of ``workbench.model``, and its hash must be the one that was stored.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from types import ModuleType
from typing import Any, get_args, get_type_hints

import pyarrow as pa

from workbench.errors import CatalogueError
from workbench.model import offer, price, split, when
from workbench.model.offer import Catalogue, Offer
from workbench.tariff.canonical import canonical, sha256_of

_MODULES: tuple[ModuleType, ...] = (offer, price, split, when)
_NOUNS: dict[str, type] = {
    name: noun
    for module in _MODULES
    for name, noun in vars(module).items()
    if isinstance(noun, type) and dataclasses.is_dataclass(noun)
}
_SCHEMA = pa.schema(
    [("offer_id", pa.string()), ("version", pa.int32()), ("sha256", pa.string()), ("text", pa.string())]
)


def rows(given: Catalogue) -> pa.Table:
    """A catalogue as rows of the lake's kind ``catalog``, sorted by offer and version."""
    rest = dataclasses.replace(given, offers=(), sha256="")
    found = [("", 0, sha256_of(rest), canonical(rest))]
    found += [(item.id, item.version, sha256_of(item), canonical(item)) for item in given.offers]
    columns = list(zip(*sorted(found, key=lambda row: row[:2]), strict=True))
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)], _SCHEMA
    )


def catalogue(stored: Iterable[tuple[str, int, str, str]]) -> Catalogue:
    """The catalogue that ``rows`` was made from.

    Args:
        stored: (offer_id, version, sha256, text) of every row.

    Raises:
        CatalogueError: ``catalogue_damaged``: a text is not what its hash says, or is no noun.
    """
    rest, offers = Catalogue(), []
    for offer_id, version, sha256, text in sorted(stored):
        noun = _noun(
            text, sha256, f"offer {offer_id} version {version}" if offer_id else "the catalogue's own row"
        )
        if isinstance(noun, Catalogue):
            rest = noun
        elif isinstance(noun, Offer):
            offers.append(dataclasses.replace(noun, sha256=sha256))
    whole = dataclasses.replace(rest, offers=tuple(offers))
    return dataclasses.replace(whole, sha256=sha256_of(whole))


def _noun(text: str, sha256: str, where: str) -> Any:
    try:
        noun = _restored(json.loads(text), object)
    except (ValueError, KeyError, TypeError, ZeroDivisionError, RecursionError) as error:
        raise _damaged(where) from error
    if not isinstance(noun, Catalogue | Offer) or sha256_of(noun) != sha256:
        raise _damaged(where)
    return noun


def _restored(value: Any, hint: Any) -> Any:
    """A JSON value as its field's type: nouns by their tag, lists as tuples, amounts as exact fractions."""
    if isinstance(value, dict):
        noun = _NOUNS[value["is"]]
        hints = get_type_hints(noun)
        return noun(**{name: _restored(item, hints[name]) for name, item in value.items() if name != "is"})
    if isinstance(value, list):
        inner = [arg for arg in _arguments(hint) if arg is not Ellipsis] or [object]
        kinds = inner * len(value) if len(inner) == 1 else inner
        return tuple(_restored(item, kind) for item, kind in zip(value, kinds, strict=True))
    if isinstance(value, str) and _means(hint, Fraction):
        return Fraction(value)
    if isinstance(value, str) and _means(hint, date):
        return date.fromisoformat(value)
    return value


def _arguments(hint: Any) -> tuple[Any, ...]:
    """What a tuple holds, also where it is one side of a union."""
    for part in (hint, *get_args(hint)):
        if getattr(part, "__origin__", None) is tuple:
            return get_args(part)
    return ()


def _means(hint: Any, kind: type) -> bool:
    return hint is kind or kind in get_args(hint)


def _damaged(where: str) -> CatalogueError:
    return CatalogueError(
        "A stored offer is not what was written.",
        where=where,
        cure="Restore the lake's catalog segment from a backup, or pass the catalogue's files.",
        code="catalogue_damaged",
    )
