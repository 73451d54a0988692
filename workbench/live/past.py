"""A lake's past as messages: what landed, said again on a wire, each row at the time it was received.

The rows are told in columns of their own names, and a mapping made from the stream reads them back: the replay lands
the same instants, quantities, keys, dimensions and samples, so its records are the original's, byte for byte.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.mapping import Mapping
from workbench.mediation.mapping_file import parse_mapping
from workbench.mediation.policy import Policy, StreamPolicy
from workbench.mediation.routes import Route, Routes
from workbench.mediation.stream import Stream
from workbench.mediation.work import cursor_of

_TYPES = {"BIGINT": "integer", "DOUBLE": "float", "VARCHAR": "text"}
_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Said:
    """One landed row as a message: ``received_at`` is when it came then, naive UTC."""

    topic: str
    payload: bytes
    received_at: datetime


def streams_of(lake: Lake) -> list[Stream]:
    """The lake's streams, by name."""
    return [Stream.from_json(data) for _, data in sorted(lake.facts("stream").items())]


def routes_of(streams: Sequence[Stream]) -> Routes:
    """How the messages of ``said`` are read: by stream, published on ``replay/<stream>``."""
    return Routes([Route(mapping_of(stream), f"replay/{stream.name}") for stream in streams])


def policy_of(streams: Sequence[Stream], policy: Policy) -> Policy:
    """The policy under which the streams were landed, horizons as given."""
    own = {
        stream.name: StreamPolicy(
            grid=timedelta(seconds=stream.grid_seconds), partition=stream.grain, fold=stream.fold,  # type: ignore[arg-type]
            dimensions=tuple(stream.dimensions),
        )
        for stream in streams
    }  # fmt: skip
    return Policy(
        policy.default,
        own,
        policy.dedup_horizon,
        policy.late_horizon,
        policy.correction_window,
        policy.accept,
    )


def mapping_of(stream: Stream) -> Mapping:
    """A mapping that reads a stream's landed rows, told in columns of their own names."""
    source, _, meter = stream.name.rpartition(".")
    extra = {**stream.dimensions, **stream.samples}
    key: dict[str, Any] = {"event_id": "event_id"} if stream.event_id else {}
    if not key:
        own = {name: _TYPES[stream.key_types[name]] for name in stream.key if name != "ends_at"}
        timed = {"ends_at": "text"} if "ends_at" in stream.key else {}
        key = {"columns": {"device": "text"} | own | timed}
        if stream.span_seconds is not None:
            key["within"] = f"{stream.span_seconds}s"
    amount: dict[str, Any] = {"column": stream.quantity, "unit": "unit", "negative": "allow"}
    if stream.cumulative:
        amount["cumulative"] = _cumulative(stream)
    said = {
        "source": source,
        "time": {"zone": "UTC", "ends_at": "ends_at"}
        | ({"starts_at": "starts_at"} if stream.has_start else {}),
        "device": {"column": "device_id"},
        "key": key,
        "meters": {meter: amount},
        "dimensions": {name: _TYPES[extra[name]] for name in stream.dimensions},
        "samples": {name: _TYPES[extra[name]] for name in stream.samples},
    }
    return parse_mapping(json.dumps({name: value for name, value in said.items() if value}), file=stream.name)


def _cumulative(stream: Stream) -> dict[str, Any]:
    rules = stream.cumulative
    assert rules is not None
    said: dict[str, Any] = {
        "reset": "from_zero" if rules.reset_from_zero else "baseline",
        "first": "from_zero" if rules.first_from_zero else "baseline",
    }
    if rules.rollover_at is not None:
        said["rollover_at"] = rules.rollover_at
    if rules.max_delta is not None:
        said["max_delta"] = rules.max_delta
    if rules.max_delta_seconds is not None:
        said["max_delta_per"] = f"{rules.max_delta_seconds}s"
    if rules.silence_seconds is not None:
        said["silence"] = f"{rules.silence_seconds}s"
    return said


def said(lake: Lake, streams: Sequence[Stream], since: datetime, until: datetime) -> Iterator[Said]:
    """Every row received in between (naive UTC), of all streams, in the order in which they were received."""
    return heapq.merge(
        *(_of_stream(lake, stream, since, until) for stream in streams),
        key=lambda message: message.received_at,
    )


def _of_stream(lake: Lake, stream: Stream, since: datetime, until: datetime) -> Iterator[Said]:
    """One stream's rows, read in pieces; only segments that reach into the time are opened."""
    segments = [s for s in lake.segments("landed", stream=stream.name) if _may_hold(s, until)]
    if not segments:
        return
    names = [
        *(["starts_at"] if stream.has_start else []),
        "ends_at",
        *(["event_id"] if stream.event_id else []),
    ]
    names += [name for name in stream.key if name != "ends_at"]
    names += [stream.quantity, *stream.dimensions, *stream.samples]
    listed = ", ".join(f'r."{name}"' for name in dict.fromkeys(names))
    with cursor_of(lake) as con:
        found = con.execute(
            f"SELECT r.received_at, d.device_id, {listed} FROM {lake.scan('landed', segments=segments)} r "
            f"JOIN (SELECT DISTINCT device_key, device_id FROM {lake.scan('devices')}) d USING (device_key) "
            "WHERE r.received_at >= $since AND r.received_at < $until ORDER BY r.received_at, d.device_id, r.ends_at",
            {"since": since, "until": until},
        )
        columns = ["device_id", *dict.fromkeys(names)]
        while rows := found.fetchmany(_ROWS):
            for row in rows:
                cells = {
                    name: _cell(cell) for name, cell in zip(columns, row[1:], strict=True) if cell is not None
                }
                payload = json.dumps(cells, separators=(",", ":"), ensure_ascii=False).encode()
                yield Said(f"replay/{stream.name}", payload, row[0])


def _may_hold(segment: Segment, until: datetime) -> bool:
    """Whether rows received before ``until`` can be in it: no accepted event lies a day after its receipt."""
    latest = int((until.replace(tzinfo=UTC) + timedelta(days=1)).timestamp() * 1_000_000)
    return segment.controls.get("first_us", 0) <= latest


def _cell(cell: Any) -> Any:
    return cell.isoformat(timespec="microseconds") + "Z" if isinstance(cell, datetime) else cell


def span_of(lake: Lake) -> tuple[datetime, datetime] | None:
    """When the lake's first and last rows were received, naive UTC; None when there are none."""
    with cursor_of(lake) as con:
        (row,) = con.execute(
            f"SELECT min(received_at), max(received_at) FROM {lake.scan('landed')}"
        ).fetchall()
    return (row[0], row[1]) if row[0] is not None else None
