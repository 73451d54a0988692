"""What a few new rows add to records that exist, without looking again at the rows those were made of.

The record itself says what is certainly new: where copies share their instant, a row that ends later than the last
event of its window cannot be a copy of anything landed there, and in a window without a record nothing can be. Only
the other rows are looked for among the landed ones, by their keys, in the segments that reach over their instants. A
copy with the event's own content adds one duplicate; one with other content, and every conflict among the new rows,
sends its window to the portable plan. So the state of exact deduplication is what the lake holds anyway: it survives
a restart, and needs no memory that grows with the events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.lake.engine import one
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.aggregate import records_sql
from workbench.mediation.dedupe import content_columns, flagged
from workbench.mediation.stream import Stream
from workbench.mediation.work import Work, count_of

if TYPE_CHECKING:
    import duckdb

_FOLDS = {
    "sum": "sum(units)::BIGINT",
    "count": "sum(units)::BIGINT",
    "max": "coalesce(max(units) FILTER (n_events > 0), 0)::BIGINT",
    "min": "coalesce(min(units) FILTER (n_events > 0), 0)::BIGINT",
}


def adds_up(stream: Stream) -> bool:
    """Whether a window's record and more events give the new record, for this stream."""
    return stream.fold in _FOLDS and stream.copies_share_instant and not stream.cumulative


def add_fresh(lake: Lake, con: duckdb.DuckDBPyConnection, stream: Stream, work: Work) -> int:
    """Fold the fresh segments' rows into table ``base``; what cannot be folded is left in ``touched``.

    Args:
        con: has ``base``, the partition's records so far, and no ``touched``.

    Returns: how many records were added to. ``touched`` (device_key, window_start) then names the windows that the
        portable plan must do; their rows in ``base`` are as they were.
    """
    for table in ("arrived", "known", "touched_keys", "added"):
        con.execute(f"DROP TABLE IF EXISTS {table}")
    window = stream.window_sql()
    fresh = lake.scan("landed", segments=work.fresh)
    con.execute(
        f"CREATE TEMP TABLE arrived AS SELECT *, {window} AS window_start FROM ({flagged(fresh, stream)})"
    )
    _known_winners(lake, con, stream, work)
    key = ", ".join(f'"{name}"' for name in stream.identity_columns)
    same = " AND ".join(f'k."{name}" IS NOT DISTINCT FROM a."{name}"' for name in content_columns(stream))
    con.execute(
        "CREATE TEMP TABLE touched AS SELECT DISTINCT device_key, window_start FROM arrived WHERE is_conflict UNION "
        f"SELECT DISTINCT a.device_key, a.window_start FROM arrived a JOIN known k USING ({key}) WHERE NOT ({same or 'true'})"
    )
    rows = (
        f"(SELECT a.* EXCLUDE (window_start) REPLACE (a.is_event AND k.device_key IS NULL AS is_event) FROM arrived a "
        f"LEFT JOIN known k USING ({key}) ANTI JOIN touched ON a.device_key = touched.device_key "
        "AND a.window_start = touched.window_start)"
    )
    con.execute(
        f"CREATE TEMP TABLE added AS SELECT * EXCLUDE (n_conflicts) FROM ({records_sql(rows, stream)})"
    )
    dimensions = "".join(f', "{name}"' for name in stream.dimensions)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE base AS SELECT device_key, window_start, "
        f"{_FOLDS[stream.fold]} AS units, sum(n_events)::INTEGER AS n_events, sum(n_duplicates)::INTEGER AS n_duplicates, "
        "min(first_at) AS first_at, max(last_at) AS last_at, "
        "(sum(fingerprint) % 18446744073709551616)::UBIGINT AS fingerprint, bit_or(flags)::SMALLINT AS flags"
        f"{dimensions} FROM (SELECT * FROM base UNION ALL BY NAME SELECT * FROM added) "
        f"GROUP BY device_key, window_start{dimensions}"
    )
    return count_of(con, "added")


def _known_winners(lake: Lake, con: duckdb.DuckDBPyConnection, stream: Stream, work: Work) -> None:
    """Table ``known``: the events already landed under the keys of rows that are not certainly new."""
    key = ", ".join(f'"{name}"' for name in stream.identity_columns)
    con.execute(
        f"CREATE TEMP TABLE touched_keys AS SELECT DISTINCT {key} FROM arrived a SEMI JOIN "
        "(SELECT device_key, window_start, max(last_at) AS last_at FROM base GROUP BY ALL) b "
        "ON a.device_key = b.device_key AND a.window_start = b.window_start AND a.ends_at <= b.last_at"
    )
    span = one(con, "SELECT min(epoch_us(ends_at)), max(epoch_us(ends_at)) FROM touched_keys") or (None, None)
    fresh = {segment.id for segment in work.fresh}
    old = [segment for segment in work.landed if segment.id not in fresh]
    old = reaching(old, span[0], span[1]) if span[0] is not None else []
    if not old:
        con.execute("CREATE TEMP TABLE known AS SELECT * FROM arrived WHERE false")
        return
    rows = f"(SELECT r.* FROM {lake.scan('landed', segments=old)} r SEMI JOIN touched_keys USING ({key}))"
    con.execute(f"CREATE TEMP TABLE known AS SELECT * FROM ({flagged(rows, stream)}) WHERE is_event")


def reaching(segments: Sequence[Segment], first_us: int, last_us: int) -> list[Segment]:
    """The segments that may hold rows that end between two instants, in microseconds since 1970."""
    return [
        segment
        for segment in segments
        if "first_us" not in segment.controls
        or (segment.controls["first_us"] <= last_us and segment.controls["last_us"] >= first_us)
    ]
