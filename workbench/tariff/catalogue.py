"""Catalogue files to nouns: ``load`` is the only door. Everything wrong is refused before anything is used.

A *catalogue* is one or more YAML files read together (``README.md`` gives the format). Reading is pure: the same
text gives the same nouns and the same hashes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from workbench.errors import CatalogueError, FileUnreadable
from workbench.model.offer import Catalogue, Meter, Offer, PartnerRef
from workbench.model.when import HolidayCalendar
from workbench.tariff.canonical import sha256_of
from workbench.tariff.fields import Table
from workbench.tariff.publish import hold, read_lock
from workbench.tariff.read_offer import read_meter, read_offer
from workbench.tariff.validate import Places, validate
from workbench.tariff.yamltree import read_file, read_text
from workbench.yamltext import Items, Pairs, Scalar

T = TypeVar("T", Meter, PartnerRef, HolidayCalendar)
_SECTIONS = ("prices", "fees", "bundles", "discounts", "credits", "sponsorships", "taxes", "fx")


def load(paths: str | Path | Sequence[str | Path], kept: Collection[str] = ()) -> Catalogue:
    """Read, check and hash a catalogue.

    Args:
        paths: a YAML file, a folder (its ``*.yaml`` and ``*.yml``, sorted), or a list of either.
        kept: hashes of versions in force elsewhere (a lake was rated by them). They are read like those that stand in
            the folder's ``catalog.lock``: slips in them, which a new version would be refused for, are let through.

    Returns: the catalogue; every offer carries its ``sha256``.

    Raises:
        FileUnreadable: a file is missing, not UTF-8, or too large.
        CatalogueError: anything in it is wrong: one sentence, file and line, code, cure; also when a version that
            stands in the folder's ``catalog.lock`` was changed.
    """
    chosen = [paths] if isinstance(paths, str | Path) else list(paths)
    files = [file for path in chosen for file in _files(Path(path))]
    folders = sorted({file.parent for file in files})
    published = {row.sha256 for folder in folders for row in read_lock(folder).values()}
    catalogue = _build([(str(file), read_file(file)) for file in files], published.union(kept))
    for folder in folders:
        hold(catalogue, folder)
    return catalogue


def loads(text: str, name: str = "catalogue", kept: Collection[str] | None = ()) -> Catalogue:
    """A catalogue from YAML text; ``name`` stands for the file in errors.

    Args:
        kept: as in ``load``; None: the whole text was let in before (a node reads its own log again).
    """
    return _build([(name, read_text(text, name))], kept)


def _files(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
    except (OSError, ValueError):  # a name that no file can have; reading it says so
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml"))
    if not found:
        raise FileUnreadable(
            "The folder holds no catalogue file.", where=str(path), cure="Add a `.yaml` file."
        )
    return found


def _build(trees: Sequence[tuple[str, Pairs]], kept: Collection[str] | None) -> Catalogue:
    tables = [Table(tree, name, "the catalogue") for name, tree in trees]
    places = Places()
    meters = _meters(tables, places)
    partners = _unique(
        ((_partner(row), row) for t in tables for row in t.tables("partners", "partner")), "partner"
    )
    holidays = _unique(
        ((_holidays(row), row) for t in tables for row in t.tables("holidays", "calendar")), "calendar"
    )
    offers = _offers(tables, meters, places)
    for table in tables:
        table.done()
    catalogue = Catalogue(tuple(meters.values()), tuple(partners.values()), tuple(holidays.values()), offers)
    validate(catalogue, places, {offer.sha256 for offer in offers} if kept is None else kept)
    return dataclasses.replace(catalogue, sha256=sha256_of(catalogue))


def where_written(path: str | Path, offer: Offer, sentence: str) -> str:
    """``file:line`` of the part of an offer that a sentence about it names: for what only the compiler can judge."""
    tables = [Table(read_file(file), str(file), "the catalogue") for file in _files(Path(path))]
    places = Places()
    _offers(tables, _meters(tables, places), places)
    return places.of_sentence(offer, sentence)


def _meters(tables: Sequence[Table], places: Places) -> dict[str, Meter]:
    rows = [(read_meter(row), row) for table in tables for row in table.tables("meters", "meter")]
    for meter, row in rows:
        places.put_meter(meter, f"{row.file}:{row.node.line}")
    return _unique(rows, "meter")


def _unique(rows: Iterable[tuple[T, Table]], what: str) -> dict[str, T]:
    found: dict[str, T] = {}
    for noun, table in rows:
        if found.setdefault(noun.id, noun) != noun:
            raise table.wrong(
                f"The {what} '{noun.id}' is declared twice, differently.", "duplicate_id", "Keep one of them."
            )
    return found


def _offers(tables: Sequence[Table], meters: Mapping[str, Meter], places: Places) -> tuple[Offer, ...]:
    found: dict[tuple[str, int], Offer] = {}
    for table in tables:
        for row in table.tables("offers", "offer"):
            offer = read_offer(row, meters)
            offer = dataclasses.replace(offer, sha256=sha256_of(offer))
            if (offer.id, offer.version) in found:
                raise row.wrong(
                    f"Version {offer.version} of offer '{offer.id}' is written twice.",
                    "duplicate_version",
                    "A version never changes: give the new one the next number.",
                )
            found[offer.id, offer.version] = offer
            _remember(places, offer, row)
    return tuple(found[key] for key in sorted(found))


def _remember(places: Places, offer: Offer, row: Table) -> None:
    """Note where each named part of an offer stands, for the sentences of ``validate``."""
    places.put(offer, "", f"{row.file}:{row.node.line}")
    for section in _SECTIONS:
        node = row.node.nodes.get(section)
        for item in node.nodes if isinstance(node, Items) else ():
            if isinstance(item, Pairs) and isinstance(name := item.nodes.get("id"), Scalar):
                places.put(offer, name.text, f"{row.file}:{item.line}")
    for section in (
        "split",
        "zone",
        "currency",
        "effective",
        "commitment",
        "maximum",
        "fx",
        "taxes",
        "pool_cap_units",
        "overage",
    ):
        if section in row.node.nodes:
            places.put(offer, f"@{section}", f"{row.file}:{row.node.nodes[section].line}")
    taxes = row.node.nodes.get("taxes")
    rows = [tax for tax in (taxes.nodes if isinstance(taxes, Items) else ()) if isinstance(tax, Pairs)]
    for number, tax in enumerate(rows):
        for key in ("category", "rate"):
            places.put(offer, f"@taxes {number} {key}", f"{row.file}:{tax.nodes.get(key, tax).line}")


def _partner(table: Table) -> PartnerRef:
    found = PartnerRef(table.ident("id"), table.text("name", ""))
    table.done()
    return found


def _holidays(table: Table) -> HolidayCalendar:
    dates = tuple(sorted({table.check_day(node, "dates") for node in table.items("dates")}))
    found = HolidayCalendar(table.ident("id"), dates)
    table.done()
    return found


__all__ = ["Catalogue", "CatalogueError", "load", "loads", "where_written"]
