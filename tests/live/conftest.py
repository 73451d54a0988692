"""A small city on the wire: parties loaded, a journal to write to, a node that takes it in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from workbench.clock import ReplayClock
from workbench.journal.journal import Journal
from workbench.journal.message import RawMessage
from workbench.live.node import LiveNode, Settings
from workbench.mediation.routes import Route, Routes
from workbench.showcase.build import load_parties
from workbench.showcase.cast import offers, policy
from workbench.showcase.scene import Scene

SCENE = Scene({"lamps": 40, "trackers": 30, "hubs": 10, "meters": 10}, days=1, hours=2)
QUICK = Settings(linger_seconds=0.02, rate_seconds=0.5, rate_share=0.9)


def raw(count: int = 1_000_000, hours: int = 1) -> list[RawMessage]:
    """What the scene's fleets send, in order of receipt."""
    found = []
    for feed in SCENE.feeds():
        for message in islice(feed.fleet.messages(hours / 24), count):
            came = int(message.received_at.replace(tzinfo=UTC).timestamp() * 1e6) * 1000
            topic, source = message.topic, feed.mapping.source
            found.append(RawMessage("main", source, "", topic, "application/json", message.payload, came))
    return sorted(found, key=lambda message: message.received_at_ns)


def routes() -> Routes:
    """By source: the fleets' own mappings."""
    return Routes([Route(feed.mapping, source=feed.mapping.source) for feed in SCENE.feeds()])


@pytest.fixture(scope="session")
def messages() -> list[RawMessage]:
    return raw()


@pytest.fixture
def clock() -> ReplayClock:
    return ReplayClock(datetime(2026, 3, 2, 2, tzinfo=UTC))


def node_on(folder: Path, clock: ReplayClock, settings: Settings = QUICK) -> LiveNode:
    """A node on the scene's lake; parties are loaded when the lake is new."""

    def ready(lake) -> None:
        if lake.state.version == 0:
            load_parties(lake, SCENE, SCENE.feeds())

    return LiveNode(
        folder / "lake", folder / "journals", routes(), policy(), offers(SCENE.casts),
        clock=clock, period=SCENE.period, settings=settings, ready=ready,
    )  # fmt: skip


@pytest.fixture
def node(tmp_path: Path, clock: ReplayClock) -> Iterator[LiveNode]:
    found = node_on(tmp_path, clock).start()
    yield found
    found.stop()


def journaled(folder: Path, messages: list[RawMessage]) -> None:
    """Commit messages to the journal of a folder."""
    with Journal(folder / "journals" / "wire-0") as journal:
        journal.append(messages)
        journal.flush()


__all__ = ["timedelta"]
