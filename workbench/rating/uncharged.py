"""Records that no sell price charged, each with exactly one no-charge reason (invariant I17).

Reasons, the first that fits: ``charged_online`` (a charging node owns the meter) · ``trial`` · ``sim_inventory`` ·
``sim_terminated`` · ``rate_unmatched`` (the price list says that unmatched use is free) · ``meter_not_priced`` (the
device's offers do not sell this meter) · ``not_in_force`` (its subscription does not cover the time, in this period or another) ·
``no_subscription``.
"""

from __future__ import annotations

from collections.abc import Sequence

from workbench.rating.tables import PlanTables, Stream

REASONS = (
    "charged_online", "trial", "sim_inventory", "sim_terminated", "rate_unmatched", "meter_not_priced",
    "not_in_force", "no_subscription",
)  # fmt: skip


def no_charges(dims: Sequence[str] = ()) -> str:
    """A query with the charge columns and no row."""
    extra = "".join(f", NULL::VARCHAR AS {dim}" for dim in dims)
    return (
        "SELECT NULL::INTEGER AS line_no, NULL::BIGINT AS device_key, NULL::TIMESTAMP AS window_start, "
        f"NULL::BIGINT AS units, NULL::BIGINT AS amount, NULL::SMALLINT AS step{extra} WHERE false"
    )


def _with_reason(tables: PlanTables, stream: str, left: str) -> str:
    """Give each uncharged record its reason; ``left`` has device_key, window_start, units and unmatched."""
    s = tables.schema
    name = stream.replace("'", "''")
    terms = (
        f"SELECT a.device_key, a.from_at, a.until_at, CASE WHEN a.sim_state = 'inventory' THEN 2 "
        "WHEN a.sim_state = 'terminated' THEN 3 WHEN a.trial THEN 1 WHEN NOT c.sells THEN 5 WHEN "
        "c.online THEN 0 ELSE 4 END "
        f"AS rank FROM {s}.assignments a JOIN (SELECT o.offer_no, coalesce(bool_or(c.meter = '{name}'), false) "
        f"AS sells, o.charged = 'node' AS online FROM {s}.offers o LEFT JOIN {s}.components c USING (offer_no) "
        "WHERE o.side = 'sell' GROUP BY ALL) c USING (offer_no)"
    )
    return (
        f"SELECT '{name}' AS stream, device_key, window_start, units, "
        f"list_extract({list(REASONS)!r}, rank + 1) AS reason FROM ("
        "SELECT l.device_key, l.window_start, l.units, l.row_no, coalesce(min(t.rank) FILTER ("
        "l.window_start >= t.from_at AND l.window_start < t.until_at), CASE WHEN count(t.rank) > 0 OR "
        "bool_or(l.elsewhen) THEN 6 ELSE 7 END) AS rank FROM (SELECT *, row_number() OVER () AS row_no, "
        f"device_key IN (SELECT device_key FROM {s}.formerly) AS elsewhen FROM ({left})) l LEFT JOIN ({terms}) t "
        "USING (device_key) "
        "GROUP BY ALL)"
    )


def everything(tables: PlanTables, stream: str, records: str, within: str) -> str:
    """All records of a stream that nothing prices."""
    return _with_reason(
        tables, stream, f"SELECT r.device_key, r.window_start, r.units FROM {records} r WHERE {within}"
    )


def of_stream(tables: PlanTables, stream: Stream, records: str, within: str) -> str:
    """The records of a priced stream that no sell price charged.

    Nearly always a device is charged throughout one stretch of time: then one look at its ``cover`` is enough.
    """
    s, n = tables.schema, stream.number
    head = f"SELECT r.device_key, r.window_start, r.units FROM {records} r"
    cover = f"{s}.cover_{n} c ON r.device_key = c.device_key"
    outside = "c.device_key IS NULL OR r.window_start < c.from_at OR r.window_start >= c.until_at"
    under = (
        f"SELECT 1 FROM {s}.priced_{n} p %s WHERE p.sell AND p.device_key = r.device_key "
        "AND r.window_start >= p.from_at AND r.window_start < p.until_at AND %s"
    )
    missed = ""
    if keys := (*(("window_start",) if stream.timed else ()), *stream.dims):
        same = " AND ".join(f"q.{key} IS NOT DISTINCT FROM r.{key}" for key in keys)
        route = under % (f"JOIN {s}.routes_{n} q ON q.comp_no = p.comp_no", same)
        missed = f" AND NOT EXISTS ({route})"
    left = (
        f"{head} LEFT JOIN {cover} WHERE {within} AND ({outside}){missed} UNION ALL "
        f"{head} JOIN {cover} WHERE {within} AND c.holes AND NOT ({outside}) "
        f"AND NOT EXISTS ({under % ('', 'p.sure')}){missed}"
    )
    return _with_reason(tables, stream.name, left)
