"""The map of lamps: real glyphs while there are few, one shaded picture when there are many."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from bokeh.models import BoxAnnotation, ColumnDataSource, HoverTool
from bokeh.plotting import figure
from bokeh.transform import linear_cmap

from workbench.dashboards.shading import Picture, by_mean, mean_colors
from workbench.dashboards.store import Store

GLYPHS_MAX = 6_000
_PALETTE = ("#475569", "#78716c", "#a16207", "#ca8a04", "#eab308", "#facc15", "#fde047", "#fef08a", "#fefce8")
_BACKGROUND = "#0b1220"
_BRIGHT_KWH = 0.12
"""A lamp that uses this in an hour is as bright as a lamp gets."""


class LampMap:
    """Lamps by place, bright by the energy of an hour; lamps without a word in that hour are red.

    Attributes:
        view: the Bokeh figure.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._lamps = store, store.lamps
        self._lat = self._lamps["lat"].to_numpy()
        self._lon = self._lamps["lon"].to_numpy()
        self._shown: datetime | None = None
        self.many = self._lamps.num_rows > GLYPHS_MAX
        self.view = _figure()
        self._source, self._silent = (
            ColumnDataSource(),
            ColumnDataSource({"lon": [], "lat": [], "device": []}),
        )
        if self.many:
            self._draw_many()
        else:
            self._draw_few()
        self.view.scatter(
            "lon", "lat", source=self._silent, size=6, color="#ef4444", line_color="white", line_width=0.5
        )

    def _draw_few(self) -> None:
        self._source.data = {
            "lon": self._lon, "lat": self._lat, "kwh": np.zeros(len(self._lon)),
            "device": self._lamps["device_id"].to_numpy(zero_copy_only=False),
            "site": self._lamps["site"].to_numpy(zero_copy_only=False),
        }  # fmt: skip
        size = 7 if len(self._lon) <= 1_000 else 4
        color = linear_cmap("kwh", _PALETTE, 0, _BRIGHT_KWH)
        dots = self.view.scatter("lon", "lat", source=self._source, size=size, color=color, line_color=None)
        hover = HoverTool(
            renderers=[dots],
            tooltips=[("lamp", "@device"), ("at", "@site"), ("kWh this hour", "@kwh{0.000}")],
        )
        self.view.add_tools(hover)

    def _draw_many(self) -> None:
        self._source.data = {"image": [], "x": [], "y": [], "dw": [], "dh": []}
        # Not on the level of images: that one lies below the night.
        colors = mean_colors(_PALETTE[2:], _BRIGHT_KWH)
        self.view.image(
            "image", "x", "y", "dw", "dh", source=self._source, color_mapper=colors, level="glyph"
        )

    def show(self, hour: datetime) -> int:
        """Show an hour; returns how many lamps were silent in it. The hour on show is not computed again."""
        if self._shown == hour:
            return len(self._silent.data["lon"])
        self._shown = hour
        found = self._store.lamp_hour(hour)
        kwh = np.asarray(found["units"]) / 1e6
        quiet = np.asarray(found["events"]) == 0
        if self.many:
            self._source.data = self._picture(kwh)
        else:
            self._source.patch({"kwh": [(slice(None), kwh)]})
        names = self._lamps["device_id"].to_numpy(zero_copy_only=False)
        self._silent.data = {"lon": self._lon[quiet], "lat": self._lat[quiet], "device": names[quiet]}
        return int(quiet.sum())

    def _picture(self, kwh: Any) -> Picture:
        """All lamps as one picture of the mean energy by place."""
        lon, lat = self._lon, self._lat
        box = (float(lon.min()), float(lon.max()), float(lat.min()), float(lat.max()))
        return by_mean(lon, lat, kwh, box)


def _figure() -> figure:
    plot = figure(
        height=392, sizing_mode="stretch_width", tools="pan,wheel_zoom,reset", active_scroll="wheel_zoom",
        match_aspect=True, background_fill_color=_BACKGROUND, border_fill_alpha=0, outline_line_color=None,
        toolbar_location="right",
    )  # fmt: skip
    # The page's theme repaints a figure's own background when it changes; a box it does not know stays night.
    plot.add_layout(BoxAnnotation(fill_color=_BACKGROUND, fill_alpha=1.0, line_color=None, level="underlay"))
    plot.axis.visible = False
    plot.grid.visible = False
    plot.toolbar.logo = None
    return plot
