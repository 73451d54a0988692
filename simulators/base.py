"""What every fleet is: blocks of true events, delivered in the order they arrive.

A fleet says what its devices do in one block of time (``block``): true events, and the list of their
deliveries. An event that was lost has no delivery; one that was sent again has two. Everything else is the
same for all fleets and
written here: sorting by arrival, cutting into delivered hours, tables, messages.

An event of block k may arrive blocks later. Those rows wait in a small pool; nothing else is remembered
between blocks, and every random number belongs to its block, so any hour can be made alone and is the same to
the byte.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import ClassVar

import numpy as np
import pyarrow as pa

from simulators import columns as col
from simulators.block import Block
from simulators.calendar import HOUR_MS, Instant, from_ms, instant, to_ms
from simulators.columns import Array, Column
from simulators.errors import ArgumentBad
from simulators.faults.faults import Faults
from simulators.faults.labels import label_table
from simulators.faults.spec import FaultSpec
from simulators.messages import Message, json_lines, messages
from simulators.traffic import Traffic

DEFAULT_START = "2026-03-02"
DEVICES_MAX = 20_000_000
DAYS_MAX = 3_660
_ROW_BITS = 28  # rows of one block: 268 million; leaves 35 bits of milliseconds, one year of lateness


class Fleet(ABC):
    """A seeded fleet of devices. Same arguments, same bytes.

    Args:
        devices: how many devices, >= 1.
        seed: any integer >= 0.
        start: the first instant (UTC, on the hour) at which anything happens.
        traffic: how the network treats the messages; the fleet's own habits when left out.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    prefix: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    key: ClassVar[tuple[str, ...]]
    event_time: ClassVar[str] = "ts"
    period_seconds: ClassVar[int] = 3600
    habits: ClassVar[Traffic] = Traffic()
    sensed: ClassVar[tuple[str, ...]] = ()
    counter: ClassVar[str | None] = None
    counter_modulus: ClassVar[int] = 0

    def __init__(
        self,
        devices: int = 1000,
        *,
        seed: int = 7,
        start: Instant = DEFAULT_START,
        traffic: Traffic | None = None,
    ) -> None:
        if isinstance(devices, bool) or not isinstance(devices, int) or not 1 <= devices <= DEVICES_MAX:
            raise ArgumentBad(
                f"A fleet of {devices!r} devices cannot be made.",
                where="devices",
                code="devices_bad",
                cure=f"Choose a whole number from 1 to {DEVICES_MAX:,}.",
            )
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise ArgumentBad(
                f"{seed!r} is not a seed.",
                where="seed",
                code="seed_bad",
                cure="Choose a whole number of 0 or more.",
            )
        self.devices = devices
        self.seed = seed
        self.start = instant(start)
        self.traffic = traffic or self.habits
        self.faults: Faults | None = None
        self._dictionaries: dict[str, pa.StringArray] = {}

    # What a fleet file has to say -----------------------------------------------------------------------------------

    @abstractmethod
    def block(self, index: int) -> Block:
        """What truly happens in block ``index`` (blocks of ``block_seconds`` since 1970) and its deliveries."""

    @abstractmethod
    def inventory(self) -> pa.Table:
        """One row per device, columns of ``simulators.inventory.SCHEMA``."""

    @property
    def block_seconds(self) -> int:
        """Length of a block [s]; divides the hour, and never changes in the life of a fleet."""
        return 3600

    def categories(self) -> Mapping[str, pa.StringArray]:
        """The strings behind each category column, by column name."""
        return {}

    # What every fleet can do ----------------------------------------------------------------------------------------

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the deliveries."""
        return col.schema(self.columns)

    @property
    def delay_ms_max(self) -> int:
        """No delivery arrives later than this after its block ended [ms]."""
        return self.traffic.delay_ms_max

    def device_ids(self) -> pa.StringArray:
        """The names of the devices; position = device code."""
        digits = max(6, len(str(self.devices)))
        numbers = col.numbers(np.arange(1, self.devices + 1))
        return pa.compute.binary_join_element_wise(
            f"{self.prefix}-", pa.compute.utf8_lpad(numbers.cast(pa.string()), width=digits, padding="0"), ""
        )

    def dictionary(self, name: str) -> pa.StringArray:
        """The strings behind the codes of a device or category column (made once)."""
        if not self._dictionaries:
            self._dictionaries = {"device_id": self.device_ids()}
            extra = self.faults.categories() if self.faults else {}
            for key, values in self.categories().items():
                self._dictionaries[key] = pa.concat_arrays([values, extra[key]]) if key in extra else values
        return self._dictionaries[name]

    def batches(
        self, start: Instant | None = None, end: Instant | None = None, *, drain: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """What arrives in [start, end), one record batch per block, sorted by arrival.

        With ``drain`` the devices fall silent at ``end``, and one last batch holds all that was still on its
        way.
        """
        first = max(to_ms(instant(start, "start") if start is not None else self.start), to_ms(self.start))
        last = to_ms(instant(end, "end")) if end is not None else first + 24 * HOUR_MS
        step = self.block_seconds * 1000
        longest = self.delay_ms_max + (self.faults.delay_ms_max if self.faults else 0)
        begin = max(to_ms(self.start), (first - longest) // step * step)
        pool = _Pool()
        for index in range(begin // step, last // step):
            arrived = pool.take(self._faulty(index), index * step, (index + 1) * step)
            if index * step >= first:
                yield self._batch(*arrived)
        if drain and pool.size:
            yield self._batch(*pool.rest())

    def hours(self, days: float = 1.0) -> Iterator[tuple[datetime, pa.Table]]:
        """Each delivered hour as one table, sorted by arrival, from the fleet's start on.

        After the last hour the stragglers follow under the hours in which they arrive; empty ones are left
        out.
        """
        end = self.start + timedelta(hours=self._hours_of(days))
        hour, parts = self.start, list[pa.RecordBatch]()
        full = HOUR_MS // (self.block_seconds * 1000)
        for batch in self.batches(self.start, end, drain=True):
            if hour >= end:
                yield from self._stragglers(batch)
                continue
            parts.append(batch)
            if len(parts) == full:
                yield hour, pa.Table.from_batches(parts, schema=self.schema)
                hour, parts = hour + timedelta(hours=1), []

    def table(self, start: Instant | None = None, end: Instant | None = None) -> pa.Table:
        """All that arrives in [start, end) as one table; a day from the fleet's start when left out."""
        return pa.Table.from_batches(list(self.batches(start, end)), schema=self.schema)

    def messages(self, days: float = 1.0) -> Iterator[Message]:
        """Each delivery as a message for a live wire, in the order of arrival."""
        for _, table in self.hours(days):
            for batch in table.to_batches():
                yield from messages(self.name, batch, self.encode(batch))

    def encode(self, batch: pa.RecordBatch) -> list[bytes]:
        """The payloads of a batch on a wire: compact JSON, unless the fleet speaks binary."""
        payloads: list[bytes] = json_lines(batch.drop_columns(["received_at"])).to_pylist()
        return payloads

    def with_faults(self, spec: FaultSpec, days: float = 1.0) -> Fleet:
        """The same fleet with things going wrong.

        Args:
            spec: a preset (``demo``), text (``stuck=5,silent=1%``) or a mapping from kind to a count of
                devices.
            days: the time from the fleet's start in which the faults lie.

        Raises ``FaultSpecBad``.
        """
        faulty = type(self)(self.devices, seed=self.seed, start=self.start, traffic=self.traffic)
        faulty.faults = Faults(self, spec, self._hours_of(days))
        return faulty

    def labels(self) -> pa.Table:
        """The truth about the faults, one row each; empty without faults. Never part of the stream."""
        return self.faults.labels() if self.faults else label_table([])

    # Inside ---------------------------------------------------------------------------------------------------------

    def _faulty(self, index: int) -> Block:
        block = self.block(index)
        return self.faults.apply(index, block) if self.faults else block

    def _hours_of(self, days: float) -> int:
        hours = round(days * 24) if 0 < days <= DAYS_MAX else 0
        if not hours or abs(hours - days * 24) > 1e-6:
            raise ArgumentBad(
                f"{days!r} days cannot be delivered by the hour.",
                where="days",
                code="days_bad",
                cure=f"Choose whole hours up to {DAYS_MAX:,} days, e.g. 1 or 0.25.",
            )
        return hours

    def _batch(self, columns: dict[str, Array], received_ms: Array) -> pa.RecordBatch:
        arrays = []
        for column in self.columns:
            values = received_ms if column.name == "received_at" else columns[column.name]
            names = (
                {column.name: self.dictionary(column.name)} if column.role in ("device", "category") else {}
            )
            arrays.append(col.to_arrow(column, values, names, f"{self.prefix}-"))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _stragglers(self, batch: pa.RecordBatch) -> Iterator[tuple[datetime, pa.Table]]:
        hours = batch["received_at"].cast(pa.int64()).to_numpy() // (HOUR_MS * 1000)
        edges = np.flatnonzero(np.diff(hours, prepend=-1))
        for low, high in zip(edges, [*edges[1:], len(hours)], strict=True):
            part = batch.slice(int(low), int(high - low))
            yield from_ms(int(hours[low]) * HOUR_MS), pa.Table.from_batches([part], schema=self.schema)


