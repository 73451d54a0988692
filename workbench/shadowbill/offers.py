"""Which offer to price a file with: the user's own, or a starter offer made for the meters his file has."""

from __future__ import annotations

import dataclasses
from datetime import date
from fractions import Fraction
from pathlib import Path

from workbench.errors import UsageError
from workbench.mediation.mapping import Mapping
from workbench.mediation.yamltree import did_you_mean
from workbench.model.money import decimal_text
from workbench.model.offer import Catalogue, Offer
from workbench.model.units import kind_of
from workbench.tariff.canonical import sha256_of
from workbench.tariff.catalogue import load, loads

#: Kind of unit -> (what a price is quoted for, a price to begin with, in the main unit of the currency).
_QUOTED = {
    "data": ("1 MB", Fraction(1, 100)),
    "energy": ("1 kWh", Fraction(30, 100)),
    "volume": ("1 m3", Fraction(2)),
    "time": ("1 minute", Fraction(2, 100)),
    "length": ("1 km", Fraction(5, 100)),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Starter:
    """An offer to begin with: ``title`` for people, ``text`` a catalogue file to keep and change."""

    title: str
    text: str

    @property
    def catalogue(self) -> Catalogue:
        """The offer, read and checked."""
        return loads(self.text, self.title)


def starters(mapping: Mapping, price: Fraction | None = None, currency: str = "EUR") -> list[Starter]:
    """Offers that fit a file's meters: pay as you go, with a fee per device, with a cheaper second tier.

    Args:
        price: of the first meter, per its quoted unit; default: a price to begin with.
    """
    return [
        Starter(f"Pay as you go: {_say(mapping, price, currency)}", _offer(mapping, price, currency)),
        Starter(
            f"The same, and 1.00 {currency} per device and month",
            _offer(mapping, price, currency, fee="1.00"),
        ),
    ]


def quoted(unit: str) -> tuple[str, Fraction]:
    """What a price of this base unit is quoted for, and a price to begin with."""
    return _QUOTED.get(kind_of(unit), (f"1 {unit}", Fraction(1, 100)))


def chosen(offer: str | Path | Catalogue | None, mapping: Mapping | None) -> tuple[Catalogue, Offer]:
    """The offer meant: a catalogue, the path of one (``FILE`` or ``FILE#offer-id``), or the first starter.

    Raises:
        FileUnreadable, CatalogueError: the file is no catalogue.
        UsageError: it holds several offers and none was named, or not the one named.
    """
    if offer is None:
        if mapping is None:
            raise UsageError("There is neither an offer nor a mapping to make one for.", cure="Pass offer=…")
        catalogue = starters(mapping)[0].catalogue
        return catalogue, catalogue.offers[0]
    wanted = ""
    if isinstance(offer, str | Path):
        file, _, wanted = str(offer).partition("#")
        catalogue = load(file)
    else:
        catalogue = offer
    names = sorted({each.id for each in catalogue.offers if each.side == "sell"})
    if not wanted and len(names) == 1:
        wanted = names[0]
    if wanted not in names:
        cure = did_you_mean(wanted, names, "Name one after the file, as in offers.yaml#name; there are")
        raise UsageError(
            f"There is no offer {wanted!r}." if wanted else "There are several offers.",
            where=str(offer) if isinstance(offer, str | Path) else "",
            cure=cure,
            code="offer_choice",
        )
    return catalogue, catalogue.offer(wanted)


def since(catalogue: Catalogue, offer: Offer, first_day: date) -> tuple[Catalogue, Offer]:
    """A catalogue of this one offer, in effect from ``first_day``: a shadow bill asks what it *would* have cost."""
    moved = dataclasses.replace(offer, effective=min(offer.effective, first_day))
    moved = dataclasses.replace(moved, sha256=sha256_of(moved))
    alone = dataclasses.replace(catalogue, offers=(moved,))
    return dataclasses.replace(alone, sha256=sha256_of(alone)), moved


def _say(mapping: Mapping, price: Fraction | None, currency: str) -> str:
    said = []
    for number, meter in enumerate(mapping.meters):
        per, usual = quoted(meter.unit)
        amount = price if price is not None and number == 0 else usual
        said.append(f"{decimal_text(amount, 2)} {currency} per {per} of {meter.name}")
    return ", ".join(said)


def _offer(mapping: Mapping, price: Fraction | None, currency: str, fee: str = "") -> str:
    """A catalogue file in the format of ``tariff/README.md``."""
    dimensions = (
        f", dimensions: [{', '.join(item.name for item in mapping.dimensions)}]" if mapping.dimensions else ""
    )
    lines = [
        "# A starter offer: change the amounts, add tiers, fees and partners (see workbench/tariff/README.md).",
        "meters:",
    ]
    for meter in mapping.meters:
        lines.append(f"  - {{id: {mapping.stream(meter)}, unit: {meter.unit}{dimensions}}}")
    lines += [
        "partners:",
        "  - {id: operator, name: Operator}",
        "offers:",
        "  - id: starter",
        "    version: 1",
    ]
    lines += ["    title: Starter", f"    currency: {currency}", "    effective: 2000-01-01", "    prices:"]
    for number, meter in enumerate(mapping.meters):
        per, usual = quoted(meter.unit)
        amount = decimal_text(price if price is not None and number == 0 else usual)
        lines.append(
            f"      - {{id: {meter.name}, meter: {mapping.stream(meter)}, per_unit: {{amount: {amount}, per: {per}}}}}"
        )
    if fee:
        lines += ["    fees:", f"      - {{id: device-fee, amount: {fee}, every: period, per: device}}"]
    lines += ["    split:", "      rules: [{partner: operator, percent: 100 %}]"]
    return "\n".join(lines) + "\n"
