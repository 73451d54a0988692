"""Writing a partition's outcome: its records and its quarantine, old windows kept, touched ones replaced."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from workbench.lake.lake import Lake
from workbench.lake.schemas import empty_relation
from workbench.lake.segment import Segment
from workbench.mediation.aggregate import records_sql
from workbench.mediation.stream import Stream
from workbench.mediation.work import Mediated, Work, count_of

CONTROLS = {
    "units": "sum(units)",
    "events": "sum(n_events)",
    "duplicates": "sum(n_duplicates)",
}


def base_of(lake: Lake, con: duckdb.DuckDBPyConnection, stream: Stream, work: Work) -> None:
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
    parents: Sequence[Segment],
    windows: int,
    redone: str | None,
    extra_quarantine: str = "",
) -> Mediated:
    """Write the partition's records (base without the touched windows, plus the redone ones) and its quarantine."""
    records = "SELECT * FROM base"
    if redone:
        fresh = f"SELECT * EXCLUDE (n_conflicts) FROM ({records_sql(redone, stream)})"
        records = f"SELECT base.* FROM base ANTI JOIN touched USING (device_key, window_start) UNION ALL BY NAME {fresh}"
    segment = lake.write(
        "records",
        records,
        stream=stream.name,
        partition=work.partition,
        order_by=["device_key", "window_start", *(f'"{name}"' for name in stream.dimensions)],
        controls=CONTROLS,
        parents=parents,
        meta={"policy": stream.policy_hash, "grid_seconds": stream.grid_seconds},
        con=con,
    )
    done = Mediated([segment], [work.records] if work.records else [], windows or segment.rows, 1)
    done.absorb(publish_quarantine(lake, con, stream, work.partition, redone, extra_quarantine))
    return done


def publish_quarantine(
    lake: Lake, con: duckdb.DuckDBPyConnection, stream: Stream, partition: str, redone: str | None, extra: str
) -> Mediated:
    """The partition's quarantine: what stood there outside the touched windows, plus what the redone ones hold."""
    if not redone:
        return Mediated()
    old = lake.segments("quarantine", stream=stream.name, partition=partition)
    window = stream.window_sql()
    kept = (
        f"SELECT held.* FROM {lake.scan('quarantine', segments=old)} held "
        f"ANTI JOIN touched ON held.device_key = touched.device_key AND {window} = touched.window_start"
    )
    conflicts = (
        f"SELECT '{stream.name}' AS stream, device_key, ends_at, received_at, 'conflict' AS reason, {stream.quantity} "
        f"AS quantity, 'another event with this key was received first' AS detail FROM {redone} WHERE is_conflict"
    )
    rows = f"{kept} UNION ALL BY NAME {conflicts}" + (f" UNION ALL BY NAME {extra}" if extra else "")
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
