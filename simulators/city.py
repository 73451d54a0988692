"""A made-up city on an empty stretch of countryside: districts on rings, each a rotated grid of streets.

No map, no tiles and no real street: only positions that look like a city when they are plotted. The layout is
a pure function of (seed, number of posts).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin, sqrt

import numpy as np

from simulators.columns import Array
from simulators.randomness import stream

CENTRE_LAT, CENTRE_LON = 49.45, 10.05
METRES_PER_DEGREE = 111_320.0
POST_SPACING_M, STREET_SPACING_M = 28.0, 80.0

DISTRICTS = (
    "Old Town", "Harbour", "Millfield", "Northgate", "Riverside", "Copper Hill", "Station Quarter", "Greenbank",
    "Southwold", "Glassworks", "Kingsmead", "Orchard End", "Westfield", "Lindenpark", "Brickyard", "Fairview",
)  # fmt: skip
_RINGS = (1, 6, 9)
_NAMES = (
    "Ash", "Baker", "Canal", "Dyer", "Elm", "Foundry", "Garden", "Harvest", "Ivy", "Juniper", "Kiln", "Larch",
    "Market", "Needle", "Oak", "Poplar", "Quarry", "Rope", "Saddler", "Tanner", "Union", "Vine", "Weaver", "Yew",
)  # fmt: skip
_KINDS = ("Street", "Lane", "Road", "Avenue", "Way", "Row", "Walk")


@dataclass(frozen=True)
class Places:
    """Where devices stand: a code into ``DISTRICTS``, a number of a street, and degrees (WGS 84)."""

    district: Array
    street: Array
    lat: Array
    lon: Array


def along_streets(seed: int, posts: int) -> Places:
    """Stand ``posts`` posts evenly along the streets of all districts."""
    generator = stream(seed, "city")
    weights = generator.uniform(0.7, 1.3, len(DISTRICTS))
    district = np.sort(np.searchsorted(np.cumsum(weights / weights.sum()), (np.arange(posts) + 0.5) / posts))
    district = np.minimum(district, len(DISTRICTS) - 1).astype(np.int32)
    counts = np.bincount(district, minlength=len(DISTRICTS))
    side = sqrt(max(1.0, posts / len(DISTRICTS)) * POST_SPACING_M * STREET_SPACING_M / 2) * 1.25
    centres = _centres(side)
    parts = [_district(generator, int(count), *centres[code]) for code, count in enumerate(counts)]
    streets, base = [], 0
    for part in parts:
        streets.append(part[0] + base)
        base += int(part[0].max(initial=-1)) + 1
    return _degrees(
        district,
        np.concatenate(streets),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
    )


def anywhere(seed: int, name: str, devices: int, spread_m: float = 1_000.0) -> Places:
    """Scatter ``devices`` devices over the districts, denser in the middle of each."""
    generator = stream(seed, f"city/{name}")
    district = generator.integers(0, len(DISTRICTS), devices, dtype=np.int32)
    centres = np.array(_centres(spread_m))[district]
    east, north = centres[:, 0], centres[:, 1]
    street = generator.integers(0, len(_NAMES) * len(_KINDS), devices)
    return _degrees(
        district,
        street,
        east + generator.normal(0, spread_m / 4, devices),
        north + generator.normal(0, spread_m / 4, devices),
    )


def street_name(number: int) -> str:
    """The name of a street; numbers beyond the stock of names get a Roman-free suffix, as real cities do."""
    kind, rest = number % len(_KINDS), number // len(_KINDS)
    suffix = f" {rest // len(_NAMES) + 1}" if rest >= len(_NAMES) else ""
    return f"{_NAMES[(rest + 5 * kind) % len(_NAMES)]} {_KINDS[kind]}{suffix}"


def _centres(side_m: float) -> list[tuple[float, float]]:
    """Metres east and north of the city's middle, one pair per district: one, six around it, nine outside."""
    centres = []
    for ring, count in enumerate(_RINGS):
        for place in range(count):
            angle = 2 * pi * place / count + 0.4 * ring
            centres.append((1.15 * side_m * ring * cos(angle), 1.15 * side_m * ring * sin(angle)))
    return centres


def _district(
    generator: np.random.Generator, posts: int, east: float, north: float
) -> tuple[Array, Array, Array]:
    """Streets in two directions, gently bent and turned as a whole: (street, metres east, metres north)."""
    turn, bend = generator.uniform(0, pi / 2), generator.uniform(10, 60)
    length = max(2, round(sqrt(posts * STREET_SPACING_M / (2 * POST_SPACING_M))))
    post = np.arange(posts)
    street, place = post // length, post % length
    half = (int(street.max(initial=0)) + 2) // 2
    across = (street // 2 - half / 2) * STREET_SPACING_M
    along = (place - length / 2) * POST_SPACING_M + generator.normal(0, 2.0, posts)
    across = across + bend * np.sin(along / 400.0) + generator.normal(0, 1.0, posts)
    x, y = np.where(street % 2 == 0, along, across), np.where(street % 2 == 0, across, along)
    return street, east + x * cos(turn) - y * sin(turn), north + x * sin(turn) + y * cos(turn)


def _degrees(district: Array, street: Array, east_m: Array, north_m: Array) -> Places:
    lat = np.round(CENTRE_LAT + north_m / METRES_PER_DEGREE, 6)
    lon = np.round(CENTRE_LON + east_m / (METRES_PER_DEGREE * cos(radians(CENTRE_LAT))), 6)
    return Places(district, street, lat, lon)
