"""Street lamps: one reading a minute of energy, light and state.

A lamp reports at its own second of the minute, plus up to a second of jitter, so (device_id, ts) is unique.
Photocells switch at dusk and dawn, a few minutes apart from lamp to lamp; between them the controller dims by
the city's clock. All arithmetic per lamp is on integers, 32 random bits per reading: this is the fleet that
comes in hundreds of thousands.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np
import pyarrow as pa

from simulators import columns as col
from simulators import inventory
from simulators.base import DEFAULT_START, Fleet, periods_per_block
from simulators.block import Block
from simulators.calendar import Instant, local_hour
from simulators.city import DISTRICTS, Places, along_streets
from simulators.columns import Array, Column
from simulators.randomness import bits32, sparse, stream
from simulators.shapes import daylight_lux, sun_elevation
from simulators.traffic import Traffic, latencies

MINUTE_MS = 60_000
PHASE_MS_MAX = 58_900  # plus 1,023 ms of jitter still lies inside the minute
FULL = 256  # a level of 256 is full light
STANDBY_MWH = 7  # 0.4 W for the controller
LUX_MAX = 65_535
SPREAD_MINUTES = 6  # photocells disagree by up to this
WATTS = (28, 40, 55, 72, 96, 140)
PROFILES = ("residential", "main road", "park", "crossing")
# Level (of 256) by local hour while it is dark: residential halves after midnight, parks go nearly out.
_EVENING_FULL_UNTIL = 22
_LEVELS = {"residential": (256, 192, 128), "main road": (256, 230, 192), "park": (230, 128, 26),
           "crossing": (256, 256, 256)}  # fmt: skip
LAMPS_PER_BLOCK = 100_000  # measured: fewer pay for calls, more fall out of the cache
BLOCK_SECONDS = (60, 30, 20, 15, 12, 10, 6, 5, 4, 3, 2, 1)
STATUS_OK, STATUS_WARM, STATUS_FAULT = 0, 1, 2
WARM_CHANCE, FAULT_CHANCE = 1 / 5_000, 1 / 200_000


class Streetlights(Fleet):
    """Street lamps, 60 s cadence; natural key (device_id, ts)."""

    name: ClassVar[str] = "streetlights"
    title: ClassVar[str] = "Street lamps: energy, light and state every 60 s"
    prefix: ClassVar[str] = "lamp"
    key: ClassVar[tuple[str, ...]] = ("device_id", "ts")
    period_seconds: ClassVar[int] = 60
    habits: ClassVar[Traffic] = Traffic(
        duplicates=0.015, duplicate_seconds=120, latency_ms=120, latency_spread=0.7
    )
    sensed: ClassVar[tuple[str, ...]] = ("energy_mwh", "lux")
    columns: ClassVar[tuple[Column, ...]] = (
        col.device(),
        col.time("ts", "end of the minute's measurement, lamp's clock"),
        col.time("received_at", "arrival at the broker"),
        col.number("energy_mwh", pa.int32(), "energy of the interval [mWh]"),
        col.number("lux", pa.int32(), "light at the pole's sensor [lux], saturates at 65,535"),
        col.number("status", pa.int8(), "0 fine, 1 driver warm, 2 lamp fault"),
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
        generator = stream(seed, "streetlights/lamps")
        phase = generator.integers(0, PHASE_MS_MAX, size=devices, dtype=np.int64)
        self._order = np.argsort(phase, kind="stable").astype(np.int32)
        self._phase_ms = phase[self._order]
        self._minutes = periods_per_block(devices, 60)
        step_ms = min(MINUTE_MS, 1000 * self.block_seconds)
        self._edges = np.searchsorted(self._phase_ms, np.arange(0, MINUTE_MS + 1, step_ms))
        self._skew_ms = self.traffic.skews(generator, devices)[self._order]
        watts, profile = self._lamps()
        self._full_mwh = (watts * 1000 // 60).astype(np.int32)[self._order]
        photocell = generator.integers(0, 2 * SPREAD_MINUTES + 1, size=devices)
        self._curve = (profile * (2 * SPREAD_MINUTES + 1) + photocell).astype(np.int64)[self._order]
        self._open_sky = generator.integers(120, 250, size=devices).astype(np.int32)[self._order]

    @property
    def block_seconds(self) -> int:
        """Some minutes, a minute, or the part of it in which at most ``LAMPS_PER_BLOCK`` lamps report."""
        if self._minutes > 1:
            return 60 * self._minutes
        fitting = [step for step in BLOCK_SECONDS if self.devices * step <= LAMPS_PER_BLOCK * 60]
        return fitting[0] if fitting else BLOCK_SECONDS[-1]

    def block(self, index: int) -> Block:
        """Each lamp whose second of the minute falls into this block reads once: thirty cheap operations."""
        first, second = divmod(index * self.block_seconds, 60)
        part = second // self.block_seconds
        lamps = slice(int(self._edges[part]), int(self._edges[part + 1]))
        minute = np.repeat(np.arange(first, first + self._minutes), lamps.stop - lamps.start)
        generator = stream(self.seed, "streetlights/block", index)
        bits = bits32(generator, len(minute))
        energy, lux = self._measured(first, lamps, bits)
        sent_ms = self._all(self._phase_ms, lamps) + minute * MINUTE_MS
        sent_ms += bits & np.uint32(1023)
        columns: dict[str, Array] = {
            "device_id": self._all(self._order, lamps),
            "ts": sent_ms + self._all(self._skew_ms, lamps) if self.traffic.skew_ms else sent_ms,
            "energy_mwh": energy,
            "lux": lux,
            "status": self._states(generator, len(bits)),
        }
        latency = latencies(self.traffic.latency_ms, self.traffic.latency_spread)
        received_ms = sent_ms + latency.take(((bits >> np.uint32(10)) & np.uint32(255)).astype(np.int64))
        return Block(columns, *self._deliveries(generator, received_ms))

    def inventory(self) -> pa.Table:
        """One row per lamp; the group is the district; watts and dimming profile are attributes."""
        watts, profile = self._lamps()
        groups = [f"district-{code + 1:02d}" for code in range(len(DISTRICTS))]
        notes = [f'{{"watts":{power},"profile":"{name}"}}' for name in PROFILES for power in WATTS]
        code = profile * len(WATTS) + np.searchsorted(np.array(WATTS), watts)
        return inventory.table(
            self.dictionary("device_id"),
            "streetlight",
            self._places,
            inventory.named(self._places.district, groups),
            attributes=inventory.named(code, notes),
        )

    @cached_property
    def _places(self) -> Places:
        return along_streets(self.seed, self.devices)

    def _lamps(self) -> tuple[Array, Array]:
        """Watts and dimming profile (code) of each lamp; a street has one kind of lamp."""
        places = self._places
        generator = stream(self.seed, "streetlights/streets")
        streets = int(places.street.max()) + 1
        power = generator.choice(len(WATTS), size=streets, p=(0.22, 0.3, 0.2, 0.14, 0.1, 0.04))
        profile = generator.choice(len(PROFILES), size=streets, p=(0.6, 0.25, 0.1, 0.05))
        return np.array(WATTS)[power][places.street], profile[places.street]

    def _measured(self, first: int, lamps: slice, bits: Array) -> tuple[Array, Array]:
        """Energy [mWh] and light at the sensor [lux] of some lamps, for each minute of a block from ``first`` on.

        Seven random bits spread the energy by 0.8 %, seven more the light by 6 %; written in place, since at this
        size memory costs more than arithmetic.
        """
        noise = ((bits >> np.uint32(18)) & np.uint32(127)).view(np.int32)
        grain = (bits >> np.uint32(25)).view(np.int32)
        count = lamps.stop - lamps.start
        minutes = range(first, first + self._minutes)
        levels = [_levels(minute).take(self._curve[lamps]) for minute in minutes]
        burning = levels[0] if self._minutes == 1 else np.concatenate(levels)
        burning *= self._all(self._full_mwh, lamps)
        burning >>= 8
        lux = self._all(self._open_sky, lamps) * np.repeat(np.array([_sky_lux(m) for m in minutes]), count)
        lux >>= 8
        lux *= grain + 2048
        lux >>= 11
        lux += burning >> 6
        lux += grain & 3
        energy = burning * (noise + 8128)
        energy >>= 13
        energy += (noise & 3) + STANDBY_MWH
        return energy, np.minimum(lux, LUX_MAX, out=lux)

    def _all(self, of_lamps: Array, lamps: slice) -> Array:
        """What holds for each lamp of a block, repeated for each of its minutes."""
        return np.tile(of_lamps[lamps], self._minutes) if self._minutes > 1 else of_lamps[lamps]

    def _states(self, generator: np.random.Generator, count: int) -> Array:
        states = np.zeros(count, dtype=np.int8)
        states[sparse(generator, count, WARM_CHANCE)] = STATUS_WARM
        states[sparse(generator, count, FAULT_CHANCE)] = STATUS_FAULT
        return states

    def _deliveries(self, generator: np.random.Generator, received_ms: Array) -> tuple[Array, Array]:
        rows = np.arange(len(received_ms), dtype=np.int64)
        if self.traffic.loss:
            rows = np.flatnonzero(generator.random(len(rows)) >= self.traffic.loss)
            received_ms = received_ms[rows]
        return self.traffic.repeat(generator, rows, received_ms)


@lru_cache(maxsize=16)
def _levels(minute: int) -> Array:
    """The level of each (profile, photocell) pair at a UTC minute (minutes since 1970)."""
    return np.array(
        [
            _level(minute + offset - SPREAD_MINUTES, profile)
            for profile in PROFILES
            for offset in range(2 * SPREAD_MINUTES + 1)
        ],
        dtype=np.int32,
    )


@lru_cache(maxsize=16)
def _sky_lux(minute: int) -> np.int32:
    """The light of the sky at a UTC minute [lux]."""
    return np.int32(min(100_000, daylight_lux(sun_elevation(minute))))


@lru_cache(maxsize=4096)
def _level(minute: int, profile: str) -> int:
    """Level of a lamp [of 256] at a UTC minute: dark yet? evening, late or deep night by the city's clock?"""
    if sun_elevation(minute) > -0.8:
        return 0
    clock = local_hour(minute // 60)
    evening, late, deep = _LEVELS[profile]
    weekend = (clock - timedelta(hours=12)).weekday() in (4, 5)  # the nights after Friday and Saturday
    if 5 <= clock.hour < 12 or 12 <= clock.hour < _EVENING_FULL_UNTIL + weekend:
        return evening
    return late if clock.hour >= _EVENING_FULL_UNTIL or (weekend and clock.hour < 2) else deep
