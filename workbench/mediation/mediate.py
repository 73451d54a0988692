"""Landed rows to usage records, partition by partition, redoing only the windows new rows touch.

``mediate_stream`` is the whole of it. Records of a partition are a pure function of its landed segments (and, for
registers, of the readings before); which segments they were made from stands in their ``parents``, so what is new is
read off the manifest and nothing else is remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from workbench.errors import LakeError
from workbench.lake.engine import EngineError
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.across import mediate_across
from workbench.mediation.additive import add_fresh, adds_up
from workbench.mediation.aggregate import sorted_records_sql
from workbench.mediation.dedupe import flagged, flagged_sorted
from workbench.mediation.publish import publish
from workbench.mediation.registers import mediate_registers
from workbench.mediation.stream import Stream
from workbench.mediation.work import Mediated, Progress, Work, count_of, cursor_of, pending

if TYPE_CHECKING:
    import duckdb


def mediate_stream(
    lake: Lake, stream: Stream, *, workers: int = 2, progress: Progress | None = None
) -> Mediated:
    """Bring a stream's records up to date with what has landed.

    Args:
        workers: partitions mediated at a time, each on a cursor of its own.
        progress: called with the number of landed rows after each partition.

    Returns: segments for one ``lake.commit``.
    """
    works = pending(lake, stream)
    if not works:
        return Mediated()
    if stream.cumulative:
        return mediate_registers(lake, stream, works, progress)
    if not stream.copies_share_instant:
        return mediate_across(lake, stream, works, progress)

    def one(work: Work) -> Mediated:
        with cursor_of(lake) as con:
            done = _mediate_partition(lake, con, stream, work)
        if progress:
            progress(sum(segment.rows for segment in work.fresh))
        return done

    total = Mediated()
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        for done in pool.map(one, works):
            total.absorb(done)
    return total


def _mediate_partition(lake: Lake, con: duckdb.DuckDBPyConnection, stream: Stream, work: Work) -> Mediated:
    """Records of one partition: the sorted plan where one segment tells all, the portable plan where windows meet.

    Where there are records already, new rows are added to them if they can be (``additive.py``). The portable plan
    redoes every other window that has rows in more than one segment, or anything odd in the sorted one.
    """
    late = work.fresh if work.records else work.landed[1:]
    for table in ("touched", "base", "redone"):
        con.execute(f"DROP TABLE IF EXISTS {table}")
    added = 0
    if work.records:
        con.execute(
            f"CREATE TEMP TABLE base AS SELECT * FROM {lake.scan('records', segments=[work.records])}"
        )
    else:
        _sorted_plan(lake, con, stream, work.landed[0])
    if work.records and adds_up(stream):
        added = add_fresh(lake, con, stream, work)
    else:
        con.execute(
            f"CREATE TEMP TABLE touched AS SELECT DISTINCT device_key, {stream.window_sql()} AS window_start "
            f"FROM {lake.scan('landed', segments=late)}"
        )
    if not work.records:
        con.execute("INSERT INTO touched SELECT DISTINCT device_key, window_start FROM base WHERE n_odd > 0")
        con.execute("ALTER TABLE base DROP COLUMN n_odd")
    windows = count_of(con, "touched")
    if windows:
        con.execute(
            f"CREATE TEMP TABLE redone AS {flagged(_rows_of_windows(lake, stream, work.landed), stream)}"
        )
    return publish(lake, con, stream, work, windows + added, redone=bool(windows))


def _sorted_plan(lake: Lake, con: duckdb.DuckDBPyConnection, stream: Stream, segment: Segment) -> None:
    rows = f"({flagged_sorted(lake.scan('landed', segments=[segment]), stream)})"
    try:
        con.execute(f"CREATE TEMP TABLE base AS {sorted_records_sql(rows, stream)}")
    except EngineError as error:
        if "segment_disordered" not in str(error):
            raise
        raise LakeError(
            "The rows of a landed segment are not in landed order.",
            where=segment.path,
            code="segment_disordered",
            cure="Land the delivery again; nothing was mediated from this segment.",
        ) from None


def _rows_of_windows(lake: Lake, stream: Stream, landed: Sequence[Segment]) -> str:
    source = lake.scan("landed", segments=landed)
    return (
        f"(SELECT rows.* FROM {source} rows SEMI JOIN touched ON rows.device_key = touched.device_key "
        f"AND {stream.window_sql('rows.ends_at')} = touched.window_start)"
    )
