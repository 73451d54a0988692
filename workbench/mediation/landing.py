"""Landing: normalised items become sorted, immutable segments, one per stream and event-time partition.

Duplicates stay in: what is landed is what was delivered, and every later step is a pure function of the set of
landed rows, so the order and the batches in which deliveries came can never show in a bill. The sort is paid here,
once; it is what lets mediation find duplicates by looking at the row before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from workbench.errors import MappingError
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.landing_sort import landed_order, ordered
from workbench.mediation.mix import mix_sql
from workbench.mediation.stream import Stream

if TYPE_CHECKING:
    import duckdb

_FEW_PARTITIONS = 4


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

    The last column, ``device_rank``, is the device's place by key; it serves the sort and is not written.
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
    columns.append("devices.device_rank")
    ranked = (
        f"(SELECT *, (row_number() OVER (ORDER BY device_key) - 1)::INTEGER AS device_rank FROM {devices})"
    )
    return f"SELECT {', '.join(columns)} FROM ({items_sql}) items JOIN {ranked} devices USING (device_id)"


def sort_columns(stream: Stream) -> list[str]:
    """The order of a landed segment: copies of an event stand together, the winner of I3 first."""
    key = [] if stream.event_id else [f'"{name}"' for name in stream.key if name != "ends_at"]
    event = ["event_id"] if stream.event_id else []
    return ["device_key", "ends_at", *event, *key, "received_at", mix_sql(*stream.fingerprint_lanes)]


def land(
    lake: Lake,
    items_sql: str,
    stream: Stream,
    devices: str,
    con: duckdb.DuckDBPyConnection,
    *,
    origin: str = "",
) -> list[Segment]:
    """Write the landed segments of one delivery's stream, one per partition, sorted.

    Args:
        items_sql: the normalised items (see ``decode``), with instants in UTC.
        stream: typed (see ``typed``).
        devices: relation with ``device_id`` and ``device_key``.
        con: the connection or cursor to work on.
        origin: the delivery's id: the same rows delivered twice are two segments, and their copies are counted.
    """
    rows = con.sql(landed_sql(items_sql, stream, devices)).to_arrow_table()
    if not rows.num_rows:
        return []
    order = sort_columns(stream)
    segments = []
    for partition, part in _by_partition(rows, stream):
        segments.append(
            lake.write(
                "landed",
                ordered(part.drop_columns(["device_rank"]), landed_order(con, part, order)),
                stream=stream.name,
                partition=partition,
                presorted=order[:-1],
                origin=origin,
                controls={"quantity": f"sum({stream.quantity})"},
                con=con,
            )
        )
    landed = sum(segment.rows for segment in segments)
    assert landed == rows.num_rows, f"{stream.name}: {landed} rows landed of {rows.num_rows}"  # I2
    return segments


def _by_partition(rows: pa.Table, stream: Stream) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each event-time partition, in time order."""
    unit = {"hour": "h", "day": "D", "month": "M"}[stream.grain]
    held = rows["ends_at"].to_numpy().astype(f"datetime64[{unit}]")
    found = held[:1] if held.min() == held.max() else np.unique(held)
    if len(found) <= _FEW_PARTITIONS:
        for part in found:
            yield str(part), rows if len(found) == 1 else rows.filter(pa.array(held == part))
        return
    order = np.argsort(held, kind="stable")
    rows = rows.take(pa.array(order))
    starts = np.searchsorted(held[order], found)
    for part, start, end in zip(found, starts, [*starts[1:], rows.num_rows], strict=True):
        yield str(part), rows.slice(start, end - start)


def landed_partitions(segments: Sequence[Segment]) -> dict[str, list[Segment]]:
    """Landed segments by partition, in time order; within one, the largest first."""
    grouped: dict[str, list[Segment]] = {}
    for segment in sorted(segments, key=lambda s: (s.partition, -s.rows, s.path)):
        grouped.setdefault(segment.partition, []).append(segment)
    return grouped
