"""How accepted events are kept: grid, partition, fold, dimensions, and how late is too late.

A policy is one YAML file; every key has a default, and ``streams:`` overrides them for single streams::

    policy: 1
    grid: 15m
    partition: hour
    dedup_horizon: 7d
    late_horizon: 3d
    accept: {past: 40d, future: 5m}
    streams:
      lorawan.uplinks: {grid: 1h, dimensions: [network]}
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, get_args

Partition = Literal["hour", "day", "month"]
Fold = Literal["sum", "count", "max", "min", "last", "unique"]

PARTITIONS: tuple[str, ...] = get_args(Partition)
FOLDS: tuple[str, ...] = get_args(Fold)


@dataclass(frozen=True, slots=True)
class AcceptWindow:
    """How far an event's time may lie from the time it was received; ``None`` means any distance.

    The default is 40 days into the past and 5 minutes into the future: a device cannot choose its own tariff hour.
    """

    past: timedelta | None = timedelta(days=40)
    future: timedelta | None = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class StreamPolicy:
    """How one stream is aggregated. ``grid`` divides a day; windows start at whole multiples of it since 1970 UTC.

    ``partition``: how much event time one landed segment holds. ``dimensions``: kept apart in the records, in order.
    """

    grid: timedelta = timedelta(minutes=15)
    partition: Partition = "hour"
    fold: Fold = "sum"
    dimensions: tuple[str, ...] = ()

    @property
    def grid_seconds(self) -> int:
        """The grid's width in whole seconds."""
        return int(self.grid.total_seconds())


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole policy. ``dedup_horizon >= late_horizon + correction_window`` always holds (checked when read)."""

    default: StreamPolicy = StreamPolicy()
    streams: MappingType[str, StreamPolicy] = field(default_factory=dict)
    dedup_horizon: timedelta = timedelta(days=45)
    late_horizon: timedelta = timedelta(days=40)
    correction_window: timedelta = timedelta(days=5)
    accept: AcceptWindow = AcceptWindow()
    file: str = "<default policy>"

    def for_stream(self, stream: str) -> StreamPolicy:
        """The rules of one stream (``"<source>.<meter>"``), or the default ones."""
        return self.streams.get(stream, self.default)
