"""A made-up city on an empty stretch of countryside: a river, and districts with a grid of streets each.

A place belongs to the district whose middle is nearest, so districts meet without gaps, and their streets turn where
they meet. No map, no tiles and no real street: only positions that look like a city when plotted. The layout is
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
_RINGS = ((0.0, 1), (0.42, 6), (0.8, 9))  # radius as a share of the city's, districts on it
FILL = 0.85  # share of the city's disc that is neither river nor outside its ragged edge
BUILT_RADIUS_M = 1_300.0  # where fleets without posts live: the size of a city of some 5,000 lamps
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


@dataclass(frozen=True)
class _Candidates:
    """Places where a post could stand: street numbers and metres east and north of the city's middle."""

    district: Array
    street: Array
    east: Array
    north: Array


def along_streets(seed: int, posts: int) -> Places:
    """Stand ``posts`` posts along the streets of all districts, the most central places first."""
    radius = 1.05 * sqrt(max(4.0, posts) * POST_SPACING_M * STREET_SPACING_M / (2 * pi * FILL))
    while True:
        found = _candidates(seed, radius)
        if len(found.street) >= posts:
            break
        radius *= 1.2
    ragged = _raggedness(seed, found.east, found.north)
    chosen = np.sort(np.argsort(np.hypot(found.east, found.north) * ragged, kind="stable")[:posts])
    street = np.unique(found.street[chosen], return_inverse=True)[1]
    return _degrees(found.district[chosen], street, found.east[chosen], found.north[chosen])


def anywhere(seed: int, name: str, devices: int) -> Places:
    """Scatter ``devices`` devices over the city, denser in its middle."""
    generator = stream(seed, f"city/{name}")
    distance = BUILT_RADIUS_M * generator.random(devices) ** 0.7
    angle = generator.uniform(0, 2 * pi, devices)
    east, north = distance * np.cos(angle), distance * np.sin(angle)
    street = generator.integers(0, len(_NAMES) * len(_KINDS), devices)
    return _degrees(_nearest(_centres(seed, BUILT_RADIUS_M), east, north), street, east, north)


def street_name(number: int) -> str:
    """The name of a street; numbers beyond the stock of names get a Roman-free suffix, as real cities do."""
    kind, rest = number % len(_KINDS), number // len(_KINDS)
    suffix = f" {rest // len(_NAMES) + 1}" if rest >= len(_NAMES) else ""
    return f"{_NAMES[(rest + 5 * kind) % len(_NAMES)]} {_KINDS[kind]}{suffix}"


def _centres(seed: int, radius: float) -> Array:
    """The middles of the districts, metres east and north: one, six around it, nine outside, all a little astray."""
    generator = stream(seed, "city/districts")
    angles = [
        2 * pi * place / count + ring for ring, (_, count) in enumerate(_RINGS) for place in range(count)
    ]
    shares = np.array([share for share, count in _RINGS for _ in range(count)])
    middles = np.column_stack((shares * np.cos(angles), shares * np.sin(angles)))
    centres: Array = (middles + generator.normal(0, 0.045, middles.shape)) * radius
    return centres


def _nearest(centres: Array, east: Array, north: Array) -> Array:
    """The district of each place."""
    distance = (east[:, None] - centres[:, 0]) ** 2 + (north[:, None] - centres[:, 1]) ** 2
    nearest: Array = distance.argmin(axis=1).astype(np.int32)
    return nearest


def _candidates(seed: int, radius: float) -> _Candidates:
    """All places along all streets within ``radius``, district by district and street by street."""
    generator = stream(seed, "city/streets")
    centres, parts, base = _centres(seed, radius), [], 0
    for code, (east, north) in enumerate(centres):
        street, x, y = _grid(generator, 0.55 * radius)
        x, y = x + east, y + north
        dry = np.abs(y - 0.25 * radius * np.sin(2.2 * x / radius) + 0.12 * radius) > min(70.0, 0.05 * radius)
        mine = np.flatnonzero((np.hypot(x, y) < 1.25 * radius) & (_nearest(centres, x, y) == code) & dry)
        parts.append((np.full(len(mine), code, dtype=np.int32), street[mine] + base, x[mine], y[mine]))
        base += int(street.max()) + 1
    return _Candidates(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _grid(generator: np.random.Generator, reach: float) -> tuple[Array, Array, Array]:
    """Streets both ways around (0, 0), gently bent and turned as a whole: (street, metres east, metres north)."""
    turn, bend = generator.uniform(0, pi / 2), generator.uniform(10, 50)
    lines = np.arange(-(reach // STREET_SPACING_M), reach // STREET_SPACING_M + 1)
    along = np.arange(-(reach // POST_SPACING_M), reach // POST_SPACING_M + 1) * POST_SPACING_M
    line, place = np.repeat(lines, len(along)), np.tile(along, len(lines))
    across = line * STREET_SPACING_M + bend * np.sin(place / 400.0)
    x, y = np.concatenate((place, across)), np.concatenate((across, place))
    x, y = x + generator.normal(0, 1.5, len(x)), y + generator.normal(0, 1.5, len(y))
    number = line - lines[0]
    street = np.concatenate((number, number + len(lines))).astype(np.int64)
    return street, x * cos(turn) - y * sin(turn), x * sin(turn) + y * cos(turn)


def _raggedness(seed: int, east: Array, north: Array) -> Array:
    """A factor around 1 by direction, so that the city's edge is no circle."""
    first, second = stream(seed, "city/edge").uniform(0, 2 * pi, 2)
    angle = np.arctan2(north, east)
    factor: Array = 1 + 0.1 * np.sin(3 * angle + first) + 0.07 * np.sin(5 * angle + second)
    return factor


def _degrees(district: Array, street: Array, east_m: Array, north_m: Array) -> Places:
    lat = np.round(CENTRE_LAT + north_m / METRES_PER_DEGREE, 6)
    lon = np.round(CENTRE_LON + east_m / (METRES_PER_DEGREE * cos(radians(CENTRE_LAT))), 6)
    return Places(district, street, lat, lon)
