"""Records joined with what prices them: SQL text for the linear charges, and the *use* relation for the others.

A *use* row is one record under one price: device_key, window_start, units, line_no, account_no, holder, counter_no,
rate_no, life (start of the counter's life, NULL for the billing period) and the stream's dimensions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.rating.tables import PlanTables, Stream
from workbench.tariff.amount import Sql, converted
from workbench.tariff.sql import run

if TYPE_CHECKING:
    import duckdb


def columns(dims: tuple[str, ...], prefix: str = "") -> str:
    """The dimensions as a column list that begins with a comma; empty without dimensions."""
    return "".join(f", {prefix}{dim}" for dim in dims)


def prepare_routes(
    con: duckdb.DuckDBPyConnection, tables: PlanTables, stream: Stream, records: str, within: str
) -> None:
    """``routes_<n>``: for each combination of dimensions (and grid slot) that occurs, the rate of each component."""
    s, n = tables.schema, stream.number
    keys = _keys(stream)
    if not keys:
        return
    listed = ", ".join(f"r.{key}" for key in keys)
    pairs = (
        " UNION ALL ".join(
            f"SELECT key_no, '{dim}' AS dimension, {dim}::VARCHAR AS value FROM keys" for dim in stream.dims
        )
        or "SELECT 0 AS key_no, '' AS dimension, '' AS value WHERE false"
    )
    timed = (
        f"NOT EXISTS (SELECT 1 FROM {s}.windows w WHERE w.rate_no = r.rate_no) OR EXISTS (SELECT 1 FROM {s}.windows w "
        "WHERE w.rate_no = r.rate_no AND k.window_start >= w.from_at AND k.window_start < w.until_at)"
        if stream.timed
        else "true"
    )
    run(
        con,
        f"CREATE OR REPLACE TABLE {s}.routes_{n} AS WITH keys AS MATERIALIZED (SELECT row_number() OVER () "
        f"AS key_no, * FROM (SELECT DISTINCT {listed} FROM {records} r WHERE {within})), pairs AS ({pairs}), "
        f"mine AS (SELECT r.rate_no, r.comp_no, r.position, (SELECT count(DISTINCT m.dimension) FROM {s}.matches m "
        f"WHERE m.rate_no = r.rate_no) AS wants FROM {s}.rates r JOIN {s}.comps c USING (comp_no) WHERE c.meter = $1), "
        f"fits AS (SELECT p.key_no, m.rate_no, count(*) AS got FROM pairs p JOIN {s}.matches m USING "
        "(dimension, value) "
        "GROUP BY ALL) "
        "SELECT k.*, r.comp_no, arg_min(r.rate_no, r.position) AS rate_no FROM keys k CROSS JOIN mine r "
        "LEFT JOIN fits f ON f.key_no = k.key_no AND f.rate_no = r.rate_no "
        f"WHERE coalesce(f.got, 0) = r.wants AND ({timed}) GROUP BY ALL",
        [stream.name],
    )


def prepare_sponsors(
    con: duckdb.DuckDBPyConnection, tables: PlanTables, stream: Stream, records: str, within: str
) -> None:
    """``sponsored_<n>``: for each combination of dimensions that occurs, the first sponsorship of each component."""
    s, n = tables.schema, stream.number
    listed = ", ".join(f"r.{dim}" for dim in stream.dims) or "0 AS no_dims"
    pairs = (
        " UNION ALL ".join(
            f"SELECT key_no, '{dim}' AS dimension, {dim}::VARCHAR AS value FROM keys" for dim in stream.dims
        )
        or "SELECT 0 AS key_no, '' AS dimension, '' AS value WHERE false"
    )
    run(
        con,
        f"CREATE OR REPLACE TABLE {s}.sponsored_{n} AS WITH keys AS MATERIALIZED (SELECT row_number() "
        "OVER () AS key_no, "
        f"* FROM (SELECT DISTINCT {listed} FROM {records} r WHERE {within})), pairs AS ({pairs}), "
        f"fits AS (SELECT p.key_no, m.sponsor_no, count(*) AS got FROM pairs p JOIN {s}.sponsor_matches m "
        "USING (dimension, value) GROUP BY ALL) "
        "SELECT k.*, p.comp_no, arg_min(p.sponsor_no, p.position) AS sponsor_no FROM keys k "
        f"CROSS JOIN {s}.sponsors p LEFT JOIN fits f ON f.key_no = k.key_no AND f.sponsor_no = p.sponsor_no "
        "WHERE coalesce(f.got, 0) = p.wants GROUP BY ALL",
    )


def _keys(stream: Stream) -> tuple[str, ...]:
    return (*(("window_start",) if stream.timed else ()), *stream.dims)


def _route_join(tables: PlanTables, stream: Stream) -> str:
    """Join of the routed rate, as ``q``."""
    same = " AND ".join(f"q.{key} IS NOT DISTINCT FROM r.{key}" for key in _keys(stream))
    return f"JOIN {tables.schema}.routes_{stream.number} q ON q.comp_no = p.comp_no AND {same}"


def under(tables: PlanTables, stream: Stream, records: str) -> str:
    """Records under the prices in force at their window's start."""
    return (
        f"FROM {records} r JOIN {tables.schema}.priced_{stream.number} p ON r.device_key = p.device_key "
        "AND r.window_start >= p.from_at AND r.window_start < p.until_at"
    )


