"""The analyst page's charts: the evidence in its band, one device's life by the hour, and the fleet on a map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from bokeh.events import RangesUpdate
from bokeh.models import (
    BoxAnnotation,
    ColumnDataSource,
    DatetimeTickFormatter,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
    TapTool,
)
from bokeh.plotting import figure

from workbench.casework.case import Case
from workbench.casework.desk import Ranked
from workbench.casework.evidence import Evidence
from workbench.dashboards import theme
from workbench.dashboards.cases.drawing import COLORS
from workbench.dashboards.cases.fleet import GLOW, GLYPHS_MAX, NIGHT, Fleet
from workbench.dashboards.shading import Box, by_density, density_colors

_SHADE_AFTER_MS = 60


def plain(height: int, **more: Any) -> figure:
    """A quiet figure with a time axis."""
    plot = figure(
        height=height, x_axis_type="datetime", sizing_mode="stretch_width", tools="", toolbar_location=None, outline_line_color=None,
        background_fill_alpha=0, border_fill_alpha=0, **more,
    )  # fmt: skip
    plot.xaxis.formatter = DatetimeTickFormatter(
        hours="%H:%M", days="%d %b", hourmin="%H:%M", minutes="%H:%M"
    )
    plot.xaxis.ticker.desired_num_ticks = 6
    plot.yaxis.ticker.desired_num_ticks = 4
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[00]a")
    theme.quiet_axes(plot)
    return plot


class EvidenceChart:
    """The series, the band that was expected, and the episode shaded."""

    def __init__(self) -> None:
        self._band = ColumnDataSource({"at": [], "low": [], "high": []})
        self._rows = ColumnDataSource({"at": [], "value": [], "middle": []})
        self._dots = ColumnDataSource({"at": [], "value": []})
        self.view = plain(240)
        self._episode = BoxAnnotation(fill_color=theme.WARM, fill_alpha=0.10, line_color=None)
        self.view.add_layout(self._episode)
        self.view.varea(
            "at",
            y1="low",
            y2="high",
            source=self._band,
            fill_color=theme.QUIET,
            fill_alpha=0.22,
            legend_label="expected",
        )
        self.view.line(
            "at", "middle", source=self._rows, line_color=theme.QUIET, line_dash="dashed", line_alpha=0.8
        )
        self.view.line(
            "at",
            "value",
            source=self._rows,
            line_color=theme.ACCENT,
            line_width=2,
            legend_label="this device",
        )
        self.view.scatter(
            "at", "value", source=self._dots, color=theme.WARM, size=5, legend_label="in the episode"
        )
        tips = [
            ("at", "@at{%d %b %H:%M}"),
            ("value", "@value{0,0.[000]}"),
            ("expected", "@middle{0,0.[000]}"),
        ]
        line = self.view.renderers[2]
        self.view.add_tools(
            HoverTool(tooltips=tips, formatters={"@at": "datetime"}, mode="vline", renderers=[line])
        )
        theme.legend_above(self.view)

    def show(self, seen: Evidence, case: Case) -> None:
        """Draw another case."""
        frame = seen.series
        banded = frame.dropna(subset=["low", "high"])
        self._band.data = {name: banded[name].to_numpy() for name in ("at", "low", "high")}
        self._rows.data = {name: frame[name].to_numpy() for name in ("at", "value", "middle")}
        inside = frame[frame["inside"] & frame["value"].notna()]
        self._dots.data = {name: inside[name].to_numpy() for name in ("at", "value")}
        self._episode.left, self._episode.right = _ms(case.since), _ms(case.until)

    def clear(self) -> None:
        """Draw nothing."""
        for source in (self._band, self._rows, self._dots):
            source.data = {name: [] for name in source.data}


class LifeChart:
    """One device by the hour, its cases shaded in the colours of their reasons."""

    def __init__(self) -> None:
        self._bars = ColumnDataSource({"at": [], "units": [], "width": []})
        self._cases = ColumnDataSource({"left": [], "right": [], "color": [], "kind": [], "top": []})
        self.view = plain(170)
        self.view.quad(
            "left",
            "right",
            top="top",
            bottom=0,
            source=self._cases,
            fill_color="color",
            fill_alpha=0.16,
            line_color=None,
        )
        self.view.vbar(
            "at",
            width="width",
            top="units",
            source=self._bars,
            fill_color=theme.ACCENT,
            line_color=None,
            fill_alpha=0.8,
        )
        self.view.y_range.start = 0
        self.view.add_tools(HoverTool(tooltips=[("hour", "@at{%d %b %H:%M}"), ("units", "@units{0,0}")],
                                      formatters={"@at": "datetime"}, renderers=[self.view.renderers[1]]))  # fmt: skip

    def show(self, life: dict[str, Any]) -> None:
        """Draw another device: its stream with most hours."""
        use: pd.DataFrame = life["use"]
        if len(use):
            stream = use.groupby("stream")["at"].size().idxmax()
            use = use[use["stream"] == stream]
        top = float(use["units"].max()) if len(use) else 1.0
        self._bars.data = {
            "at": use["at"].to_numpy(),
            "units": use["units"].to_numpy(),
            "width": [3.2e6] * len(use),
        }
        cases: Sequence[Case] = life["cases"]
        self._cases.data = {
            "left": [_ms(case.since) for case in cases], "right": [_ms(case.until) for case in cases],
            "color": [COLORS.get(case.kind, theme.QUIET) for case in cases], "kind": [case.kind for case in cases],
            "top": [top * 1.05] * len(cases),
        }  # fmt: skip

    def clear(self) -> None:
        """Draw nothing."""
        for source in (self._bars, self._cases):
            source.data = {name: [] for name in source.data}


class FleetMap:
    """Every device with a place: a shaded picture while many are in view, dots when few are, cases always on top.

    Args:
        chosen: told the id of a case whose mark was tapped.
    """

    def __init__(self, fleet: Fleet, chosen: Callable[[str], None]) -> None:
        self._fleet = fleet.ready()
        self._chosen = chosen
        self._wanted: Box | None = None
        self._picture = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        self._dots = ColumnDataSource({"lon": [], "lat": [], "device": []})
        self._marks = ColumnDataSource(
            {"lon": [], "lat": [], "device": [], "kind": [], "color": [], "case": [], "size": []}
        )
        west, east, south, north = self._fleet.bounds
        self.view = figure(
            height=400, sizing_mode="stretch_width", tools="pan,wheel_zoom,reset", active_scroll="wheel_zoom",
            background_fill_color=NIGHT, border_fill_alpha=0, outline_line_color=None, toolbar_location="right",
            x_range=Range1d(west, east), y_range=Range1d(south, north),
        )  # fmt: skip
        self.view.add_layout(
            BoxAnnotation(fill_color=NIGHT, fill_alpha=1.0, line_color=None, level="underlay")
        )
        self.view.axis.visible = False
        self.view.grid.visible = False
        self.view.toolbar.logo = None
        # Not on the level of images: that one lies below the night.
        self.view.image(
            "image", "x", "y", "dw", "dh", source=self._picture, color_mapper=density_colors(GLOW), level="glyph"
        )  # fmt: skip
        self.view.scatter(
            "lon", "lat", source=self._dots, size=4, color=GLOW[2], line_color=None, fill_alpha=0.85
        )
        marks = self.view.scatter("lon", "lat", source=self._marks, size="size", color="color", line_color="white", line_width=1,
                                  nonselection_fill_alpha=1.0, nonselection_line_alpha=1.0)  # fmt: skip
        self.view.add_tools(
            HoverTool(renderers=[marks], tooltips=[("device", "@device"), ("reason", "@kind")]),
            TapTool(renderers=[marks]),
        )
        self._marks.selected.on_change("indices", self._tapped)
        self.view.on_event(RangesUpdate, self._moved)
        self._shade(self._fleet.bounds)

    @property
    def total(self) -> int:
        """How many devices have a place."""
        return len(self._fleet.ids)

    def show(self, rows: Sequence[Ranked], selected: str) -> None:
        """Mark the devices of the open cases; the selected case's are larger."""
        marks: dict[str, list[Any]] = {name: [] for name in self._marks.data}
        for one in sorted(rows, key=lambda row: row.case.case_id == selected):
            for device in one.case.devices:
                at = self._fleet.place.get(device)
                if at is None:
                    continue
                where = (self._fleet.lon[at], self._fleet.lat[at])
                values = (*where, device, one.case.kind.replace("_", " "), COLORS.get(one.case.kind, theme.WARM),
                          one.case.case_id, 16 if one.case.case_id == selected else 9)  # fmt: skip
                for name, value in zip(
                    ("lon", "lat", "device", "kind", "color", "case", "size"), values, strict=True
                ):
                    marks[name].append(value)
        self._marks.data = marks

    def _tapped(self, _attr: str, _old: Any, new: list[int]) -> None:
        if new:
            self._chosen(str(self._marks.data["case"][new[0]]))

    def _moved(self, event: Any) -> None:
        """Shade where the map stands still for a moment: a wheel says ten times where it passes."""
        document, waits = self.view.document, self._wanted is not None
        self._wanted = (event.x0, event.x1, event.y0, event.y1)
        if document is None or document.session_context is None:
            self._shade_wanted()
        elif not waits:
            document.add_timeout_callback(self._shade_wanted, _SHADE_AFTER_MS)

    def _shade_wanted(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self._shade(wanted)

    def _shade(self, box: Box) -> None:
        """Draw what lies in view: dots up to ``GLYPHS_MAX``, else one picture of all."""
        fleet = self._fleet
        at = fleet.inside(box)
        if len(at) <= GLYPHS_MAX:
            self._dots.data = {"lon": fleet.lon[at], "lat": fleet.lat[at], "device": list(fleet.ids[at])}
            self._picture.data = {"image": [], "x": [], "y": [], "dw": [], "dh": []}
            return
        if len(self._dots.data["lon"]):
            self._dots.data = {"lon": [], "lat": [], "device": []}
        self._picture.data = (
            fleet.whole if box == fleet.bounds else by_density(fleet.lon[at], fleet.lat[at], box)
        )


def _ms(at: Any) -> float:
    return float(pd.Timestamp(at).value / 1e6)
