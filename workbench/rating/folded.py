"""Folds that only the whole period decides: the time-weighted average, and the 95th percentile of a meter's values.

While records are rated their values are kept in the small: for an average what each device held so far (``kept``), for
a percentile how often each value occurred (``seen``). A record is charged zero (its line shows it); the one amount of
each counter comes at close, as ``C`` of the folded quantity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import RatingError
from workbench.rating.jumping import KEY
from workbench.rating.tables import PlanTables, Stream
from workbench.rating.use import columns, under
from workbench.tariff.amount import Sql, chargeable, cost
from workbench.tariff.sql import first, run
from workbench.tariff.tables import naive

if TYPE_CHECKING:
    import duckdb

    from workbench.model.plan import Period

_OF = f"{KEY}, comp_no, line_no, rate_no, price_no"
_DEVICE = f"{_OF}, device_key"


def collect(
    con: duckdb.DuckDBPyConnection, tables: PlanTables, stream: Stream, records: str, within: str
) -> list[str]:
    """Keep a partition's values; return the query of its zero charges."""
    s, n = tables.schema, stream.number
    lives = f"(SELECT max(l.from_at) FROM {s}.lives l WHERE l.comp_no = p.comp_no AND l.from_at <= r.window_start)"
    run(
        con,
        f"CREATE OR REPLACE TABLE {s}.values_{n} AS SELECT p.account_no, p.holder, t.counter_no, "
        f"CASE WHEN p.short THEN {lives} END AS life, p.comp_no, p.line_no, t.rate_no, t.price_no, r.device_key, "
        f"r.window_start, r.units, p.fold {under(tables, stream, records)} "
        f"JOIN {s}.rates t ON t.rate_no = p.only_rate WHERE {within} AND p.closes",
    )
    run(
        con,
        f"INSERT INTO {s}.seen SELECT {_OF}, units, count(*) FROM {s}.values_{n} WHERE fold = 'p95' GROUP BY ALL",
    )
    _keep(con, s, n)
    return [
        "SELECT p.line_no, r.device_key, r.window_start, r.units, 0::BIGINT AS amount, 0::SMALLINT AS step"
        f"{columns(stream.dims, 'r.')} {under(tables, stream, records)} WHERE {within} AND p.closes"
    ]


def _keep(con: duckdb.DuckDBPyConnection, s: str, n: int) -> None:
    """What each device held up to its latest value, and that value."""
    both = (
        f"SELECT {_DEVICE}, held, latest_at AS seen_at, latest AS units FROM {s}.kept UNION ALL "
        f"SELECT {_DEVICE}, 0::HUGEINT, window_start, units FROM {s}.values_{n} WHERE fold = 'time_weighted'"
    )
    run(
        con,
        f"CREATE OR REPLACE TABLE {s}.kept AS WITH met AS (SELECT *, epoch_us(lead(seen_at) OVER (PARTITION BY {KEY}, "
        f"device_key ORDER BY seen_at, comp_no)) - epoch_us(seen_at) AS lasted FROM ({both})) "
        f"SELECT {KEY}, arg_max(comp_no, seen_at) AS comp_no, arg_max(line_no, seen_at) AS line_no, "
        "arg_max(rate_no, seen_at) AS rate_no, "
        "CASE WHEN count(*) = count(price_no) AND min(price_no) = max(price_no) THEN min(price_no) END AS price_no, "
        "device_key, (sum(held) + sum(units::HUGEINT * coalesce(lasted, 0)))::HUGEINT AS held, "
        f"max(seen_at) AS latest_at, arg_max(units, seen_at) AS latest FROM met GROUP BY {KEY}, device_key",
    )


