"""Mediation once more, plainly: which landed rows are events and what they fold to, by two levels of GROUP BY.

This is written from the rules (I3 and the stream's declaration), not from the engine's plans: no row order is
trusted, no window is taken over from a record. First level: rows by key, and for keys with several rows the winner,
the lowest (received_at, content mix). Second level: each key's copies in a window, then each window's keys. It costs
a grouping of all rows that the engine's streaming pass does without, so it is run on a sample, or on everything when
asked to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.lake.sql import name
from workbench.mediation.mix import mix_sql
from workbench.mediation.stream import Stream

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

COMPARED = ("units", "n_events", "n_duplicates", "first_at", "last_at", "fingerprint")
"""Columns of a record that are computed again; conflicts are compared with quarantine."""


def prepare(con: DuckDBPyConnection, rows: str, stream: Stream) -> None:
    """Make two temporary tables: ``twice``, the keys with more than one row, and ``copies``, all rows of those.

    ``copies`` has the landed columns and ``w_`` (the window), ``m_`` (the mix), ``is_best_`` (the winner of its key)
    and ``same_`` (its content is the winner's). A key with a single row needs no comparison.
    """
    identity, chained = _identity(stream), _chained(rows, stream)
    by = ", ".join(identity)
    con.execute(f"CREATE TEMP TABLE twice AS SELECT {by} FROM {chained} GROUP BY {by} HAVING count(*) > 1")
    content = ", ".join(f"{name(column)} := {name(column)}" for column in _content(stream))
    marked = (
        f"SELECT *, {_place(stream)}, struct_pack({content or 'nothing := 0'}) AS content_ "
        f"FROM {chained} r WHERE EXISTS (FROM twice WHERE {_match(stream, 'r', 'twice')})"
    )
    order = "struct_pack(received_at := received_at, m := m_)"
    best = (
        f"SELECT {by}, min({order}) AS best, arg_min(content_, {order}) AS winner FROM marked GROUP BY {by}"
    )
    con.execute(
        f"CREATE TEMP TABLE copies AS WITH marked AS MATERIALIZED ({marked}), best AS ({best}) SELECT marked.*, "
        "struct_pack(received_at := marked.received_at, m := marked.m_) = best.best AS is_best_, "
        "marked.content_ IS NOT DISTINCT FROM best.winner AS same_ "
        f"FROM marked JOIN best ON {_match(stream, 'marked', 'best')}"
    )


def accepted(rows: str, stream: Stream) -> str:
    """SQL of the rows that stand for an event, after ``prepare``: landed columns, ``w_`` and ``m_``."""
    columns = "* EXCLUDE (content_, is_best_, same_)"
    chained = _chained(rows, stream)
    return (
        f"(SELECT *, {_place(stream)} FROM {chained} r WHERE NOT EXISTS (FROM twice WHERE "
        f"{_match(stream, 'r', 'twice')}) UNION ALL BY NAME SELECT DISTINCT {columns} FROM copies WHERE is_best_)"
    )


def records(rows: str, stream: Stream) -> str:
    """Records from landed ``rows``, after ``prepare``: key, dimensions, ``COMPARED`` and n_conflicts."""
    dims = [name(column) for column in stream.dimensions]
    place = ", ".join(["device_key", "w_", *dims])
    units = _quantity(stream)
    single = (
        f"SELECT {place}, 1::BIGINT AS n, true AS event, 0::BIGINT AS n_conflicts, m_, ends_at AS seen_at, "
        f"{units} AS units FROM (SELECT *, {_place(stream)} FROM {_chained(rows, stream)} r WHERE NOT EXISTS "
        f"(FROM twice WHERE {_match(stream, 'r', 'twice')}))"
    )
    several = (
        f"SELECT {place}, count(*) AS n, bool_or(is_best_) AS event, "
        "count(*) FILTER (NOT is_best_ AND NOT same_) AS n_conflicts, any_value(m_) FILTER (is_best_) AS m_, "
        f"any_value(ends_at) FILTER (is_best_) AS seen_at, any_value({units}) FILTER (is_best_) AS units "
        f"FROM copies GROUP BY {place}, {', '.join(_identity(stream))}"
    )
    kept = ", ".join(["device_key", "w_ AS window_start", *dims])
    return (
        f"SELECT {kept}, {_fold(stream)} AS units, count(*) FILTER (event) AS n_events, "
        "(sum(n) - sum(n_conflicts) - count(*) FILTER (event))::BIGINT AS n_duplicates, "
        "sum(n_conflicts)::BIGINT AS n_conflicts, min(seen_at) AS first_at, max(seen_at) AS last_at, "
        "(coalesce(sum(m_::HUGEINT), 0) % 18446744073709551616)::UBIGINT AS fingerprint "
        f"FROM ({single} UNION ALL {several}) GROUP BY {place}"
    )


def _place(stream: Stream) -> str:
    return f"{stream.window_sql()} AS w_, {mix_sql(*stream.fingerprint_lanes)} AS m_"


def _match(stream: Stream, left: str, right: str) -> str:
    return " AND ".join(
        f"{left}.{column} IS NOT DISTINCT FROM {right}.{column}" for column in _identity(stream)
    )


def _identity(stream: Stream) -> list[str]:
    """What two copies of one event agree on."""
    columns = ["event_id"] if stream.event_id else ["device_key", *stream.key]
    return [name(column) for column in columns] + (["chain_"] if stream.span_seconds is not None else [])


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
    far = f"epoch_us(ends_at) - epoch_us(before_) > {stream.span_seconds * 1_000_000}"
    return (
        f"(SELECT * EXCLUDE (before_), count(*) FILTER (before_ IS NULL OR {far}) OVER (PARTITION BY {key} "
        "ORDER BY ends_at) AS chain_ FROM (SELECT *, lag(ends_at) OVER (PARTITION BY "
        f"{key} ORDER BY ends_at) AS before_ FROM {rows}))"
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
