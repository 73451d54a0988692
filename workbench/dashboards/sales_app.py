"""The sales page: a period played again: spend now, where the month will end, who is near a tier, and whom to call and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from html import escape
from io import BytesIO
from time import monotonic
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import ColumnDataSource, Range1d

from workbench.casework.standing import Offer, Standing
from workbench.casework.telling import mail, snapshot_html
from workbench.dashboards import theme
from workbench.dashboards.cases.charts import plain
from workbench.dashboards.cases.keys import Keys
from workbench.dashboards.sales import drawing
from workbench.dashboards.sales.store import Frame, SalesStore
from workbench.dashboards.sessions import address, watched
from workbench.dashboards.text import count
from workbench.twin.show import rounded

TICK_MS = 100
LONGEST_S = 2.0
KEPT_POINTS = 6_000
SPEEDS = {"1 hour in 10 s": 360, "1 day in 2 minutes": 720, "1 day in a minute": 1440, "1 day in 20 s": 4320}
DAY = timedelta(days=1)


class SalesPage(param.Parameterized):
    """One session's page; its parameters are the URL's query, so that a link shows the same."""

    owner = param.String(default="", doc="Only accounts of this owner.")
    offer = param.String(default="", doc="The offer whose reason is open.")
    at = param.String(default="", doc="Where to begin, ISO 8601.")
    kiosk = param.Boolean(default=False, doc="For a wall: no controls, no header.")

    def __init__(self, store: SalesStore) -> None:
        super().__init__()
        self._store = store
        self._now: datetime | None = None
        self._frame: Frame | None = None
        self._ticked = 0.0
        self._currency, self._customers = "EUR", ""
        self._tiles = theme.Tiles(
            {
                "spend": "Spend now",
                "likely": "Likely at the end",
                "between": "Four times in five",
                "offers": "Offers",
                "saves": "They save",
                "near": "Customers foreseen",
            }
        )
        self._line = ColumnDataSource(_nothing())

    def view(self) -> pmui.Page:
        """The page, ready to serve."""
        location = address()
        if location is not None:
            location.sync(self, {"owner": "owner", "offer": "offer", "at": "at", "kiosk": "kiosk"})
        self._gauges, self._offers, self._visits = (
            theme.lively(sizing_mode="stretch_width", stylesheets=[drawing.CSS]) for _ in range(3)
        )
        self._told = pmui.Alert("A moment …", severity="info", sizing_mode="stretch_width")
        keys = Keys("", self._heard)
        chart = self._chart()
        left = theme.stack(
            theme.card("Spend, and where it will end", chart),
            theme.card("How near the next plan", self._gauges),
        )
        right = theme.stack(
            theme.card("Whom to call, and why", self._offers),
            theme.card("Maintenance worth a visit", self._visits),
        )
        cards = pn.Column(left, right, sizing_mode="stretch_width", styles=theme.PAIRED, margin=0)
        controls = self._controls()
        main = [keys, self._told, *([] if self.kiosk else [controls]), self._tiles.view, cards]
        self._begin()  # what is known already is there when the page is drawn
        pn.state.onload(self._start)
        page = theme.page("Sales", main, [] if self.kiosk else theme.links("sales"), wide=True)
        if self.kiosk:
            page.sx = {"& .MuiAppBar-root, & .MuiToolbar-root": {"display": "none"}}
        return page

    # -- parts -----------------------------------------------------------------------------------------------

    def _controls(self) -> Any:
        self._clock = theme.lively(width=170, styles={"font-size": "20px", "font-weight": "600"})
        self._play = pmui.Toggle(label="Playing", icon="play_arrow", value=True, color="primary", width=120)
        self._speed = pmui.Select(
            label="Speed", options=SPEEDS, value=1440, width=180, size="small", sx=theme.FIELD
        )
        self._owners = pmui.Select(
            label="Account owner",
            options={"everybody": ""},
            value="",
            width=180,
            size="small",
            sx=theme.FIELD,
        )
        self._owners.param.watch(lambda event: self.param.update(owner=event.new), "value")
        self.param.watch(lambda *_: self._again(), "owner")
        page = _download(self._page, "sales.html", "Snapshot")
        letter = _download(self._letter, "sales.eml", "Mail")
        wall = pmui.Button(label="Kiosk", icon="tv", variant="outlined", size="small", align="end")
        wall.on_click(lambda _: self._to_kiosk())
        share = pmui.Button(label="Link", icon="link", variant="outlined", size="small", align="end")
        share.on_click(lambda _: self._share())
        self._link = theme.lively(sizing_mode="stretch_width", stylesheets=[drawing.CSS])
        row = pmui.Row(self._play, self._speed, self._owners, self._clock, page, letter, share, wall,
                       sx={"gap": "10px", "flexWrap": "wrap", "alignItems": "center"}, styles=theme.SHRINKS)  # fmt: skip
        return pn.Column(row, self._link, sizing_mode="stretch_width", margin=0, styles=theme.SHRINKS)

    def _chart(self) -> Any:
        plot = plain(300, y_axis_label=None)
        plot.varea(
            "at",
            y1="low",
            y2="high",
            source=self._line,
            fill_color=theme.WARM,
            fill_alpha=0.18,
            legend_label="80 %",
        )
        plot.line(
            "at",
            "middle",
            source=self._line,
            line_color=theme.WARM,
            line_dash="dashed",
            line_width=2,
            legend_label="likely at the end",
        )
        plot.line(
            "at",
            "spend",
            source=self._line,
            line_color=theme.ACCENT,
            line_width=3,
            legend_label="spend so far",
        )
        plot.y_range.start = 0
        legend = plot.legend[0]
        legend.orientation, legend.location = "horizontal", "top_left"
        legend.background_fill_alpha, legend.border_line_alpha, legend.padding = 0, 0, 2
        legend.label_text_font_size, legend.label_text_color = "11px", theme.QUIET
        self._plot = plot
        return plot

    # -- time --------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        ticking = pn.state.add_periodic_callback(self._tick, period=TICK_MS)
        pn.state.on_session_destroyed(lambda _: ticking.stop())

    def _tick(self) -> None:
        if not watched():
            return
        store = self._store
        if self._now is None and not self._begin():
            return
        assert self._now is not None
        assert store.end is not None
        playing = self.kiosk or bool(self._play.value)
        if not playing:
            self._ticked = 0.0
            return
        last = store.frames[-1].at
        ready = min(store.end, last)
        step = self._elapsed() * (1440 if self.kiosk else int(self._speed.value))
        self._now = min(self._now + step, ready)
        if self._now >= store.end:
            self._now = self._first()
            self._line.data = self._past(self._now)
        with pn.io.hold():
            self._show()

    def _begin(self) -> bool:
        """Wait for the first frames, saying what is worked out; then begin with the last day."""
        store = self._store
        if store.trouble:
            self._told.param.update(object=store.trouble, severity="warning", visible=True)
        if not store.frames or store.end is None or store.frames[-1].at < self._first():
            if store.told:
                self._told.object = f"A moment, {store.told} …"
            return False
        self._now = self._first()
        if not self.kiosk:
            self._owners.options = {"everybody": "", **{name: name for name in store.owners}}
            self._owners.value = self.owner if self.owner in store.owners else ""
        self._plot.x_range = Range1d(store.begin, store.end)
        self._visits.text = drawing.visits_html(store.maintenance)
        self._told.visible = bool(store.trouble)
        self._line.data = self._past(self._now)
        return True

    def _first(self) -> datetime:
        store = self._store
        assert store.begin is not None
        assert store.end is not None
        if self.at:
            try:
                return min(
                    max(datetime.fromisoformat(self.at).replace(tzinfo=None), store.begin),
                    store.end - timedelta(hours=1),
                )
            except ValueError:
                self.at = ""
        return max(store.begin, store.end - DAY)

    def _elapsed(self) -> timedelta:
        now = monotonic()
        since = min(now - self._ticked, LONGEST_S) if self._ticked else TICK_MS / 1000
        self._ticked = now
        return timedelta(seconds=since)

    # -- drawing -----------------------------------------------------------------------------------------------

    def _again(self) -> None:
        if self._now is not None:
            self._line.data = self._past(self._now)
            self._frame = None
            with pn.io.hold():
                self._show()

    def _past(self, now: datetime) -> dict[str, list[Any]]:
        points = _nothing()
        for frame in self._store.frames:
            if frame.at <= now:
                for name, value in _point(
                    frame, self.owner, frame.at, _float(frame.bill, self.owner)
                ).items():
                    points[name].append(value)
        return points

    def _show(self) -> None:
        assert self._now is not None
        frame, after = self._store.at(self._now), self._store.after(self._now)
        if frame is None:
            return
        spend = frame.bill.get(self.owner, Fraction(0))
        if after is not None:
            part = Fraction(
                int((self._now - frame.at).total_seconds() * 1000),
                max(1, int((after.at - frame.at).total_seconds() * 1000)),
            )
            spend += (after.bill.get(self.owner, Fraction(0)) - spend) * part
        if not self.kiosk:
            self._clock.text = f"{self._now:%a %d %b&ensp;%H:%M}"
        point = _point(frame, self.owner, self._now, float(spend))
        self._line.stream({name: [value] for name, value in point.items()}, rollover=KEPT_POINTS)
        if frame is not self._frame:
            self._frame = frame
            self._show_tiles(frame)
            self._store.webhooks([one for one in frame.offers if one.triggered_at == frame.at])
            self._gauges.text = drawing.gauges_html(self._kept(frame))
            self._show_offers(frame)
        self._tiles.set("spend", f"{rounded(spend, self._currency)} {self._currency}", self._customers)
        self._tiles.show()

    def _kept(self, frame: Frame) -> list[Standing]:
        return [one for one in frame.standings if self.owner in ("", one.owner)]

    def _listed(self, frame: Frame) -> list[Offer]:
        return [one for one in frame.offers if self.owner in ("", one.owner) and not one.held_out]

    def _show_offers(self, frame: Frame) -> None:
        self._offers.text = drawing.offers_html(
            self._listed(frame), self._kept(frame), self.offer, frame.at, self._store.replayed
        )

    def _show_tiles(self, frame: Frame) -> None:
        kept, offers, tiles = self._kept(frame), self._listed(frame), self._tiles
        self._currency = currency = kept[0].currency if kept else "EUR"
        self._customers = f"{count(len(kept))} customers"
        foreseen = sum(one.state == "forecast" for one in kept)
        if foreseen:
            tiles.set(
                "likely",
                f"{rounded(frame.middle[self.owner], currency)} {currency}",
                "all customers together",
            )
            tiles.set(
                "between",
                f"{rounded(frame.low[self.owner], currency)}–{rounded(frame.high[self.owner], currency)}",
                "every customer's own 80 %, added",
            )
        else:
            tiles.set("likely", "–", "not enough data yet")
            tiles.set("between", "–", "")
        tiles.set(
            "offers",
            count(len(offers)),
            f"{sum(one.triggered_at == frame.at for one in offers)} new this hour",
        )
        tiles.set(
            "saves",
            f"{rounded(sum((one.saving for one in offers), Fraction(0)), currency)} {currency}",
            "in three periods, expected",
        )
        tiles.set(
            "near", f"{count(foreseen)}", f"{sum(one.state == 'no_usage' for one in kept)} without usage"
        )

    # -- what a person does --------------------------------------------------------------------------------------

    def _heard(self, message: dict[str, Any]) -> None:
        if message.get("tell") == "offer":
            chosen = str(message["value"])
            self.offer = "" if self.offer == chosen else chosen
            if self._frame is not None:
                self._show_offers(self._frame)

    def _page(self) -> BytesIO:
        text = (
            snapshot_html(self._store.found(self._frame), owner=self.owner)
            if self._frame
            else "<p>Nothing yet.</p>"
        )
        return BytesIO(text.encode())

    def _letter(self) -> BytesIO:
        text = (
            str(mail(self._store.found(self._frame), "sales@localhost", "workbench@localhost", self.owner))
            if self._frame
            else ""
        )
        return BytesIO(text.encode())

    def _state(self) -> dict[str, str]:
        at = self._now.isoformat(timespec="minutes") if self._now else ""
        return {"owner": self.owner, "offer": self.offer, "at": at, "kiosk": "true" if self.kiosk else ""}

    def _share(self) -> None:
        location = address()
        href = str(location.href) if location is not None else ""
        link = escape(drawing.share_link(href, self._state()))
        self._link.text = f'<div class="none" style="padding:4px 0;text-align:left">This moment: <a href="{link}">{link}</a></div>'

    def _to_kiosk(self) -> None:
        location = address()
        if location is not None:
            self.kiosk = True
            location.reload = True


def _download(made: Callable[[], BytesIO], name: str, label: str) -> Any:
    """A button that gives a file, made when it is pressed."""
    return pmui.FileDownload(
        callback=made, filename=name, label=label, variant="outlined", size="small", align="end"
    )


def _float(sums: dict[str, Fraction], owner: str) -> float:
    """For the height of a line, never for a printed amount."""
    return float(sums.get(owner, Fraction(0)))


def _point(frame: Frame, owner: str, at: datetime, spend: float) -> dict[str, Any]:
    foreseen = any(one.state == "forecast" for one in frame.standings)
    nothing = float("nan")
    return {
        "at": at, "spend": spend, "low": _float(frame.low, owner) if foreseen else nothing,
        "middle": _float(frame.middle, owner) if foreseen else nothing, "high": _float(frame.high, owner) if foreseen else nothing,
    }  # fmt: skip


def _nothing() -> dict[str, list[Any]]:
    """Columns of a chart that has not begun."""
    return {"at": [], "spend": [], "low": [], "middle": [], "high": []}
