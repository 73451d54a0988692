"""The sales page over a period played again."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from time import monotonic
from typing import Any

import panel as pn
import panel_material_ui as pmui
from bokeh.models import Range1d

from workbench.dashboards import theme
from workbench.dashboards.sales import drawing
from workbench.dashboards.sales.page import KEPT_POINTS, TICK_MS, Page, height, nothing, point_of
from workbench.dashboards.sales.store import Frame, SalesStore
from workbench.dashboards.sessions import watched
from workbench.twin.show import rounded

LONGEST_S = 2.0
SPEEDS = {"1 hour in 10 s": 360, "1 day in 2 minutes": 720, "1 day in a minute": 1440, "1 day in 20 s": 4320}
DAY = timedelta(days=1)


class SalesPage(Page):
    """A session moves its own clock over frames that all sessions share."""

    def __init__(self, store: SalesStore) -> None:
        super().__init__(store)
        self._store = store
        self._ticked = 0.0

    def _time_controls(self) -> list[Any]:
        self._play = pmui.Toggle(label="Playing", icon="play_arrow", value=True, color="primary", width=120)
        self._speed = pmui.Select(
            label="Speed", options=SPEEDS, value=1440, width=180, size="small", sx=theme.FIELD
        )
        return [self._play, self._speed]

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
        self._name_owners()
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

    def _past(self, now: datetime) -> dict[str, list[Any]]:
        points = nothing()
        for frame in self._store.frames:
            if frame.at <= now:
                for name, value in point_of(
                    frame, self.owner, frame.at, height(frame.bill, self.owner)
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
        point = point_of(frame, self.owner, self._now, float(spend))
        self._line.stream({name: [value] for name, value in point.items()}, rollover=KEPT_POINTS)
        if frame is not self._frame:
            self._frame = frame
            self._show_tiles(frame)
            self._store.webhooks([one for one in frame.offers if one.triggered_at == frame.at])
            self._gauges.text = drawing.gauges_html(self._kept(frame))
            self._show_offers(frame)
        self._tiles.set("spend", f"{rounded(spend, self._currency)} {self._currency}", self._customers)
        self._tiles.show()

    def _show_offers(self, frame: Frame) -> None:
        self._offers.text = drawing.offers_html(
            self._listed(frame), self._kept(frame), self.offer, frame.at, self._store.replayed
        )
