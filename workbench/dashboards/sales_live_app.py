"""The sales page over the running pipeline: the same page, whose clock is the pipeline's and whose numbers are its newest."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.models import Range1d

from workbench.dashboards import theme
from workbench.dashboards.sales import drawing
from workbench.dashboards.sales.live import LiveSales
from workbench.dashboards.sales.page import KEPT_POINTS, Page, height, nothing, point_of
from workbench.dashboards.sales.store import Frame
from workbench.dashboards.sessions import watched
from workbench.twin.show import rounded


class LiveSalesPage(Page):
    """One session's page over what all sessions share."""

    pages = theme.LIVE_PAGES

    def __init__(self, live: LiveSales, speed: float = 1.0) -> None:
        super().__init__(live)
        self._live, self._speed = live, speed
        self._beats = self._points = self._visited = 0
        self._drawn: tuple[Any, ...] = ()

    def _time_controls(self) -> list[Any]:
        return [pmui.Chip(label="Live", icon="sensors", color="success", size="small", margin=(14, 0))]

    def _tick(self) -> None:
        if not watched():
            return
        live = self._live
        live.watch()
        if live.trouble:
            self._told.param.update(object=live.trouble, severity="warning", visible=True)
        if self._now is None and not self._begin():
            return
        if live.beats == self._beats:
            return
        self._beats = live.beats
        with pn.io.hold():
            self._told.visible = bool(live.trouble)
            self._show()

    def _begin(self) -> bool:
        live = self._live
        live.watch()
        if live.frame is None or live.begin is None or live.end is None:
            if live.told and not live.trouble:
                self._told.object = f"A moment, {live.told} …"
            return False
        self._now = live.frame.at
        self._name_owners()
        self._plot.x_range = Range1d(live.begin, live.end)
        self._told.visible = bool(live.trouble)
        self._line.data = self._past(self._now)
        return True

    def _past(self, now: Any) -> dict[str, list[Any]]:
        points = nothing()
        past = self._live.past
        self._points = len(past)
        for frame in past:
            for name, value in _point(frame, self.owner).items():
                points[name].append(value)
        return points

    def _show(self) -> None:
        frame = self._live.frame
        assert frame is not None
        self._now, self._frame = frame.at, frame
        if not self.kiosk:
            fast = f"&ensp;<small>{self._speed:g} times as fast</small>" if self._speed != 1 else ""
            self._clock.text = f"{frame.at:%a %d %b&ensp;%H:%M:%S}{fast}"
        if (
            abs(len(self._live.past) - self._points) > 1
        ):  # points of earlier came, or old ones were thinned out
            self._line.data = self._past(frame.at)
        else:
            self._points = len(self._live.past)
        self._line.stream(
            {name: [value] for name, value in _point(frame, self.owner).items()}, rollover=KEPT_POINTS
        )
        self._show_tiles(frame)
        spend = frame.bill.get(self.owner, Fraction(0))
        self._tiles.set("spend", f"{rounded(spend, self._currency)} {self._currency}", self._customers)
        self._tiles.show()
        self._gauges.text = drawing.gauges_html(self._kept(frame))
        self._show_offers(frame)
        if self._visited != id(self._live.maintenance):
            self._visited = id(self._live.maintenance)
            self._visits.text = drawing.visits_html(self._live.maintenance)

    def _show_offers(self, frame: Frame) -> None:
        """Drawn again only when something of it changed: a list that is being read should stand still."""
        listed = self._listed(frame)
        new = [one.offer_id for one in listed if drawing.is_new(one, frame.at)]
        seen = (
            self.offer,
            new,
            [(one.offer_id, round(one.saving, 2), round(one.chance, 2)) for one in listed],
        )
        if self.offer or seen != self._drawn:
            self._drawn = seen
            self._offers.text = drawing.offers_html(listed, self._kept(frame), self.offer, frame.at, {})


def _point(frame: Frame, owner: str) -> dict[str, Any]:
    return point_of(frame, owner, frame.at, height(frame.bill, owner))