def check(con: duckdb.DuckDBPyConnection, tables: PlanTables) -> None:
    """Refuse a counter whose values were seen under two prices: their fold has no one price.

    Raises:
        RatingError: ``fold_changed``.
    """
    s = tables.schema
    row = first(
        con,
        f"SELECT c.component_id FROM (SELECT * FROM {s}.kept UNION ALL BY NAME SELECT {_OF} FROM {s}.seen) v "
        f"JOIN {s}.comps c USING (comp_no) GROUP BY c.component_id, {KEY} "
        "HAVING min(price_no) IS DISTINCT FROM max(price_no) OR bool_or(price_no IS NULL) LIMIT 1",
    )
    if row is not None:
        raise RatingError(
            f"The price '{row[0]}' folds values that were seen under two prices in one period.",
            where=str(row[0]),
            code="fold_changed",
            cure="Let its new version begin with a period (`publish: {running: next_period}`), or reset its counters.",
        )


def quantities(tables: PlanTables, period: Period) -> str:
    """SQL of each counter's folded units, before rounding and free units."""
    s = tables.schema
    start, end = (f"TIMESTAMP '{naive(at)}'" for at in (period.start, period.end))
    lives = f"(SELECT DISTINCT r.counter_no, l.from_at AS life, l.until_at FROM {s}.lives l JOIN {s}.rates r USING (comp_no))"
    lasts = f"(epoch_us(coalesce(l.until_at, {end})) - epoch_us(coalesce(k.life, {start})))"
    averages = (
        f"SELECT {', '.join('k.' + name for name in KEY.split(', '))}, max(k.rate_no) AS rate_no, max(line_no) AS line_no, "
        f"((2 * sum(held + latest::HUGEINT * (epoch_us(coalesce(l.until_at, {end})) - epoch_us(latest_at))) + any_value("
        f"{lasts})) // (2 * any_value({lasts})::HUGEINT))::HUGEINT AS units FROM {s}.kept k LEFT JOIN {lives} l "
        f"ON l.counter_no = k.counter_no AND l.life = k.life GROUP BY ALL"
    )
    percentiles = (
        f"SELECT {KEY}, max(rate_no), max(line_no), min(units) FILTER (ran - n <= dropped AND ran > dropped)::HUGEINT "
        f"FROM (SELECT *, sum(n) OVER (PARTITION BY {KEY} ORDER BY units DESC ROWS UNBOUNDED PRECEDING) AS ran, "
        f"(sum(n) OVER (PARTITION BY {KEY}))::BIGINT * 5 // 100 AS dropped FROM ("
        f"SELECT {KEY}, max(rate_no) AS rate_no, max(line_no) AS line_no, units, sum(n) AS n FROM {s}.seen "
        f"GROUP BY {KEY}, units)) GROUP BY {KEY}"
    )
    return f"({averages} UNION ALL {percentiles})"


def charges(tables: PlanTables, period: Period) -> str:
    """SQL of the amounts: ``C`` of each counter's average or percentile, on the first instant of its life."""
    s = tables.schema
    start = f"TIMESTAMP '{naive(period.start)}'"
    q = chargeable(
        Sql("v.units"), Sql("r.increment_units"), Sql("r.increment_add"), Sql("coalesce(g.free_units, 0)")
    )
    amount = cost(
        Sql("a.q"), Sql("x.origin_units"), Sql("x.base"), Sql("x.block_units"), Sql("x.block_amount")
    )
    return (
        f"SELECT a.line_no, CASE c.scope WHEN 'device' THEN a.holder END AS device_key, "
        f"coalesce(a.life, {start}) AS window_start, 0::BIGINT AS units, ({amount} - a.at_zero)::BIGINT AS amount, "
        f"x.step_no::SMALLINT AS step FROM (SELECT v.*, r.comp_no, r.at_zero, {q} AS q FROM "
        f"{quantities(tables, period)} v JOIN {s}.rates r USING (rate_no) LEFT JOIN {s}.grants g ON g.account_no = v.account_no "
        "AND g.holder = v.holder AND g.counter_no = v.counter_no AND g.version = r.version) a "
        f"JOIN {s}.comps c USING (comp_no) ASOF JOIN {s}.steps x ON a.rate_no = x.rate_no AND a.q >= x.from_units"
    )
