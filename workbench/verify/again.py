"""Mediation once more, plainly: which landed rows are events and what they fold to, by two levels of GROUP BY.

This is written from the rules (I3 and the stream's declaration), not from the engine's plans: no row order is
trusted, no window is taken over from a record. First level: each key finds its winner, the lowest (received_at,
content mix). Second level: each key's copies in a window, then each window's keys. It costs a join that the
engine's streaming pass does without, so it is run on a sample, or on everything when asked to.
"""

from __future__ import annotations

from collections.abc import Sequence

from workbench.lake.sql import name
from workbench.mediation.mix import mix_sql
from workbench.mediation.stream import Stream

COMPARED = ("units", "n_events", "n_duplicates", "first_at", "last_at", "fingerprint")
"""Columns of a record that are computed again; conflicts are compared with quarantine."""


def flagged(rows: str, stream: Stream) -> str:
    """``rows`` with ``w`` (their window), ``m`` (their mix), ``is_best`` (the winner of its key) and ``same``."""
    identity = _identity(stream)
    content = ", ".join(f"{name(column)} := {name(column)}" for column in _content(stream))
    marked = (
        f"SELECT *, {stream.window_sql()} AS w, {mix_sql(*stream.fingerprint_lanes)} AS m, "
        f"struct_pack({content or 'nothing := 0'}) AS content FROM {_chained(rows, stream)}"
    )
    by = ", ".join(identity)
    order = "struct_pack(received_at := received_at, m := m)"
    best = f"SELECT {by}, min({order}) AS best, arg_min(content, {order}) AS winner FROM marked GROUP BY {by}"
    match = " AND ".join(f"marked.{column} IS NOT DISTINCT FROM best.{column}" for column in identity)
    return (
        f"WITH marked AS MATERIALIZED ({marked}), best AS ({best}) SELECT marked.*, "
        "struct_pack(received_at := marked.received_at, m := marked.m) = best.best AS is_best, "
        f"marked.content IS NOT DISTINCT FROM best.winner AS same FROM marked JOIN best ON {match}"
    )


def records(flagged_rows: str, stream: Stream) -> str:
    """Records from ``flagged`` rows: device_key, window_start, dimensions, ``COMPARED`` and n_conflicts."""
    dims = [name(column) for column in stream.dimensions]
    place = ", ".join(["device_key", "w", *dims])
    by_key = (
        f"SELECT {place}, count(*) AS n, bool_or(is_best) AS event, "
        "count(*) FILTER (NOT is_best AND NOT same) AS n_conflicts, any_value(m) FILTER (is_best) AS m, "
        f"any_value(ends_at) FILTER (is_best) AS seen_at, any_value({_quantity(stream)}) FILTER (is_best) AS units "
        f"FROM {flagged_rows} GROUP BY {place}, {', '.join(_identity(stream))}"
    )
    kept = ", ".join(["device_key", "w AS window_start", *dims])
    return (
        f"SELECT {kept}, {_fold(stream)} AS units, count(*) FILTER (event) AS n_events, "
        "(sum(n) - sum(n_conflicts) - count(*) FILTER (event))::BIGINT AS n_duplicates, "
        "sum(n_conflicts)::BIGINT AS n_conflicts, min(seen_at) AS first_at, max(seen_at) AS last_at, "
        "(coalesce(sum(m::HUGEINT), 0) % 18446744073709551616)::UBIGINT AS fingerprint "
        f"FROM ({by_key}) GROUP BY {place}"
    )


def _identity(stream: Stream) -> list[str]:
    """What two copies of one event agree on."""
    columns = ["event_id"] if stream.event_id else ["device_key", *stream.key]
    return [name(column) for column in columns] + (["chain"] if stream.span_seconds is not None else [])


def _content(stream: Stream) -> list[str]:
    """What makes two copies duplicates rather than a conflict: everything but the key and the receipt."""
    keyed = {"event_id"} if stream.event_id else {"device_key", *stream.key}
    if stream.span_seconds is not None:
        keyed |= {"ends_at", "starts_at"}
    first, second = stream.fingerprint_lanes
    return [column for column in ["device_key", *first, *second] if column not in keyed]


def _chained(rows: str, stream: Stream) -> str:
    """Number the stretches of a key whose copies are never further apart than the span."""
    if stream.span_seconds is None:
        return rows
    key = ", ".join(
        name(column) for column in (["event_id"] if stream.event_id else ["device_key", *stream.key])
    )
    far = f"epoch_us(ends_at) - epoch_us(before) > {stream.span_seconds * 1_000_000}"
    return (
        f"(SELECT * EXCLUDE (before), count(*) FILTER (before IS NULL OR {far}) OVER (PARTITION BY {key} "
        "ORDER BY ends_at) AS chain FROM (SELECT *, lag(ends_at) OVER (PARTITION BY "
        f"{key} ORDER BY ends_at) AS before FROM {rows}))"
    )


def _quantity(stream: Stream) -> str:
    if stream.cumulative:
        return "0"  # registers are gone through reading by reading, see ``registers``
    step = stream.increment
    return "units" if step == 1 else f"((units + {step - 1}) // {step} * {step})"


def _fold(stream: Stream) -> str:
    folds = {
        "sum": "coalesce(sum(units) FILTER (event), 0)",
        "count": "count(*) FILTER (event)",
        "max": "coalesce(max(units) FILTER (event), 0)",
        "min": "coalesce(min(units) FILTER (event), 0)",
        "last": "coalesce(arg_max(units, seen_at) FILTER (event), 0)",
        "unique": "count(DISTINCT units) FILTER (event)",
    }
    return folds[stream.fold]


def difference(expected: str, observed: str, keys: Sequence[str], columns: Sequence[str]) -> str:
    """SQL of the places where two relations differ, in order of their keys.

    Columns: the keys, then for each of ``columns`` ``e_<column>`` and ``o_<column>``, and ``e_there``, ``o_there``.
    """
    match = " AND ".join(f"e.{key} IS NOT DISTINCT FROM o.{key}" for key in keys)
    differ = " OR ".join(f"e.{column} IS DISTINCT FROM o.{column}" for column in columns)
    picked = [f"coalesce(e.{key}, o.{key}) AS {key}" for key in keys]
    picked += [f"{side}.{column} AS {side}_{column}" for column in columns for side in ("e", "o")]
    return (
        f"SELECT {', '.join(picked)}, e.there AS e_there, o.there AS o_there "
        f"FROM (SELECT *, true AS there FROM ({expected})) e FULL JOIN (SELECT *, true AS there FROM ({observed})) o "
        f"ON {match} WHERE e.there IS NULL OR o.there IS NULL OR {differ} ORDER BY ALL"
    )
