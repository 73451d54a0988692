"""A live town in a notebook: lamps that speak MQTT, the node that takes them in, and the past of a lake played again."""

from __future__ import annotations

import atexit
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.clock import PacedClock
from workbench.lake.open import OpenLake, open_lake
from workbench.live import past
from workbench.live.care import bill_of
from workbench.live.node import LiveNode, Settings
from workbench.live.wire import JOURNALS, Wire
from workbench.mediation.policy import Policy
from workbench.model.money import NANO, decimal_text
from workbench.model.plan import Period
from workbench.showcase.cast import cast_of, offers, policy
from workbench.showcase.notebook import _temporary
from workbench.showcase.publish import Publisher, live_routes, settle_in, traffic

_START = datetime(2026, 3, 2, 18, tzinfo=UTC)


class LiveTown:
    """Running from the moment it is made until ``stop``.

    Args:
        lamps: how many speak.
        speed: seconds of the town in one second of yours.
        path: where its lake is made; a temporary folder when left out.
    """

    def __init__(
        self, lamps: int = 60, speed: float = 200.0, path: str | Path | None = None, seed: int = 7
    ) -> None:
        self.path = Path(path) if path is not None else _temporary()
        self.clock = PacedClock(_START, speed)
        fleet = {"streetlights": lamps}
        self._wire = Wire(self.path / JOURNALS, now_ns=self.clock.now_ns).__enter__()
        day = _START.replace(hour=0)
        self.node = LiveNode(
            self.path, self.path / JOURNALS, live_routes(), policy(), offers([cast_of("streetlights")]),
            clock=self.clock, period=Period(day, day + timedelta(days=1)),
            settings=Settings(clock_speed=speed, linger_seconds=0.1), ready=lambda lake: settle_in(lake, fleet),
        ).start()  # fmt: skip
        begin = self.clock.now().replace(tzinfo=None)
        self._publisher = Publisher("127.0.0.1", self._wire.port, self.clock)
        self._publisher.start(traffic(fleet, begin, seed))
        self._running = True
        atexit.register(self.stop)

    def watch(self, seconds: float = 5.0) -> pd.DataFrame:
        """Look twice a second: acknowledged messages, events in records, records, and how long the last batch took."""
        rows = []
        for _ in range(max(1, round(seconds * 2))):
            time.sleep(0.5)
            figures = self.node.figures
            rows.append(
                {
                    "town time": f"{self.clock.now():%H:%M:%S}",
                    "acknowledged": self._wire.listener.stats.acknowledged,
                    "events": figures.events,
                    "records": figures.records,
                    "receipt to record, s": round(figures.freshness[-1], 2) if figures.freshness else None,
                }
            )
        return pd.DataFrame(rows)

    def status(self) -> pd.Series[Any]:
        """What arrived and what became of it."""
        figures = self.node.figures
        return pd.Series(
            {
                "acknowledged": self._wire.listener.stats.acknowledged, "events": figures.events,
                "copies": figures.duplicates, "records": figures.records, "refused rows": figures.rejected,
                "lake version": figures.version,
            }
        )  # fmt: skip

    def bills(self) -> pd.DataFrame:
        """What each account owes at this moment, exactly, as decimal text."""
        standing = self.node.standing
        rows = [
            {
                "account": account["name"], "component": line["component_id"], "currency": line["currency"],
                "so far": decimal_text(line["nano"] / NANO, 2),
            }
            for name, account in standing.accounts.items() for line in bill_of(standing, name)
        ]  # fmt: skip
        return pd.DataFrame(rows)

    def stop(self) -> OpenLake:
        """The lamps fall silent; what they said becomes records; the lake stays. Safe to call again."""
        if self._running:
            self._running = False
            self._publisher.stop()
            self.node.settled(30)
            self.node.stop()
            self._wire.__exit__()
        return open_lake(self.path)


def live_town(lamps: int = 60, *, speed: float = 200.0, path: str | Path | None = None) -> LiveTown:
    """A town of street lamps that speak MQTT to this process; see ``LiveTown``."""
    return LiveTown(lamps, speed, path)


def replay(lake: OpenLake, *, speed: float = 2_000.0, path: str | Path | None = None) -> OpenLake:
    """A lake's past, over the wire once more, on a faster clock.

    Args:
        path: where the lake it becomes is made; a temporary folder when left out.

    Returns: that lake. Its records are the original's, byte for byte.
    """
    source, folder = lake.inner, Path(path) if path is not None else _temporary()
    streams, span = past.streams_of(source), past.span_of(source)
    if span is None:
        return open_lake(source.root.parent, source.tenant)
    clock = PacedClock(span[0].replace(tzinfo=UTC), speed)
    with Wire(folder / JOURNALS, now_ns=clock.now_ns) as wire:
        node = LiveNode(
            folder, folder / JOURNALS, past.routes_of(streams), past.policy_of(streams, Policy()), clock=clock,
            settings=Settings(clock_speed=speed, rate_seconds=0),
        ).start()  # fmt: skip
        said = past.said(source, streams, span[0], span[1] + timedelta(seconds=1))
        Publisher("127.0.0.1", wire.port, clock).run(said)
        node.settled(60)
        node.stop()
    return open_lake(folder)
