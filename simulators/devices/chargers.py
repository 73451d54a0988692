"""EV chargers: one record per session, sent when the plug comes out.

Energy, duration, hour and weekday follow 2,106 measured workplace sessions (quartiles 4.4, 6.3 and 6.8 kWh;
2.1, 2.7 and 3.5 hours; hardly any at weekends). A charger has at most a morning and an afternoon session,
which never overlap.
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
from simulators.columns import Array, Column, numbered
from simulators.randomness import stream
from simulators.traffic import Traffic

_SHARES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
_ENERGY_WH = (20, 60, 1_390, 4_360, 6_270, 6_790, 7_160, 18_340, 23_680)
_HOURS = (0.05, 0.1, 0.85, 2.07, 2.71, 3.48, 4.48, 5.6, 6.0)
_WEEKDAY = (0.66, 0.66, 0.78, 0.75, 0.66, 0.1, 0.04)
SESSION_MS_MAX = 6 * HOUR_MS
POWER_W = 11_000
# UTC hour at which a session may begin, and how likely, for each half of the day.
_STARTS = (
    ((5, 6, 7, 8, 9), (0.05, 0.18, 0.35, 0.28, 0.14)),
    ((12, 13, 14, 15, 16), (0.15, 0.3, 0.28, 0.18, 0.09)),
)
_HALVES = (1.0, 0.6)


class Chargers(Fleet):
    """EV chargers, sessions; key session_id, booked at ended_at."""

    name: ClassVar[str] = "chargers"
    title: ClassVar[str] = "EV chargers: sessions with start, end and energy"
    prefix: ClassVar[str] = "evse"
    key: ClassVar[tuple[str, ...]] = ("session_id",)
    event_time: ClassVar[str] = "ended_at"
    period_seconds: ClassVar[int] = 43200
    habits: ClassVar[Traffic] = Traffic(
        duplicates=0.01,
        duplicate_seconds=900,
        latency_ms=4_000,
        latency_spread=0.8,
        late=0.02,
        late_seconds=14_400,
    )
    sensed: ClassVar[tuple[str, ...]] = ("energy_wh",)
    columns: ClassVar[tuple[Column, ...]] = (
        col.device(),
        col.identifier("session_id", "unique per session"),
        col.time("started_at", "plug in"),
        col.time("ended_at", "plug out"),
        col.time("received_at", "arrival at the back end"),
        col.number("energy_wh", pa.int32(), "energy delivered [Wh]"),
        col.number("connector", pa.int8(), "1 or 2"),
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
        self._popular = stream(seed, "chargers/chargers").uniform(0.3, 1.3, size=devices)

    @property
    def delay_ms_max(self) -> int:
        """A session is sent at its end, which may be hours after the block it began in."""
        return super().delay_ms_max + SESSION_MS_MAX

    def block(self, index: int) -> Block:
        """The sessions that begin in one hour."""
        day, hour = divmod(index, 24)
        generator = stream(self.seed, "chargers/hour", index)
        device = self._beginning(day, hour)
        count = len(device)
        started_ms = index * HOUR_MS + generator.integers(0, HOUR_MS // 1000, size=count) * 1000
        luck = generator.random(count)
        hours = np.interp(np.clip(luck + generator.normal(0, 0.15, count), 0, 1), _SHARES, _HOURS)
        energy_wh = np.rint(np.interp(luck, _SHARES, _ENERGY_WH)).astype(np.int32)
        hours = np.maximum(hours, energy_wh / POWER_W)
        next_half_ms = (day * 24 + (_STARTS[1][0][0] if hour < _STARTS[1][0][0] else 28)) * HOUR_MS
        ended_ms = np.minimum(started_ms + (hours * 3600).astype(np.int64) * 1000, next_half_ms)
        columns: dict[str, Array] = {
            "device_id": device,
            "session_id": numbered(index, count),
            "started_at": started_ms,
            "ended_at": ended_ms,
            "energy_wh": np.minimum(energy_wh, (ended_ms - started_ms) * POWER_W // HOUR_MS).astype(np.int32),
            "connector": generator.integers(1, 3, size=count, dtype=np.int8),
        }
        return Block(columns, *self.traffic.deliver(generator, ended_ms))

    def inventory(self) -> pa.Table:
        """One row per charger; the group is the district."""
        places = anywhere(self.seed, self.name, self.devices)
        return inventory.table(
            self.dictionary("device_id"),
            "EV charger",
            places,
            inventory.district_groups("chargers", places),
            attributes=pa.repeat('{"power_kw":11,"connectors":2}', self.devices),
        )

    def _beginning(self, day: int, hour: int) -> Array:
        """The chargers at which a session begins in a UTC hour; a half of the day is drawn once for each."""
        for half, ((hours, likely), chance) in enumerate(zip(_STARTS, _HALVES, strict=True)):
            if hour in hours:
                generator = stream(self.seed, "chargers/half", 2 * day + half)
                busy = generator.random(self.devices) < self._popular * chance * _WEEKDAY[(day + 3) % 7]
                chosen = generator.choice(hours, size=self.devices, p=likely)
                return np.flatnonzero(busy & (chosen == hour)).astype(np.int32)
        return np.empty(0, dtype=np.int32)