def _amount(stream: Stream, source: str) -> str:
    """Units (or events) times the slope; an event's fee, floor and cap where the stream has any."""
    measure = Sql("CASE WHEN p.counts THEN r.n_events::BIGINT ELSE r.units END")
    made = converted(measure, Sql("r.n_events"), Sql(f"{source}.slope"), Sql(f"{source}.fee"))
    text = f"({made})"
    if stream.bounded:
        text = (
            f"least({source}.cap, greatest({source}.floor, {text}))"  # of what is NULL, neither takes notice
        )
    return f"{text}::BIGINT"


def linear_charges(tables: PlanTables, stream: Stream, records: str, within: str) -> list[str]:
    """Charges that need no counter, as zero, one or two queries."""
    head = (
        "SELECT p.line_no, r.device_key, r.window_start, CASE WHEN p.counts THEN r.n_events::BIGINT "
        "ELSE r.units END AS units"
    )
    tail = f"0::SMALLINT AS step{columns(stream.dims, 'r.')}"
    found = []
    if "simple" in stream.kinds:
        found.append(
            f"{head}, {_amount(stream, 'p')} AS amount, {tail} {under(tables, stream, records)} "
            f"WHERE {within} AND p.linear AND p.only_rate IS NOT NULL"
        )
    if "routed" in stream.kinds:
        found.append(
            f"{head}, {_amount(stream, 't')} AS amount, {tail} {under(tables, stream, records)} "
            f"{_route_join(tables, stream)} JOIN {tables.schema}.rates t ON t.rate_no = q.rate_no "
            f"WHERE {within} AND p.linear AND p.only_rate IS NULL"
        )
    return found


def use(tables: PlanTables, stream: Stream, records: str, within: str, *, mixed: bool = False) -> str:
    """The use relation of prices that need counters, as a query in parentheses.

    ``mixed``: some counter was used under several versions of a price that jumps; its records are then told apart one
    by one, as ``C_new(after) - C_new(before)``, instead of sharing one total.
    """
    s = tables.schema
    routed = bool(_keys(stream))
    rate = "coalesce(p.only_rate, q.rate_no)" if routed else "p.only_rate"
    route = "LEFT " + _route_join(tables, stream) if routed else ""
    lives = f"(SELECT max(l.from_at) FROM {s}.lives l WHERE l.comp_no = p.comp_no AND l.from_at <= r.window_start)"
    settled = (
        f" AND NOT EXISTS (SELECT 1 FROM {s}.mixed x WHERE x.account_no = p.account_no AND x.holder = p.holder "
        f"AND x.counter_no = t.counter_no AND x.life IS NOT DISTINCT FROM CASE WHEN p.short THEN {lives} END)"
        if mixed
        else ""
    )
    plain = "CASE WHEN p.counts THEN r.n_events::BIGINT ELSE r.units END"
    payer, line, account, holder, blocked = "", "p.line_no", "p.account_no", "p.holder", ""
    units = plain
    if stream.sponsored:
        payer, units = (
            _payer(tables, stream),
            "CASE WHEN y.line_no IS NULL THEN " + plain + " ELSE y.part END",
        )
        line, account = "coalesce(y.line_no, p.line_no)", "coalesce(y.account_no, p.account_no)"
        holder = "CASE WHEN y.line_no IS NOT NULL AND p.pooled THEN p.account_no ELSE p.holder END"
        blocked = " AND y.blocked IS NOT TRUE"
    part = "y.part" if stream.sponsored else plain
    measured = f"{part} AS measured, false AS wavers, "
    if stream.shaped:
        measured = _shape_columns(s, stream) + f"{part} AS part, "
    return (
        f"(SELECT r.device_key, r.window_start, {units} AS units, "
        f"{line} AS line_no, {account} AS account_no, {holder} AS holder, t.counter_no, t.rate_no, t.price_no, "
        "t.pool_cap IS NOT NULL OR t.by_excess AS of_members, CASE WHEN t.by_excess THEN r.device_key END AS share_device, "
        f"t.jumps AND NOT p.alone{settled} AS jumps, p.alone, p.comp_no, {measured}"
        f"CASE WHEN p.short THEN {lives} END AS life{columns(stream.dims, 'r.')} "
        f"{under(tables, stream, records)} {route} JOIN {s}.rates t ON t.rate_no = {rate} {payer} "
        f"WHERE {within} AND NOT p.linear AND NOT p.bursts AND NOT p.closes{blocked})"
    )


