"""From events to usage records: the fold of one device's events in one window of the grid."""

from __future__ import annotations

from workbench.mediation.mix import mix_sql, sum_sql
from workbench.mediation.stream import Stream

RESET, ROLLOVER, AFTER_SILENCE, DELTA_HELD = 1, 2, 4, 8


def records_sql(rows: str, stream: Stream) -> str:
    """One row per (device, window, dimensions), from portably flagged rows.

    Args:
        rows: relation of landed columns plus ``is_event``, ``is_conflict``, ``units`` (registers: already deltas) and,
            for registers, ``flags``.

    Returns: SQL with the records columns of ``lake/schemas.py`` plus ``n_conflicts`` (INTEGER). A window in which
        only copies of other windows' events arrived is a record too, with no event and no units.
    """
    flags = "coalesce(bit_or(flags) FILTER (is_event), 0)::SMALLINT" if stream.cumulative else "0::SMALLINT"
    return (
        f"SELECT device_key, {stream.window_sql()} AS window_start, {fold_sql(stream)} AS units, "
        "count(*) FILTER (is_event)::INTEGER AS n_events, "
        "count(*) FILTER (NOT is_event AND NOT is_conflict)::INTEGER AS n_duplicates, "
        "min(ends_at) FILTER (is_event) AS first_at, max(ends_at) FILTER (is_event) AS last_at, "
        f"{sum_sql(mix_sql(*stream.fingerprint_lanes), 'is_event')} AS fingerprint, {flags} AS flags{_dimensions(stream)}, "
        "count(*) FILTER (is_conflict)::INTEGER AS n_conflicts "
        f"FROM {rows} GROUP BY device_key, window_start{_dimensions(stream)}"
    )


def sorted_records_sql(rows: str, stream: Stream) -> str:
    """The same from ``flagged_sorted`` rows, where copies share their event's instant.

    First and last then need no filter, and one counter serves for all that is unusual: windows with ``n_odd`` > 0
    hold a conflict, or rows out of order, and are looked at again.

    Returns: SQL with the records columns plus ``n_odd`` (INTEGER).
    """
    return (
        f"SELECT device_key, {stream.window_sql()} AS window_start, {fold_sql(stream)} AS units, "
        "count(*) FILTER (is_event)::INTEGER AS n_events, (count(*) - count(*) FILTER (is_event))::INTEGER AS n_duplicates, "
        "min(ends_at) AS first_at, max(ends_at) AS last_at, "
        f"{sum_sql(mix_sql(*stream.fingerprint_lanes), 'is_event')} AS fingerprint, 0::SMALLINT AS flags{_dimensions(stream)}, "
        f"count(*) FILTER (is_odd)::INTEGER AS n_odd FROM {rows} GROUP BY device_key, window_start{_dimensions(stream)}"
    )


def _dimensions(stream: Stream) -> str:
    return "".join(f', "{name}"' for name in stream.dimensions)


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
