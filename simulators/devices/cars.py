"""Connected cars: telemetry while they drive, one synchronised wake-up a night, and waves of firmware.

The firmware campaign is what hurts a network: on Monday a twentieth of the fleet wakes at 02:00:00 UTC, on
Tuesday nearly half, on Wednesday the rest, and each car downloads the same image in pieces.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from simulators import columns as col
from simulators import inventory
from simulators.base import DEFAULT_START, Fleet
from simulators.block import Block
from simulators.calendar import HOUR_MS, Instant, local_hour
from simulators.city import anywhere
from simulators.columns import Array, Column, numbered, strings
from simulators.identities import identities
from simulators.randomness import stream
from simulators.traffic import Traffic

# Share of the fleet on the road by local hour, workdays and weekends [%].
_WORKDAY = (1, 0, 0, 0, 1, 3, 9, 14, 12, 6, 5, 5, 6, 6, 6, 8, 12, 15, 11, 7, 5, 4, 3, 2)
_WEEKEND = (2, 1, 1, 0, 0, 1, 2, 3, 5, 8, 10, 10, 9, 9, 9, 9, 9, 8, 7, 6, 5, 4, 4, 3)
KINDS = ("telemetry", "wakeup", "firmware")
DESTINATIONS = ("telematics.cars.example:8883", "ota.cars.example:443", "maps.cars.example:443")
WAKE_HOUR, WAKE_SPREAD_MS = 3, 20_000
WAVE_HOUR, WAVE_SPREAD_MS, PIECES, PIECE_MS = 2, 90_000, 24, 75_000
_WAVES = {0: (0.0, 0.05), 1: (0.05, 0.5), 2: (0.5, 1.0)}  # weekday -> part of the fleet


class Cars(Fleet):
    """Connected cars; key event_id."""

    name: ClassVar[str] = "cars"
    title: ClassVar[str] = "Connected cars: telemetry, nightly wake-ups and firmware waves"
    prefix: ClassVar[str] = "car"
    key: ClassVar[tuple[str, ...]] = ("event_id",)
    period_seconds: ClassVar[int] = 3_600
    habits: ClassVar[Traffic] = Traffic(
        loss=0.01,
        duplicates=0.01,
        duplicate_seconds=300,
        latency_ms=600,
        latency_spread=1.0,
        late=0.02,
        late_seconds=3_600,
        skew_ms=800,
    )
    sensed: ClassVar[tuple[str, ...]] = ("bytes",)
    columns: ClassVar[tuple[Column, ...]] = (
        col.device(),
        col.identifier("event_id", "unique per true message"),
        col.time("ts", "when the car sent it, car's clock"),
        col.time("received_at", "arrival at the broker"),
        col.category("kind", "telemetry, wakeup or firmware"),
        col.number("bytes", pa.int64(), "payload both ways [bytes]"),
        col.category("destination", "host and port"),
        col.category("imsi", "SIM"),
        col.category("imei", "modem"),
        col.category("network", "MCC and MNC"),
        col.category("country", "where the car is"),
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
        generator = stream(seed, "cars/cars")
        self._skew_ms = self.traffic.skews(generator, devices)
        self._keen = generator.lognormal(0.0, 0.5, size=devices)
        self._wave = generator.permutation(devices) / devices

    def block(self, index: int) -> Block:
        """One hour: trips, and at night the wake-up and the wave."""
        generator = stream(self.seed, "cars/hour", index)
        parts = [self._trips(generator, index)]
        if index % 24 == WAKE_HOUR:
            parts.append(self._wakeup(generator))
        weekday = (index // 24 + 3) % 7  # 1970-01-01 was a Thursday
        if index % 24 == WAVE_HOUR and weekday in _WAVES:
            parts.append(self._firmware(generator, index // 24 // 7, *_WAVES[weekday]))
        device, offset_ms, kind, size, destination = (
            np.concatenate(part) for part in zip(*parts, strict=True)
        )
        sent_ms = offset_ms + index * HOUR_MS
        home = np.zeros(len(device), dtype=np.int32)
        columns: dict[str, Array] = {
            "device_id": device,
            "event_id": numbered(index, len(device)),
            "ts": sent_ms + self._skew_ms[device],
            "kind": kind,
            "bytes": size,
            "destination": destination,
            "imsi": device,
            "imei": device,
            "network": home,
            "country": home,
        }
        return Block(columns, *self.traffic.deliver(generator, sent_ms))

    def categories(self) -> dict[str, pa.StringArray]:
        """Kinds, hosts and SIMs; cars of this fleet stay at home."""
        sims = identities(self.seed, self.name, self.devices)
        return {
            "kind": strings(KINDS),
            "destination": strings(DESTINATIONS),
            "imsi": sims["imsi"],
            "imei": sims["imei"],
            "network": strings(["99970"]),
            "country": strings(["DE"]),
        }

    def inventory(self) -> pa.Table:
        """One row per car; the group is the wave its firmware comes in."""
        sims = identities(self.seed, self.name, self.devices, eid=True)
        wave = np.searchsorted([0.05, 0.5], self._wave, side="right")
        return inventory.table(
            self.dictionary("device_id"),
            "connected car",
            anywhere(self.seed, self.name, self.devices),
            inventory.named(wave, ["wave-1", "wave-2", "wave-3"]),
            identities=sims,
        )

    def _trips(self, generator: np.random.Generator, index: int) -> tuple[Array, ...]:
        """A message a minute while driving; a trip lies within the hour."""
        clock = local_hour(index)
        share = (_WEEKEND if clock.weekday() >= 5 else _WORKDAY)[clock.hour] / 100
        driving = np.flatnonzero(generator.random(self.devices) < np.minimum(share * 1.6 * self._keen, 0.95))
        minutes = generator.integers(4, 50, size=len(driving))
        start_ms = (generator.random(len(driving)) * (60 - minutes) * 60_000).astype(np.int64)
        device = np.repeat(driving, minutes).astype(np.int32)
        minute = np.arange(len(device)) - np.repeat(np.cumsum(minutes) - minutes, minutes)
        offset_ms = (
            np.repeat(start_ms, minutes) + minute * 60_000 + generator.integers(0, 900, size=len(device))
        )
        size = np.rint(generator.lognormal(6.8, 0.35, size=len(device))).astype(np.int64)
        maps = minute % 10 == 9  # every tenth minute a map tile comes down instead
        return (
            device,
            offset_ms,
            np.zeros(len(device), dtype=np.int32),
            np.where(maps, size * 40, size),
            np.where(maps, 2, 0).astype(np.int32),
        )

    def _wakeup(self, generator: np.random.Generator) -> tuple[Array, ...]:
        """Every car says hello at 03:00:00, all within 20 seconds."""
        device = np.arange(self.devices, dtype=np.int32)
        return (
            device,
            generator.integers(0, WAKE_SPREAD_MS, size=self.devices),
            np.ones(self.devices, dtype=np.int32),
            generator.integers(1_800, 2_400, size=self.devices),
            np.zeros(self.devices, dtype=np.int32),
        )

    def _firmware(
        self, generator: np.random.Generator, campaign: int, low: float, high: float
    ) -> tuple[Array, ...]:
        """The cars of one wave download the campaign's image in pieces."""
        image = int(stream(self.seed, "cars/campaign", campaign).integers(80_000_000, 400_000_000))
        cars = np.flatnonzero((self._wave >= low) & (self._wave < high)).astype(np.int32)
        device = np.repeat(cars, PIECES)
        piece = np.tile(np.arange(PIECES), len(cars))
        woken = np.repeat(generator.integers(0, WAVE_SPREAD_MS, size=len(cars)), PIECES)
        offset_ms = woken + piece * PIECE_MS + generator.integers(0, 20_000, size=len(device))
        size = (image // PIECES * generator.uniform(0.98, 1.02, size=len(device))).astype(np.int64)
        return (
            device,
            offset_ms,
            np.full(len(device), 2, dtype=np.int32),
            size,
            np.ones(len(device), dtype=np.int32),
        )
