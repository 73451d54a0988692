"""eSIM heartbeats: every profile reports once an hour that it lives.

Half of the fleet was never configured and wakes on the full hour, all within three seconds: the synchronised
wake-up that brings down attach procedures. The other half has a phase of its own.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from simulators import columns as col
from simulators import inventory
from simulators.base import DEFAULT_START, Fleet
from simulators.block import Block
from simulators.calendar import HOUR_MS, Instant
from simulators.city import anywhere
from simulators.columns import Array, Column, strings
from simulators.identities import identities
from simulators.randomness import stream
from simulators.traffic import Traffic

PROFILES = ("operational", "bootstrap")
HERD_MS = 3_000


class Esims(Fleet):
    """eSIM heartbeats, hourly; natural key (device_id, ts)."""

    name: ClassVar[str] = "esims"
    title: ClassVar[str] = "eSIM heartbeats: hourly, half of them on the full hour"
    prefix: ClassVar[str] = "esim"
    key: ClassVar[tuple[str, ...]] = ("device_id", "ts")
    period_seconds: ClassVar[int] = 3600
    habits: ClassVar[Traffic] = Traffic(
        loss=0.005, duplicates=0.02, duplicate_seconds=90, latency_ms=700, latency_spread=1.0, skew_ms=500
    )
    sensed: ClassVar[tuple[str, ...]] = ("bytes",)
    columns: ClassVar[tuple[Column, ...]] = (
        col.device(),
        col.time("ts", "when the heartbeat was made, module's clock"),
        col.time("received_at", "arrival"),
        col.category("iccid", "active profile"),
        col.category("profile", "operational or bootstrap"),
        col.category("imei", "module"),
        col.category("network", "MCC and MNC"),
        col.category("country", "where it is"),
        col.category("destination", "host and port"),
        col.number("bytes", pa.int64(), "payload both ways [bytes]"),
    )

    def __init__(
        self,
        devices: int = 1000,
        *,
        seed: int = 7,
        start: Instant = DEFAULT_START,
        traffic: Traffic | None = None,
    ) -> None:
        super().__init__(devices, seed=seed, start=start, traffic=traffic)
        generator = stream(seed, "esims/esims")
        self._skew_ms = self.traffic.skews(generator, devices)
        herd = generator.random(devices) < 0.5
        self._phase_ms = np.where(herd, 0, generator.integers(0, HOUR_MS - 2 * HERD_MS, size=devices))
        self._bootstrap = (generator.random(devices) < 0.03).astype(np.int32)
        self._network = (generator.random(devices) < 0.3).astype(np.int32)

    def block(self, index: int) -> Block:
        """One hour: one heartbeat each."""
        generator = stream(self.seed, "esims/hour", index)
        sent_ms = index * HOUR_MS + self._phase_ms + generator.integers(0, HERD_MS, size=self.devices)
        device = np.arange(self.devices, dtype=np.int32)
        nothing = np.zeros(self.devices, dtype=np.int32)
        columns: dict[str, Array] = {
            "device_id": device,
            "ts": sent_ms + self._skew_ms,
            "iccid": device,
            "profile": self._bootstrap,
            "imei": device,
            "network": self._network,
            "country": nothing,
            "destination": nothing,
            "bytes": 56 + generator.integers(0, 16, size=self.devices),
        }
        return Block(columns, *self.traffic.deliver(generator, sent_ms))

    def categories(self) -> dict[str, pa.StringArray]:
        """Profiles, networks and the host."""
        sims = identities(self.seed, self.name, self.devices)
        return {
            "iccid": sims["iccid"],
            "imei": sims["imei"],
            "profile": strings(PROFILES),
            "country": strings(["DE"]),
            "network": strings(["26201", "26202"]),
            "destination": strings(["alive.esim.example:5683"]),
        }

    def inventory(self) -> pa.Table:
        """One row per eSIM with its EID; the group is the state of its profile."""
        return inventory.table(
            self.dictionary("device_id"),
            "eSIM module",
            anywhere(self.seed, self.name, self.devices),
            inventory.named(self._bootstrap, PROFILES),
            identities=identities(self.seed, self.name, self.devices, eid=True),
        )
