"""Published versions are immutable: a lock file beside the catalogue remembers each version's hash.

``catalog.lock`` is a text file that belongs under version control; each line is ``offer version sha256 effective``.
``load`` refuses a catalogue in which a version that stands in the lock has another content.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from workbench.errors import CatalogueError, FileUnreadable
from workbench.model.offer import Catalogue, Offer

LOCK_NAME = "catalog.lock"
_HEADER = (
    "# Published offer versions: offer version sha256 effective. Written by `workbench catalog publish`.\n"
)


@dataclass(frozen=True, slots=True, order=True)
class Published:
    """One published version."""

    offer_id: str
    version: int
    sha256: str
    effective: date


def read_lock(folder: Path) -> dict[tuple[str, int], Published]:
    """The published versions of a folder of catalogue files; empty when nothing was published yet.

    Raises:
        FileUnreadable: the lock cannot be understood.
    """
    path = folder / LOCK_NAME
    if not path.is_file():
        return {}
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        try:
            offer_id, version, sha256, effective = line.split()
            row = Published(offer_id, int(version), sha256, date.fromisoformat(effective))
        except ValueError:
            raise FileUnreadable(
                "A line of the lock cannot be read.",
                where=f"{path}:{number}",
                cure="Restore the file from version control.",
                code="catalogue_lock",
            ) from None
        found[row.offer_id, row.version] = row
    return found


def hold(catalogue: Catalogue, folder: Path) -> None:
    """Refuse a catalogue that says something else than a published version did.

    Raises:
        CatalogueError: ``version_changed`` names the first such version.
    """
    lock = read_lock(folder)
    for offer in catalogue.offers:
        published = lock.get((offer.id, offer.version))
        if published is not None and published.sha256 != offer.sha256:
            raise CatalogueError(
                f"Version {offer.version} of offer '{offer.id}' was published and has been changed since.",
                where=f"{folder / LOCK_NAME}",
                code="version_changed",
                cure=f"Restore it, and write the change as version {offer.version + 1}.",
            )


def publish(catalogue: Catalogue, folder: Path, today: date, *, backdate: bool = False) -> list[Offer]:
    """Add every version that is not published yet to the folder's lock.

    Args:
        today: the local date of publishing; a version cannot begin before it unless ``backdate`` says so.

    Returns: the newly published versions, in order.

    Raises:
        CatalogueError: ``version_changed``; ``version_order`` when a version's number or date goes backwards;
            ``effective_past`` when it would have begun already.
    """
    hold(catalogue, folder)
    lock = read_lock(folder)
    fresh = [offer for offer in catalogue.offers if (offer.id, offer.version) not in lock]
    for offer in fresh:
        _check_order(offer, [row for row in lock.values() if row.offer_id == offer.id])
        if offer.effective < today and not backdate:
            raise CatalogueError(
                f"Version {offer.version} of offer '{offer.id}' would have begun on {offer.effective}, before today.",
                where=f"offer {offer.id}",
                code="effective_past",
                cure="Give it a later `effective`, or publish with --backdate.",
            )
        lock[offer.id, offer.version] = Published(offer.id, offer.version, offer.sha256, offer.effective)
    if fresh:
        _write(folder, sorted(lock.values()))
    return fresh


def _check_order(offer: Offer, published: list[Published]) -> None:
    for row in published:
        if row.version > offer.version or row.effective > offer.effective:
            raise CatalogueError(
                f"Version {offer.version} of offer '{offer.id}' comes before version {row.version}, which "
                "is published.",
                where=f"offer {offer.id}",
                code="version_order",
                cure="Let version numbers and effective dates rise together.",
            )


def _write(folder: Path, rows: list[Published]) -> None:
    path = folder / LOCK_NAME
    text = _HEADER + "".join(f"{r.offer_id} {r.version} {r.sha256} {r.effective.isoformat()}\n" for r in rows)
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
