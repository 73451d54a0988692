"""Prices that need a counter: graduated, volume, stair-step, package, rounding and free units.

Levels: the partition's use per counter (level 1), per counter and window (2), per record (3). Each level passes down
only the counters or windows inside which the price changes. ``amount.py`` prints the arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.rating import jumping
from workbench.rating.jumping import KEY, running, same
from workbench.rating.tables import PlanTables, Stream
from workbench.rating.use import columns
from workbench.tariff.amount import Sql, chargeable, cost
from workbench.tariff.sql import run

if TYPE_CHECKING:
    import duckdb


def charges(con: duckdb.DuckDBPyConnection, tables: PlanTables, stream: Stream, source: str) -> list[str]:
    """Work out the counters of one partition; return the queries that give its charges.

    The counters move on at once, so a partition is rated exactly once. The queries stay good until the next call.
    """
    s, n = tables.schema, stream.number
    level_one(con, s, stream, source)
    level_two(con, s, stream, source)
    records = (
        "SELECT u.line_no, u.device_key, u.window_start, u.units, %s AS amount, %s AS "
        f"step{columns(stream.dims, 'u.')} "
        f"FROM {source} u "
    )
    uniform = [
        records % ("(u.measured * c.slope)::BIGINT", "c.step")
        + f"JOIN {s}.level1_{n} c ON c.uniform AND {same('u', 'c')} WHERE NOT u.jumps AND NOT u.alone",
        records
        % ("(u.measured * c.slope)::BIGINT", "c.step")
        + f"JOIN {s}.level2_{n} c ON c.uniform AND c.window_start = u.window_start AND {same('u', 'c')} "
        "WHERE NOT u.jumps AND NOT u.alone",
    ]
    parts = [*uniform, _single_records(s, n, stream, source)]
    return [*parts, *jumping.charges(con, s, stream, source)] if stream.jumps else parts


def level_one(con: duckdb.DuckDBPyConnection, s: str, stream: Stream, source: str) -> None:
    """Each counter's use in the partition, its number in it (``nth``), and whether it stays on one step throughout."""
    n = stream.number
    run(
        con,
        f"CREATE OR REPLACE TABLE {s}.level1_{n} AS WITH used AS (SELECT {KEY}, sum(measured)::HUGEINT AS "
        "units, bool_or(wavers) AS wavers, "
        f"min(rate_no) AS rate_no, max(rate_no) AS rate_no_max FROM {source} WHERE NOT jumps AND NOT "
        "alone GROUP BY ALL), "
        "met AS (SELECT u.* EXCLUDE (units), (row_number() OVER ())::INTEGER AS nth, coalesce(c.used, 0)::HUGEINT AS c0, "
        f"coalesce(c.used, 0) + units AS c1 FROM used u LEFT JOIN {s}.counters c ON {same('u', 'c')}) {_classified(s, stream, 'met')}",
    )
    run(
        con,
        f"CREATE OR REPLACE TABLE {s}.counters AS "
        f"SELECT c.* FROM {s}.counters c WHERE NOT EXISTS (SELECT 1 FROM {s}.level1_{n} l WHERE {same('l', 'c')}) "
        f"UNION ALL SELECT {KEY}, c1::BIGINT FROM {s}.level1_{n}",
    )


def level_two(
    con: duckdb.DuckDBPyConnection, s: str, stream: Stream, source: str, *, wide: str = "HUGEINT"
) -> None:
    """The windows of the counters that changed their step; ``wide`` is the integer in which they are reckoned."""
    n = stream.number
    run(
        con,
        f"CREATE OR REPLACE TABLE {s}.level2_{n} AS WITH used AS ("
        "SELECT l.nth, u.window_start, any_value(l.c0) AS c0, "
        "sum(u.measured)::HUGEINT AS units, bool_or(u.wavers) AS wavers, min(u.rate_no) AS rate_no, "
        "max(u.rate_no) AS rate_no_max "
        f"FROM {source} u JOIN {s}.level1_{n} l ON NOT l.uniform AND {same('u', 'l')} "
        "WHERE NOT u.jumps AND NOT u.alone GROUP BY ALL), "
        "ran AS (SELECT *, (c0 + sum(units) OVER (PARTITION BY nth ORDER BY window_start "
        "ROWS UNBOUNDED PRECEDING))::HUGEINT AS total FROM used), "
        f"met AS (SELECT l.account_no, l.holder, l.counter_no, l.life, r.* EXCLUDE (c0, units, total), "
        f"(r.total - r.units)::{wide} AS c0, r.total::{wide} AS c1 FROM ran r JOIN {s}.level1_{n} l USING (nth)) "
        f"{_classified(s, stream, 'met')}",
    )


