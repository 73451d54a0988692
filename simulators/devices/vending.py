"""Vending machines: a status frame of 30 bytes every 30 seconds.

On the wire the status is binary (``frames``); in tables its fields are columns and ``bytes`` says what it
weighed.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pyarrow as pa

from simulators import columns as col
from simulators import inventory
from simulators.base import DEFAULT_START, Fleet, periods_per_block
from simulators.block import Block
from simulators.calendar import DAY_MS, Instant, local_hour, to_ms
from simulators.city import anywhere
from simulators.columns import Array, Column
from simulators.identities import identities
from simulators.randomness import bits32, sparse, stream
from simulators.traffic import Traffic

PERIOD_MS = 30_000
FRAME_BYTES = 30
# Sales per hour of a typical machine by local hour [in 1/100]: morning coffee, a lunch peak, a quiet night.
_SALES = (
    4, 2, 2, 2, 4, 20, 90, 220, 260, 210, 180, 200,
    320, 300, 200, 190, 180, 190, 150, 110, 80, 50, 30, 10,
)  # fmt: skip
_COMPRESSOR = np.array([round(15 * (1 - abs(step - 20) / 10)) for step in range(40)], dtype=np.int16)
_CRC_POLYNOMIAL = 0x1021

FRAME = np.dtype([
    ("version", "u1"), ("fault", "u1"), ("machine", ">u4"), ("sequence", ">u4"), ("at", ">u4"),
    ("temperature_dc", ">i2"), ("vends", ">u2"), ("stock_percent", "u1"), ("rssi_dbm", "i1"), ("voltage_mv", ">u2"),
    ("reserved", "S6"), ("crc", ">u2"),
])  # fmt: skip


class Vending(Fleet):
    """Vending machines, 30 s cadence; natural key (device_id, ts)."""

    name: ClassVar[str] = "vending"
    title: ClassVar[str] = "Vending machines: a 30-byte status every 30 s"
    prefix: ClassVar[str] = "vend"
    key: ClassVar[tuple[str, ...]] = ("device_id", "ts")
    period_seconds: ClassVar[int] = 30
    habits: ClassVar[Traffic] = Traffic(
        loss=0.002, duplicates=0.005, duplicate_seconds=45, latency_ms=350, latency_spread=0.9, skew_ms=1_500
    )
    sensed: ClassVar[tuple[str, ...]] = ("temperature_dc", "voltage_mv")
    columns: ClassVar[tuple[Column, ...]] = (
        col.device(),
        col.time("ts", "when the status was made, machine's clock"),
        col.time("received_at", "arrival at the broker"),
        col.number("sequence", pa.int64(), "number of the status since the fleet's start"),
        col.number("vends", pa.int16(), "items sold since the last status"),
        col.number("temperature_dc", pa.int16(), "inside temperature [0.1 degrees C]"),
        col.number("voltage_mv", pa.int16(), "logic supply [mV]"),
        col.number("stock_percent", pa.int8(), "filling [%]"),
        col.number("rssi_dbm", pa.int8(), "radio level [dBm]"),
        col.number("fault", pa.int8(), "0 fine, 1 coin jam, 2 door open"),
        col.number("bytes", pa.int16(), "weight of the status, always 30"),
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
        self._periods = periods_per_block(devices, PERIOD_MS // 1000)
        generator = stream(seed, "vending/machines")
        self._phase_ms = np.sort(generator.integers(0, PERIOD_MS - 100, size=devices, dtype=np.int64))
        self._machine = generator.permutation(devices).astype(np.int32)
        self._skew_ms = self.traffic.skews(generator, devices)
        self._restock_ms = generator.integers(0, 3 * DAY_MS, size=devices, dtype=np.int64)
        self._rssi = generator.integers(-105, -60, size=devices).astype(np.int16)
        self._busy = generator.lognormal(0.0, 0.6, size=devices)

    @property
    def block_seconds(self) -> int:
        """One status per machine, or several where machines are few."""
        return self._periods * PERIOD_MS // 1000

    def block(self, index: int) -> Block:
        """Every machine sends one status a period."""
        generator = stream(self.seed, "vending/block", index)
        count = self.devices * self._periods
        bits = bits32(generator, count)
        clock = local_hour(index * self._periods * PERIOD_MS // 3_600_000)
        period = index * self._periods + np.repeat(np.arange(self._periods), self.devices)
        chance = self._busy * (_SALES[clock.hour] / 100 * (0.55 if clock.weekday() >= 5 else 1.0) / 120)
        sent_ms = self._all(self._phase_ms) + (bits & np.uint32(63)) + period * PERIOD_MS
        restock_ms = sent_ms + self._all(self._restock_ms)
        cycle = (restock_ms // PERIOD_MS) % len(_COMPRESSOR)
        noise = ((bits >> np.uint32(6)) & np.uint32(7)).astype(np.int16)
        filled = 100 - (restock_ms % (3 * DAY_MS)) * 85 // (3 * DAY_MS)
        fault = np.zeros(count, dtype=np.int8)
        fault[sparse(generator, count, 1 / 20_000)] = 1
        fault[sparse(generator, count, 1 / 40_000)] = 2
        columns: dict[str, Array] = {
            "device_id": self._all(self._machine),
            "ts": sent_ms + self._all(self._skew_ms),
            "sequence": period - to_ms(self.start) // PERIOD_MS,
            "vends": ((bits >> np.uint32(16)) < self._all(np.minimum(chance, 1.0) * 65_536)).astype(np.int16),
            "temperature_dc": 40 + _COMPRESSOR[cycle] + noise - 4,
            "voltage_mv": 5_000 + 4 * noise,
            "stock_percent": filled.astype(np.int8),
            "rssi_dbm": (self._all(self._rssi) + noise).astype(np.int8),
            "fault": fault,
            "bytes": np.full(count, FRAME_BYTES, dtype=np.int16),
        }
        return Block(columns, *self.traffic.deliver(generator, sent_ms))

    def _all(self, of_machines: Array) -> Array:
        """What holds for each machine, repeated for each period of a block."""
        return np.tile(of_machines, self._periods) if self._periods > 1 else of_machines

    def inventory(self) -> pa.Table:
        """One row per machine; the group is the district; a data-only SIM each."""
        places = anywhere(self.seed, self.name, self.devices)
        return inventory.table(
            self.dictionary("device_id"),
            "vending machine",
            places,
            inventory.district_groups("vending", places),
            identities=identities(self.seed, self.name, self.devices),
        )

    def encode(self, batch: pa.RecordBatch) -> list[bytes]:
        """The 30 bytes each status has on the wire."""
        return [frame.tobytes() for frame in frames(batch)]


def frames(batch: pa.RecordBatch) -> Array:
    """The status frames of a batch as an array of ``FRAME``: 30 bytes, big endian, CRC-16 over the first 28."""
    made = np.zeros(batch.num_rows, dtype=FRAME)
    made["version"] = 1
    made["machine"] = batch["device_id"].indices.to_numpy().astype(np.int64) + 1
    made["at"] = batch["ts"].cast(pa.int64()).to_numpy() // 1_000_000
    for name in ("sequence", "fault", "temperature_dc", "vends", "stock_percent", "rssi_dbm", "voltage_mv"):
        made[name] = batch[name].to_numpy(zero_copy_only=False)
    made["crc"] = _crc16(made.view(np.uint8).reshape(len(made), FRAME_BYTES)[:, :-2])
    return made


def _crc16(data: Array) -> Array:
    """CRC-16/CCITT-FALSE of each row (polynomial of ITU-T V.41, start 0xFFFF): bit by bit, all rows at once."""
    crc = np.full(len(data), 0xFFFF, dtype=np.uint32)
    for column in data.T:
        crc ^= column.astype(np.uint32) << np.uint32(8)
        for _ in range(8):
            crc = (crc << np.uint32(1)) ^ np.where(
                crc & np.uint32(0x8000), np.uint32(_CRC_POLYNOMIAL), np.uint32(0)
            )
        crc &= np.uint32(0xFFFF)
    return crc
