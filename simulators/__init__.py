"""Device fleets that know nothing about prices.

import simulators
lamps = simulators.streetlights(devices=2000, seed=7, start="2026-03-02")
lamps.inventory()                       # pa.Table, one row per device
for hour, table in lamps.hours(1): ...  # each delivered hour as one pa.Table, sorted by arrival
"""

from __future__ import annotations

from simulators.base import Fleet
from simulators.fleets import (
    REGISTRY,
    buttons,
    cars,
    chargers,
    esims,
    fleet,
    hubs,
    meters,
    streetlights,
    trackers,
    vending,
)

__all__ = [
    "REGISTRY",
    "Fleet",
    "buttons",
    "cars",
    "chargers",
    "esims",
    "fleet",
    "hubs",
    "meters",
    "streetlights",
    "trackers",
    "vending",
]
