"""Simulated fleets on a real wire: devices that speak MQTT, each message at its own time, until somebody stops them."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import paho.mqtt.client as mqtt

import simulators
from workbench.clock import PacedClock
from workbench.lake import parties
from workbench.lake.lake import Lake
from workbench.mediation.routes import Route, Routes
from workbench.showcase.build import write_sales
from workbench.showcase.cast import cast_of, mapping_of, offers
from workbench.showcase.parties import party_tables

FLEETS = {"streetlights": 3_000, "hubs": 300, "cars": 200, "trackers": 200, "meters": 400}
"""Who is on the wire of ``workbench live``. Vending machines speak a binary frame and stay at home."""


class Sent(Protocol):
    """A message with its time, naive UTC."""

    @property
    def topic(self) -> str:
        """Where it is published."""
        ...

    @property
    def payload(self) -> bytes:
        """What it says."""
        ...

    @property
    def received_at(self) -> datetime:
        """When it arrives."""
        ...


def live_routes() -> Routes:
    """What the fleets' topics (``<fleet>/<device>``) mean."""
    return Routes([Route(mapping_of(cast_of(fleet)), f"{fleet}/+") for fleet in FLEETS])


def traffic(devices: dict[str, int], start: datetime, seed: int = 7) -> Iterator[Sent]:
    """All messages of the fleets from an instant on (naive UTC), by time of arrival, for a year."""
    hour = start.replace(minute=0, second=0, microsecond=0)
    fleets = [simulators.fleet(name, count, seed=seed, start=hour) for name, count in sorted(devices.items())]
    merged = heapq.merge(*(_hourly(fleet) for fleet in fleets), key=lambda message: message.received_at)
    return (message for message in merged if message.received_at >= start)


def _hourly(fleet: Any) -> Iterator[Sent]:
    """A fleet's messages, made an hour at a time, in order of arrival."""
    yield from fleet.messages(365)


class Publisher:
    """Publishes messages when their time has come, at QoS 1, and waits while too many are unacknowledged.

    Attributes:
        published, acknowledged: how many.
        done: whether all messages were sent.
    """

    def __init__(self, host: str, port: int, clock: PacedClock, in_flight: int = 2_000) -> None:
        self._where, self._clock, self._room = (host, port), clock, threading.Semaphore(in_flight)
        self._stop = threading.Event()
        self.published = self.acknowledged = 0
        self.done = False
        self._begun = time.monotonic()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="fleets", clean_session=False)
        self._client.max_inflight_messages_set(in_flight)
        self._client.on_publish = self._told
        self._thread: threading.Thread | None = None

    def _told(self, *_: object) -> None:
        self.acknowledged += 1
        self._room.release()

    def start(self, messages: Iterable[Sent]) -> Publisher:
        """Publish in a thread of its own."""
        self._thread = threading.Thread(target=self.run, args=(messages,), name="fleets", daemon=True)
        self._thread.start()
        return self

    def run(self, messages: Iterable[Sent]) -> int:
        """Publish until the messages end or ``stop`` is called; returns how many were acknowledged."""
        self._client.connect(*self._where, keepalive=30)
        self._client.loop_start()
        try:
            for message in messages:
                at = message.received_at.replace(tzinfo=UTC)
                while not self._stop.is_set() and not self._clock.wait_until(at):
                    continue
                while not self._stop.is_set() and not self._room.acquire(timeout=0.25):
                    continue
                if self._stop.is_set():
                    break
                self._client.publish(message.topic, message.payload, qos=1)
                self.published += 1
            self._drain()
        finally:
            self.done = True
            self._client.disconnect()
            self._client.loop_stop()
        return self.acknowledged

    @property
    def running_seconds(self) -> float:
        """How long it has been at it."""
        return time.monotonic() - self._begun

    def _drain(self) -> None:
        """Wait a little for what is still on its way."""
        for _ in range(200):
            if self.acknowledged >= self.published or self._stop.wait(0.05):
                return

    def stop(self) -> None:
        """Say no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(15)


def this_hour(clock: PacedClock) -> datetime:
    """The clock's instant as the simulators write it."""
    return clock.now().replace(tzinfo=None) + timedelta(milliseconds=1)


def settle_in(lake: Lake, devices: dict[str, int]) -> None:
    """Accounts, devices and subscriptions of the fleets, when the lake has nobody yet; inside ``lake.writer()``."""
    write_sales(lake.root.parent)
    if lake.segments("accounts"):
        return
    casts = [cast_of(name) for name in devices]
    held = [(cast, simulators.fleet(cast.fleet, devices[cast.fleet], seed=7).inventory()) for cast in casts]
    add, _ = parties.stage(lake, party_tables(held, offers(casts)))
    lake.commit({"stage": "parties"}, add=add)
