"""Every device with a place, read and drawn once for all sessions: what the analyst's map begins with."""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from workbench.dashboards.shading import Box, Picture, by_density
from workbench.insight.arrays import Array
from workbench.lake.engine import arrow
from workbench.lake.lake import Lake

GLYPHS_MAX = 4_000
"""So many devices are drawn as dots; more as one picture."""
NIGHT = "#0b1220"
GLOW = ("#2b6b8f", "#4aa3b5", "#9ad8cf", "#e8fff5")


class Fleet:
    """Places of a lake's devices; sessions only read.

    Attributes:
        ids: device ids as an array of text; lon, lat: where they are, in the same order.
    """

    def __init__(self, path: Path, tenant: str = "main") -> None:
        self._where = (path, tenant)
        self._lock = threading.Lock()

    @cached_property
    def _table(self) -> tuple[Any, Array, Array]:
        with Lake.open(*self._where) as lake:
            if not lake.segments("devices_info"):
                return np.zeros(0, dtype=object), np.zeros(0), np.zeros(0)
            table = arrow(
                lake.con,
                f"SELECT device_id, lon, lat FROM {lake.scan('devices_info')} WHERE lat IS NOT NULL AND lon IS NOT NULL "
                "ORDER BY device_id",
            )
        return (
            table["device_id"].to_numpy(),
            *(np.asarray(table[name].to_numpy(), dtype=float) for name in ("lon", "lat")),
        )

    @cached_property
    def place(self) -> dict[str, int]:
        """Where a device stands in the arrays."""
        return {device: at for at, device in enumerate(self.ids)}

    @property
    def ids(self) -> Any:
        """Device ids."""
        return self._table[0]

    @property
    def lon(self) -> Array:
        """Their longitudes."""
        return self._table[1]

    @property
    def lat(self) -> Array:
        """Their latitudes."""
        return self._table[2]

    @cached_property
    def bounds(self) -> Box:
        """All of them, with a little edge."""
        if not len(self.lon):
            return (0.0, 1.0, 0.0, 1.0)
        found: list[float] = []
        for values in (self.lon, self.lat):
            low, high = float(values.min()), float(values.max())
            edge = max(high - low, 0.002) * 0.04
            found += [low - edge, high + edge]
        return (found[0], found[1], found[2], found[3])

    @cached_property
    def whole(self) -> Picture:
        """The picture every session begins with."""
        return by_density(self.lon, self.lat, self.bounds)

    def ready(self) -> Fleet:
        """Read and draw what every session begins with."""
        with self._lock:
            _ = self.place
            if len(self.ids) > GLYPHS_MAX:
                _ = self.whole
        return self

    def inside(self, box: Box) -> Any:
        """Positions of the devices in a box."""
        west, east, south, north = box
        return np.flatnonzero(
            (self.lon >= west) & (self.lon <= east) & (self.lat >= south) & (self.lat <= north)
        )
