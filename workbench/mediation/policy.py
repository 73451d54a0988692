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
from pathlib import Path
from typing import Literal, cast, get_args

from workbench.errors import PolicyError
from workbench.mediation.spans import parse_span
from workbench.mediation.yamltree import Node, Reader, read_text

Partition = Literal["hour", "day", "month"]
Fold = Literal["sum", "count", "max", "min", "last", "unique"]

PARTITIONS: tuple[str, ...] = get_args(Partition)
FOLDS: tuple[str, ...] = get_args(Fold)


@dataclass(frozen=True, slots=True)
class AcceptWindow:
    """How far an event's time may lie from the time it was received; ``None`` means any distance.

    The default is 40 days into the past and 5 minutes into the future: a device cannot choose its own tariff
    hour.
    """

    past: timedelta | None = timedelta(days=40)
    future: timedelta | None = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class StreamPolicy:
    """How one stream is aggregated.

    ``grid``: width of a window; it divides a day, and windows start at whole multiples of it since 1970 UTC.
    ``partition``: how much event time one landed segment holds.
    ``dimensions``: what records are kept apart by, in order.
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
    """The whole policy; ``dedup_horizon >= late_horizon + correction_window`` always holds (I4)."""

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


def load_policy(path: str | Path) -> Policy:
    """Read a policy file.

    Raises:
        FileUnreadable: it cannot be read as text.
        PolicyError: it says something that makes no sense; names file, line and cure.
    """
    return parse_policy(read_text(path), file=str(path))


def parse_policy(text: str, file: str = "<policy>") -> Policy:
    """The policy a YAML text describes. Raises ``PolicyError``."""
    reader = Reader(file, PolicyError)
    top = reader.section(reader.parse(text), [*_TOP, *_STREAM], "The policy")
    default = _stream(reader, {key: top[key] for key in _STREAM if key in top}, StreamPolicy())
    streams: dict[str, StreamPolicy] = {}
    if "streams" in top and isinstance(top["streams"].value, dict):
        for name, node in top["streams"].value.items():
            streams[name] = _stream(reader, reader.section(node, _STREAM, f"Stream {name}"), default)
    base = Policy()
    policy = Policy(
        default=default,
        streams=streams,
        dedup_horizon=_span(reader, top.get("dedup_horizon"), base.dedup_horizon),
        late_horizon=_span(reader, top.get("late_horizon"), base.late_horizon),
        correction_window=_span(reader, top.get("correction_window"), base.correction_window),
        accept=_accept(reader, top.get("accept")),
        file=file,
    )
    if policy.dedup_horizon < policy.late_horizon + policy.correction_window:
        raise reader.fail(
            top.get("dedup_horizon") or top.get("late_horizon") or Node(None, "", 1),
            "A copy could arrive after its original is forgotten: dedup_horizon is shorter than "
            "late_horizon + correction_window.",
            "Lengthen dedup_horizon, or shorten the others.",
            "dedup_horizon",
        )
    return policy


_TOP = ("policy", "streams", "dedup_horizon", "late_horizon", "correction_window", "accept")
_STREAM = ("grid", "partition", "fold", "dimensions")


def _stream(reader: Reader, keys: MappingType[str, Node], base: StreamPolicy) -> StreamPolicy:
    grid = _span(reader, keys.get("grid"), base.grid)
    if "grid" in keys and (grid < timedelta(seconds=1) or timedelta(days=1) % grid or grid.microseconds):
        raise reader.fail(keys["grid"], "A grid must divide a day.", "Use 1m, 5m, 15m, 1h or 1d.", "grid")
    partition, fold, dimensions = base.partition, base.fold, base.dimensions
    if "partition" in keys:
        partition = cast(Partition, reader.choice(keys["partition"], "partition", PARTITIONS))
    if "fold" in keys:
        fold = cast(Fold, reader.choice(keys["fold"], "fold", FOLDS))
    if "dimensions" in keys:
        dimensions = reader.texts(keys["dimensions"], "A dimension")
    if partition == "hour" and grid > timedelta(hours=1):
        place = keys.get("grid") or keys.get("partition") or Node(None, "", 1)
        raise reader.fail(
            place, "A window cannot be wider than its partition.", "Use `partition: day`.", "partition"
        )
    return StreamPolicy(grid=grid, partition=partition, fold=fold, dimensions=dimensions)


def _span(reader: Reader, node: Node | None, default: timedelta) -> timedelta:
    if node is None:
        return default
    found = parse_span(reader.text(node, node.path))
    if found is None:
        raise reader.fail(node, f"{node.path} is no span of time.", "Write 15m, 1h, 40d.", "span")
    return found


def _accept(reader: Reader, node: Node | None) -> AcceptWindow:
    if node is None:
        return AcceptWindow()
    keys, base = reader.section(node, ("past", "future"), "accept"), AcceptWindow()
    found: dict[str, timedelta | None] = {"past": base.past, "future": base.future}
    for name, member in keys.items():
        unlimited = member.value == "unlimited"
        found[name] = None if unlimited else _span(reader, member, timedelta())
    return AcceptWindow(past=found["past"], future=found["future"])
