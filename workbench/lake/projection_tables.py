"""What the projection holds: table name to the SQL that makes it, a pure function of a manifest version."""

from __future__ import annotations

from typing import Any

from workbench.lake import schemas
from workbench.lake.lake import Lake
from workbench.lake.sql import quote

WHOLE = (
    "accounts",
    "partners",
    "devices",
    "devices_info",
    "subscriptions",
    "identities",
    "invoices",
    "invoice_lines",
    "ledger",
    "statements",
    "rejects",
    "quarantine",
)
"""Kinds that are small enough to be there row by row."""


def tables(lake: Lake) -> dict[str, str]:
    """Every table of the projection as SQL over proven segments.

    ``records_hourly``: stream, hour, records, events, duplicates, units.
    ``charges_daily``: period, line_no, day, charges, units, amount (integer over the line's denominator).
    ``lines``: the lines with their period, the key of ``charges_daily``; ``catalog``: the offers of each period.
    ``segments``, ``deliveries`` (one row per delivery and stream), ``about`` (what version this is).
    """
    result = {kind: f"SELECT * FROM {lake.scan(kind)}" for kind in WHOLE}
    result["lines"] = _by_period(lake, "lines", "*")
    result["catalog"] = _by_period(lake, "catalog", "*")
    result["records_hourly"] = _records_hourly(lake)
    result["charges_daily"] = _charges_daily(lake)
    result["segments"] = _segments(lake)
    result["deliveries"] = _deliveries(lake)
    result["about"] = (
        f"SELECT {lake.state.version}::BIGINT AS version, {quote(lake.state.sha256)} AS manifest_sha256, "
        f"{quote(lake.tenant)} AS tenant, {quote(lake.branch_name)} AS branch"
    )
    return result


def _by_period(lake: Lake, kind: str, columns: str) -> str:
    """Rows of a kind with the billing period of their segment, which gives ``line_no`` its meaning."""
    periods = sorted({segment.period for segment in lake.segments(kind)})
    parts = [
        f"SELECT {quote(period)} AS period, {columns} FROM {lake.scan(kind, period=period)}"
        for period in periods
    ]
    if not parts:
        return f"SELECT ''::VARCHAR AS period, {columns} FROM {schemas.empty_relation(kind)}"
    return " UNION ALL BY NAME ".join(parts)


def _records_hourly(lake: Lake) -> str:
    streams = sorted({segment.stream for segment in lake.segments("records")})
    columns = "window_start, n_events, n_duplicates, units"
    parts = [
        f"SELECT {quote(stream)} AS stream, {columns} FROM {lake.scan('records', stream=stream)}"
        for stream in streams
    ] or [f"SELECT ''::VARCHAR AS stream, {columns} FROM {schemas.empty_relation('records')}"]
    return (
        "SELECT stream, date_trunc('hour', window_start)::TIMESTAMP AS hour, count(*) AS records, "
        "sum(n_events)::BIGINT AS events, sum(n_duplicates)::BIGINT AS duplicates, "
        f"sum(units)::DECIMAL(38,0) AS units FROM ({' UNION ALL '.join(parts)}) GROUP BY ALL ORDER BY 1, 2"
    )


def _charges_daily(lake: Lake) -> str:
    rows = _by_period(lake, "charges", "line_no, window_start, units, amount")
    return (
        "SELECT period, line_no, window_start::DATE AS day, count(*) AS charges, "
        "sum(units)::DECIMAL(38,0) AS units, sum(amount)::DECIMAL(38,0) AS amount "
        f"FROM ({rows}) GROUP BY ALL ORDER BY 1, 2, 3"
    )


def _segments(lake: Lake) -> str:
    columns = (
        "id VARCHAR, kind VARCHAR, stream VARCHAR, partition VARCHAR, period VARCHAR, path VARCHAR, "
        "rows BIGINT, bytes BIGINT, sha256 VARCHAR"
    )
    rows = [
        (s.id, s.kind, s.stream, s.partition, s.period, s.path, s.rows, s.bytes, s.sha256)
        for s in sorted(lake.state.segments.values(), key=lambda s: s.path)
    ]
    return _values(columns, rows)


def _deliveries(lake: Lake) -> str:
    columns = (
        "delivery_id VARCHAR, source VARCHAR, file VARCHAR, sha256 VARCHAR, received_at VARCHAR, "
        "stream VARCHAR, rows BIGINT, landed BIGINT, rejected BIGINT, not_selected BIGINT"
    )
    rows = []
    for id_, fact in sorted(lake.facts("delivery").items()):
        head = (id_, *(fact.get(column, "") for column in ("source", "file", "sha256", "received_at")))
        for stream, counts in sorted(fact.get("streams", {}).items()):
            numbers = (counts.get(column, 0) for column in ("rows", "landed", "rejected", "not_selected"))
            rows.append((*head, stream, *numbers))
    return _values(columns, rows)


def _values(columns: str, rows: list[tuple[Any, ...]]) -> str:
    """Rows of text and integers as SQL."""
    types = [column.split() for column in columns.split(", ")]
    empty = ", ".join(f"NULL::{type_} AS {column}" for column, type_ in types)
    if not rows:
        return f"SELECT {empty} WHERE false"
    body = ", ".join(
        "(" + ", ".join(str(value) if isinstance(value, int) else quote(str(value)) for value in row) + ")"
        for row in rows
    )
    casts = ", ".join(f"{column}::{type_} AS {column}" for column, type_ in types)
    return f"SELECT {casts} FROM (VALUES {body}) AS t({', '.join(column for column, _ in types)})"