def held(tables: PlanTables, stream: Stream, records: str, within: str) -> str:
    """What each device brought into each counter over all the records, for reckoning ``C(total)`` without them.

    Columns: line_no, comp_no, rate_no, counter_no, account_no, holder, life, device_key, units (or events, where those
    are counted), events. Prices of slots and of single events have no such total and are left out. Call
    ``prepare_routes`` before.
    """
    s = tables.schema
    routed = bool(_keys(stream))
    rate = "coalesce(p.only_rate, q.rate_no)" if routed else "p.only_rate"
    route = "LEFT " + _route_join(tables, stream) if routed else ""
    lives = f"(SELECT max(l.from_at) FROM {s}.lives l WHERE l.comp_no = p.comp_no AND l.from_at <= r.window_start)"
    return (
        "SELECT p.line_no, p.comp_no, t.rate_no, t.counter_no, p.account_no, p.holder, "
        f"CASE WHEN p.short THEN {lives} END AS life, r.device_key, sum(CASE WHEN p.counts THEN r.n_events::BIGINT "
        f"ELSE r.units END)::HUGEINT AS units, sum(r.n_events)::HUGEINT AS events {under(tables, stream, records)} "
        f"{route} JOIN {s}.rates t ON t.rate_no = {rate} WHERE {within} AND NOT p.bursts AND NOT p.closes AND NOT p.alone GROUP BY ALL"
    )


def zero_charges(tables: PlanTables, stream: Stream, records: str, within: str) -> str:
    """What a user's own line shows of use that a sponsor pays whole or of which something is blocked: units at no price.

    A record that a sponsor pays in part has one charge on the user's line: all its units, at the price of the others.
    """
    return (
        "SELECT p.line_no, r.device_key, r.window_start, CASE WHEN p.counts THEN r.n_events::BIGINT ELSE r.units END "
        f"AS units, 0::BIGINT AS amount, 0::SMALLINT AS step{columns(stream.dims, 'r.')} "
        f"{under(tables, stream, records)} {_payer(tables, stream)} "
        f"WHERE {within} AND (y.whole OR y.blocked)"
    )


def dims_text(stream: Stream, prefix: str) -> str:
    """A record's dimensions as one text, to find it again."""
    parts = ", ".join(f"coalesce({prefix}{dim}::VARCHAR, chr(0))" for dim in stream.dims)
    return f"concat_ws(chr(31), {parts})" if parts else "''"


def _payer(tables: PlanTables, stream: Stream) -> str:
    """Join ``y``: the sponsor's line and account where he pays, or ``blocked`` where nobody does.

    A record that his budget pays in part comes twice, each time with a ``part`` of its units: his, and the others.
    """
    s, n = tables.schema, stream.number
    same = "".join(f" AND z.{dim} IS NOT DISTINCT FROM r.{dim}" for dim in stream.dims)
    measure = "CASE WHEN p.counts THEN r.n_events::BIGINT ELSE r.units END"
    return (
        f"LEFT JOIN {s}.sponsored_{n} z ON p.sponsored AND z.comp_no = p.comp_no{same} "
        f"LEFT JOIN (SELECT p.sponsor_no, p.blocks, a.account_no, k.line_no FROM {s}.sponsors p "
        f"JOIN {s}.accounts a USING (account_id) JOIN {s}.comps c USING (comp_no) JOIN {s}.line_keys k "
        "ON k.account_no = a.account_no AND k.offer_no = c.offer_no AND k.part_id = c.component_id AND "
        "k.kind = 'usage') x "
        f"ON x.sponsor_no = z.sponsor_no LEFT JOIN (SELECT DISTINCT * FROM {s}.decided WHERE stream_no = {n}) d "
        "ON x.sponsor_no IS NOT NULL AND d.comp_no = p.comp_no AND d.device_key = r.device_key "
        f"AND d.window_start = r.window_start AND d.dims = {dims_text(stream, 'r.')} "
        "JOIN (VALUES (true), (false)) w(his) ON CASE WHEN w.his THEN x.sponsor_no IS NOT NULL AND coalesce(d.units, 1) > 0 "
        "ELSE x.sponsor_no IS NULL OR d.units IS NOT NULL END "
        "LEFT JOIN LATERAL (SELECT CASE WHEN w.his THEN x.line_no END AS line_no, "
        "CASE WHEN w.his THEN x.account_no END AS account_no, w.his AND d.units IS NULL AS whole, "
        "NOT w.his AND x.sponsor_no IS NOT NULL AND x.blocks AS blocked, "
        f"CASE WHEN d.units IS NULL THEN {measure} WHEN w.his THEN d.units ELSE r.units - d.units END AS part) y ON true"
    )


def _shape_columns(s: str, stream: Stream) -> str:
    """What ``shaped.measure`` needs of a record: its price's shape, its bucket, and the value that must be unique."""
    marks = " ".join(f"WHEN '{dim}' THEN r.{dim}::VARCHAR" for dim in stream.dims)
    mark = f"CASE p.unique_of {marks} END" if marks else "NULL::VARCHAR"
    return (
        "p.shape, p.increment_units, p.increment_add, CASE WHEN p.shape = 'bucket' THEN (SELECT max(b.from_at) "
        f"FROM {s}.buckets b WHERE b.comp_no = p.comp_no AND b.from_at <= r.window_start) END AS bucket, "
        "CASE WHEN p.shape = 'bucket' AND p.by_device THEN r.device_key ELSE 0 END AS bucket_device, "
        f"coalesce({mark}, '') AS mark, p.shape = 'last' AS wavers, "
    )
