"""Streams with an event id, or a key with a span: copies may lie in different windows, hours or months."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.lake.lake import Lake
from workbench.mediation.dedupe import flagged
from workbench.mediation.landing import landed_partitions
from workbench.mediation.publish import base_of, publish
from workbench.mediation.stream import Stream
from workbench.mediation.work import Mediated, Progress, Work, count_of, cursor_of

if TYPE_CHECKING:
    import duckdb


def mediate_across(lake: Lake, stream: Stream, works: Sequence[Work], progress: Progress | None) -> Mediated:
    """Streams with an event id or a key with a span: copies may sit in other windows, hours or months.

    New rows name keys; all rows of those keys name windows; all rows of *all* keys in those windows decide them.
    The closure needs no second round, since only those windows are written.
    """
    landed = landed_partitions(lake.segments("landed", stream=stream.name))
    everything = lake.scan("landed", segments=[s for segments in landed.values() for s in segments])
    known = {
        segment.partition: segment
        for segment in lake.segments("records", stream=stream.name)
        if "edge" not in segment.meta
    }
    known = {name: s for name, s in known.items() if s.meta.get("policy") == stream.policy_hash}
    total = Mediated()
    with cursor_of(lake) as con:
        con.execute("CREATE TEMP TABLE touched (device_key BIGINT, window_start TIMESTAMP)")
        key = ", ".join(f'"{name}"' for name in stream.identity_columns)
        if known:
            fresh = lake.scan("landed", segments=[s for work in works for s in work.fresh])
            con.execute(f"CREATE OR REPLACE TEMP TABLE keys AS SELECT DISTINCT {key} FROM {fresh}")
            con.execute(_windows_of_keys(everything, stream))
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE keys AS SELECT DISTINCT {key} FROM {everything} rows SEMI JOIN touched ON "
                f"rows.device_key = touched.device_key AND {stream.window_sql('rows.ends_at')} = touched.window_start"
            )
            source = f"(SELECT rows.* FROM {everything} rows SEMI JOIN keys USING ({key}))"
        else:
            con.execute(
                f"INSERT INTO touched SELECT DISTINCT device_key, {stream.window_sql()} FROM {everything}"
            )
            source = everything
        con.execute(f"CREATE OR REPLACE TEMP TABLE all_flagged AS {flagged(source, stream)}")
        held = con.execute(
            f"SELECT DISTINCT {stream.partition_sql('window_start')} FROM touched ORDER BY 1"
        ).fetchall()
        con.execute("ALTER TABLE touched RENAME TO touched_all")
        for (partition,) in held:
            work = next((w for w in works if w.partition == partition), None)
            work = Work(partition, landed[partition], work.fresh if work else [], known.get(partition))
            total.absorb(_redo_partition(lake, con, stream, work))
            if progress and work.fresh:
                progress(sum(segment.rows for segment in work.fresh))
    return total


def _windows_of_keys(everything: str, stream: Stream) -> str:
    key = ", ".join(f'"{name}"' for name in stream.identity_columns)
    return (
        f"INSERT INTO touched SELECT DISTINCT device_key, {stream.window_sql()} FROM "
        f"(SELECT rows.* FROM {everything} rows SEMI JOIN keys USING ({key}))"
    )


def _redo_partition(lake: Lake, con: duckdb.DuckDBPyConnection, stream: Stream, work: Work) -> Mediated:
    for table in ("touched", "base"):
        con.execute(f"DROP TABLE IF EXISTS {table}")
    inside = f"{stream.partition_sql('window_start')} = '{work.partition}'"
    con.execute(f"CREATE TEMP TABLE touched AS SELECT * FROM touched_all WHERE {inside}")
    base_of(lake, con, stream, work)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE redone AS SELECT rows.* FROM all_flagged rows SEMI JOIN touched ON "
        f"rows.device_key = touched.device_key AND {stream.window_sql('rows.ends_at')} = touched.window_start"
    )
    return publish(lake, con, stream, work, count_of(con, "touched"), redone=True)
