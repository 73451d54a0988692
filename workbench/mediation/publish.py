"""Writing a partition's outcome: its records and its quarantine, old windows kept, touched ones replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.lake.lake import Lake
from workbench.lake.schemas import empty_relation
from workbench.mediation.aggregate import records_sql
from workbench.mediation.stream import Stream
from workbench.mediation.work import Mediated, Work, count_of

if TYPE_CHECKING:
    import duckdb

CONTROLS = {
    "units": "sum(units)",
    "events": "sum(n_events)",
    "duplicates": "sum(n_duplicates)",
}


def base_of(lake: Lake, con: duckdb.DuckDBPyConnection, stream: Stream, work: Work) -> None:
    """Make table ``base``: the partition's records so far, or none."""
    extra = dict(stream.dimensions)
    source = lake.scan("records", segments=[work.records]) if work.records else empty_records(extra)
    con.execute(f"CREATE TEMP TABLE base AS SELECT * FROM {source}")


def empty_records(dimensions: dict[str, str]) -> str:
    """A relation with a records segment's columns and no row."""
    return empty_relation("records", {f'"{name}"': type_ for name, type_ in dimensions.items()})


def publish(
    lake: Lake,
    con: duckdb.DuckDBPyConnection,
    stream: Stream,
    work: Work,
    windows: int,
    *,
    redone: bool,
    held: str = "",
) -> Mediated:
    """Write a partition's records (table ``base`` without the windows in ``touched``, plus the redone ones).

    Args:
        windows: how many windows were redone; 0 means the whole partition was done by the sorted plan.
        redone: whether table ``redone`` holds flagged rows of the touched windows.
        held: SQL of quarantine rows beyond conflicts.
    """
    records = "SELECT * FROM base"
    if redone:
        fresh = f"SELECT * EXCLUDE (n_conflicts) FROM ({records_sql('redone', stream)})"
        records = f"SELECT base.* FROM base ANTI JOIN touched USING (device_key, window_start) UNION ALL BY NAME {fresh}"
    segment = lake.write(
        "records",
        records,
        stream=stream.name,
        partition=work.partition,
        order_by=["device_key", "window_start", *(f'"{name}"' for name in stream.dimensions)],
        controls=CONTROLS,
        parents=work.landed,
        meta={"policy": stream.policy_hash, "grid_seconds": stream.grid_seconds},
        con=con,
    )
    rebuilt = windows if work.records else segment.rows
    done = Mediated([segment], [work.records] if work.records else [], rebuilt, 1)
    if redone:
        done.absorb(_publish_quarantine(lake, con, stream, work.partition, held))
    return done


def _publish_quarantine(
    lake: Lake, con: duckdb.DuckDBPyConnection, stream: Stream, partition: str, held: str
) -> Mediated:
    """The partition's quarantine: what stood there outside the touched windows, plus what the redone ones hold."""
    old = lake.segments("quarantine", stream=stream.name, partition=partition)
    kept = (
        f"SELECT held.* FROM {lake.scan('quarantine', segments=old)} held "
        f"ANTI JOIN touched ON held.device_key = touched.device_key AND {stream.window_sql('held.ends_at')} = touched.window_start"
    )
    conflicts = (
        f"SELECT '{stream.name}' AS stream, device_key, ends_at, received_at, 'conflict' AS reason, {stream.quantity} "
        "AS quantity, 'another event with this key was received first' AS detail FROM redone WHERE is_conflict"
    )
    rows = " UNION ALL BY NAME ".join(part for part in (kept, conflicts, held) if part)
    if not old and not count_of(con, f"({rows})"):
        return Mediated()
    segment = lake.write(
        "quarantine",
        rows,
        stream=stream.name,
        partition=partition,
        order_by=["device_key", "ends_at", "received_at", "reason", "quantity"],
        con=con,
    )
    return Mediated(add=[segment], remove=old)
