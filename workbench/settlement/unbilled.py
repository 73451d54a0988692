"""Subscriptions of a period that came to no line, each with the reason: completeness seen from the contract (I36)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC

from workbench.lake.engine import one
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.lake.sql import quote
from workbench.model.plan import Period
from workbench.rating import node
from workbench.settlement.work import relation


def unbilled(lake: Lake, period: str, held: Sequence[Mapping[str, str]] = ()) -> list[Segment]:
    """Write a reason for each subscription that overlaps the period and whose account and offer have no line.

    ``bought`` for an offer we buy; ``held`` when all that was used waits for a case; ``sim_<state>`` when its SIM was not in a
    state that is charged; else ``no_usage``. What a charging node took from somebody without a subscription is listed too: it
    was charged, and no document can say so.
    """
    span = "(SELECT min(period_start) AS first, max(period_end) AS last FROM settle_rated)"
    waits = ", ".join(f"({quote(one['account_id'])}, {quote(one['offer_id'])})" for one in held)
    is_held = f"WHEN (account_id, offer_id) IN ({waits}) THEN 'held' " if waits else ""
    rows = (
        "SELECT subscription_id, account_id, offer_id, CASE WHEN offer_id IN (SELECT offer_id FROM settle_offers "
        f"WHERE side = 'buy') THEN 'bought' {is_held}WHEN sim_state IN ('inventory', 'suspended', 'terminated') "
        "THEN 'sim_' || sim_state ELSE 'no_usage' END AS reason "
        f"FROM (SELECT * FROM {relation(lake, 'subscriptions')}, {span} "
        "WHERE starts_at < last AND coalesce(ends_at > first, true)) s "
        "ANTI JOIN (SELECT account_id, offer_id FROM settle_final WHERE kind NOT IN ('carry', 'deferred')) l "
        "USING (account_id, offer_id)"
    )
    begins, ends = one(lake.con, "SELECT min(period_start), max(period_end) FROM settle_rated") or (
        None,
        None,
    )
    if lake.segments("online_charges") and begins is not None:
        within = Period(begins.replace(tzinfo=UTC), ends.replace(tzinfo=UTC))
        online = node.without_line(lake, within, relation(lake, "lines", period=period))
        rows += (
            " UNION ALL SELECT '' AS subscription_id, account_id, offer_id, 'charged_without_subscription' AS reason "
            f"FROM ({online})"
        )
    segment = lake.write(
        "unbilled", rows, period=period, order_by=("subscription_id", "account_id", "offer_id")
    )
    return [segment] if segment.rows else []
