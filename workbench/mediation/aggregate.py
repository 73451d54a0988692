"""From events to usage records: the fold of one device's events in one window of the grid."""

from __future__ import annotations

from workbench.mediation.mix import mix_sql, sum_sql
from workbench.mediation.stream import Stream

RESET, ROLLOVER, AFTER_SILENCE, DELTA_HELD = 1, 2, 4, 8


def records_sql(rows: str, stream: Stream, *, conflicts: str = "is_conflict", extra: str = "") -> str:
    """One row per (device, window, dimensions).

    Args:
        rows: relation of landed columns plus ``is_event``, ``units`` (registers: already deltas) and ``flags``.
        conflicts: SQL of the condition under which a row that is no event is not a plain duplicate.
        extra: further aggregates, ``, aggregate AS name`` each.

    Returns: SQL with the records columns of ``lake/schemas.py`` plus ``n_conflicts`` (INTEGER).
    """
    dimensions = "".join(f', "{name}"' for name in stream.dimensions)
    flags = "coalesce(bit_or(flags) FILTER (is_event), 0)::SMALLINT" if stream.cumulative else "0::SMALLINT"
    return (
        f"SELECT device_key, {stream.window_sql()} AS window_start, {fold_sql(stream)} AS units, "
        "count(*) FILTER (is_event)::INTEGER AS n_events, "
        f"count(*) FILTER (NOT is_event AND NOT ({conflicts}))::INTEGER AS n_duplicates, "
        "min(ends_at) FILTER (is_event) AS first_at, max(ends_at) FILTER (is_event) AS last_at, "
        f"{sum_sql(mix_sql(*stream.fingerprint_lanes), 'is_event')} AS fingerprint, {flags} AS flags{dimensions}, "
        f"count(*) FILTER (NOT is_event AND ({conflicts}))::INTEGER AS n_conflicts{extra} "
        f"FROM {rows} GROUP BY device_key, window_start{dimensions}"
    )


def fold_sql(stream: Stream) -> str:
    """A window's units from its events' units, as BIGINT (``sum`` overflow is an error, not a wrap)."""
    units = "units"
    if stream.increment > 1:
        units = f"((units + {stream.increment - 1}) // {stream.increment} * {stream.increment})"
    folds = {
        "sum": f"coalesce(sum({units}) FILTER (is_event), 0)::BIGINT",
        "count": "count(*) FILTER (is_event)::BIGINT",
        "max": f"coalesce(max({units}) FILTER (is_event), 0)::BIGINT",
        "min": f"coalesce(min({units}) FILTER (is_event), 0)::BIGINT",
        "last": f"coalesce(arg_max({units}, ends_at) FILTER (is_event), 0)::BIGINT",
        "unique": f"count(DISTINCT {units}) FILTER (is_event)::BIGINT",
    }
    return folds[stream.fold]
