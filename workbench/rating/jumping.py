"""Prices that jump: what a counter comes to is known when its total is, and is then shared among its records by use.

Volume and stair-step prices, and pools whose overage is their members' by excess or whose members have a cap. The
period's records are observed first (``totals``); ``amount.shared`` cuts a total, so the parts sum to it exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import RatingError
from workbench.rating.tables import PlanTables, Stream
from workbench.rating.use import columns
from workbench.tariff.amount import Sql, chargeable, cost, rounded, shared
from workbench.tariff.sql import first, run

if TYPE_CHECKING:
    import duckdb

KEY = "account_no, holder, counter_no, life"
PART = f"{KEY}, share_device"
"""A counter, and where its total is first shared among devices: the device."""


def same(left: str, right: str) -> str:
    """Two relations agree on the counter key."""
    return (
        f"{left}.account_no = {right}.account_no AND {left}.holder = {right}.holder "
        f"AND {left}.counter_no = {right}.counter_no AND {left}.life IS NOT DISTINCT FROM {right}.life"
    )


def _same_part(left: str, right: str) -> str:
    return f"{same(left, right)} AND {left}.share_device IS NOT DISTINCT FROM {right}.share_device"


def running(source: str, dims: tuple[str, ...], where: str, window: str = "") -> str:
    """Use rows with ``run``: units of their counter (or counter and window) up to and including each."""
    order = "u.window_start, u.device_key, u.line_no" + columns(dims, "u.")
    return (
        f"SELECT u.*, %s sum(u.measured) OVER (PARTITION BY u.account_no, u.holder, u.counter_no, u.life{window} "
        f"ORDER BY {order} ROWS UNBOUNDED PRECEDING)::HUGEINT AS run FROM {source} u {where}"
    )


def observe(con: duckdb.DuckDBPyConnection, tables: PlanTables, stream: Stream, source: str) -> None:
    """Add the use of prices that jump to the period's totals; by member where members matter or are rounded alone.

    ``beside``: which prices that do not jump the same counters were used under, when another version's price jumps.
    """
    alone = "CASE WHEN shape = 'bucket' THEN bucket_device END" if stream.shaped else "NULL"
    run(
        con,
        f"INSERT INTO {tables.schema}.totals SELECT {KEY}, price_no, CASE WHEN of_members THEN device_key END, "
        f"{alone}, sum(units)::BIGINT FROM {source} WHERE jumps GROUP BY ALL",
    )
    run(
        con,
        f"INSERT INTO {tables.schema}.beside SELECT DISTINCT {KEY}, price_no FROM {source} WHERE NOT jumps "
        f"AND NOT alone AND counter_no IN (SELECT counter_no FROM {tables.schema}.rates WHERE jumps)",
    )


def check_members(con: duckdb.DuckDBPyConnection, tables: PlanTables, stream: str) -> None:
    """Refuse pools with a cap or excess that were used under two prices: their total has no one meaning.

    Raises:
        RatingError: ``pool_changed``.
    """
    s = tables.schema
    if first(con, f"SELECT 1 FROM {s}.mixed x JOIN {s}.totals t ON {same('x', 't')} "
                  "WHERE t.device_key IS NOT NULL LIMIT 1"):  # fmt: skip
        raise RatingError(
            f"A pool with a cap per member or overage by excess was used under two prices of '{stream}' in one period.",
            where=stream,
            code="pool_changed",
            cure="Let its new version begin with a period (`publish: {running: next_period}`), or reset its counters.",
        )


def charges(con: duckdb.DuckDBPyConnection, s: str, stream: Stream, source: str) -> list[str]:
    """Work out what the counters that jump come to, and move on; the queries of this partition's charges."""
    n = stream.number
    totals(con, s, n)
    _move_on(con, s, n, source)
    head = (
        "SELECT u.line_no, u.device_key, u.window_start, u.units, (u.measured * c.slope)::BIGINT AS amount, c.step"
        f"{columns(stream.dims, 'u.')} FROM {source} u "
    )
    even = (
        head
        + f"JOIN {s}.jumping_{n} c ON c.uniform AND c.rate_no = u.price_no AND {_same_part('u', 'c')} WHERE u.jumps"
    )
    return [even, _shared_records(s, n, stream, source)]


