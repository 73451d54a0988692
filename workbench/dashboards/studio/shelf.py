"""Where price lists come from and go to: templates, what is in force in a lake, and the folder that holds the published.

The folder is a catalogue like any other (``workbench catalog check FOLDER``): one file per published version, and the
``catalog.lock`` that makes each of them immutable.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import workbench
from workbench.dashboards.studio.plain import read, write
from workbench.errors import CatalogueError, FileUnreadable, WorkbenchError
from workbench.lake.lake import Lake
from workbench.model.offer import Catalogue, Offer, PartnerRef
from workbench.tariff.canonical import sha256_of
from workbench.tariff.catalogue import load, loads
from workbench.tariff.describe import describe
from workbench.tariff.publish import publish
from workbench.tariff.restore import catalogue as restored
from workbench.tariff.spell import spelled
from workbench.tariff.validate import validate

TEMPLATES = Path(workbench.__file__).parents[1] / "datasets" / "catalog"


@dataclass(frozen=True, slots=True)
class Card:
    """A price list to begin with. ``kind``: ``force`` (in force in the lake), ``shelf`` (published here), ``template``."""

    key: str
    kind: str
    title: str
    note: str
    offer_id: str
    text: str
    models: tuple[str, ...] = ()
    kicker: str = "Template"


class Shelf:
    """The price lists of one installation.

    Args:
        folder: where published versions go; made when the first one is published.
    """

    def __init__(self, folder: Path, lake: Lake | None = None, templates: Path = TEMPLATES) -> None:
        self.folder, self._lake, self._templates = folder, lake, templates

    # -- to begin with ---------------------------------------------------------------------------------------

    def production(self) -> Catalogue:
        """What is sold: the offers by which the lake's newest period was rated, and what was published since."""
        return _over(self.in_force(), self.published())

    def in_force(self) -> Catalogue:
        """The offers by which the lake's newest period was rated."""
        found = Catalogue()
        if self._lake is not None and (held := self._lake.segments("catalog")):
            newest = max(segment.period for segment in held)
            rows = self._lake.con.cursor().execute(
                "SELECT offer_id, version, sha256, text FROM "
                f"{self._lake.scan('catalog', segments=[s for s in held if s.period == newest])}"
            )
            found = restored(rows.fetchall())
        return found

    def published(self) -> Catalogue:
        """What was published into the folder; empty when nothing was, or when the folder cannot be read."""
        if not self.folder.is_dir() or not any(self.folder.glob("*.yaml")):
            return Catalogue()
        return load(self.folder)

    def cards(self) -> list[Card]:
        """Everything a draft can begin with: what is in force first, then the templates."""
        production = self.production()
        names = sorted({offer.id for offer in production.offers})
        found = [_card(production, production.offer(name)) for name in names]
        return found + list(self._template_cards())

    def _template_cards(self) -> Iterable[Card]:
        for path in sorted(self._templates.glob("*.yaml")) if self._templates.is_dir() else ():
            text = path.read_text("utf-8")
            try:
                catalogue = loads(text, path.name)
            except WorkbenchError:
                continue
            offer = catalogue.offers[0]
            first = next((line[1:].strip() for line in text.splitlines() if line.startswith("#")), "")
            yield Card(
                f"template-{path.stem}", "template", offer.title or offer.id, first, offer.id, text, _models(offer)
            )  # fmt: skip

    def candidate(self, drafted: Catalogue, offer: Offer) -> Catalogue:
        """What is in force with one more offer version; what both declare, production declares.

        Raises:
            CatalogueError: the parts do not fit together.
        """
        production = self.in_force()
        others = tuple(
            o for o in production.offers if (o.id, o.version) != (offer.id, offer.version)
        )  # fmt: skip
        found = dataclasses.replace(
            production,
            meters=_union(production.meters, drafted.meters),
            partners=_union(production.partners, drafted.partners),
            holidays=_union(production.holidays, drafted.holidays),
            offers=tuple(sorted((*others, offer), key=lambda o: (o.id, o.version))),
        )
        validate(found, kept={o.sha256 for o in others})
        return dataclasses.replace(found, sha256=sha256_of(found))

    def is_sold(self, offer_id: str) -> bool:
        """Whether somebody may be billed by an offer of that name already."""
        return bool(self.production().versions(offer_id))

    # -- drafts ----------------------------------------------------------------------------------------------

    def keep(self, text: str, offer_id: str) -> str:
        """Keep a draft so that another page, or another person with the link, can take it up; returns its key."""
        key = hashlib.sha256(f"{offer_id}\n{text}".encode()).hexdigest()[:16]
        folder = self.folder / "drafts"
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / f"{key}.yaml", f"# {offer_id}\n{text}")
        return key

    def kept(self, key: str) -> tuple[str, str]:
        """A kept draft: its text, and the offer it is about.

        Raises:
            FileUnreadable: there is none of that key.
        """
        path = self.folder / "drafts" / f"{key}.yaml"
        if not re.fullmatch(r"[0-9a-f]{16}", key) or not path.is_file():
            raise FileUnreadable(
                "There is no such draft here.", where=key[:40], code="draft_unknown",
                cure="Open it in the Studio once more, and go on from there.",
            )  # fmt: skip
        first, _, text = path.read_text("utf-8").partition("\n")
        return text, first.removeprefix("# ")

    def drafts(self, most: int = 12) -> dict[str, str]:
        """Kept drafts, the latest first: key to a title."""
        files = sorted((self.folder / "drafts").glob("*.yaml"), key=lambda path: -path.stat().st_mtime_ns)
        found = {}
        for path in files[:most]:
            try:
                text, offer_id = self.kept(path.stem)
                catalogue = loads(text, path.name)
                offer = catalogue.offer(offer_id) if offer_id else catalogue.offers[0]
            except (WorkbenchError, KeyError):
                continue
            found[path.stem] = f"{offer.title or offer.id}, version {offer.version} ({path.stem[:4]})"
        return found

    # -- publishing ------------------------------------------------------------------------------------------

    def next_version(self, offer_id: str) -> int:
        """The number a new version of an offer has."""
        return max((o.version for o in self.production().versions(offer_id)), default=0) + 1

    def publish(self, text: str, offer: Offer, today: date) -> Path:
        """Put a version on the shelf, for good.

        Args:
            text: its catalogue file. today: a version cannot begin before it.

        Returns: the file.

        Raises:
            CatalogueError: it cannot be read, begins before today, or its number or date goes backwards.
        """
        path = self.folder / f"{_file_name(offer.id)}-v{offer.version}.yaml"
        if path.exists():
            raise CatalogueError(
                f"Version {offer.version} of offer '{offer.id}' is on the shelf already.",
                where=str(path),
                code="version_changed",
                cure=f"A version never changes: publish the next one, {self.next_version(offer.id)}.",
            )
        alone = self._alone(text, offer)
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(path, alone)
        try:
            publish(load(self.folder), self.folder, today)
        except WorkbenchError:
            path.unlink()
            raise
        return path

    def _alone(self, text: str, offer: Offer) -> str:
        """The file with this one version; what other files of the folder declare is declared as they do."""
        values = read(text)
        offers = [
            o for o in values["offers"] if (o["id"], str(o["version"])) == (offer.id, str(offer.version))
        ]
        values["offers"] = offers
        known = spelled(dataclasses.replace(self.published(), offers=()))
        for section in ("meters", "partners", "holidays"):
            rows = {row["id"]: row for row in known.get(section, ())}
            values[section] = [rows.get(row["id"], row) for row in values.get(section) or ()]
            if not values[section]:
                del values[section]
        return write(values).text


