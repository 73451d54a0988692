"""Landing: normalised items become sorted, immutable segments, one per stream and event-time partition.

Duplicates stay in: what is landed is what was delivered, and every later step is a pure function of the set of
landed rows, so the order and the batches in which deliveries came can never show in a bill. The sort is paid here,
once; it is what lets mediation find duplicates by looking at the row before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from workbench.errors import MappingError
from workbench.lake.devices import register
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.landing_rows import Items, Numbers
from workbench.mediation.landing_sort import landed_order
from workbench.mediation.mix import mix_sql
from workbench.mediation.stream import Stream

if TYPE_CHECKING:
    import duckdb

_FEW_PARTITIONS = 4
SPAN = {"first_us": "min(epoch_us(ends_at))", "last_us": "max(epoch_us(ends_at))"}
"""Control totals of a landed segment: which instants it reaches over."""


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


def collect(
    lake: Lake,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    most: int,
    source: str,
    pending: Sequence[Segment],
) -> tuple[Items, Segment | None]:
    """The items with their devices numbered, and the registry segment of devices not seen before.

    Args:
        batches: normalised items of ``schema``, which has a ``device_id``; taken in one at a time.
        most: no more rows than this.
        pending: registry segments that are not committed yet.
    """
    items = Items(schema, most)
    for batch in batches:
        items.add(batch)
    if not items.count:
        return items, None
    known, segment = register(lake, items.names, source, pending=pending)
    items.number_devices(known["device_id"].combine_chunks(), known["device_key"].to_numpy())
    return items, segment


def landed_columns(stream: Stream) -> list[str]:
    """The columns of a landed segment, in order."""
    columns = ["device_key", *(["starts_at"] if stream.has_start else []), "ends_at"]
    columns += ["event_id"] if stream.event_id else []
    columns += [name for name in stream.key if name != "ends_at"]
    return [*columns, stream.quantity, "received_at", *stream.dimensions, *stream.samples]


def sort_columns(stream: Stream) -> list[str]:
    """The order of a landed segment: copies of an event stand together, the winner of I3 first."""
    key = [] if stream.event_id else [f'"{name}"' for name in stream.key if name != "ends_at"]
    event = ["event_id"] if stream.event_id else []
    return ["device_key", "ends_at", *event, *key, "received_at", mix_sql(*stream.fingerprint_lanes)]


def land(
    lake: Lake,
    items: Items,
    stream: Stream,
    con: duckdb.DuckDBPyConnection,
    *,
    origin: str = "",
    meta: dict[str, Any] | None = None,
) -> list[Segment]:
    """Write the landed segments of one delivery's stream, one per partition, sorted.

    Args:
        items: see ``collect``; instants in UTC.
        stream: typed (see ``typed``).
        con: the connection or cursor to work on.
        origin: the delivery's id: the same rows delivered twice are two segments, and their copies are counted.
        meta: small facts to note on the segments.
    """
    if not items.count:
        return []
    order, columns = sort_columns(stream), landed_columns(stream)
    segments = []
    for partition, part in _by_partition(items, stream):
        numbers = landed_order(con, items, part, order)
        del part  # as large as a column; so are the numbers, which go with the rows
        rows = pa.RecordBatchReader.from_batches(items.schema(columns), items.pieces(numbers, columns))
        del numbers
        segments.append(
            lake.write(
                "landed",
                rows,
                stream=stream.name,
                partition=partition,
                presorted=order[:-1],
                origin=origin,
                controls={"quantity": f"sum({stream.quantity})", **SPAN},
                meta=meta,
                con=con,
            )
        )
        del rows
    landed = sum(segment.rows for segment in segments)
    assert landed == items.count, f"{stream.name}: {landed} rows landed of {items.count}"  # I2
    return segments


def _by_partition(items: Items, stream: Stream) -> Iterator[tuple[str, Numbers | None]]:
    """The row numbers of each event-time partition, in time order; None: all rows are of one."""
    unit = {"hour": "h", "day": "D", "month": "M"}[stream.grain]
    held = items.plain("ends_at").view("datetime64[us]").astype(f"datetime64[{unit}]")
    first = held.min()
    places = (held - first).astype(np.min_scalar_type(int((held.max() - first).astype(int))))
    del held
    found = np.flatnonzero(np.bincount(places))
    if len(found) == 1:
        del places  # not to be held while the rows are sorted and written
        yield str(first + found[0]), None
        return
    if len(found) <= _FEW_PARTITIONS:
        for place in found:
            yield str(first + place), np.flatnonzero(places == place)
        return
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], found)
    for place, start, end in zip(found, starts, [*starts[1:], items.count], strict=True):
        yield str(first + place), order[start:end]


def landed_partitions(segments: Sequence[Segment]) -> dict[str, list[Segment]]:
    """Landed segments by partition, in time order; within one, the largest first."""
    grouped: dict[str, list[Segment]] = {}
    for segment in sorted(segments, key=lambda s: (s.partition, -s.rows, s.path)):
        grouped.setdefault(segment.partition, []).append(segment)
    return grouped
