"""The tables of an opened lake: name to the SQL of a view over proven segments, made when a query first asks."""

from __future__ import annotations

from collections.abc import Callable

from workbench.lake import schemas
from workbench.lake.lake import Lake
from workbench.lake.sql import quote

View = Callable[[], str]

_BY_STREAM = ("records", "landed")
_BY_PERIOD = ("catalog", "lines", "charges", "invoices", "invoice_lines", "statements")


def views(lake: Lake) -> dict[str, View]:
    """Every table of the version ``lake`` looks at.

    Kinds by their own name, with a column ``stream`` or ``period`` in front where their segments have one and
    only the columns all streams share; ``records_<stream>`` and ``landed_<stream>`` with all columns of a stream
    (dots become underscores).
    """
    result: dict[str, View] = {}
    for kind in schemas.KINDS:
        if kind in _BY_STREAM:
            result[kind] = _joined(lake, kind, "stream")
            for stream in sorted({segment.stream for segment in lake.segments(kind)}):
                view = f"{kind}_{stream}".replace(".", "_").replace("-", "_")
                result[view] = _of_stream(lake, kind, stream)
        elif kind in _BY_PERIOD:
            result[kind] = _joined(lake, kind, "period")
        else:
            result[kind] = _whole(lake, kind)
    return result


def _whole(lake: Lake, kind: str) -> View:
    return lambda: f"SELECT * FROM {lake.scan(kind)}"


def _of_stream(lake: Lake, kind: str, stream: str) -> View:
    return lambda: f"SELECT * FROM {lake.scan(kind, stream=stream)}"


def _joined(lake: Lake, kind: str, by: str) -> View:
    """One SELECT per stream or period, since the files do not say which they belong to."""
    columns = ", ".join(column for column in schemas.KINDS[kind] if column != "...")

    def sql() -> str:
        values = sorted({getattr(segment, by) for segment in lake.segments(kind)})
        parts = [
            f"SELECT {quote(value)} AS {by}, {columns} FROM {_scan(lake, kind, by, value)}"
            for value in values
        ]
        return (
            " UNION ALL ".join(parts)
            or f"SELECT ''::VARCHAR AS {by}, {columns} FROM {schemas.empty_relation(kind)}"
        )

    return sql


def _scan(lake: Lake, kind: str, by: str, value: str) -> str:
    return lake.scan(kind, stream=value) if by == "stream" else lake.scan(kind, period=value)