def totals(con: duckdb.DuckDBPyConnection, s: str, n: int) -> None:
    """``jumping_<n>``: what each counter (or each member's part of it) comes to, and its use."""
    held = (Sql("r.increment_units"), Sql("r.increment_add"), Sql("coalesce(g.free_units, 0)"))
    q = chargeable(Sql("(t.used - t.beyond)"), *held) + Sql("t.beyond")
    total = cost(
        Sql("a.q"), Sql("x.origin_units"), Sql("x.base"), Sql("x.block_units"), Sql("x.block_amount")
    )
    part = shared(
        Sql("total"), Sql("(run - weight)"), Sql("weight"), Sql("greatest(weights, 1)"), Sql("part_unit")
    )
    alone = rounded(Sql("d.used"), Sql("k.increment_units"), Sql("k.increment_add"))
    run(
        con,
        f"CREATE OR REPLACE TABLE {s}.jumping_{n} AS WITH device AS (SELECT {KEY}, rate_no, device_key, rounded_device, "
        f"sum(used)::HUGEINT AS used FROM {s}.totals GROUP BY ALL), "
        f"member AS (SELECT t.*, r.pool_cap FROM (SELECT {KEY}, rate_no, device_key, "
        f"sum(CASE WHEN d.rounded_device IS NULL THEN d.used ELSE {alone} END)::HUGEINT AS used FROM device d "
        f"JOIN (SELECT v.rate_no, c.increment_units, c.increment_add FROM {s}.rates v JOIN {s}.components c "
        "USING (comp_no)) k USING (rate_no) GROUP BY ALL) t "
        f"JOIN {s}.rates r USING (rate_no)), "
        f"summed AS (SELECT {KEY}, max(rate_no) AS rate_no, sum(used)::HUGEINT AS used, "
        "coalesce(sum(CASE WHEN used > pool_cap THEN used - pool_cap END), 0)::HUGEINT AS beyond FROM member "
        f"GROUP BY {KEY} HAVING min(rate_no) = max(rate_no)), "
        f"asked AS (SELECT t.*, r.at_zero, r.part_unit, r.by_excess, r.version, {q} AS q FROM summed t "
        f"JOIN {s}.rates r USING (rate_no) LEFT JOIN {s}.grants g ON g.account_no = t.account_no "
        "AND g.holder = t.holder AND g.counter_no = t.counter_no AND g.version = r.version), "
        f"priced AS (SELECT a.* EXCLUDE (at_zero), x.step_no::SMALLINT AS step, {total} - a.at_zero AS total "
        f"FROM asked a ASOF JOIN {s}.steps x ON a.rate_no = x.rate_no AND a.q >= x.from_units), "
        "beyond AS (SELECT p.* EXCLUDE (used), m.device_key AS share_device, m.used, "
        "greatest(m.used - coalesce(b.units, 0), 0) AS excess FROM priced p "
        f"JOIN member m ON {same('p', 'm')} LEFT JOIN {s}.members b ON b.account_no = p.account_no "
        "AND b.holder = p.holder AND b.counter_no = p.counter_no AND b.version = p.version "
        "AND b.device_key = m.device_key WHERE p.by_excess), "
        f"weighed AS (SELECT *, CASE WHEN sum(excess) OVER (PARTITION BY {KEY}) > 0 THEN excess ELSE used END AS weight "
        "FROM beyond), "
        f"ran AS (SELECT *, (sum(weight) OVER (PARTITION BY {KEY} ORDER BY share_device ROWS UNBOUNDED PRECEDING))"
        f"::HUGEINT AS run, (sum(weight) OVER (PARTITION BY {KEY}))::HUGEINT AS weights FROM weighed), "
        f"parts AS (SELECT {PART}, rate_no, step, part_unit, used, ({part})::HUGEINT AS total FROM ran UNION ALL "
        f"SELECT {KEY}, NULL::BIGINT, rate_no, step, part_unit, used, total FROM priced WHERE NOT by_excess) "
        "SELECT *, used > 0 AND total % (greatest(used, 1)::HUGEINT * part_unit) = 0 AS uniform, "
        "total // greatest(used, 1) AS slope FROM parts",
    )


def _move_on(con: duckdb.DuckDBPyConnection, s: str, n: int, source: str) -> None:
    """``before_<n>``: what earlier partitions used of each counter; ``passed``: this one included."""
    run(con, f"CREATE OR REPLACE TABLE {s}.before_{n} AS SELECT * FROM {s}.passed")
    run(
        con,
        f"CREATE OR REPLACE TABLE {s}.passed AS SELECT {PART}, sum(used)::BIGINT AS used FROM ("
        f"SELECT {PART}, used FROM {s}.before_{n} UNION ALL "
        f"SELECT {PART}, sum(measured) FROM {source} WHERE jumps GROUP BY ALL) GROUP BY ALL",
    )


def _shared_records(s: str, n: int, stream: Stream, source: str) -> str:
    """Charges that do not divide per unit: each record's part of the total, by use."""
    where = f"JOIN {s}.jumping_{n} c ON NOT c.uniform AND c.rate_no = u.price_no AND {_same_part('u', 'c')} WHERE u.jumps"
    ran = running(source, stream.dims, where, ", u.share_device") % "c.total, c.used, c.step, c.part_unit,"
    before = Sql("(coalesce(h.used, 0) + a.run - a.measured)")
    part = shared(Sql("a.total"), before, Sql("a.measured"), Sql("greatest(a.used, 1)"), Sql("a.part_unit"))
    return (
        f"SELECT a.line_no, a.device_key, a.window_start, a.units, ({part})::BIGINT AS amount, a.step"
        f"{columns(stream.dims, 'a.')} FROM ({ran}) a LEFT JOIN {s}.before_{n} h ON {_same_part('a', 'h')}"
    )
