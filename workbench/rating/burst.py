"""Percentile prices: bytes are collected per slot while records are rated, and priced when the period is over.

A record of a burstable line is charged zero (its line shows it); the one amount of each holder comes at close.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from workbench.rating.tables import PlanTables, Stream
from workbench.rating.use import columns, under
from workbench.tariff.sql import run
from workbench.tariff.tables import naive

if TYPE_CHECKING:
    import duckdb

Outages = Sequence[tuple[datetime, datetime]]


def collect(
    con: duckdb.DuckDBPyConnection, tables: PlanTables, stream: Stream, records: str, within: str
) -> list[str]:
    """Add a partition's bytes to their slots; return the query of its zero charges."""
    s = tables.schema
    run(
        con,
        f"INSERT INTO {s}.slots SELECT p.account_no, p.holder, p.comp_no, min(p.line_no), "
        "make_timestamp((epoch_us(r.window_start) // (b.slot_seconds * 1000000)) * b.slot_seconds * "
        "1000000), b.outward, "
        f"sum(r.units) {under(tables, stream, records)} JOIN {s}.bursts b ON b.comp_no = p.comp_no AND b.meter = $1 "
        f"WHERE {within} AND p.bursts GROUP BY ALL",
        [stream.name],
    )
    return [
        "SELECT p.line_no, r.device_key, r.window_start, r.units, 0::BIGINT AS amount, 0::SMALLINT AS step"
        f"{columns(stream.dims, 'r.')} {under(tables, stream, records)} WHERE {within} AND p.bursts"
    ]


def charges(tables: PlanTables, outages: Outages) -> str:
    """SQL of the amounts: per holder the highest slot left when the highest ``floor(drop * n)`` are dropped."""
    return (
        f"{ranked(tables, outages)} "
        "SELECT r.line_no, CASE p.scope WHEN 'device' THEN r.holder END AS device_key, r.from_at AS window_start, "
        "0::BIGINT AS units, (r.units * r.slope)::BIGINT AS amount, 0::SMALLINT AS step "
        f"FROM ranked r JOIN {tables.schema}.comps p USING (comp_no) WHERE r.place = r.n * r.drop_numerator // "
        "r.drop_denominator + 1"
    )


def ranked(tables: PlanTables, outages: Outages) -> str:
    """SQL of ``WITH ... ranked``: each holder's slots from the highest down (``place`` from 1), and how many there are.

    ``n`` counts the slots that begin while the holder is subscribed and not during an outage; slots nobody used are
    zero and need no row.
    """
    s = tables.schema
    spans = ", ".join(f"(TIMESTAMP '{naive(start)}', TIMESTAMP '{naive(end)}')" for start, end in outages)
    gaps = f"(VALUES {spans})" if spans else "(SELECT NULL::TIMESTAMP, NULL::TIMESTAMP WHERE false)"
    return (
        f"WITH gaps AS (SELECT col0 AS gap_from, col1 AS gap_until FROM {gaps} t(col0, col1)), "
        "priced AS (SELECT DISTINCT comp_no, slot_seconds, summed, drop_numerator, drop_denominator, slope "
        f"FROM {s}.bursts), "
        "held AS (SELECT p.account_no, p.holder, p.comp_no, min(p.from_at) AS from_at, max(p.until_at) AS until_at, "
        f"min(p.line_no) AS line_no FROM ({_all_priced(tables)}) p GROUP BY ALL), "
        f"counts AS (SELECT h.*, b.* EXCLUDE (comp_no), {_slots_between('h.from_at', 'h.until_at')} - coalesce((SELECT "
        f"sum(greatest({_slots_between('greatest(g.gap_from, h.from_at)', 'least(g.gap_until, h.until_at)')}, 0)) "
        "FROM gaps g WHERE g.gap_from < h.until_at AND g.gap_until > h.from_at), 0) AS n "
        "FROM held h JOIN priced b USING (comp_no)), "
        "slots AS (SELECT account_no, holder, comp_no, slot, coalesce(sum(units) FILTER (NOT outward), 0) AS inward, "
        f"coalesce(sum(units) FILTER (outward), 0) AS outward FROM {s}.slots x "
        "WHERE NOT EXISTS (SELECT 1 FROM gaps g WHERE x.slot >= g.gap_from AND x.slot < g.gap_until) GROUP BY ALL), "
        "ranked AS (SELECT c.*, x.slot, CASE WHEN c.summed THEN x.inward + x.outward ELSE greatest(x.inward, "
        "x.outward) END AS units, "
        "row_number() OVER (PARTITION BY c.account_no, c.holder, c.comp_no ORDER BY CASE WHEN c.summed "
        "THEN x.inward + x.outward ELSE greatest(x.inward, x.outward) END DESC, x.slot) AS place "
        "FROM counts c JOIN slots x USING (account_no, holder, comp_no) WHERE x.slot >= c.from_at AND "
        "x.slot < c.until_at)"
    )


def _slots_between(start: str, end: str) -> str:
    """How many slots begin in ``[start, end)``: slots are counted from the epoch."""
    width = "(b.slot_seconds * 1000000)"
    return f"((epoch_us({end}) + {width} - 1) // {width} - (epoch_us({start}) + {width} - 1) // {width})"


def _all_priced(tables: PlanTables) -> str:
    return " UNION ALL ".join(
        f"SELECT account_no, holder, comp_no, from_at, until_at, line_no FROM {tables.schema}.priced_{stream.number} "
        "WHERE bursts"
        for stream in tables.streams.values()
    )
