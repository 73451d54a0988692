"""Records whose units do not count as they are: folds, and rounding per event, day or member.

Each becomes the *difference it makes*: to the highest value so far (``max``), to the last value (``last``), to the
number of different values (``unique``), to its day's or device's rounded sum (``bucket``), itself rounded (``event``),
or the part that the credits of a bundle do not cover (``bundle``). The differences sum to the folded quantity, so
everything after this is an ordinary counter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.rating.tables import PlanTables, Stream
from workbench.rating.use import columns, dims_text
from workbench.tariff.amount import Sql, rounded
from workbench.tariff.sql import run

if TYPE_CHECKING:
    import duckdb

_COUNTER = "account_no, holder, counter_no, life, bucket, bucket_device"


def measure(con: duckdb.DuckDBPyConnection, tables: PlanTables, stream: Stream, source: str) -> str:
    """Make ``use_<n>``: the use relation with ``measured``, and move the marks on. Returns the table's name."""
    s, n = tables.schema, stream.number
    order = "u.window_start, u.device_key, u.line_no" + columns(stream.dims, "u.")
    key = ", ".join(f"u.{name}" for name in _COUNTER.split(", "))
    up_to = f"PARTITION BY {key} ORDER BY {order} ROWS UNBOUNDED PRECEDING"
    before = f"PARTITION BY {key} ORDER BY {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
    held, add, units = Sql("x.increment_units"), Sql("x.increment_add"), Sql("x.units")
    run_to = Sql("(x.was + x.run)")
    bucket = rounded(run_to, held, add) - rounded(run_to - units, held, add)
    run(
        con,
        f"CREATE OR REPLACE TABLE {s}.use_{n} AS WITH marked AS (SELECT u.*, coalesce(m.used, 0) AS was, "
        f"sum(u.units) OVER ({up_to}) AS run, coalesce(max(u.units) OVER ({before}), 0) AS highest, "
        f"lag(u.units) OVER (PARTITION BY {key} ORDER BY {order}) AS previous, "
        f"row_number() OVER (PARTITION BY {key}, u.mark ORDER BY {order}) AS nth, "
        f"EXISTS (SELECT 1 FROM {s}.marks k WHERE u.shape = 'unique' AND k.mark = u.mark AND "
        f"{_same('k', 'u')}) AS known "
        f"FROM {source} u LEFT JOIN {s}.marks m ON m.mark IS NULL AND {_same('m', 'u')}) "
        f"SELECT x.* EXCLUDE (part, was, run, highest, previous, nth, known), (CASE x.shape "
        f"WHEN 'bucket' THEN {bucket} WHEN 'event' THEN {rounded(units, held, add)} "
        "WHEN 'max' THEN greatest(x.units - greatest(x.was, x.highest), 0) "
        "WHEN 'last' THEN x.units - coalesce(x.previous, x.was) "
        f"WHEN 'bundle' THEN x.units - {_covered(s, stream)} "
        "WHEN 'unique' THEN (x.nth = 1 AND NOT x.known)::BIGINT ELSE x.part END)::BIGINT AS measured FROM marked x",
    )
    _remember(con, s, n, order)
    return f"{s}.use_{n}"


def _covered(s: str, stream: Stream) -> str:
    """Units of a record that credits of its bundle pay for (see ``ordered.py``)."""
    return (
        f"coalesce((SELECT max(d.units) FROM {s}.decided d WHERE d.stream_no = {stream.number} AND "
        "d.comp_no = x.comp_no "
        "AND d.device_key = x.device_key AND d.window_start = x.window_start AND d.dims = "
        f"{dims_text(stream, 'x.')}), 0)"
    )


def _same(left: str, right: str) -> str:
    plain = " AND ".join(
        f"{left}.{name} = {right}.{name}" for name in ("account_no", "holder", "counter_no", "bucket_device")
    )
    return plain + "".join(
        f" AND {left}.{name} IS NOT DISTINCT FROM {right}.{name}" for name in ("life", "bucket")
    )


def _remember(con: duckdb.DuckDBPyConnection, s: str, n: int, order: str) -> None:
    """Marks after this partition: sums of buckets, highest and last values, and the values seen."""
    values = (
        "CASE any_value(u.shape) WHEN 'bucket' THEN sum(u.units) WHEN 'max' THEN max(u.units) "
        f"ELSE last(u.units ORDER BY {order}) END"
    )
    run(
        con,
        f"CREATE OR REPLACE TABLE {s}.fresh_{n} AS SELECT {_COUNTER}, NULL::VARCHAR AS mark, "
        "any_value(u.shape) AS shape, "
        f"{values}::BIGINT AS used FROM {s}.use_{n} u WHERE u.shape IN ('bucket', 'max', 'last') GROUP BY ALL",
    )
    run(
        con,
        f"CREATE OR REPLACE TABLE {s}.marks AS SELECT m.* FROM {s}.marks m WHERE m.mark IS NOT NULL OR NOT EXISTS ("
        f"SELECT 1 FROM {s}.fresh_{n} f WHERE {_same('f', 'm')}) UNION ALL "
        "SELECT f.account_no, f.holder, f.counter_no, f.life, f.bucket, f.bucket_device, f.mark, "
        "CASE f.shape WHEN 'bucket' THEN f.used + coalesce(m.used, 0) WHEN 'max' THEN greatest(f.used, "
        "coalesce(m.used, 0)) "
        f"ELSE f.used END FROM {s}.fresh_{n} f LEFT JOIN {s}.marks m ON m.mark IS NULL AND {_same('m', 'f')}",
    )
    run(
        con,
        f"INSERT INTO {s}.marks SELECT DISTINCT {_COUNTER}, mark, 1 FROM {s}.use_{n} "
        "WHERE shape = 'unique' AND measured = 1",
    )
