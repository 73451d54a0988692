"""Smart-home hubs: once a minute a summary of what the home's sensors said.

Measured homes publish climate every 60.0 s within 8 ms and door, gas and smoke about every second in pairs;
the hub counts those and sends the count with the temperature.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from simulators import columns as col
from simulators import inventory
from simulators.base import DEFAULT_START, Fleet, periods_per_block
from simulators.block import Block
from simulators.calendar import Instant, local_hour
from simulators.city import anywhere
from simulators.columns import Array, Column
from simulators.identities import identities
from simulators.randomness import bits32, stream
from simulators.shapes import season
from simulators.traffic import Traffic

MINUTE_MS = 60_000
# How likely somebody moves about in a minute, by local hour [%].
_AWAKE = (6, 3, 2, 2, 3, 8, 30, 45, 35, 22, 20, 22, 28, 25, 22, 25, 35, 50, 60, 62, 58, 50, 35, 16)


class Hubs(Fleet):
    """Smart-home hubs, 60 s cadence; natural key (device_id, ts)."""

    name: ClassVar[str] = "hubs"
    title: ClassVar[str] = "Smart-home hubs: a summary of the home's sensors every 60 s"
    prefix: ClassVar[str] = "hub"
    key: ClassVar[tuple[str, ...]] = ("device_id", "ts")
    period_seconds: ClassVar[int] = 60
    habits: ClassVar[Traffic] = Traffic(
        loss=0.001, duplicates=0.004, duplicate_seconds=30, latency_ms=60, latency_spread=0.8
    )
    sensed: ClassVar[tuple[str, ...]] = ("temperature_dc", "bytes")
    columns: ClassVar[tuple[Column, ...]] = (
        col.device(),
        col.time("ts", "end of the minute, hub's clock"),
        col.time("received_at", "arrival at the broker"),
        col.number("messages", pa.int16(), "sensor messages in the minute"),
        col.number("bytes", pa.int32(), "payload both ways [bytes]"),
        col.number("temperature_dc", pa.int16(), "room temperature [0.1 degrees C]"),
        col.number("motion", pa.int8(), "1 when somebody moved"),
        col.category("destination", "host and port"),
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
        self._periods = periods_per_block(devices, 60)
        generator = stream(seed, "hubs/hubs")
        self._phase_ms = np.sort(generator.integers(100, MINUTE_MS - 100, size=devices, dtype=np.int64))
        self._hub = generator.permutation(devices).astype(np.int32)
        self._sensors = generator.integers(1, 9, size=devices)
        self._warmth_dc = generator.integers(185, 225, size=devices).astype(np.int16)

    @property
    def block_seconds(self) -> int:
        """One summary per hub, or several where hubs are few."""
        return self._periods * 60

    def block(self, index: int) -> Block:
        """Every hub sends one summary a minute."""
        generator = stream(self.seed, "hubs/block", index)
        count = self.devices * self._periods
        bits = bits32(generator, count)
        minute = index * self._periods + np.repeat(np.arange(self._periods), self.devices)
        clock = local_hour(index * self._periods // 60)
        weekend = 1.25 if clock.weekday() >= 5 and 8 <= clock.hour < 17 else 1.0
        motion = (bits >> np.uint32(16)) < _AWAKE[clock.hour] * weekend / 100 * 65_536
        messages = self._all(self._sensors) * 2 * (4 + 8 * motion) + (bits & np.uint32(3))
        sent_ms = (
            minute * MINUTE_MS
            + self._all(self._phase_ms)
            + ((bits >> np.uint32(2)) & np.uint32(15)).astype(np.int64)
            - 8
        )
        night = 15 if clock.hour < 6 else 0
        cosy = (
            self._all(self._warmth_dc)
            + int(season(index * self._periods // 1440, winter=0, summer=45))
            - night
        )
        columns: dict[str, Array] = {
            "device_id": self._all(self._hub),
            "ts": sent_ms,
            "messages": messages.astype(np.int16),
            "bytes": (messages * 65 + 120).astype(np.int32),
            "motion": motion.astype(np.int8),
            "temperature_dc": (cosy + ((bits >> np.uint32(6)) & np.uint32(3))).astype(np.int16),
            "destination": np.zeros(count, dtype=np.int32),
        }
        return Block(columns, *self.traffic.deliver(generator, sent_ms))

    def _all(self, of_hubs: Array) -> Array:
        """What holds for each hub, repeated for each minute of a block."""
        return np.tile(of_hubs, self._periods) if self._periods > 1 else of_hubs

    def categories(self) -> dict[str, pa.StringArray]:
        """The one host hubs talk to."""
        return {"destination": col.strings(["home.hubs.example:8883"])}

    def inventory(self) -> pa.Table:
        """One row per hub; the group is the district; a SIM as the way out when the line is down."""
        places = anywhere(self.seed, self.name, self.devices)
        return inventory.table(
            self.dictionary("device_id"),
            "smart-home hub",
            places,
            inventory.district_groups("hubs", places),
            identities=identities(self.seed, self.name, self.devices),
        )
