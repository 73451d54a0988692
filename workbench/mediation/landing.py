"""Landing: normalised items become sorted, immutable segments, one per stream and event-time partition.

Duplicates stay in: what is landed is what was delivered, and every later step is a pure function of the set of
landed rows, so the order and the batches in which deliveries came can never show in a bill. The sort is paid here,
once; it is what lets mediation find duplicates by looking at the row before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import duckdb

from workbench.errors import MappingError
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.mix import mix_sql
from workbench.mediation.stream import Stream

_MANY_PARTITIONS = 3


def typed(con: duckdb.DuckDBPyConnection, items_sql: str, stream: Stream) -> Stream:
    """The stream with the column types its items really have.

    Raises:
        MappingError: the items lack a column the stream declares (the mapping and its reader disagree).
    """
    found = {name: type_ for name, type_, *_ in con.execute(f"DESCRIBE {items_sql}").fetchall()}
    wanted = [
        *stream.key,
        *stream.dimensions,
        *stream.samples,
        "device_id",
        "ends_at",
        "received_at",
        stream.quantity,
    ]
    for name in wanted:
        if name not in found:
            raise MappingError(
                f"The items of stream {stream.name} have no column {name}.",
                where=stream.name,
                cure="Name the column in the mapping file.",
                code="mapping_column_missing",
            )
    return replace(
        stream,
        key_types={name: found[name] for name in stream.key},
        dimensions={name: found[name] for name in stream.dimensions},
        samples={name: found[name] for name in stream.samples},
    )


def landed_sql(items_sql: str, stream: Stream, devices: str) -> str:
    """Items with their device's number instead of its name, in the landed column order.

    Args:
        devices: relation with ``device_id`` and ``device_key`` (see ``lake/devices.py``).
    """
    columns = ["devices.device_key"]
    if stream.has_start:
        columns.append("starts_at")
    columns.append("ends_at")
    if stream.event_id:
        columns.append("event_id")
    columns += [f'"{name}"' for name in stream.key if name != "ends_at"]
    columns += [f"{stream.quantity}::BIGINT AS {stream.quantity}", "received_at"]
    columns += [f'"{name}"' for name in [*stream.dimensions, *stream.samples]]
    return f"SELECT {', '.join(columns)} FROM ({items_sql}) items JOIN {devices} devices USING (device_id)"


def sort_columns(stream: Stream) -> list[str]:
    """The order of a landed segment: copies of an event stand together, the winner of I3 first."""
    key = [] if stream.event_id else [f'"{name}"' for name in stream.key if name != "ends_at"]
    event = ["event_id"] if stream.event_id else []
    return ["device_key", "ends_at", *event, *key, "received_at", mix_sql(*stream.fingerprint_lanes)]


def land(
    lake: Lake, items_sql: str, stream: Stream, devices: str, con: duckdb.DuckDBPyConnection
) -> list[Segment]:
    """Write the landed segments of one delivery's stream, one per partition, sorted.

    Args:
        items_sql: the normalised items (see ``decode``), with instants in UTC.
        stream: typed (see ``typed``).
        devices: relation with ``device_id`` and ``device_key``.
        con: the connection or cursor to work on.
    """
    rows = landed_sql(items_sql, stream, devices)
    counted = con.execute(
        f"SELECT {stream.partition_sql()}, count(*) FROM ({items_sql}) GROUP BY 1 ORDER BY 1"
    ).fetchall()
    if len(counted) > _MANY_PARTITIONS:
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE landing AS SELECT *, {stream.partition_sql()} AS part FROM ({rows})"
        )
        rows = "SELECT * EXCLUDE (part) FROM landing"
    segments = []
    for partition, count in counted:
        held = stream.partition_sql() if len(counted) <= _MANY_PARTITIONS else "part"
        where = f" WHERE {held} = '{partition}'" if len(counted) > 1 else ""
        segment = lake.write(
            "landed",
            f"{rows}{where}",
            stream=stream.name,
            partition=partition,
            order_by=sort_columns(stream),
            controls={"quantity": f"sum({stream.quantity})"},
            con=con,
        )
        _check_complete(segment, count, stream)
        segments.append(segment)
    con.execute("DROP TABLE IF EXISTS landing")
    return segments


def _check_complete(segment: Segment, expected: int, stream: Stream) -> None:
    """A join that lost or multiplied rows would lose or multiply money; it stops here (I2)."""
    assert segment.rows == expected, (
        f"{stream.name} {segment.partition}: {segment.rows} rows landed of {expected}"
    )


def landed_partitions(segments: Sequence[Segment]) -> dict[str, list[Segment]]:
    """Landed segments by partition, in time order; within one, the largest first."""
    grouped: dict[str, list[Segment]] = {}
    for segment in sorted(segments, key=lambda s: (s.partition, -s.rows, s.path)):
        grouped.setdefault(segment.partition, []).append(segment)
    return grouped
