"""Simulated fleets as deliveries: a thread writes the next files into an inbox while the last one is being landed.

Which files there are, and what is in each, follows from the arguments alone. So a run that was killed goes on by
leaving out the files whose rows the lake has, and the fleets start again at the first hour that is missing.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from simulators.base import Fleet
from workbench.mediation.delivery import Delivery
from workbench.mediation.mapping import Mapping
from workbench.showcase.memory import release

_ROW_GROUP = 1_000_000


class _Stopped(Exception):
    """Nobody wants the file that is being written."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One fleet's deliveries.

    Attributes:
        fleet: starts on the hour at which the city starts.
        mapping: what its columns mean.
        hours_per_file: how many delivered hours one file holds.
    """

    fleet: Fleet
    mapping: Mapping
    hours_per_file: int = 1

    @property
    def delay(self) -> timedelta:
        """No delivery arrives later than this after it was due, in whole hours."""
        faults = self.fleet.faults.delay_ms_max if self.fleet.faults else 0
        return timedelta(hours=-(-(self.fleet.delay_ms_max + faults) // 3_600_000))


@dataclass(frozen=True, slots=True)
class Parcel:
    """One file: what of a feed arrives in ``[begin, end)``; the last one also holds what was still on its way."""

    feed: Feed
    begin: datetime
    end: datetime
    last: bool

    @property
    def name(self) -> str:
        """The file's name: source and first hour."""
        return f"{self.feed.mapping.source}-{self.begin:%Y-%m-%dT%H}.parquet"

    def delivery(self, folder: Path) -> Delivery:
        """The file as a delivery, received when everything in it had arrived."""
        received_at = self.end + self.feed.delay if self.last else self.end
        return Delivery(folder / self.name, self.feed.mapping, received_at.replace(tzinfo=UTC))


def parcels(feeds: Sequence[Feed], hours: int) -> list[Parcel]:
    """All files of a city that runs for ``hours``, in the order of time."""
    found = []
    for feed in feeds:
        start = feed.fleet.start
        for hour in range(0, hours, feed.hours_per_file):
            end = min(hour + feed.hours_per_file, hours)
            found.append(
                Parcel(feed, start + timedelta(hours=hour), start + timedelta(hours=end), end == hours)
            )
    return sorted(found, key=lambda parcel: (parcel.begin, parcel.feed.mapping.source))


class Inbox:
    """An iterable of deliveries, each a file that exists from just before it is landed until it is landed.

    Args:
        folder: where the files appear; what a killed run left there is used with ``keep``, and swept without.
        feeds: the fleets.
        hours: how long the city runs.
        landed: says which files the lake has, by name.
        keep: leave the files in the folder.
        ahead: how many files may wait besides the one that is being landed.
    """

    def __init__(
        self, folder: Path, feeds: Sequence[Feed], hours: int, landed: Callable[[], set[str]], *,
        keep: bool = False, ahead: int = 1,
    ) -> None:  # fmt: skip
        self.folder, self.keep = folder, keep
        self._landed = landed
        self._parcels = parcels(feeds, hours)
        self._ready: queue.Queue[Delivery | BaseException | None] = queue.Queue(maxsize=ahead)
        self._stop = threading.Event()

    def __iter__(self) -> Iterator[Delivery]:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        done = self._landed()
        wanted = [parcel for parcel in self._parcels if parcel.name not in done]
        thread = threading.Thread(target=self._work, args=(wanted,), name="deliveries", daemon=True)
        thread.start()
        try:
            while (found := self._ready.get()) is not None:
                if isinstance(found, BaseException):
                    raise found
                yield found
                release()  # the file that was landed, before the next one is read
                if not self.keep and found.path.name in self._landed():
                    found.path.unlink()
        finally:
            self._stop.set()
            thread.join()
            self._sweep()
            if not any(self.folder.iterdir()):
                self.folder.rmdir()

    def _work(self, wanted: Sequence[Parcel]) -> None:
        """The thread. What goes wrong here is handed over, and raised where the deliveries are landed."""
        try:
            for delivery in self._deliver(wanted):
                self._put(delivery)
                if self._stop.is_set():
                    return
            self._put(None)
        except _Stopped:
            return
        except BaseException as error:
            self._put(error)

    def _deliver(self, wanted: Sequence[Parcel]) -> Iterator[Delivery]:
        """One file after another; a fleet runs on from file to file, and starts anew after files that were left out."""
        running: dict[str, tuple[datetime, Iterator[pa.RecordBatch]]] = {}
        ends = {parcel.feed.mapping.source: parcel.end for parcel in self._parcels if parcel.last}
        for parcel in wanted:
            source, fleet = parcel.feed.mapping.source, parcel.feed.fleet
            path = self.folder / parcel.name
            if not path.exists():  # else a killed run kept it: whole, since it has its name
                at, batches = running.get(source, (None, iter(())))
                if at != parcel.begin:
                    batches = self._until_stopped(fleet.batches(parcel.begin, ends[source], drain=True))
                blocks = int((parcel.end - parcel.begin).total_seconds()) // fleet.block_seconds
                write(path, fleet.schema, islice(batches, None if parcel.last else blocks), durable=self.keep)
                running[source] = parcel.end, batches
            yield parcel.delivery(self.folder)

    def _until_stopped(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches, broken off when nobody lands them any more."""
        for batch in batches:
            if self._stop.is_set():
                raise _Stopped
            yield batch

    def _put(self, found: Delivery | BaseException | None) -> None:
        while not self._stop.is_set():
            try:
                return self._ready.put(found, timeout=0.2)
            except queue.Full:
                continue

    def _sweep(self) -> None:
        """Remove half-written files, and without ``keep`` whatever a killed run left behind."""
        for path in self.folder.glob("*.parquet.tmp" if self.keep else "*.parquet*"):
            path.unlink(missing_ok=True)


def write(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch], *, durable: bool = False) -> None:
    """Write batches as Parquet under a temporary name, then give it its own; memory holds one row group.

    Compressed fast rather than small: the file lives for seconds. Only names are worth a dictionary.
    """
    draft = path.with_name(path.name + ".tmp")
    named = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    with pq.ParquetWriter(
        draft, schema, compression="lz4", use_dictionary=named, write_statistics=False, store_schema=False
    ) as writer:
        held, rows = [], 0
        for batch in batches:
            held.append(batch)
            rows += batch.num_rows
            if rows >= _ROW_GROUP:
                writer.write_table(pa.Table.from_batches(held, schema))
                held, rows = [], 0
        writer.write_table(pa.Table.from_batches(held, schema))
    if durable:
        with draft.open("rb") as file:
            os.fsync(file.fileno())
    draft.rename(path)
