"""The live page: what arrives, how fast it becomes records and money, and which source has gone quiet. Ten updates a second."""

from __future__ import annotations

from fractions import Fraction
from html import escape
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, NumeralTickFormatter
from bokeh.plotting import figure

from workbench.dashboards import theme
from workbench.dashboards.sessions import watched
from workbench.dashboards.text import count, money
from workbench.live.care import nano
from workbench.live.pulse import Beat, Pulse

TICK_MS = 100
KEPT_POINTS = 1_200
_TABLE = """
table {width: 100%; border-collapse: collapse; font-size: 13px}
th {text-align: left; font-weight: 500; opacity: .6; font-size: 11px; letter-spacing: .05em; text-transform: uppercase}
td, th {padding: 5px 8px 5px 0; border-bottom: 1px solid rgba(128, 128, 128, .18)}
td.n, th.n {text-align: right; font-variant-numeric: tabular-nums; padding-right: 2px}
.on {color: #16a34a} .off {color: #d97706}
.dot {display: inline-block; width: 8px; height: 8px; border-radius: 4px; background: currentColor; margin-right: 6px}
"""


class LivePage:
    """One session's page over a pulse that all sessions share."""

    def __init__(self, pulse: Pulse, speed: float = 1.0) -> None:
        self._pulse, self._speed = pulse, speed
        beats = self._first = list(pulse.beats)
        self._seen = beats[-1].number if beats else 0
        self._rate = ColumnDataSource(_points(beats[-KEPT_POINTS:]))
        self._tiles = theme.Tiles(
            {
                "rate": "Messages a second",
                "acknowledged": "Acknowledged",
                "events": "Events in records",
                "records": "Usage records",
                "fresh": "Receipt to record",
                "owed": "Owed so far",
            }
        )
        self._slow = 0

    def view(self) -> Any:
        """The page."""
        self._clock = pn.pane.HTML(
            "", styles={"font-size": "20px", "font-weight": "600"}, margin=(0, 0, 4, 0)
        )
        self._sources = pn.pane.HTML("", sizing_mode="stretch_width", stylesheets=[_TABLE], margin=0)
        self._offers = pn.pane.HTML("", sizing_mode="stretch_width", stylesheets=[_TABLE], margin=0)
        self._refused = pn.pane.HTML("", sizing_mode="stretch_width", stylesheets=[_TABLE], margin=0)
        arriving = theme.card(
            "Messages a second", pn.Column(self._chart("per_second", theme.ACCENT, "0,0"), margin=0)
        )
        owed = theme.card(
            "Owed so far, all accounts", pn.Column(self._chart("owed", theme.WARM, "0,0.000"), margin=0)
        )
        grid = pmui.Grid(
            pmui.Grid(arriving, size={"xs": 12, "md": 6}),
            pmui.Grid(owed, size={"xs": 12, "md": 6}),
            pmui.Grid(theme.card("Sources", self._sources), size={"xs": 12, "md": 5}),
            pmui.Grid(theme.card("By offer", self._offers), size={"xs": 12, "md": 4}),
            pmui.Grid(theme.card("Refused", self._refused), size={"xs": 12, "md": 3}),
            container=True, spacing=2, sizing_mode="stretch_width",
        )  # fmt: skip
        self._show(self._first[-1] if self._first else None)
        pn.state.onload(self._start)
        return theme.page(
            "Live", [self._clock, self._tiles.view, grid], theme.links("live", theme.LIVE_PAGES)
        )

    def _chart(self, column: str, color: str, form: str) -> figure:
        plot = figure(
            height=220, x_axis_type="datetime", sizing_mode="stretch_width", tools="", toolbar_location=None,
            outline_line_color=None, background_fill_alpha=0, border_fill_alpha=0,
        )  # fmt: skip
        plot.varea("at", y1=0, y2=column, source=self._rate, fill_color=color, fill_alpha=0.18)
        plot.line("at", column, source=self._rate, line_color=color, line_width=2)
        plot.y_range.start = 0
        plot.x_range.follow = "end"
        plot.x_range.follow_interval = int(120_000 * self._speed)
        plot.xaxis.formatter = DatetimeTickFormatter(
            seconds="%H:%M:%S", minsec="%H:%M:%S", minutes="%H:%M", hourmin="%H:%M", hours="%H:%M"
        )
        plot.xaxis.ticker.desired_num_ticks = 6
        plot.yaxis.ticker.desired_num_ticks = 4
        plot.yaxis.formatter = NumeralTickFormatter(format=form)
        theme.quiet_axes(plot)
        return plot

    def _start(self) -> None:
        ticking = pn.state.add_periodic_callback(self._tick, period=TICK_MS)
        pn.state.on_session_destroyed(lambda _: ticking.stop())

    def _tick(self) -> None:
        if not watched():
            return
        beats = self._pulse.after(self._seen)
        if not beats:
            return
        self._seen = beats[-1].number
        with pn.io.hold():
            self._rate.stream(_points(beats), rollover=KEPT_POINTS)
            self._show(beats[-1])

    def _show(self, beat: Beat | None) -> None:
        if beat is not None:
            self._clock.object = f"{beat.at:%a %d %b %Y&ensp;%H:%M:%S} UTC" + (
                f"&ensp;·&ensp;{self._speed:g} times as fast" if self._speed != 1 else ""
            )
            self._show_tiles(beat)
        if self._slow % 10 == 0:  # tables once a second: nobody reads faster
            self._sources.object = self._source_table()
            self._offers.object = self._offer_table()
            self._refused.object = self._refused_table()
        self._slow += 1

    def _show_tiles(self, beat: Beat) -> None:
        tiles, figures = self._tiles, self._pulse.node.figures
        tiles.set("rate", count(round(beat.per_second)), f"{count(beat.lag)} wait")
        tiles.set("acknowledged", count(beat.acknowledged), "on disk before the sender was told")
        tiles.set("events", count(beat.events), f"{count(beat.duplicates)} copies beside them")
        tiles.set("records", count(beat.records), f"lake version {count(beat.version)}")
        tiles.set("fresh", f"{beat.freshness:.2f} s", f"99 % within {figures.freshness_at(0.99):.2f} s")
        owed = ", ".join(money(nanos, currency) for currency, nanos in sorted(beat.owed.items())) or "–"
        used = ", ".join(money(nanos, currency, 4) for currency, nanos in sorted(beat.for_use.items()))
        tiles.set("owed", owed, f"of it for use {used}" if used else "")
        tiles.show()

    def _source_table(self) -> str:
        node = self._pulse.node
        now_ns = int(node.clock.now().timestamp() * 1e9)
        rows = []
        for name, source in sorted(node.figures.sources.items()):
            silent = max(0.0, (now_ns - source.last_ns) / 1e9)
            quiet = source.quiet(now_ns)
            state = f"quiet for {silent:,.0f} s" if quiet else "reporting"
            rows.append(
                f'<tr><td>{escape(name)}</td><td class="{"off" if quiet else "on"}"><span class="dot"></span>{state}</td>'
                f'<td class="n">{count(source.messages)}</td></tr>'
            )
        head = '<tr><th>source</th><th>state</th><th class="n">messages</th></tr>'
        return f"<table>{head}{''.join(rows)}</table>" if rows else "<i>Nobody has said anything yet.</i>"

    def _offer_table(self) -> str:
        standing = self._pulse.node.standing
        sums: dict[tuple[str, str], Fraction] = {}
        for number, amount in list(standing.charges.items()):
            line = standing.lines[number]
            for currency, nanos in nano(standing, [(number, amount)]).items():
                key = (line["offer_id"], currency)
                sums[key] = sums.get(key, Fraction(0)) + nanos
        rows = (
            f'<tr><td>{escape(offer)}</td><td class="n">{money(nanos, currency)}</td></tr>'
            for (offer, currency), nanos in sorted(sums.items(), key=lambda pair: -pair[1])
        )
        body = "".join(rows)
        return (
            f'<table><tr><th>offer</th><th class="n">so far</th></tr>{body}</table>'
            if body
            else "<i>No prices.</i>"
        )

    def _refused_table(self) -> str:
        figures = self._pulse.node.figures
        rows = "".join(
            f'<tr><td>{escape(reason)}</td><td class="n">{count(number)}</td></tr>'
            for reason, number in sorted(figures.reasons.items(), key=lambda pair: -pair[1])[:8]
        )
        if not rows:
            return "<i>Nothing was refused.</i>"
        return f'<table><tr><th>reason</th><th class="n">rows</th></tr>{rows}</table>'


def _points(beats: list[Beat]) -> dict[str, list[Any]]:
    """Columns of the charts. What is drawn may be rounded; what is written is not."""
    return {
        "at": [beat.at for beat in beats],
        "per_second": [beat.per_second for beat in beats],
        "for_use": [float(sum(beat.for_use.values(), Fraction(0))) / 1e9 for beat in beats],
    }
