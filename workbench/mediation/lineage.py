"""From a usage record back to the events it was made of, and the proof that they are the ones.

The landed rows of the record's device and window are read again from their segments, deduplicated by the portable
plan, and fingerprinted; the sum must be what the record carries. Nothing of the answer is taken from the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from workbench.errors import UsageError
from workbench.lake.engine import arrow, one
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.dedupe import flagged
from workbench.mediation.mix import mix_sql, sum_sql
from workbench.mediation.stream import Stream
from workbench.mediation.work import cursor_of

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Members:
    """The landed rows behind one record.

    Attributes:
        rows: landed columns plus ``is_event`` (made the record) and ``is_conflict`` (in quarantine); rows with
            neither are duplicates. In order of ``ends_at, received_at``.
        record: the record as it is in the lake, or None when there is none.
        fingerprint: recomputed from the events.
        segments: ids of the landed segments the rows were read from.
    """

    rows: pa.Table
    record: dict[str, Any] | None
    fingerprint: int
    segments: tuple[str, ...]

    @property
    def proven(self) -> bool:
        """Whether the events counted and fingerprinted now are those the record was made of."""
        events = sum(self.rows["is_event"].to_pylist())
        record = self.record
        return record is not None and (record["fingerprint"], record["n_events"]) == (
            self.fingerprint,
            events,
        )


def stream_named(lake: Lake, name: str) -> Stream:
    """The stream of a lake by its name.

    Raises:
        UsageError: the lake has no such stream; names those it has.
    """
    known = lake.facts("stream")
    if name not in known:
        raise UsageError(
            f"This lake has no stream {name!r}.",
            cure=f"It has: {', '.join(sorted(known)) or 'none'}.",
            code="stream_unknown",
        )
    return Stream.from_json(known[name])


def members(
    lake: Lake,
    stream: Stream,
    device_key: int,
    window_start: datetime,
    dimensions: dict[str, Any] | None = None,
) -> Members:
    """The rows behind the record of ``device_key`` in the window that starts at ``window_start``.

    Args:
        window_start: naive UTC, on the grid.
        dimensions: values of the record's dimensions, where the stream keeps any; left out: all of them together.
    """
    rows, segments = landed_behind(lake, stream, device_key, window_start)
    return members_of(lake, stream, device_key, window_start, rows, dimensions, segments)


def landed_behind(
    lake: Lake, stream: Stream, device_key: int, window_start: datetime
) -> tuple[pa.Table, tuple[str, ...]]:
    """The landed rows that decide a record, copies and all, and the segments of its partition."""
    end = window_start + timedelta(seconds=stream.grid_seconds)
    landed = lake.segments("landed", stream=stream.name)
    inside = [segment for segment in landed if segment.partition == partition_of(stream, window_start)]
    with cursor_of(lake) as con:
        con.execute(
            f"CREATE TEMP TABLE in_window AS SELECT * FROM {lake.scan('landed', segments=inside)} "
            "WHERE device_key = $device AND ends_at >= $start AND ends_at < $end",
            {"device": device_key, "start": window_start, "end": end},
        )
        source = "in_window" if stream.copies_share_instant else _with_copies(lake, stream, landed)
        return arrow(con, f"SELECT * FROM {source}"), tuple(segment.id for segment in inside)


def members_of(
    lake: Lake,
    stream: Stream,
    device_key: int,
    window_start: datetime,
    landed: pa.Table,
    dimensions: dict[str, Any] | None = None,
    segments: tuple[str, ...] = (),
) -> Members:
    """What landed rows come to, whoever kept them, against this lake's record (see ``members``)."""
    end = window_start + timedelta(seconds=stream.grid_seconds)
    with cursor_of(lake) as con:
        bounds: dict[str, Any] = {"device": device_key, "start": window_start, "end": end}
        con.register("landed_behind", landed)
        con.execute(f"CREATE TEMP TABLE members AS SELECT * FROM ({flagged('landed_behind', stream)})")
        where = "WHERE device_key = $device AND ends_at >= $start AND ends_at < $end"
        for name, value in (dimensions or {}).items():
            bounds[f"d_{len(bounds)}"] = value
            where += f' AND "{name}" IS NOT DISTINCT FROM $d_{len(bounds) - 1}'
        con.execute(f"CREATE TEMP TABLE chosen AS SELECT * FROM members {where}", bounds)
        rows = arrow(con, "SELECT * FROM chosen ORDER BY ends_at, received_at, is_event DESC")
        mixed = sum_sql(mix_sql(*stream.fingerprint_lanes), "is_event")
        found = one(con, f"SELECT {mixed} FROM chosen")
        record = _record(lake, con, stream, device_key, window_start, dimensions or {})
    return Members(rows, record, int(found[0]) if found else 0, segments)


def partition_of(stream: Stream, at: datetime) -> str:
    """The partition of an instant (naive UTC), as ``Stream.partition_sql`` names it."""
    return (
        f"{at:%Y-%m-%dT%H}"
        if stream.grain == "hour"
        else f"{at:%Y-%m-%d}"
        if stream.grain == "day"
        else f"{at:%Y-%m}"
    )


def _with_copies(lake: Lake, stream: Stream, landed: list[Segment]) -> str:
    """All landed rows whose key occurs in the window: what decides which of them are events."""
    key = ", ".join(f'"{name}"' for name in stream.identity_columns)
    rows = lake.scan("landed", segments=landed)
    return f"(SELECT r.* FROM {rows} r SEMI JOIN (SELECT DISTINCT {key} FROM in_window) k USING ({key}))"


def _record(
    lake: Lake,
    con: duckdb.DuckDBPyConnection,
    stream: Stream,
    device_key: int,
    window_start: datetime,
    dimensions: dict[str, Any],
) -> dict[str, Any] | None:
    segments = lake.segments("records", stream=stream.name, partition=partition_of(stream, window_start))
    if not segments:
        return None
    bounds: dict[str, Any] = {"device": device_key, "start": window_start}
    where = "device_key = $device AND window_start = $start"
    for name, value in dimensions.items():
        bounds[f"d_{len(bounds)}"] = value
        where += f' AND "{name}" IS NOT DISTINCT FROM $d_{len(bounds) - 1}'
    found = con.execute(f"SELECT * FROM {lake.scan('records', segments=segments)} WHERE {where}", bounds)
    names = [column[0] for column in found.description or ()]
    rows = found.fetchall()
    if len(rows) != 1:
        return None
    return {**dict(zip(names, rows[0], strict=True)), "segment": segments[0].id}
