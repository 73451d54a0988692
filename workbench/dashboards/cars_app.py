"""The page of the connected cars: latency, approvals, refusals, balances, and a feature unlocked on pay."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from time import monotonic, perf_counter
from typing import Any, Protocol

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from workbench.dashboards import theme
from workbench.dashboards.sessions import watched
from workbench.dashboards.text import count, money

TICK_MS = 500
_LOG = """
.step {display: flex; flex-wrap: wrap; gap: 2px 12px; font-size: 13px; padding: 5px 2px}
.step {border-bottom: 1px solid rgba(128, 128, 128, .16)}
.step b {font-weight: 600; flex: 0 0 140px} .step span:not(.ms) {flex: 1 1 150px}
.step .ms {margin-left: auto; opacity: .65; font-variant-numeric: tabular-nums}
.yes {color: #0d9488} .no {color: #d97706}
"""


class Drive(Protocol):
    """What the page needs of the cars (``showcase.cars.CarDrive``)."""

    second: Any
    latency_ms: Any

    def name(self, number: int) -> str:
        """A car's account."""

    def figures(self) -> dict[str, Any]:
        """The numbers of now."""

    def balances_cents(self) -> list[int]:
        """Every car's balance."""

    def unlock(self, car: str, feature: str = "navigation") -> Any:
        """Ask for a feature."""

    def top_up(self, car: str, cents: int) -> Any:
        """Add money."""

    def balance(self, car: str) -> Any:
        """What a car has."""


class CarsPage:
    """One session's page over a drive that all sessions share."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive
        self._tiles = theme.Tiles(
            {
                "rate": "Requests a second",
                "approved": "Approved",
                "refused": "Refused",
                "p50": "Half answered in",
                "p99": "99 % answered in",
                "p999": "99.9 % answered in",
            }
        )
        self._flow = ColumnDataSource({"s": [], "approved": [], "refused": []})
        self._lag = ColumnDataSource({"left": [], "right": [], "n": []})
        self._money = ColumnDataSource({"left": [], "right": [], "n": []})
        self._steps: list[str] = []
        self._log = pn.pane.HTML("", sizing_mode="stretch_width", stylesheets=[_LOG], min_height=150)
        self._balanced = 0.0

    def view(self) -> pmui.Page:
        """The page, ready to serve."""
        flow = self._plot(220, "seconds since the start", "requests a second")
        flow.line(
            "s", "approved", source=self._flow, color=theme.ACCENT, line_width=2, legend_label="approved"
        )
        flow.line("s", "refused", source=self._flow, color=theme.WARM, line_width=2, legend_label="refused")
        theme.legend_above(flow)
        flow.y_range.start = 0
        lag = self._bars(self._lag, "milliseconds", "answers", theme.ACCENT)
        money_ = self._bars(self._money, "EUR", "cars", theme.SERIES[2])
        grid = pmui.Grid(
            pmui.Grid(theme.card("Approved and refused", pn.Column(flow, margin=0)), size={"xs": 12, "md": 6}),
            pmui.Grid(theme.card("Unlock on pay", *self._paying()), size={"xs": 12, "md": 6}),
            pmui.Grid(theme.card("How long the last answers took", pn.Column(lag, margin=0)), size={"xs": 12, "md": 6}),
            pmui.Grid(theme.card("What the cars have left", pn.Column(money_, margin=0)), size={"xs": 12, "md": 6}),
            container=True, spacing=2, sizing_mode="stretch_width",
        )  # fmt: skip
        self._show()
        pn.state.onload(self._start)
        return theme.page("Cars charged in real time", [self._tiles.view, grid])

    def _plot(self, height: int, x: str, y: str) -> figure:
        plot = figure(height=height, sizing_mode="stretch_width", tools="", toolbar_location=None)
        plot.xaxis.axis_label, plot.yaxis.axis_label = x, y
        plot.background_fill_alpha = plot.border_fill_alpha = 0
        plot.outline_line_alpha, plot.grid.grid_line_alpha = 0, 0.25
        for axis in (plot.xaxis, plot.yaxis):
            axis.axis_label_text_color = axis.major_label_text_color = theme.QUIET
            axis.axis_line_alpha, axis.minor_tick_line_alpha = 0.3, 0
            axis.axis_label_text_font_style = "normal"
        return plot

    def _bars(self, source: ColumnDataSource, x: str, y: str, color: str) -> figure:
        plot = self._plot(200, x, y)
        plot.quad(
            left="left", right="right", bottom=0, top="n", source=source, color=color, alpha=0.85,
            line_color="white", line_alpha=0.4,
        )  # fmt: skip
        plot.y_range.start = 0
        return plot

    # -- unlock on pay ---------------------------------------------------------------------------------------

    def _paying(self) -> list[Any]:
        self._car = pmui.TextInput(label="Car", value=self._drive.name(1), width=170, size="small")
        unlock = pmui.Button(label="Unlock navigation, 4.99", icon="lock_open", variant="contained")
        top_up = pmui.Button(label="Top up 5.00", icon="add_card", variant="outlined")
        unlock.on_click(lambda _: self._do("Unlock navigation", lambda car: self._drive.unlock(car)))
        top_up.on_click(lambda _: self._do("Top up 5.00 EUR", lambda car: self._drive.top_up(car, 500)))
        row = pn.FlexBox(self._car, unlock, top_up, align_items="center", sizing_mode="stretch_width")
        self._write()
        return [row, self._log]

    def _do(self, what: str, ask: Any) -> None:
        began = perf_counter()
        answer = ask(self._car.value.strip())
        took = (perf_counter() - began) * 1e3
        if answer.ok:
            text = f"{money(answer.balance // answer.denominator, 'EUR')} left"
            text = f"open for a day · {text}" if answer.feature and answer.charged else text
            text = f"already open · {text}" if answer.feature and not answer.charged else text
        else:
            text = (
                answer.why
                if answer.code != "insufficient_balance"
                else "refused: the balance does not cover it"
            )
        side = "yes" if answer.ok else "no"
        line = f'<b>{escape(what)}</b><span class="{side}">{escape(text)}</span><span class="ms">{took:.1f} ms</span>'
        self._steps = [f'<div class="step">{line}</div>', *self._steps][:6]
        self._write()

    def _write(self) -> None:
        hint = (
            '<div class="step"><span>Ask for navigation with an empty pocket, top up, ask again.</span></div>'
        )
        self._log.object = "".join(self._steps) or hint

    # -- every half second -----------------------------------------------------------------------------------

    def _start(self) -> None:
        pn.state.add_periodic_callback(self._tick, TICK_MS)

    def _tick(self) -> None:
        if watched():
            self._show()

    def _show(self) -> None:
        found, seconds = self._drive.figures(), list(self._drive.second)
        rates = [
            (b[0], (b[1] - a[1]) / (b[0] - a[0]), (b[2] - a[2]) / (b[0] - a[0])) for a, b in pairwise(seconds)
        ][1:]  # the first second catches up with what was due before the node was there
        self._flow.data = {
            "s": [r[0] for r in rates], "approved": [r[1] for r in rates], "refused": [r[2] for r in rates],
        }  # fmt: skip
        last = rates[-5:]
        rate = sum(r[1] + r[2] for r in last) / len(last) if last else 0
        self._tiles.set("rate", count(round(rate)), f"{count(found['cars'])} cars")
        self._tiles.set("approved", count(found["approved"]), "each on disk before it was told")
        self._tiles.set("refused", count(found["refused"]), f"{count(found['topped_up'])} topped up since")
        for key in ("p50", "p99", "p999"):
            self._tiles.set(key, f"{found[f'{key}_ms']:.1f} ms", "of the last 5,000" if key == "p50" else "")
        self._tiles.show()
        self._histograms()

    def _histograms(self) -> None:
        lag = np.asarray(list(self._drive.latency_ms))
        if len(lag):
            top = max(float(np.percentile(lag, 99.5)), 1.0)
            self._fill(self._lag, np.clip(lag, 0, top), top, 40)
        if monotonic() - self._balanced > 2:
            self._balanced = monotonic()
            have = np.asarray(self._drive.balances_cents()) / 100
            top = max(float(np.percentile(have, 98)), 0.5) if len(have) else 1.0
            self._fill(self._money, np.clip(have, 0, top), top, 40)

    @staticmethod
    def _fill(source: ColumnDataSource, values: Any, top: float, bins: int) -> None:
        n, edges = np.histogram(values, bins=bins, range=(0, top))
        source.data = {"left": edges[:-1], "right": edges[1:], "n": n}


def application(drive: Drive, port: int) -> Any:
    """The page as a web application of its own."""
    import secrets

    from fastapi import FastAPI
    from fastapi.responses import RedirectResponse
    from panel.io.fastapi import add_applications

    from workbench.dashboards.sessions import forget_lost_browsers

    forget_lost_browsers()
    pn.extension(inline=True)
    app = FastAPI(title="Connected cars", docs_url=None, redoc_url=None)

    @app.get("/", include_in_schema=False)
    def home() -> RedirectResponse:
        return RedirectResponse("/cars")

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {"ready": True, **drive.figures()}

    add_applications(
        {"/cars": lambda: CarsPage(drive).view()}, app=app, title="Connected cars",
        websocket_origins=[f"127.0.0.1:{port}", f"localhost:{port}"], secret_key=secrets.token_hex(32), sign_sessions=True,
    )  # fmt: skip
    return app
