"""Landing: normalised items become sorted, immutable segments, one per stream and event-time partition.

Duplicates stay in: what is landed is what was delivered, and every later step is a pure function of the set of
landed rows, so the order and the batches in which deliveries came can never show in a bill. The sort is paid here,
once; it is what lets mediation find duplicates by looking at the row before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.errors import MappingError
from workbench.lake.devices import register
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.landing_sort import landed_order, ordered
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


def keyed(
    lake: Lake, items: pa.Table, source: str, pending: Sequence[Segment]
) -> tuple[pa.Table, Segment | None]:
    """The items with their device's number instead of its name, and the registry segment of devices not seen before.

    Returns: ``items`` with ``device_key`` (BIGINT) and ``device_rank`` (INTEGER, the device's place by key; it serves
        the sort and is not written) in place of ``device_id``.
    """
    named = items["device_id"].combine_chunks().dictionary_encode()
    table, segment = register(lake, named.dictionary, source, pending=pending)
    places = pc.index_in(named.dictionary, value_set=table["device_id"].combine_chunks()).to_numpy()
    keys = table["device_key"].to_numpy()[places]
    ranks = np.empty(len(keys), dtype=np.int32)
    ranks[np.argsort(keys)] = np.arange(len(keys), dtype=np.int32)
    codes = named.indices.to_numpy()
    keyed_items = items.drop_columns(["device_id"]).add_column(0, "device_key", pa.array(keys[codes]))
    return keyed_items.append_column("device_rank", pa.array(ranks[codes])), segment


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
    items: pa.Table,
    stream: Stream,
    con: duckdb.DuckDBPyConnection,
    *,
    origin: str = "",
    meta: dict[str, Any] | None = None,
) -> list[Segment]:
    """Write the landed segments of one delivery's stream, one per partition, sorted.

    Args:
        items: normalised items with ``device_key`` and ``device_rank`` (see ``keyed``), instants in UTC.
        stream: typed (see ``typed``).
        con: the connection or cursor to work on.
        origin: the delivery's id: the same rows delivered twice are two segments, and their copies are counted.
        meta: small facts to note on the segments.
    """
    if not items.num_rows:
        return []
    order, columns = sort_columns(stream), landed_columns(stream)
    segments = []
    for partition, part in _by_partition(items, stream):
        rows = ordered(part.select(columns), landed_order(con, part, order))
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
    landed = sum(segment.rows for segment in segments)
    assert landed == items.num_rows, f"{stream.name}: {landed} rows landed of {items.num_rows}"  # I2
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
