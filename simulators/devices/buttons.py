"""Call buttons: somebody presses, one message leaves.

Presses follow the opening hours of shops and wards; impatient people press twice within seconds, which is two
presses and not a duplicate. Batteries sink by 95 mV a month, as measured on a mobile field tester.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from simulators import columns as col
from simulators import inventory
from simulators.base import DEFAULT_START, Fleet
from simulators.block import Block
from simulators.calendar import DAY_MS, HOUR_MS, Instant, local_hour, to_ms
from simulators.city import anywhere
from simulators.columns import Array, Column, numbered
from simulators.identities import identities
from simulators.randomness import stream
from simulators.traffic import Traffic

# Presses per hour of a typical button by local hour [in 1/100].
_PRESSES = (3, 2, 2, 2, 3, 8, 20, 45, 80, 110, 120, 115, 90, 95, 110, 115, 105, 90, 60, 35, 22, 14, 8, 5)
TWICE = 0.12
BATTERY_MV, BATTERY_MV_PER_MONTH = 3_600, 95


class Buttons(Fleet):
    """Call buttons; key event_id; one press per event."""

    name: ClassVar[str] = "buttons"
    title: ClassVar[str] = "Call buttons: one message a press"
    prefix: ClassVar[str] = "button"
    key: ClassVar[tuple[str, ...]] = ("event_id",)
    period_seconds: ClassVar[int] = 7200
    habits: ClassVar[Traffic] = Traffic(
        loss=0.009, duplicates=0.08, duplicate_seconds=30, latency_ms=900, latency_spread=0.9, skew_ms=2_000
    )
    sensed: ClassVar[tuple[str, ...]] = ("battery_mv",)
    columns: ClassVar[tuple[Column, ...]] = (
        col.device(),
        col.identifier("event_id", "unique per press"),
        col.time("ts", "when it was pressed, button's clock"),
        col.time("received_at", "arrival at the broker"),
        col.number("presses", pa.int16(), "always 1"),
        col.number("battery_mv", pa.int16(), "battery [mV]"),
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
        generator = stream(seed, "buttons/buttons")
        self._skew_ms = self.traffic.skews(generator, devices)
        self._busy = generator.lognormal(0.0, 0.8, size=devices)
        self._battery_mv = BATTERY_MV - generator.integers(0, 400, size=devices)

    def block(self, index: int) -> Block:
        """One hour of presses."""
        generator = stream(self.seed, "buttons/hour", index)
        clock = local_hour(index)
        rate = self._busy * (_PRESSES[clock.hour] / 100 * (0.4 if clock.weekday() >= 5 else 1.0))
        once = np.repeat(np.arange(self.devices, dtype=np.int32), generator.poisson(rate))
        at_ms = generator.integers(0, HOUR_MS - 5_000, size=len(once))
        again = np.flatnonzero(generator.random(len(once)) < TWICE)
        device = np.concatenate((once, once[again]))
        pause_ms = generator.integers(400, 3_000, size=len(again))
        sent_ms = index * HOUR_MS + np.concatenate((at_ms, at_ms[again] + pause_ms))
        age_ms = sent_ms - to_ms(self.start)
        battery = self._battery_mv[device] - age_ms * BATTERY_MV_PER_MONTH // (30 * DAY_MS)
        columns: dict[str, Array] = {
            "device_id": device,
            "event_id": numbered(index, len(device)),
            "ts": sent_ms + self._skew_ms[device],
            "presses": np.ones(len(device), dtype=np.int16),
            "battery_mv": np.maximum(battery, 2_400).astype(np.int16),
        }
        return Block(columns, *self.traffic.deliver(generator, sent_ms))

    def inventory(self) -> pa.Table:
        """One row per button; the group is the district; a SIM each."""
        places = anywhere(self.seed, self.name, self.devices)
        return inventory.table(
            self.dictionary("device_id"),
            "call button",
            places,
            inventory.district_groups("buttons", places),
            identities=identities(self.seed, self.name, self.devices),
        )
