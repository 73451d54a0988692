"""Many places as one picture: counted here, coloured by the browser, so that a picture is as small as its counts.

NumPy bins, SciPy spreads, Bokeh colours; nothing of it is compiled on the first page's time, as Datashader would be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.models import EqHistColorMapper, LinearColorMapper
from bokeh.palettes import interp_palette
from scipy.ndimage import convolve, generate_binary_structure

from workbench.insight.arrays import Array

DENSITY_CELLS = (600, 320)
"""Columns and rows of a picture that is shaded anew at each zoom."""
MEAN_CELLS = (900, 480)
"""Columns and rows of a picture that stays as it is when somebody looks closer: streets can be told apart."""
SHADES = 256

Box = tuple[float, float, float, float]
"""West, east, south, north."""

Picture = dict[str, list[Any]]
"""What Bokeh's ``image`` draws."""

_AROUND = generate_binary_structure(2, 2)
"""Three by three cells: a browser that draws a picture smaller than it is leaves out rows and columns, but not three."""
_NOTHING = (0, 0, 0, 0.0)
"""Where there is no device the ground shows."""


def density_colors(palette: Sequence[str]) -> EqHistColorMapper:
    """Colours of ``by_density``: brighter where it is denser, each shade on about as many cells."""
    return EqHistColorMapper(palette=interp_palette(palette, SHADES), low=1, low_color=_NOTHING)


def mean_colors(palette: Sequence[str], highest: float) -> LinearColorMapper:
    """Colours of ``by_mean``: from nothing to ``highest``."""
    return LinearColorMapper(palette=interp_palette(palette, SHADES), low=0, high=highest, nan_color=_NOTHING)


def by_density(lon: Array, lat: Array, box: Box) -> Picture:
    """How many points lie on each cell of a box or right beside it; 0 where there are none."""
    return _placed(_binned(lon, lat, box, DENSITY_CELLS).astype(np.uint32), box)


def by_mean(lon: Array, lat: Array, values: Array, box: Box) -> Picture:
    """The mean of the points' values on each cell or right beside it; nan where there are none."""
    counts = _binned(lon, lat, box, MEAN_CELLS)
    sums = _binned(lon, lat, box, MEAN_CELLS, values)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return _placed(means.astype(np.float32), box)


def _binned(lon: Array, lat: Array, box: Box, cells: tuple[int, int], weights: Array | None = None) -> Any:
    """Points, or the sum of their weights, by cell; each counts on its neighbours too, so that one alone is seen."""
    west, east, south, north = box
    inside = ((south, north), (west, east))
    found, _, _ = np.histogram2d(lat, lon, bins=cells[::-1], range=inside, weights=weights)
    return convolve(found, _AROUND, mode="constant")


def _placed(image: Any, box: Box) -> Picture:
    west, east, south, north = box
    return {"image": [image], "x": [west], "y": [south], "dw": [east - west], "dh": [north - south]}
