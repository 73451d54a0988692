"""The city page: a lake's days played again, with what they cost and who gets what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from html import escape
from time import monotonic
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, NumeralTickFormatter
from bokeh.plotting import figure

from workbench.dashboards import theme
from workbench.dashboards.lamp_map import LampMap
from workbench.dashboards.replay import Moment, tape_of
from workbench.dashboards.sessions import watched
from workbench.dashboards.store import Store
from workbench.dashboards.text import count, money

TICK_MS = 100
LONGEST_S = 2.0
KEPT_POINTS = 5_000
SLIDER_STEP = 3_600
OPERATOR = "operator"
_SHARES = """
.who {display: flex; justify-content: space-between; font-size: 13px}
.who b {font-weight: 500; font-variant-numeric: tabular-nums}
.bar {height: 8px; border-radius: 4px; background: rgba(128, 128, 128, .18); margin: 3px 0 10px}
.bar div {height: 8px; border-radius: 4px}
"""
SPEEDS = {"1 hour in 10 s": 360, "1 day in a minute": 1440, "1 day in 20 s": 4320}


class CityPage:
    """One session's page. The store is shared; the clock, the charts and the map are the session's own.

    Args:
        verdict: asked for the proof's present words.
    """

    def __init__(self, store: Store, verdict: Callable[[], str]) -> None:
        self._store, self._tape, self._verdict = store, tape_of(store), verdict
        if self._tape.times:
            self._now = self._tape.start
        self._tiles = theme.Tiles(
            {
                "events": "Events accepted",
                "duplicates": "Copies removed",
                "records": "Usage records",
                "revenue": "Revenue so far",
                "partners": "Partners' share",
            }
        )
        self._ticked = 0.0
        self._rate = ColumnDataSource(_nothing())
        self._offers = ColumnDataSource({"offer": [], "amount": [], "label": [], "color": []})

    def view(self) -> pmui.Page:
        """The page, ready to serve."""
        links = theme.links("city")
        if not self._tape.times:
            told = theme.empty("There are no usage records yet.", "Run `workbench demo`.")
            return theme.page("City", [told], links)
        self._map = LampMap(self._store)
        main = [self._controls(), self._tiles.view, self._charts(), self._proof()]
        self._show()
        pn.state.onload(self._start)
        return theme.page("City replay", main, links)

    # -- parts -----------------------------------------------------------------------------------------------

    def _controls(self) -> pn.Row:
        self._play = pmui.Toggle(label="Playing", icon="play_arrow", value=True, color="primary", width=120)
        self._speed = pmui.Select(label="Speed", options=SPEEDS, value=1440, width=190, size="small")
        self._clock = theme.lively(width=200, styles={"font-size": "20px", "font-weight": "600"})
        span = int((self._tape.end - self._tape.start).total_seconds())
        self._slider = pn.widgets.IntSlider(
            name="",
            start=0,
            end=span,
            step=SLIDER_STEP,
            show_value=False,
            tooltips=False,
            sizing_mode="stretch_width",
        )
        self._slider.param.watch(self._seek, "value_throttled")
        return pn.Row(
            *theme.abreast(self._clock, self._play, self._speed, self._slider),
            sizing_mode="stretch_width",
            styles={"align-items": "center", "gap": "12px", "flex-wrap": "wrap", **theme.SHRINKS},
        )  # fmt: skip

    def _charts(self) -> pmui.Grid:
        rate, power = self._tape.peaks
        self._quiet = pn.pane.HTML("", styles={"font-size": "12px", "opacity": "0.7"}, margin=0)
        lamps = theme.card("Lamps, by energy in the hour", pn.Column(self._map.view, margin=0), self._quiet)
        events = self._chart("rate", theme.ACCENT, rate)
        drawn = self._chart("power", theme.WARM, power)
        right = theme.stack(
            theme.card("Events a second, all fleets", pn.Column(events, margin=0)),
            theme.card("Power of all lamps, kW", pn.Column(drawn, margin=0)),
        )
        offers = theme.card("Revenue by offer, so far", pn.Column(self._offer_chart(), margin=0))
        return pmui.Grid(
            pmui.Grid(lamps, size={"xs": 12, "md": 7}),
            pmui.Grid(right, size={"xs": 12, "md": 5}),
            pmui.Grid(offers, size={"xs": 12, "md": 7}),
            pmui.Grid(theme.card("Who gets what, whole period", self._split()), size={"xs": 12, "md": 5}),
            container=True, spacing=2, sizing_mode="stretch_width",
        )  # fmt: skip

    def _chart(self, column: str, color: str, peak: float) -> figure:
        """A line over the whole tape: its axes stand still while it fills."""
        plot = figure(
            height=174, x_axis_type="datetime", sizing_mode="stretch_width", tools="", toolbar_location=None,
            x_range=(self._tape.start, self._tape.end), y_range=(0, peak * 1.08 or 1),
            outline_line_color=None, background_fill_alpha=0, border_fill_alpha=0,
        )  # fmt: skip
        plot.varea("at", y1=0, y2=column, source=self._rate, fill_color=color, fill_alpha=0.18)
        plot.line("at", column, source=self._rate, line_color=color, line_width=2)
        plot.xaxis.formatter = DatetimeTickFormatter(
            minutes="%H:%M", hourmin="%H:%M", hours="%H:%M", days="%a %d", months="%b %Y"
        )
        plot.xaxis.ticker.desired_num_ticks = 7
        plot.yaxis.ticker.desired_num_ticks = 4
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0" if peak >= 10 else "0.0")
        theme.quiet_axes(plot)
        return plot

    def _offer_chart(self) -> figure:
        names = sorted(self._tape.takings[-1], key=lambda offer: self._tape.takings[-1][offer])
        self._offer_names = names
        plot = figure(
            height=28 * len(names) + 30, y_range=names, sizing_mode="stretch_width", tools="",
            toolbar_location=None, outline_line_color=None, background_fill_alpha=0, border_fill_alpha=0,
        )  # fmt: skip
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
            wide = f"width:{float(part) * 100:.2f}%"
            rows.append(
                f'<div class="who"><span>{escape(name)}</span><b>{money(nano, self._store.currency)}</b></div>'
                f'<div class="bar"><div style="background:{color};{wide}"></div></div>'
            )
        return pn.pane.HTML("".join(rows), sizing_mode="stretch_width", stylesheets=[_SHARES])

    def _proof(self) -> pmui.Alert:
        self._told = pmui.Alert(object="", sizing_mode="stretch_width", margin=0)
        return self._told

    # -- playing ---------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Once the browser is ready: tick until the session ends."""
        ticking = pn.state.add_periodic_callback(self._tick, period=TICK_MS)
        pn.state.on_session_destroyed(lambda _: ticking.stop())

    def _tick(self) -> None:
        if not (self._play.value and watched()):
            self._ticked = 0.0
            return
        self._now += self._elapsed() * int(self._speed.value)
        if self._now >= self._tape.end:
            self._now = self._tape.start
            self._rate.data = _nothing()
        with pn.io.hold():
            self._show()

    def _elapsed(self) -> timedelta:
        """Wall time since the last tick, so that a busy machine plays less smoothly but not more slowly."""
        now = monotonic()
        since = min(now - self._ticked, LONGEST_S) if self._ticked else TICK_MS / 1000
        self._ticked = now
        return timedelta(seconds=since)

    def _seek(self, event: Any) -> None:
        self._now = self._tape.start + timedelta(seconds=int(event.new))
        self._rate.data = self._tape.drawn_until(self._now)
        with pn.io.hold():
            self._show()

    def _show(self) -> None:
        moment = self._tape.at(self._now)
        self._clock.text = f"{moment.at:%a %d %b&ensp;%H:%M}"
        played = int((self._now - self._tape.start).total_seconds())
        if abs(played - int(self._slider.value or 0)) >= SLIDER_STEP:
            self._slider.value = played - played % SLIDER_STEP
        self._show_tiles(moment)
        point = {
            "at": [moment.at],
            "rate": [moment.events_per_second],
            "power": [moment.drawn.get("power_kw", 0.0)],
        }
        self._rate.stream(point, rollover=KEPT_POINTS)
        self._show_offers(moment.takings)
        self._show_map(moment.at)
        words = self._verdict()
        if self._told.object != words:
            mood = "info" if words.endswith("...") else "success" if words.startswith("All") else "warning"
            self._told.param.update(object=words, severity=mood)

    def _show_tiles(self, moment: Moment) -> None:
        tiles, currency, totals = self._tiles, self._store.currency, self._store.totals
        tiles.set("events", count(moment.events), f"of {count(totals.events)}")
        held = f"{count(totals.rejects)} rejected, {count(totals.quarantined)} in quarantine"
        tiles.set("duplicates", count(moment.duplicates), held)
        tenths = totals.reduction_tenths
        tiles.set("records", count(moment.records), f"{tenths // 10}.{tenths % 10} % fewer rows")
        revenue = sum(moment.takings.values(), Fraction(0))
        tiles.set("revenue", money(revenue, currency), "exact until the invoice line")
        shares = self._store.partner_shares
        whole = sum(shares.values(), Fraction(0))
        part = revenue * (1 - shares.get(OPERATOR, Fraction(0)) / whole) if whole else Fraction(0)
        tiles.set("partners", money(part, currency), "by the offers' own splits")
        tiles.show()

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
        silent = self._map.show(at.replace(minute=0, second=0, microsecond=0))
        words = f"{count(silent)} silent in this hour (red)" if silent else "every lamp reported in this hour"
        if self._quiet.object != words:
            self._quiet.object = words


def _nothing() -> dict[str, list[Any]]:
    """Columns of a chart that has not begun; made anew each time, since streaming fills the very lists it was given."""
    return {"at": [], "rate": [], "power": []}
