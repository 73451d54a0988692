"""The city page: a lake's days played again, with what they cost and who gets what."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, NumeralTickFormatter
from bokeh.plotting import figure

from workbench.dashboards import theme
from workbench.dashboards.lamp_map import LampMap
from workbench.dashboards.replay import tape_of
from workbench.dashboards.store import Store
from workbench.dashboards.text import count, money

TICK_MS = 100
KEPT_POINTS = 1_500
SPEEDS = {"1 h in 10 s": 360, "1 day in a minute": 1440, "1 day in 20 s": 4320}


class CityPage:
    """One session's page. The store is shared; the clock, the charts and the map are the session's own."""

    def __init__(self, store: Store, verdict: str) -> None:
        self._store, self._tape = store, tape_of(store)
        self._verdict = verdict
        self._now = self._tape.start if self._tape.times else datetime(2026, 1, 1)
        self._tiles = {
            "events": theme.Tile("Events accepted"),
            "duplicates": theme.Tile("Copies removed"),
            "records": theme.Tile("Usage records"),
            "revenue": theme.Tile("Revenue so far"),
            "partners": theme.Tile("Partners' share"),
        }
        self._rate = ColumnDataSource({"at": [], "rate": [], "power": []})
        self._offers = ColumnDataSource({"offer": [], "amount": [], "left": [], "color": []})
        self._map: LampMap | None = None

    def view(self) -> pmui.Page:
        """The page, ready to serve."""
        if not self._tape.times:
            return theme.page(
                "City", [theme.empty("There are no usage records yet.", "Run `workbench demo`.")]
            )
        self._map = LampMap(self._store)
        self._play = pmui.Toggle(label="Playing", icon="play_arrow", value=True, color="primary")
        self._speed = pmui.Select(label="Speed", options=SPEEDS, value=1440, width=190, size="small")
        self._clock = pmui.Typography(
            "", variant="h6", sx={"fontVariantNumeric": "tabular-nums", "minWidth": "190px"}
        )
        span = int((self._tape.end - self._tape.start).total_seconds())
        self._slider = pmui.IntSlider(
            label="", start=0, end=span, step=900, value=0, show_value=False, sizing_mode="stretch_width"
        )
        self._slider.param.watch(self._seek, "value_throttled")
        bar = pmui.Row(self._clock, self._play, self._speed, self._slider, sizing_mode="stretch_width",
                       sx={"gap": "16px", "alignItems": "center"})  # fmt: skip
        tiles = pmui.Grid(
            *(pmui.Grid(tile.view, size={"xs": 6, "md": 2.4}) for tile in self._tiles.values()),
            container=True,
            spacing=2,
        )
        self._quiet = pmui.Typography("", variant="caption")
        charts = pmui.Grid(
            pmui.Grid(theme.card("Lamps, by energy in the hour", pn.Column(self._map.view), self._quiet), size={"xs": 12, "md": 7}),
            pmui.Grid(
                theme.card("Events a second, all fleets", pn.Column(self._chart("rate", theme.ACCENT))),
                theme.card("Power of all lamps [kW]", pn.Column(self._chart("power", theme.WARM))),
                size={"xs": 12, "md": 5}, sx={"display": "flex", "flexDirection": "column", "gap": "16px"},
            ),
            pmui.Grid(theme.card("Revenue by offer, so far", pn.Column(self._offer_chart())), size={"xs": 12, "md": 7}),
            pmui.Grid(theme.card("Who gets what, period", self._split()), size={"xs": 12, "md": 5}),
            container=True, spacing=2,
        )  # fmt: skip
        pn.state.onload(self._start)
        self._show()
        links = pmui.Row(
            pmui.Button(label="Charge explorer", href="./explorer", variant="text", color="light")
        )
        main = pmui.Column(bar, tiles, charts, self._proof(), sizing_mode="stretch_width", sx={"gap": "16px"})
        return theme.page("City, live from the lake", [main], [links])

    # -- parts -----------------------------------------------------------------------------------------------

    def _chart(self, column: str, color: str) -> figure:
        plot = _plain_figure(165)
        plot.varea("at", y1=0, y2=column, source=self._rate, fill_color=color, fill_alpha=0.18)
        plot.line("at", column, source=self._rate, line_color=color, line_width=2)
        plot.y_range.start = 0
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0")
        return plot

    def _offer_chart(self) -> figure:
        names = sorted(self._tape.takings[-1], key=lambda offer: self._tape.takings[-1][offer])
        self._offer_names = names
        plot = figure(height=max(150, 28 * len(names) + 30), y_range=names, sizing_mode="stretch_width", tools="",
                      toolbar_location=None, outline_line_color=None, background_fill_alpha=0, border_fill_alpha=0)  # fmt: skip
        plot.hbar(y="offer", right="amount", height=0.62, color="color", source=self._offers, line_color=None)
        plot.text(x="amount", y="offer", text="label", source=self._offers, x_offset=6, y_offset=7,
                  text_font_size="12px", text_color=theme.QUIET)  # fmt: skip
        plot.grid.grid_line_color = None
        plot.xaxis.visible = False
        plot.axis.axis_line_color = None
        plot.yaxis.major_tick_line_color = None
        plot.yaxis.major_label_text_color = theme.QUIET
        plot.x_range.start = 0
        plot.x_range.end = float(max(self._tape.takings[-1].values(), default=Fraction(1))) / 1e9 * 1.25
        return plot

    def _split(self) -> Any:
        shares = self._store.partner_shares
        if not shares:
            return theme.empty("Nothing was closed yet.", "Run `workbench close`.")
        whole = sum(shares.values(), Fraction(0))
        rows = []
        for (partner, nano), color in zip(shares.items(), theme.SERIES, strict=False):
            part = nano / whole if whole else Fraction(0)
            name = self._store.names.get(partner, partner)
            rows.append(
                f'<div style="display:flex;gap:10px;align-items:baseline"><span style="flex:1">{_escaped(name)}</span>'
                f'<span style="font-variant-numeric:tabular-nums">{money(nano, self._store.currency)}</span></div>'
                f'<div style="height:8px;border-radius:4px;background:rgba(100,116,139,.18);margin:3px 0 10px">'
                f'<div style="height:8px;border-radius:4px;background:{color};width:{float(part) * 100:.2f}%"></div></div>'
            )
        return pn.pane.HTML("".join(rows), sizing_mode="stretch_width", styles={"font-size": "13px"})

    def _proof(self) -> Any:
        good = self._verdict.startswith("All")
        return pmui.Alert(
            self._verdict, severity="success" if good else "warning", sizing_mode="stretch_width"
        )

    # -- playing ---------------------------------------------------------------------------------------------

    def _start(self) -> None:
        pn.state.add_periodic_callback(self._tick, period=TICK_MS)

    def _tick(self) -> None:
        if not self._play.value:
            return
        self._now += timedelta(milliseconds=TICK_MS * int(self._speed.value))
        if self._now >= self._tape.end:
            self._now = self._tape.start
            self._rate.data = {"at": [], "rate": [], "power": []}
        with pn.io.hold():
            self._show()

    def _seek(self, event: Any) -> None:
        self._now = self._tape.start + timedelta(seconds=int(event.new))
        self._rate.data = {"at": [], "rate": [], "power": []}
        self._show()

    def _show(self) -> None:
        moment = self._tape.at(self._now)
        currency, totals = self._store.currency, self._store.totals
        self._clock.object = f"{moment.at:%a %d %b  %H:%M}"
        self._tiles["events"].set(count(moment.events), f"of {count(totals.events)}")
        self._tiles["duplicates"].set(
            count(moment.duplicates), f"{totals.rejects} rejected, {totals.quarantined} in quarantine"
        )
        done = totals.records * moment.events // totals.events if totals.events else 0
        tenths = totals.reduction_tenths
        self._tiles["records"].set(count(done), f"{tenths // 10}.{tenths % 10} % fewer rows")
        revenue = sum(moment.takings.values(), Fraction(0))
        self._tiles["revenue"].set(money(revenue, currency), "exact until the invoice line")
        shares = self._store.partner_shares
        operator = shares.get("operator", Fraction(0))
        whole = sum(shares.values(), Fraction(0))
        part = revenue * (1 - operator / whole) if whole else Fraction(0)
        self._tiles["partners"].set(money(part, currency), "by the offers' own splits")
        point = {
            "at": [moment.at],
            "rate": [moment.events_per_second],
            "power": [moment.drawn.get("power_kw", 0.0)],
        }
        self._rate.stream(point, rollover=KEPT_POINTS)
        self._show_offers(moment.takings)
        self._show_map(moment.at)

    def _show_offers(self, takings: dict[str, Fraction]) -> None:
        names = self._offer_names
        amounts = [takings.get(name, Fraction(0)) for name in names]
        data = {
            "offer": names,
            "amount": [float(nano) / 1e9 for nano in amounts],
            "label": [money(nano, self._store.currency) for nano in amounts],
            "color": [theme.SERIES[n % len(theme.SERIES)] for n in range(len(names))],
        }
        if data["label"] != self._offers.data.get("label"):
            self._offers.data = data

    def _show_map(self, at: datetime) -> None:
        if self._map is None or not self._store.lamps.num_rows:
            return
        silent = self._map.show(at.replace(minute=0, second=0, microsecond=0))
        self._quiet.object = (
            f"{count(silent)} lamps silent in this hour (red)"
            if silent
            else "every lamp reported in this hour"
        )


def _plain_figure(height: int) -> figure:
    plot = figure(
        height=height, x_axis_type="datetime", sizing_mode="stretch_width", tools="", toolbar_location=None,
        outline_line_color=None, background_fill_alpha=0, border_fill_alpha=0,
    )  # fmt: skip
    plot.grid.grid_line_alpha = 0.25
    plot.xgrid.grid_line_color = None
    plot.axis.axis_line_color = None
    plot.axis.major_tick_line_color = None
    plot.axis.minor_tick_line_color = None
    plot.axis.major_label_text_color = theme.QUIET
    return plot


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
