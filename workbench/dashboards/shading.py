"""Many places as one picture: the pixels of a map, coloured by how many points fall on them or by what these use.

A few counts over arrays, so the first picture is there as fast as the hundredth: a library that compiles its drawing code on
first use held back the first page of a server for six seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.insight.arrays import Array

PIXELS = (900, 480)
"""Width and height."""

Box = tuple[float, float, float, float]
"""West, east, south, north."""

Picture = dict[str, list[Any]]
"""What Bokeh's ``image_rgba`` draws."""


def by_density(lon: Array, lat: Array, box: Box, palette: Sequence[str]) -> Picture:
    """Points inside a box, brighter where they are dense: a pixel's shade is its rank among those that hold any."""
    counts = np.bincount(_pixels(lon, lat, box), minlength=PIXELS[0] * PIXELS[1])
    held = counts > 0
    ranked = np.sort(counts[held])
    share = np.full(len(counts), -1.0)
    below = np.searchsorted(ranked, counts[held], side="left")
    most = below.max(initial=0)  # nothing where all hold as many: they are half bright
    share[held] = below / most if most else 0.5
    return _painted(share, box, palette)


def by_mean(
    lon: Array, lat: Array, values: Array, box: Box, palette: Sequence[str], highest: float
) -> Picture:
    """The same, coloured by the mean of the points' values, from nothing to ``highest``."""
    at, size = _pixels(lon, lat, box), PIXELS[0] * PIXELS[1]
    counts = np.bincount(at, minlength=size)
    sums = np.bincount(at, weights=values, minlength=size)
    share = np.where(counts > 0, np.clip(sums / np.maximum(counts, 1) / highest, 0.0, 1.0), -1.0)
    return _painted(share, box, palette)


def _pixels(lon: Array, lat: Array, box: Box) -> Any:
    """The pixel of each point, counted from the south-west corner along the rows."""
    west, east, south, north = box
    wide, high = PIXELS
    x = np.clip(((lon - west) / max(east - west, 1e-12) * wide).astype(np.int64), 0, wide - 1)
    y = np.clip(((lat - south) / max(north - south, 1e-12) * high).astype(np.int64), 0, high - 1)
    return y * wide + x


def _painted(share: Array, box: Box, palette: Sequence[str]) -> Picture:
    """Shades from 0 to 1 (below 0: nothing there) as colours; a point is a small cross, so that one alone is seen."""
    wide, high = PIXELS
    middle = share.reshape(high, wide)
    spread = middle.copy()
    for there, from_ in (
        (np.s_[1:, :], np.s_[:-1, :]), (np.s_[:-1, :], np.s_[1:, :]),
        (np.s_[:, 1:], np.s_[:, :-1]), (np.s_[:, :-1], np.s_[:, 1:]),
    ):  # fmt: skip
        np.maximum(spread[there], middle[from_], out=spread[there])
    stops = np.array([[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in palette], dtype=float)
    image = np.zeros((high, wide, 4), dtype=np.uint8)
    seen = spread >= 0
    places = np.linspace(0.0, 1.0, len(palette))
    for channel in range(3):
        image[seen, channel] = np.rint(np.interp(spread[seen], places, stops[:, channel]))
    image[seen, 3] = 255
    west, east, south, north = box
    packed = image.view(np.uint32).reshape(high, wide)
    return {"image": [packed], "x": [west], "y": [south], "dw": [east - west], "dh": [north - south]}
