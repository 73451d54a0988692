"""Smart electricity meters: a cumulative register every 15 minutes, with meter exchanges and rollovers.

The register is a closed form of (meter, instant): the totals of the days before, plus today's total times the
share of the day that has gone. So any hour can be made alone and the register still only grows, except where
a meter is exchanged (it starts at 0) or its digits are used up (it goes round).

Level and shape follow measured households: median 9.45 kWh a day, day-to-day variation 0.23, the morning
shoulder and the evening peak of the half-hourly means.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from simulators import columns as col
from simulators import inventory
from simulators.base import DEFAULT_START, Fleet
from simulators.block import Block
from simulators.calendar import HOUR_MS, Instant, to_ms
from simulators.city import anywhere
from simulators.columns import Array, Column
from simulators.randomness import stream
from simulators.shapes import season
from simulators.traffic import Traffic

SLOT_MS = 900_000
SLOTS = 96
REGISTER_WH = 100_000_000  # five digits of kWh and three decimals: 99,999.999
EXCHANGE_CHANCE = 1 / 4_000  # per meter and day
DAILY_WH_MEDIAN = 9_450
# Mean load by hour [W], rounded from the measured half-hourly profile of 311 households.
_PROFILE = (
    290, 220, 190, 180, 180, 210, 310, 430, 480, 475, 475, 475,
    470, 440, 430, 460, 580, 655, 660, 670, 690, 670, 565, 410,
)  # fmt: skip


class Meters(Fleet):
    """Smart meters, 15-minute registers; natural key (device_id, ts)."""

    name: ClassVar[str] = "meters"
    title: ClassVar[str] = "Smart meters: cumulative Wh every 15 min, with exchanges and rollovers"
    prefix: ClassVar[str] = "meter"
    key: ClassVar[tuple[str, ...]] = ("device_id", "ts")
    period_seconds: ClassVar[int] = 900
    habits: ClassVar[Traffic] = Traffic(
        loss=0.003,
        duplicates=0.01,
        duplicate_seconds=600,
        latency_ms=20_000,
        latency_spread=0.8,
        late=0.01,
        late_seconds=21_600,
    )
    counter: ClassVar[str | None] = "reading_wh"
    counter_modulus: ClassVar[int] = REGISTER_WH
    sensed: ClassVar[tuple[str, ...]] = ("reading_wh",)
    columns: ClassVar[tuple[Column, ...]] = (
        col.device(),
        col.time("ts", "instant of the register, on the quarter hour"),
        col.time("received_at", "arrival at the head end"),
        col.number("reading_wh", pa.int64(), "cumulative register [Wh], goes round at 100,000,000"),
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
        generator = stream(seed, "meters/meters")
        self._level_wh = DAILY_WH_MEDIAN * generator.lognormal(0.0, 0.5, size=devices)
        brim = generator.random(devices) < 0.01  # a few are about to go round
        self._initial_wh = np.where(
            brim,
            REGISTER_WH - generator.integers(1, 20_000, size=devices),
            generator.integers(0, REGISTER_WH * 3 // 4, size=devices),
        )
        self._shape = generator.integers(0, len(_SHAPES), size=devices)
        self._first_day = to_ms(self.start) // (24 * HOUR_MS)
        self._day = self._first_day
        self._before_wh = np.zeros(devices, dtype=np.int64)
        self._zero_wh = np.zeros(devices, dtype=np.int64)

    def block(self, index: int) -> Block:
        """Four registers per meter: at :00, :15, :30 and :45."""
        day, hour = divmod(index, 24)
        self._go_to(day)
        generator = stream(self.seed, "meters/hour", index)
        slots = np.arange(4) + hour * 4
        shares = _SHAPES[self._shape]
        begun = shares[:, slots] + generator.random((self.devices, 4)) * 0.9 * np.diff(shares, axis=1)[
            :, slots
        ] * (slots > 0)
        total = self.daily_wh(day)
        used = self._initial_wh + self._before_wh
        reading = (
            used[:, None] + (total[:, None] * begun).astype(np.int64) - self._zeros(day, slots, used, total)
        )
        sent_ms = np.tile(index * HOUR_MS + np.arange(4) * SLOT_MS, self.devices)
        columns: dict[str, Array] = {
            "device_id": np.repeat(np.arange(self.devices, dtype=np.int32), 4),
            "ts": sent_ms,
            "reading_wh": (reading % REGISTER_WH).reshape(-1),
        }
        return Block(columns, *self.traffic.deliver(generator, sent_ms))

    def inventory(self) -> pa.Table:
        """One row per meter; the group is the district; the register's size as an attribute."""
        places = anywhere(self.seed, self.name, self.devices)
        note = pa.repeat(f'{{"register_wh":{REGISTER_WH},"interval_seconds":900}}', self.devices)
        return inventory.table(
            self.dictionary("device_id"),
            "smart meter",
            places,
            inventory.district_groups("meters", places),
            attributes=note,
        )

    def daily_wh(self, day: int) -> Array:
        """What each meter truly measures on a UTC day (days since 1970) [Wh]."""
        generator = stream(self.seed, "meters/day", day)
        weekend = 1.08 if (day + 3) % 7 >= 5 else 1.0
        factor = season(day, winter=1.2, summer=0.85) * weekend
        return np.rint(self._level_wh * factor * generator.lognormal(-0.026, 0.23, size=self.devices)).astype(
            np.int64
        )

    def exchanges(self, day: int) -> tuple[Array, Array]:
        """The meters exchanged on a day, and the quarter hour (1..95) at which the new one starts at 0."""
        generator = stream(self.seed, "meters/exchange", day)
        meters = np.flatnonzero(generator.random(self.devices) < EXCHANGE_CHANCE)
        return meters, generator.integers(1, SLOTS, size=len(meters))

    def _go_to(self, day: int) -> None:
        """Sum up the days before ``day``; going back starts over, so the answer depends on ``day`` alone."""
        if day < self._day:
            self._day = self._first_day
            self._before_wh, self._zero_wh = np.zeros_like(self._before_wh), np.zeros_like(self._zero_wh)
        while self._day < day:
            total = self.daily_wh(self._day)
            meters, slots = self.exchanges(self._day)
            self._zero_wh[meters] = self._at_exchange(
                meters, slots, self._initial_wh + self._before_wh, total
            )
            self._before_wh += total
            self._day += 1

    def _at_exchange(self, meters: Array, slots: Array, used: Array, total: Array) -> Array:
        return used[meters] + (total[meters] * _SHAPES[self._shape[meters], slots]).astype(np.int64)

    def _zeros(self, day: int, slots: Array, used: Array, total: Array) -> Array:
        """What to subtract for each meter and slot of the hour: what the meter before it had counted."""
        zeros = np.repeat(self._zero_wh[:, None], len(slots), axis=1)
        meters, at = self.exchanges(day)
        gone = slots[None, :] >= at[:, None]
        zeros[meters] = np.where(gone, self._at_exchange(meters, at, used, total)[:, None], zeros[meters])
        return zeros


def _make_shapes() -> Array:
    """Eight cumulative day shapes of 97 points from 0 to 1: the measured profile, moved and stretched."""
    shapes = []
    for kind in range(8):
        hours = (np.arange(SLOTS) / 4 - (kind - 3.5) * 0.35) % 24
        load = np.interp(hours, np.arange(25), [*_PROFILE, _PROFILE[0]]) ** (0.8 + 0.06 * kind)
        shapes.append(np.concatenate(([0.0], np.cumsum(load) / load.sum())))
    return np.array(shapes)


_SHAPES = _make_shapes()