def periods_per_block(devices: int, period_seconds: int) -> int:
    """How many periods a fleet of regular devices makes at once: small fleets in strides, large ones one by one.

    A block costs about 200 microseconds however few its rows; 20,000 rows still fit a core's cache.
    """
    fitting = [count for count in (120, 60, 30, 10, 5, 2) if 3600 % (count * period_seconds) == 0]
    return next((count for count in fitting if count * devices <= 20_000), 1)


class _Pool:
    """Rows that are on their way: sent in one block, arriving in a later one; kept sorted by arrival."""

    def __init__(self) -> None:
        self._columns: dict[str, Array] = {}
        self._received_ms: Array = np.empty(0, dtype=np.int64)

    @property
    def size(self) -> int:
        return len(self._received_ms)

    def take(self, block: Block, begin_ms: int, end_ms: int) -> tuple[dict[str, Array], Array]:
        """Add a block and take out, in the order of arrival, what arrives before ``end_ms``.

        One sort of (arrival, row) packed into an integer: numpy sorts those with vector instructions, and one
        block's rows stay in the cache. A global argsort of an hour costs several times as much.
        """
        columns = block.columns
        keys = block.received_ms - begin_ms
        keys <<= _ROW_BITS
        keys |= block.rows
        due = int(np.searchsorted(self._received_ms, end_ms))
        if due:
            count = len(next(iter(columns.values())))
            columns = {
                name: np.concatenate((values, self._columns[name][:due])) for name, values in columns.items()
            }
            old = ((self._received_ms[:due] - begin_ms) << _ROW_BITS) | np.arange(count, count + due)
            keys = np.concatenate((keys, old))
        keys.sort()
        cut = int(np.searchsorted(keys, (end_ms - begin_ms) << _ROW_BITS))
        self._keep(due, *_pick(columns, keys[cut:], begin_ms))
        return _pick(columns, keys[:cut], begin_ms)

    def rest(self) -> tuple[dict[str, Array], Array]:
        """Everything that is left, in the order of arrival."""
        return self._columns, self._received_ms

    def _keep(self, due: int, columns: dict[str, Array], received_ms: Array) -> None:
        """Forget the first ``due`` rows and merge new ones in: a stable sort of two runs is a merge."""
        received = np.concatenate((self._received_ms[due:], received_ms))
        order = np.argsort(received, kind="stable")
        self._received_ms = received[order]
        old = self._columns or {name: values[:0] for name, values in columns.items()}
        self._columns = {
            name: np.concatenate((old[name][due:], values)).take(order) for name, values in columns.items()
        }


def _pick(columns: dict[str, Array], keys: Array, begin_ms: int) -> tuple[dict[str, Array], Array]:
    rows = keys & ((1 << _ROW_BITS) - 1)
    received_ms = keys >> _ROW_BITS
    received_ms += begin_ms
    return {name: values.take(rows) for name, values in columns.items()}, received_ms
