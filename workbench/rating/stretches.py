"""Counters of plain prices, the common case made fast: one price per counter and stretch of time.

A stream is *plain* when each price on it that needs a counter has one row, lives for the billing period and counts units
as they are: graduated and package prices over devices, groups and pools. Then the use of every counter and window is one
aggregation; windows in which the price does not change are put together into stretches; and a record is charged by a
look at its counter's stretches. Only the few windows that hold a tier's bound are left to running sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.rating import counted
from workbench.rating.tables import PlanTables, Stream
from workbench.rating.use import columns
from workbench.tariff.amount import Sql, chargeable, cost
from workbench.tariff.sql import first, run

if TYPE_CHECKING:
    import duckdb

_LISTED = 100
_NARROW = 2**61
"""Below it counters and costs leave 64 bits room to add up."""
_LIKE_USE = "NULL::TIMESTAMP AS life, false AS wavers, false AS jumps, false AS alone"


def charges(
    con: duckdb.DuckDBPyConnection, tables: PlanTables, stream: Stream, records: str, within: str
) -> list[str]:
    """Work out the counters of one partition of a plain stream; return the queries that give its charges.

    The counters move on at once, as in ``counted.charges``; the queries stay good until the next call.
    """
    s, n = tables.schema, stream.number
    units = "CASE WHEN p.counts THEN r.n_events::BIGINT ELSE r.units END" if stream.counts else "r.units"
    celled = (
        f"JOIN {s}.celled_{n} p ON r.device_key = p.device_key AND r.window_start >= p.from_at "
        "AND r.window_start < p.until_at"
    )
    _cells(con, s, n)
    found = f"SELECT p.cell, r.window_start, {units} AS measured FROM {records} r {celled} WHERE {within}"
    if stream.pooled:  # far fewer windows of counters than records: everything after this is small
        run(
            con,
            f"CREATE OR REPLACE TABLE {s}.folded_{n} AS SELECT cell, window_start, sum(measured)::BIGINT AS measured "
            f"FROM ({found}) GROUP BY ALL",
        )
        found = f"SELECT * FROM {s}.folded_{n}"
    by_window = (
        f"(SELECT c.account_no, c.holder, c.counter_no, c.rate_no, f.window_start, f.measured, {_LIKE_USE} "
        f"FROM ({found}) f JOIN {s}.cells_{n} c USING (cell))"
    )
    whole = (
        f"(SELECT c.account_no, c.holder, c.counter_no, c.rate_no, f.measured, {_LIKE_USE} FROM (SELECT cell, "
        f"sum(measured) AS measured FROM ({found}) GROUP BY cell) f JOIN {s}.cells_{n} c USING (cell))"
    )
    counted.level_one(con, s, stream, whole)
    narrow = _narrow(con, s, n)
    counted.level_two(con, s, stream, by_window, wide="BIGINT" if narrow else "HUGEINT")
    _stretches(con, s, n)
    if stream.pooled:  # few counters: their stretches are looked up beside the devices
        sloped = (
            f"{celled} JOIN {s}.stretched_{n} t ON t.place = p.place AND r.window_start >= t.from_at "
            "AND r.window_start < t.until_at"
        )
    else:
        _by_device(con, s, n)
        sloped = (
            f"JOIN {s}.sloped_{n} p ON r.device_key = p.device_key AND r.window_start >= p.from_at "
            "AND r.window_start < p.until_at"
        )
    t = "t" if stream.pooled else "p"
    plain = (
        f"SELECT p.line_no, r.device_key, r.window_start, {units} AS units, ({units} * {t}.slope)::BIGINT AS amount, "
        f"{t}.step{columns(stream.dims, 'r.')} FROM {records} r {sloped} WHERE {within}"
    )
    bounds = run(
        con,
        f"SELECT DISTINCT window_start FROM {s}.level2_{n} WHERE NOT uniform ORDER BY 1 LIMIT {_LISTED}",
    )
    if not bounds:
        return [plain]
    at = f"SELECT window_start FROM {s}.level2_{n} WHERE NOT uniform"
    if len(bounds) < _LISTED:  # few and all: listed, they are compared while the records are read
        at = ", ".join(f"TIMESTAMP '{window}'" for (window,) in bounds)
    early = f"(SELECT * FROM {records} r WHERE {within} AND r.window_start IN ({at}))"
    return [plain, _bounds(s, n, stream, f"FROM {early} r {celled}", units, narrow)]


def _narrow(con: duckdb.DuckDBPyConnection, s: str, n: int) -> bool:
    """Whether no counter and no cost of this partition comes near 64 bits: 128 take three times as long to divide."""
    return first(
        con,
        f"SELECT coalesce(max(base) + (SELECT max(c1) FROM {s}.level1_{n}) * max(block_amount), 0) < {_NARROW} "
        f"AND (SELECT coalesce(max(increment_units), 0) < {_NARROW} FROM {s}.cells_{n}) "
        f"FROM (SELECT base::HUGEINT AS base, greatest(block_amount, 1)::HUGEINT AS block_amount FROM {s}.steps)",
    ) == (True,)


def _bounds(s: str, n: int, stream: Stream, under: str, units: str, narrow: bool) -> str:
    """The charges of the windows that hold a tier's bound: each record's running sum, C(after) - C(before)."""
    wide = "BIGINT" if narrow else "HUGEINT"
    held = (
        f"(SELECT (row_number() OVER ())::INTEGER AS bound, c.place, l.window_start, l.c0::{wide} AS c0 FROM {s}.level2_{n} l "
        f"JOIN {s}.level1_{n} o USING (nth) JOIN (SELECT DISTINCT place, account_no, holder, counter_no FROM {s}.cells_{n}) c "
        "ON c.account_no = o.account_no AND c.holder = o.holder AND c.counter_no = o.counter_no WHERE NOT l.uniform)"
    )
    ran = (
        f"SELECT r.device_key, r.window_start, {units} AS units, p.line_no, p.cell, l.c0, sum({units}) OVER (PARTITION BY "
        f"l.bound ORDER BY r.device_key, p.line_no{columns(stream.dims, 'r.')} ROWS UNBOUNDED PRECEDING)::{wide} AS run"
        f"{columns(stream.dims, 'r.')} {under} JOIN {held} l ON l.place = p.place AND l.window_start = r.window_start"
    )
    rule = (Sql("c.increment_units"), Sql("c.increment_add"), Sql("c.free_units"))
    q0, q1 = (chargeable(Sql(total), *rule) for total in ("(b.c0 + b.run - b.units)", "(b.c0 + b.run)"))
    c0, c1 = (
        cost(
            Sql(f"a.{q}"),
            *(Sql(f"{x}.{name}") for name in ("origin_units", "base", "block_units", "block_amount")),
        )
        for q, x in (("q0", "x"), ("q1", "y"))
    )
    return (
        f"SELECT a.line_no, a.device_key, a.window_start, a.units, ({c1 - c0})::BIGINT AS amount, "
        f"y.step_no::SMALLINT AS step{columns(stream.dims, 'a.')} FROM (SELECT b.*, c.rate_no, {q0} AS q0, {q1} AS q1 "
        f"FROM ({ran}) b JOIN {s}.cells_{n} c USING (cell)) a {counted.steps_join(s, stream)}"
    )


def _cells(con: duckdb.DuckDBPyConnection, s: str, n: int) -> None:
    """``cells_<n>``: a number for each counter (``place``), and for it under each of its rates (``cell``);
    ``celled_<n>``: each device under both.
    """
    priced = (
        f"(SELECT p.*, r.counter_no, r.rate_no FROM {s}.priced_{n} p JOIN {s}.rates r ON r.rate_no = p.only_rate "
        "WHERE NOT p.linear AND NOT p.bursts AND NOT p.closes)"
    )
    run(
        con,
        f"CREATE TABLE IF NOT EXISTS {s}.cells_{n} AS SELECT (row_number() OVER (ORDER BY d.account_no, d.holder, "
        "d.counter_no, d.rate_no))::INTEGER AS cell, (dense_rank() OVER (ORDER BY d.account_no, d.holder, d.counter_no))"
        "::INTEGER AS place, d.*, r.increment_units, r.increment_add, coalesce(g.free_units, 0) AS free_units "
        f"FROM (SELECT DISTINCT account_no, holder, counter_no, rate_no FROM {priced}) d JOIN {s}.rates r USING (rate_no) "
        f"LEFT JOIN {s}.grants g ON g.account_no = d.account_no AND g.holder = d.holder "
        "AND g.counter_no = d.counter_no AND g.version = r.version",
    )
    run(
        con,
        f"CREATE TABLE IF NOT EXISTS {s}.celled_{n} AS SELECT p.device_key, p.from_at, p.until_at, p.line_no, p.counts, "
        f"c.cell, c.place FROM {priced} p JOIN {s}.cells_{n} c USING (account_no, holder, counter_no, rate_no) ORDER BY ALL",
    )


def _stretches(con: duckdb.DuckDBPyConnection, s: str, n: int) -> None:
    """``stretched_<n>``: each counter's (``place``) price per unit and the time in which it holds.

    Neighbouring windows of a counter with one price make a stretch; between them nobody used anything. A counter that
    stays on one step for the whole partition has one stretch without end.
    """
    changed = " OR ".join(
        f"{name} IS DISTINCT FROM lag({name}) OVER w" for name in ("uniform", "rate_no", "slope", "step")
    )
    island = (
        "SELECT nth, window_start, uniform, slope, step, sum(fresh) OVER (PARTITION BY nth ORDER BY window_start) AS island "
        f"FROM (SELECT *, ({changed})::INTEGER AS fresh FROM {s}.level2_{n} WINDOW w AS (PARTITION BY nth ORDER BY window_start))"
    )
    run(
        con,
        f"CREATE OR REPLACE TABLE {s}.stretched_{n} AS WITH found AS ("
        f"SELECT nth, slope, step, '-infinity'::TIMESTAMP AS from_at, 'infinity'::TIMESTAMP AS until_at "
        f"FROM {s}.level1_{n} WHERE uniform UNION ALL "
        f"SELECT nth, slope, step, min(window_start), max(window_start) + INTERVAL 1 MICROSECOND FROM ({island}) "
        "WHERE uniform GROUP BY nth, island, slope, step) "
        f"SELECT c.place, f.from_at, f.until_at, f.slope, f.step FROM found f JOIN {s}.level1_{n} l USING (nth) "
        f"JOIN (SELECT DISTINCT place, account_no, holder, counter_no FROM {s}.cells_{n}) c "
        "ON c.account_no = l.account_no AND c.holder = l.holder AND c.counter_no = l.counter_no",
    )


def _by_device(con: duckdb.DuckDBPyConnection, s: str, n: int) -> None:
    """``sloped_<n>``: the stretches of each device, where each is a counter of its own."""
    run(
        con,
        f"CREATE OR REPLACE TABLE {s}.sloped_{n} AS SELECT p.device_key, greatest(p.from_at, t.from_at) AS from_at, "
        f"least(p.until_at, t.until_at) AS until_at, p.line_no, p.counts, t.slope, t.step FROM {s}.celled_{n} p "
        f"JOIN {s}.stretched_{n} t USING (place) WHERE p.from_at < t.until_at AND t.from_at < p.until_at",
    )
