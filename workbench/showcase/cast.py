"""Who is in the city: which fleet is billed by which offer, and who holds its devices. Package data in ``files/``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import UsageError
from workbench.mediation.mapping import Mapping
from workbench.mediation.mapping_file import load_mapping
from workbench.mediation.policy import Policy, load_policy
from workbench.model.offer import Catalogue
from workbench.tariff.catalogue import load

FILES = Path(__file__).with_name("files")


@dataclass(frozen=True, slots=True)
class Cast:
    """One fleet on stage.

    Attributes:
        fleet: its name in ``simulators.REGISTRY``.
        source: what its deliveries are called; also the name of its mapping and its offer file.
        offer_id: what every device of it is subscribed to.
        customers: the companies that hold its devices, largest first; empty for the two ways below.
        homes: each device belongs to a household of its own.
        quarters: the city pays, one account per quarter of about so many devices.
    """

    fleet: str
    source: str
    offer_id: str
    customers: tuple[str, ...] = ()
    homes: bool = False
    quarters: int = 0


CASTS: tuple[Cast, ...] = (
    Cast("streetlights", "lamps", "lights-on", quarters=400),
    Cast("meters", "meters", "kitchen-current", homes=True),
    Cast("chargers", "chargers", "plug-and-go",
         ("Harbour Parking", "Lindenpark University", "Blue Parcel Vans", "Glassworks Office Park")),
    Cast("trackers", "trackers", "wanderer",
         ("Blue Parcel Vans", "Northwind Freight", "Orchard End Dairy", "Pallet Pool Cooperative")),
    Cast("vending", "vending", "snack-signal",
         ("Snackworks", "Corner Coffee Company", "St. Bridget Hospital", "Central Station", "Lindenpark University")),
    Cast("cars", "cars", "garage-pass", ("Swiftwheel Car Sharing", "Blue Parcel Vans", "Cloverleaf Leasing")),
    Cast("hubs", "hubs", "warm-home", homes=True),
    Cast("buttons", "buttons", "tap-for-help",
         ("St. Bridget Hospital", "Willow Court Care Home", "Old Town Hotel", "Kingsmead Surgery")),
    Cast("esims", "esims", "pulse", ("Riverside Water Board", "Northwind Freight", "Copper Hill Instruments")),
)  # fmt: skip


def cast_of(fleet: str) -> Cast:
    """The cast of a fleet.

    Raises:
        UsageError: the showcase has no such fleet.
    """
    for cast in CASTS:
        if fleet in (cast.fleet, cast.source):
            return cast
    known = ", ".join(cast.fleet for cast in CASTS)
    raise UsageError(
        f"The showcase has no fleet {fleet!r}.", cure=f"Choose from {known}.", code="fleet_unknown"
    )


def mapping_of(cast: Cast) -> Mapping:
    """What the columns of a fleet's deliveries mean."""
    return load_mapping(FILES / "mappings" / f"{cast.source}.yaml")


def policy() -> Policy:
    """How the city keeps its usage."""
    return load_policy(FILES / "policy.yaml")


def offers(casts: Sequence[Cast] = CASTS) -> Catalogue:
    """The catalogue of some fleets."""
    return load([FILES / "offers" / f"{cast.source}.yaml" for cast in casts])
