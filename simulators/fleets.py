"""All fleets by name: the Python door to the simulators."""

from __future__ import annotations

from difflib import get_close_matches
from functools import partial

from simulators.base import DEFAULT_START, Fleet
from simulators.calendar import Instant
from simulators.devices.buttons import Buttons
from simulators.devices.cars import Cars
from simulators.devices.chargers import Chargers
from simulators.devices.esims import Esims
from simulators.devices.hubs import Hubs
from simulators.devices.meters import Meters
from simulators.devices.streetlights import Streetlights
from simulators.devices.trackers import Trackers
from simulators.devices.vending import Vending
from simulators.errors import FleetUnknown

REGISTRY: dict[str, type[Fleet]] = {
    kind.name: kind
    for kind in (Streetlights, Vending, Cars, Meters, Chargers, Trackers, Hubs, Buttons, Esims)
}


def kind_of(name: str) -> type[Fleet]:
    """The class of a fleet; raises ``FleetUnknown`` with the nearest name there is."""
    if name in REGISTRY:
        return REGISTRY[name]
    near = get_close_matches(name, REGISTRY, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Choose one of {', '.join(REGISTRY)}."
    raise FleetUnknown(f"There is no fleet called {name!r}.", where="fleet", cure=hint)


def fleet(
    name: str,
    devices: int = 1000,
    *,
    seed: int = 7,
    start: Instant = DEFAULT_START,
    duplicates: float | None = None,
    loss: float | None = None,
) -> Fleet:
    """Make a fleet by name.

    Args:
        name: one of ``REGISTRY``.
        devices: how many devices.
        seed: same seed, same bytes.
        start: first instant, UTC, on the hour.
        duplicates: share of events delivered twice; the fleet's own habit when left out.
        loss: share of events that never arrive; the fleet's own habit when left out.

    Raises:
        FleetUnknown, ArgumentBad.
    """
    kind = kind_of(name)
    return kind(devices, seed=seed, start=start, traffic=kind.habits.but(duplicates=duplicates, loss=loss))


streetlights = partial(fleet, "streetlights")
vending = partial(fleet, "vending")
cars = partial(fleet, "cars")
meters = partial(fleet, "meters")
chargers = partial(fleet, "chargers")
trackers = partial(fleet, "trackers")
hubs = partial(fleet, "hubs")
buttons = partial(fleet, "buttons")
esims = partial(fleet, "esims")