def _file_name(offer_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", offer_id)


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _card(catalogue: Catalogue, offer: Offer) -> Card:
    used = {component.meter for component in offer.components}
    alone = dataclasses.replace(
        catalogue, meters=tuple(m for m in catalogue.meters if m.id in used), offers=(offer,), partners=_named(catalogue, offer)
    )  # fmt: skip
    said = [sentence for what, sentence in describe(offer, catalogue) if what != "split"]
    note = f"{'; '.join(said[:2])}."
    kicker = f"Version {offer.version}, since {offer.effective}"
    text = write(spelled(alone)).text
    return Card(
        f"force-{offer.id}", "force", offer.title or offer.id, note, offer.id, text, _models(offer), kicker
    )


def _named(catalogue: Catalogue, offer: Offer) -> tuple[PartnerRef, ...]:
    split = offer.split
    names = {rule.partner for rule in split.rules} | {split.rest} if split else set()
    return tuple(partner for partner in catalogue.partners if partner.id in names)


def _models(offer: Offer) -> tuple[str, ...]:
    """What an offer shows, in the palette's words, for its card."""
    from workbench.dashboards.studio.palette import MODELS
    from workbench.model.price import MODEL_NAMES

    found = []
    for component in offer.components:
        for rate in component.rates:
            name = MODEL_NAMES[type(rate.price)].replace("percentile", "p95")
            found.append(MODELS[name])
            found += ["Time of use"] if rate.windows else []
        found += ["Allowance"] if component.allowance else []
    found += ["Pool"] if offer.scope == "pool" else []
    parts: Mapping[str, object] = {
        "Bundle": offer.bundles, "Sponsored": offer.sponsorships, "Fee": offer.fees, "Trial": offer.trial,
        "Maximum": offer.maximum, "Commitment": offer.commitment, "Discount": offer.discounts,
    }  # fmt: skip
    found += [name for name, part in parts.items() if part]
    return tuple(dict.fromkeys(found))


def _union(first: tuple, second: tuple) -> tuple:
    known = {noun.id for noun in first}
    return (*first, *(noun for noun in second if noun.id not in known))


def _over(below: Catalogue, above: Catalogue) -> Catalogue:
    """Both, where the same version is meant the one above."""
    mine = {(offer.id, offer.version) for offer in above.offers}
    offers = (*(o for o in below.offers if (o.id, o.version) not in mine), *above.offers)
    return dataclasses.replace(
        below,
        meters=_union(below.meters, above.meters),
        partners=_union(below.partners, above.partners),
        holidays=_union(below.holidays, above.holidays),
        offers=tuple(sorted(offers, key=lambda o: (o.id, o.version))),
    )
