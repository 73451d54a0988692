"""What there is to mediate, and what mediating it changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.landing import landed_partitions
from workbench.mediation.stream import Stream

if TYPE_CHECKING:
    import duckdb

Progress = Callable[[int], None]


@dataclass(slots=True)
class Mediated:
    """What mediating a stream changed: segments to add and to take out, and how much was done."""

    add: list[Segment] = field(default_factory=list)
    remove: list[Segment] = field(default_factory=list)
    windows: int = 0
    partitions: int = 0

    def absorb(self, other: Mediated) -> None:
        """Add another partition's outcome."""
        self.add += other.add
        self.remove += other.remove
        self.windows += other.windows
        self.partitions += other.partitions


@dataclass(frozen=True, slots=True)
class Work:
    """One partition to mediate: all its landed segments, those not yet mediated, and the records so far."""

    partition: str
    landed: list[Segment]
    fresh: list[Segment]
    records: Segment | None


def pending(lake: Lake, stream: Stream) -> list[Work]:
    """Partitions of ``stream`` with landed segments its records do not know, in time order."""
    known = {
        segment.partition: segment
        for segment in lake.segments("records", stream=stream.name)
        if "edge" not in segment.meta
    }
    works = []
    for partition, landed in landed_partitions(lake.segments("landed", stream=stream.name)).items():
        records = known.get(partition)
        if records and records.meta.get("policy") != stream.policy_hash:
            records = None
        done = set(records.parents) if records else set()
        fresh = [segment for segment in landed if segment.id not in done]
        if fresh:
            works.append(Work(partition, landed, fresh, records))
    return works


@contextmanager
def cursor_of(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor of the lake's connection, with temporary tables of its own."""
    con = lake.con.cursor()
    try:
        yield con
    finally:
        con.close()


def count_of(con: duckdb.DuckDBPyConnection, relation: str) -> int:
    """Rows of a relation."""
    row = con.execute(f"SELECT count(*) FROM {relation}").fetchone()
    return int(row[0]) if row else 0
