"""What the sales page shows whatever moves its time: spend now, where the month will end, who is near a tier, whom to call and why."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from fractions import Fraction
from html import escape
from io import BytesIO
from typing import Any, Protocol

import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import ColumnDataSource

from workbench.casework.maintenance import MaintenanceOffer
from workbench.casework.standing import Offer, Standing
from workbench.casework.telling import mail, snapshot_html
from workbench.casework.upsell import Upsell
from workbench.dashboards import theme
from workbench.dashboards.cases.charts import plain
from workbench.dashboards.cases.keys import Keys
from workbench.dashboards.sales import drawing
from workbench.dashboards.sales.store import Frame
from workbench.dashboards.sessions import address
from workbench.dashboards.text import count
from workbench.twin.show import rounded

TICK_MS = 100
KEPT_POINTS = 6_000


class Board(Protocol):
    """What a page reads beside its frames; all sessions share it."""

    @property
    def owners(self) -> list[str]:
        """Account owners, sorted."""
        ...

    @property
    def maintenance(self) -> list[MaintenanceOffer]:
        """Visits that would pay."""
        ...

    def found(self, frame: Frame) -> Upsell:
        """A frame as ``wb.upsell`` gives it."""
        ...


class Page(param.Parameterized):
    """One session's page; its parameters are the URL's query, so that a link shows the same."""

    pages: Mapping[str, str] = theme.PAGES

    owner = param.String(default="", doc="Only accounts of this owner.")
    offer = param.String(default="", doc="The offer whose reason is open.")
    at = param.String(default="", doc="Where to begin, ISO 8601.")
    kiosk = param.Boolean(default=False, doc="For a wall: no controls, no header.")

    def __init__(self, board: Board) -> None:
        super().__init__()
        self._board = board
        self._now: datetime | None = None
        self._frame: Frame | None = None
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
        self._line = ColumnDataSource(nothing())

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
        links = [] if self.kiosk else theme.links("sales", self.pages)
        return theme.page("Sales", main, links, wide=True, bare=self.kiosk)

    # -- parts -----------------------------------------------------------------------------------------------

    def _controls(self) -> Any:
        self._clock = theme.lively(width=230, styles={"font-size": "20px", "font-weight": "600"})
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
        wall = pmui.Button(label="Kiosk", icon="tv", variant="outlined", size="small")
        wall.on_click(lambda _: self._to_kiosk())
        share = pmui.Button(label="Link", icon="link", variant="outlined", size="small")
        share.on_click(lambda _: self._share())
        self._link = theme.lively(sizing_mode="stretch_width", stylesheets=[drawing.CSS])
        parts = (self._clock, *self._time_controls(), self._owners, page, letter, share, wall)
        row = pmui.Row(*theme.abreast(*parts),
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
        theme.legend_above(plot)
        self._plot = plot
        return plot

    def _name_owners(self) -> None:
        """Offer the owners to choose from."""
        if not self.kiosk:
            self._owners.options = {"everybody": "", **{name: name for name in self._board.owners}}
            self._owners.value = self.owner if self.owner in self._board.owners else ""

    # -- time, which is another on each page -------------------------------------------------------------------

    def _start(self) -> None:
        ticking = pn.state.add_periodic_callback(self._tick, period=TICK_MS)
        pn.state.on_session_destroyed(lambda _: ticking.stop())

    @abstractmethod
    def _time_controls(self) -> list[Any]:
        """What stands before the other controls."""

    @abstractmethod
    def _begin(self) -> bool:
        """Begin with the first frame, if there is one."""

    @abstractmethod
    def _tick(self) -> None:
        """Show what is new."""

    @abstractmethod
    def _past(self, now: datetime) -> dict[str, list[Any]]:
        """The chart's columns up to an instant."""

    @abstractmethod
    def _show(self) -> None:
        """Draw the instant ``_now``."""

    @abstractmethod
    def _show_offers(self, frame: Frame) -> None:
        """Draw the offers of a frame."""

    # -- drawing -----------------------------------------------------------------------------------------------

    def _again(self) -> None:
        if self._now is not None:
            self._line.data = self._past(self._now)
            self._frame = None
            with pn.io.hold():
                self._show()

    def _kept(self, frame: Frame) -> list[Standing]:
        return [one for one in frame.standings if self.owner in ("", one.owner)]

    def _listed(self, frame: Frame) -> list[Offer]:
        return [one for one in frame.offers if self.owner in ("", one.owner) and not one.held_out]

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
            f"{sum(drawing.is_new(one, frame.at) for one in offers)} new this hour",
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
            snapshot_html(self._board.found(self._frame), owner=self.owner)
            if self._frame
            else "<p>Nothing yet.</p>"
        )
        return BytesIO(text.encode())

    def _letter(self) -> BytesIO:
        text = (
            str(mail(self._board.found(self._frame), "sales@localhost", "workbench@localhost", self.owner))
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
    return pmui.FileDownload(callback=made, filename=name, label=label, variant="outlined", size="small")


def height(sums: dict[str, Fraction], owner: str) -> float:
    """For the height of a line, never for a printed amount."""
    return float(sums.get(owner, Fraction(0)))


def point_of(frame: Frame, owner: str, at: datetime, spend: float) -> dict[str, Any]:
    """One point of the chart."""
    foreseen = frame.foreseen > 0
    none = float("nan")
    return {
        "at": at, "spend": spend, "low": height(frame.low, owner) if foreseen else none,
        "middle": height(frame.middle, owner) if foreseen else none, "high": height(frame.high, owner) if foreseen else none,
    }  # fmt: skip


def nothing() -> dict[str, list[Any]]:
    """Columns of a chart that has not begun."""
    return {"at": [], "spend": [], "low": [], "middle": [], "high": []}
