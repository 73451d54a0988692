"""What a charging node charged in a period, on the lines of the bill.

The node owns the meters of offers that say ``charged: node``: batch never charges their records, and the plan has lines for
them all the same. Here the node's own rows (the lake's ``online_charges``) come onto those lines, exactly; nothing is rated
again. A refund comes onto the line that it gives money back of.
"""

from __future__ import annotations

from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.model.plan import Period
from workbench.tariff.tables import naive


def rows_of(lake: Lake, period: Period) -> str:
    """SQL of the node's rows within the period: offer, version, component, amount over their own denominator.

    Each refund bears the offer version and component of the dearest row of the request that it refers to.
    """
    rows = lake.scan("online_charges")
    dearest = (
        "(SELECT account_id, request_id, arg_max(offer_id, amount) AS offer_id, "
        "arg_max(offer_version, amount) AS offer_version, arg_max(component_id, amount) AS component_id, "
        f"arg_max(device_id, amount) AS device_id FROM {rows} WHERE refers_to = '' AND component_id <> '' GROUP BY ALL)"
    )
    start, end = (str(naive(at)) for at in (period.start, period.end))
    return (
        "(SELECT r.account_id, coalesce(d.device_id, r.device_id) AS device_id, r.used_at, r.units, "
        "coalesce(d.offer_id, r.offer_id) AS offer_id, coalesce(d.offer_version, r.offer_version) AS offer_version, "
        "coalesce(d.component_id, r.component_id) AS component_id, r.amount::HUGEINT AS amount, "
        f"r.price_denominator::HUGEINT AS den FROM {rows} r LEFT JOIN {dearest} d ON r.refers_to <> '' "
        "AND d.account_id = r.account_id AND d.request_id = r.refers_to "
        f"WHERE r.used_at >= {quote(start)}::TIMESTAMP AND r.used_at < {quote(end)}::TIMESTAMP)"
    )


def mark(lake: Lake, period: Period) -> str:
    """What tells one state of the period's node rows from another; empty without any."""
    held = lake.con.execute(
        "SELECT count(*), coalesce(sum(amount), 0), coalesce(sum(epoch_us(used_at)::HUGEINT), 0) "
        f"FROM {rows_of(lake, period)}"
    )
    ((rows, *sums),) = held.fetchall()
    return ":".join(map(str, (rows, *sums))) if rows else ""


def charges(lake: Lake, period: Period, lines: str) -> str:
    """SQL of charges: the node's rows that have a line, one per line, device and instant.

    Args:
        lines: SQL of the plan's lines.
    """
    return (
        "SELECT line_no, coalesce(k.device_key, 0) AS device_key, used_at AS window_start, sum(c.units)::BIGINT AS units, "
        "sum(c.amount * l.price_denominator::HUGEINT // c.den)::BIGINT AS amount, 1::SMALLINT AS step "
        f"FROM {rows_of(lake, period)} c JOIN {lines} l USING (account_id, offer_id, offer_version, component_id) "
        f"LEFT JOIN (SELECT DISTINCT device_id, device_key FROM {lake.scan('devices')}) k USING (device_id) "
        "WHERE l.kind = 'usage' GROUP BY ALL"
    )


def without_line(lake: Lake, period: Period, lines: str) -> str:
    """SQL of (account, offer) that nodes charged and no line is for: nobody subscribed, or it was a bare amount."""
    return (
        f"SELECT DISTINCT account_id, offer_id FROM {rows_of(lake, period)} c ANTI JOIN "
        f"(SELECT * FROM {lines} WHERE kind = 'usage') l USING (account_id, offer_id, offer_version, component_id) "
        "WHERE amount <> 0"
    )
