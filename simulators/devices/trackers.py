"""Asset trackers: roaming SIMs on parcels, pallets and trailers.

A tracker is on a route of three countries and stays a few days in each; where it is decides the networks it
finds. It reports every ten minutes while it moves and once an hour while it stands; out of coverage it keeps
reports for hours. Loss and duplicates lie between the measured fixed node (0.9 %, 8 %) and the measured
mobile one (47 %, 28 %).
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
from simulators.columns import Array, Column, numbered, strings
from simulators.identities import identities
from simulators.randomness import stream
from simulators.traffic import Traffic

# Country by its mobile country code (ITU-T E.212), two networks each; home comes first.
COUNTRIES = ("DE", "FR", "NL", "PL", "CZ", "AT", "IT", "ES", "CH", "GB")
NETWORKS = ("26201", "26202", "20801", "20810", "20404", "20408", "26001", "26002", "23001", "23002",
            "23201", "23203", "22201", "22210", "21401", "21407", "22801", "22802", "23410", "23415")  # fmt: skip
DESTINATIONS = ("track.assets.example:5684", "track2.assets.example:5684")
MOVING_PER_HOUR = 6


class Trackers(Fleet):
    """Asset trackers; key event_id."""

    name: ClassVar[str] = "trackers"
    title: ClassVar[str] = "Asset trackers: roaming SIMs, network, country and bytes"
    prefix: ClassVar[str] = "asset"
    key: ClassVar[tuple[str, ...]] = ("event_id",)
    period_seconds: ClassVar[int] = 1800
    habits: ClassVar[Traffic] = Traffic(
        loss=0.03,
        duplicates=0.03,
        duplicate_seconds=600,
        latency_ms=1_800,
        latency_spread=1.0,
        late=0.05,
        late_seconds=21_600,
        skew_ms=3_000,
    )
    sensed: ClassVar[tuple[str, ...]] = ("bytes",)
    columns: ClassVar[tuple[Column, ...]] = (
        col.device(),
        col.identifier("event_id", "unique per true report"),
        col.time("ts", "when the report was made, tracker's clock"),
        col.time("received_at", "arrival at the broker"),
        col.category("imsi", "SIM"),
        col.category("imei", "modem"),
        col.category("network", "MCC and MNC of the visited network"),
        col.category("country", "where the tracker is"),
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
        generator = stream(seed, "trackers/trackers")
        self._skew_ms = self.traffic.skews(generator, devices)
        abroad = generator.integers(1, len(COUNTRIES), size=(devices, 2))
        self._route = np.column_stack((np.zeros(devices, dtype=np.int64), abroad))
        self._stay_days = generator.integers(1, 6, size=devices)
        self._turn = generator.integers(0, 30, size=devices)
        self._second = generator.integers(0, 540_000, size=devices)
        self._lively = generator.uniform(0.05, 0.7, size=devices)

    def block(self, index: int) -> Block:
        """One hour: six reports from what moves, one from what stands."""
        generator = stream(self.seed, "trackers/hour", index)
        working = 1.2 if 5 <= index % 24 < 20 and (index // 24 + 3) % 7 < 5 else 0.4
        reports = np.where(generator.random(self.devices) < self._lively * working, MOVING_PER_HOUR, 1)
        device = np.repeat(np.arange(self.devices, dtype=np.int32), reports)
        turn = np.arange(len(device)) - np.repeat(np.cumsum(reports) - reports, reports)
        jitter_ms = generator.integers(0, 20_000, size=len(device))
        sent_ms = index * HOUR_MS + self._second[device] + turn * 600_000 + jitter_ms
        country = self._country(index // 24)[device]
        network = 2 * country + (generator.random(len(device)) < 0.2)
        columns: dict[str, Array] = {
            "device_id": device,
            "event_id": numbered(index, len(device)),
            "ts": sent_ms + self._skew_ms[device],
            "imsi": device,
            "imei": device,
            "network": network.astype(np.int32),
            "country": country.astype(np.int32),
            "destination": np.zeros(len(device), dtype=np.int32),
            "bytes": 40 + generator.poisson(36, size=len(device)),
        }
        return Block(columns, *self.traffic.deliver(generator, sent_ms))

    def categories(self) -> dict[str, pa.StringArray]:
        """SIMs, networks, countries and hosts."""
        sims = identities(self.seed, self.name, self.devices)
        return {
            "imsi": sims["imsi"],
            "imei": sims["imei"],
            "network": strings(NETWORKS),
            "country": strings(COUNTRIES),
            "destination": strings(DESTINATIONS),
        }

    def inventory(self) -> pa.Table:
        """One row per tracker with its home address; the group is the SIM group of its route."""
        groups = [f"roaming-{name}" for name in COUNTRIES]
        return inventory.table(
            self.dictionary("device_id"),
            "asset tracker",
            anywhere(self.seed, self.name, self.devices),
            inventory.named(self._route[:, 1], groups),
            identities=identities(self.seed, self.name, self.devices),
        )

    def _country(self, day: int) -> Array:
        leg = (day + self._turn) // self._stay_days % 3
        country: Array = self._route[np.arange(self.devices), leg]
        return country