def _classified(s: str, stream: Stream, met: str) -> str:
    """Rows with ``c0``, ``c1`` and ``rate_no``: add step, slope, and whether all units between cost the same each."""
    free = Sql("coalesce(g.free_units, 0)")
    q0 = chargeable(Sql("m.c0"), Sql("r.increment_units"), Sql("r.increment_add"), free)
    q1 = chargeable(Sql("m.c1"), Sql("r.increment_units"), Sql("r.increment_add"), free)
    c0 = cost(Sql("a.q0"), Sql("x.origin_units"), Sql("x.base"), Sql("x.block_units"), Sql("x.block_amount"))
    c1 = cost(Sql("a.q1"), Sql("y.origin_units"), Sql("y.base"), Sql("y.block_units"), Sql("y.block_amount"))
    return (
        f", asked AS (SELECT m.*, coalesce(g.free_units, 0) AS free_units, r.increment_units, {q0} AS q0, {q1} AS q1 "
        f"FROM {met} m JOIN {s}.rates r ON r.rate_no = m.rate_no LEFT JOIN {s}.grants g "
        "ON g.account_no = m.account_no AND g.holder = m.holder AND g.counter_no = m.counter_no AND "
        "g.version = r.version), "
        f"priced AS (SELECT a.*, x.step_no AS step0, y.step_no AS step, y.block_units, y.block_amount, {c0} AS cost0, "
        f"{c1} AS cost1 FROM asked a {steps_join(s, stream)}) "
        "SELECT * EXCLUDE (step0, step, block_units, block_amount, cost0, cost1, q0, q1, increment_units, free_units), "
        "step::SMALLINT AS step, CASE WHEN cost0 = cost1 THEN 0 ELSE block_amount END AS slope, "
        "NOT wavers AND rate_no = rate_no_max AND step0 = step AND (cost0 = cost1 OR (block_units = 1 "
        "AND increment_units = 1 "
        "AND c0 >= free_units)) AS uniform FROM priced"
    )


def _single_records(s: str, n: int, stream: Stream, source: str) -> str:
    """Charges of the windows that hold a boundary, and of events that are counters of their own."""
    where = (
        f"JOIN {s}.level2_{n} c ON NOT c.uniform AND c.window_start = u.window_start AND {same('u', 'c')} "
        "WHERE NOT u.jumps AND NOT u.alone"
    )
    counted = running(source, stream.dims, where, ", u.window_start") % "c.c0,"
    alone = f"SELECT u.*, 0::HUGEINT AS c0, u.measured::HUGEINT AS run FROM {source} u WHERE u.alone"
    free = Sql("coalesce(g.free_units, 0)")
    q0 = chargeable(
        Sql("(b.c0 + b.run - b.measured)"), Sql("r.increment_units"), Sql("r.increment_add"), free
    )
    q1 = chargeable(Sql("(b.c0 + b.run)"), Sql("r.increment_units"), Sql("r.increment_add"), free)
    c0 = cost(Sql("a.q0"), Sql("x.origin_units"), Sql("x.base"), Sql("x.block_units"), Sql("x.block_amount"))
    c1 = cost(Sql("a.q1"), Sql("y.origin_units"), Sql("y.base"), Sql("y.block_units"), Sql("y.block_amount"))
    return (
        f"SELECT a.line_no, a.device_key, a.window_start, a.units, ({c1 - c0})::BIGINT AS amount, "
        f"y.step_no::SMALLINT AS step{columns(stream.dims, 'a.')} FROM ("
        f"SELECT b.*, {q0} AS q0, {q1} AS q1 FROM ({counted} UNION ALL {alone}) b JOIN {s}.rates r "
        f"ON r.rate_no = b.rate_no LEFT JOIN {s}.grants g ON g.account_no = b.account_no AND g.holder = b.holder "
        "AND g.counter_no = b.counter_no AND g.version = r.version AND NOT b.alone) a "
        f"{steps_join(s, stream)}"
    )


def steps_join(s: str, stream: Stream) -> str:
    """Join the steps ``x`` that hold at ``a.q0`` and ``y`` at ``a.q1``.

    A rate of few steps is looked up by trying each, which costs a quarter of the sorting that ASOF does.
    """
    if not stream.few_steps:
        return (
            f"ASOF JOIN {s}.steps x ON a.rate_no = x.rate_no AND a.q0 >= x.from_units "
            f"ASOF JOIN {s}.steps y ON a.rate_no = y.rate_no AND a.q1 >= y.from_units"
        )
    return " ".join(
        f"JOIN {s}.steps {name} ON a.rate_no = {name}.rate_no AND a.{q} >= {name}.from_units "
        f"AND (a.{q} < {name}.until_units OR {name}.until_units IS NULL)"
        for name, q in (("x", "q0"), ("y", "q1"))
    )
