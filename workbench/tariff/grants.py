"""Free units of each counter in a billing period: what its members bring in, and what is left from earlier periods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from workbench.model.plan import Stock
from workbench.tariff.sql import run

if TYPE_CHECKING:
    import duckdb

_USED = ("components", "rates", "offers", "days", "bundles")
_STOCK = pa.schema(
    [("account_id", pa.string()), ("holder", pa.int64()), ("offer_id", pa.string()), ("part_id", pa.string()),
     ("rate_id", pa.string()), ("age", pa.int32()), ("units", pa.int64())]
)  # fmt: skip


def grants(con: duckdb.DuckDBPyConnection, offers: Mapping[str, pa.Table], stock: Sequence[Stock]) -> None:
    """``plan_grants``: account_no, holder, counter_no, version, own_units, free_units (own and stock), lasts;
    ``plan_members``: what each device brought into a pool whose overage is by excess;
    ``plan_credits``: the same of bundles (``counter_no`` is the bundle's number, units are credits).

    A prorated part is ``units * covered days // days of the period`` per device and version. Members bring units in
    while their SIM is test or active. ``lasts``: some member is subscribed beyond the period, so that what is left
    lives on.
    """
    for name in _USED:
        con.register(f"plan_in_{name}", offers[name])
    con.register("plan_in_stock", stock_table(stock))
    _granted(
        con,
        "plan_grants",
        "SELECT c.offer_no, c.component_id AS part_id, c.scope, c.free_units, c.contribution, r.rate_id, r.counter_no, r.by_excess, "
        "o.zone, o.version, o.offer_id FROM plan_in_components c JOIN plan_in_rates r USING (comp_no) "
        "JOIN plan_in_offers o USING (offer_no) WHERE c.allows",
    )
    _granted(
        con,
        "plan_credits",
        "SELECT b.offer_no, b.bundle_id AS part_id, b.scope, b.credits AS free_units, b.contribution, '' AS rate_id, "
        "b.bundle_no AS counter_no, false AS by_excess, o.zone, o.version, o.offer_id FROM plan_in_bundles b "
        "JOIN plan_in_offers o USING (offer_no)",
    )
    for name in (*_USED, "stock"):
        con.unregister(f"plan_in_{name}")


def _granted(con: duckdb.DuckDBPyConnection, name: str, granting: str) -> None:
    """A table of grants from the allowances (or bundles) of the variants."""
    brought = (
        f"WITH granting AS ({granting}), "
        "reached AS (SELECT g.*, a.account_no, a.device_key, a.group_no, a.sim_state, a.lasts, d.day_no, d.days, "
        "CASE g.scope WHEN 'device' THEN a.device_key WHEN 'sim_group' THEN a.group_no ELSE 0 END AS holder "
        "FROM granting g JOIN plan_assignments a USING (offer_no) JOIN plan_in_days d "
        "ON d.zone = g.zone AND a.from_at < d.day_end AND d.day_end <= a.until_at), "
        "members AS (SELECT counter_no, version, by_excess, contribution, account_no, holder, device_key, "
        "max(free_units) AS free_units, max(days) AS days, count(DISTINCT day_no) AS covered FROM reached "
        "WHERE sim_state IN ('test', 'active') GROUP BY ALL), "
        "brought AS (SELECT *, CASE WHEN contribution = 'prorated' THEN free_units * covered // greatest(days, 1) "
        "ELSE free_units END AS units FROM members)"
    )
    if name == "plan_grants":  # what each member of a pool brought, where the overage is by excess
        run(
            con,
            f"CREATE OR REPLACE TEMP TABLE plan_members AS {brought} SELECT account_no, holder, counter_no, version, "
            "device_key, CASE contribution WHEN 'none' THEN 0 ELSE units END::BIGINT AS units FROM brought WHERE by_excess",
        )
    run(
        con,
        f"CREATE OR REPLACE TEMP TABLE {name} AS {brought}, "
        "own AS (SELECT account_no, holder, counter_no, version, CASE WHEN any_value(contribution) = 'none' "
        "THEN max(units) ELSE sum(units) END::BIGINT AS units FROM brought GROUP BY ALL), "
        "left_over AS (SELECT a.account_no, s.holder, s.offer_id, s.part_id, s.rate_id, sum(s.units)::BIGINT AS units "
        "FROM plan_in_stock s JOIN plan_accounts a USING (account_id) GROUP BY ALL), "
        "holders AS (SELECT account_no, holder, counter_no, version, offer_id, part_id, rate_id, "
        "bool_or(lasts) AS lasts FROM reached GROUP BY ALL) "
        "SELECT h.account_no, h.holder, h.counter_no, h.version, coalesce(o.units, 0) AS own_units, "
        "coalesce(o.units, 0) + coalesce(l.units, 0) AS free_units, h.lasts FROM holders h "
        "LEFT JOIN own o USING (account_no, holder, counter_no, version) "
        "LEFT JOIN left_over l ON l.account_no = h.account_no AND l.holder = h.holder AND l.offer_id = h.offer_id "
        "AND l.part_id = h.part_id AND l.rate_id = h.rate_id",
    )


def stock_table(stock: Sequence[Stock]) -> pa.Table:
    """Stock as a table."""
    columns = [[getattr(row, field.name) for row in stock] for field in _STOCK]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, _STOCK, strict=True)], schema=_STOCK)
