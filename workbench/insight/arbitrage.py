"""Use bent to the price list: just under a step, on one handset with many free SIMs, or sent after the period's end.

Set-based joins over the whole fleet, like the estate's leaks. A lasting reversal of a meter's hours is found by
``fleet/usage.py`` (rule ``arbitrage.reversed``); here is what needs the price list or more than one device.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from workbench.insight.finding import Finding, Reason
from workbench.insight.pricelist import rated_by
from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.model.ids import short_hash
from workbench.model.offer import Catalogue
from workbench.model.price import Graduated, Package, StairStep, Volume

CERTAIN = 9.0
PERIODS_LEAST = 3
"""Periods in which a device must have ended just under the same step: once is chance, three times is a habit."""

_UNDER = 0.05  # of the step
_HANDSETS_LEAST = 5  # SIMs on one handset
_BACKDATED_SHARE = 0.1
_BACKDATED_LEAST = 20
_LISTED_MAX = 10_000


def of_estate(lake: Lake) -> list[Finding]:
    """Arbitrage that shows in charges of several periods."""
    if not lake.segments("charges") or not lake.segments("subscriptions"):
        return []
    return _under_a_step(lake)


def of_stream(lake: Lake, stream: str) -> list[Finding]:
    """Arbitrage that shows in a stream's messages."""
    landed = lake.scan("landed", stream=stream)
    columns = {row[0] for row in lake.con.execute(f"DESCRIBE SELECT * FROM {landed}").fetchall()}
    return (_shared_handset(lake, stream, landed) if "imei" in columns else []) + _backdated(
        lake, stream, landed
    )


def _shared_handset(lake: Lake, stream: str, landed: str) -> list[Finding]:
    """One handset behind many SIMs, where handsets usually have one: free tiers used side by side."""
    rows = lake.con.execute(
        f"WITH pairs AS (SELECT imei::VARCHAR AS imei, device_key, min(ends_at) AS a, max(ends_at) AS b FROM {landed} "
        "WHERE imei IS NOT NULL GROUP BY ALL), shared AS (SELECT imei, count(*) AS sims, min(a) AS a, max(b) AS b, "
        "list_sort(list(device_key)) AS keys FROM pairs GROUP BY 1), usual AS (SELECT quantile_disc(sims, 0.9) AS q FROM shared) "
        "SELECT imei, sims, a, b, q, (SELECT list_sort(list(coalesce(d.device_id, k::VARCHAR))) FROM unnest(keys) AS t(k) "
        f"LEFT JOIN {lake.scan('devices')} d ON d.device_key = k) FROM shared CROSS JOIN usual "
        f"WHERE sims >= {_HANDSETS_LEAST} AND sims > 3 * q ORDER BY sims DESC, imei LIMIT {_LISTED_MAX}"
    ).fetchall()
    return [
        _finding(lake, stream, f"handset {imei}", "arbitrage.shared_handset", a, b, float(sims), float(usual),
                 "SIMs on one handset", f"fewer than {_HANDSETS_LEAST} SIMs had spoken from it",
                 f"SELECT DISTINCT device_key FROM {_table(stream)} WHERE imei::VARCHAR = {quote(str(imei))}", tuple(members))
        for imei, sims, a, b, usual, members in rows
    ]  # fmt: skip


def _backdated(lake: Lake, stream: str, landed: str) -> list[Finding]:
    """Readings of a month's last day that arrive a day or more later, in the next month: again and again one device."""
    rows = lake.con.execute(
        "WITH late AS (SELECT device_key, count(*) FILTER (received_at - ends_at >= INTERVAL 1 DAY AND "
        "date_trunc('month', received_at) > date_trunc('month', ends_at)) AS late, count(*) AS n, min(ends_at) AS a, "
        f"max(ends_at) AS b FROM {landed} WHERE ends_at >= date_trunc('month', ends_at) + INTERVAL 1 MONTH - INTERVAL 1 DAY "
        "GROUP BY 1), usual AS (SELECT sum(late) / greatest(sum(n), 1) AS share FROM late) "
        "SELECT coalesce(d.device_id, l.device_key::VARCHAR), a, b, late::DOUBLE / n, share FROM late l CROSS JOIN usual "
        f"LEFT JOIN {lake.scan('devices')} d USING (device_key) WHERE late >= {_BACKDATED_LEAST} "
        f"AND late >= {_BACKDATED_SHARE} * n AND late::DOUBLE / n > 5 * share ORDER BY 4 DESC, 1 LIMIT {_LISTED_MAX}"
    ).fetchall()
    return [
        _finding(lake, stream, device, "arbitrage.backdated", a, b, float(share), float(usual),
                 "share of the last day sent after the period's end", "its last day had arrived within a day",
                 f"SELECT * FROM {_table(stream)} e JOIN devices USING (device_key) WHERE device_id = {quote(device)} "
                 "AND received_at - ends_at >= INTERVAL 1 DAY")
        for device, a, b, share, usual in rows
    ]  # fmt: skip


def _under_a_step(lake: Lake) -> list[Finding]:
    """Devices whose use ended just under the same price step in every one of several periods."""
    catalogue = rated_by(lake)
    steps = _steps(catalogue) if catalogue else []
    if not steps:
        return []
    listed = ", ".join(f"({quote(offer)}, {quote(component)}, {step})" for offer, component, step in steps)
    rows = lake.con.execute(
        f"WITH steps(offer_id, component_id, step) AS (VALUES {listed}), totals AS ({_totals(lake)}), "
        "near AS (SELECT t.*, s.step, "
        f"(t.units <= s.step AND t.units >= {1 - _UNDER} * s.step) AS under "
        "FROM totals t JOIN steps s USING (offer_id, component_id)), "
        "habit AS (SELECT device_id, step, count_if(under) AS hits, count(*) AS periods, min(period_start) AS a, "
        "max(period_end) AS b FROM near GROUP BY ALL), usual AS (SELECT step, sum(hits) / greatest(sum(periods), 1) AS share "
        "FROM habit GROUP BY 1) SELECT device_id, a, b, hits, periods, h.step, share FROM habit h JOIN usual u USING (step) "
        f"WHERE hits >= {PERIODS_LEAST} AND hits >= 0.8 * periods AND share < 0.2 ORDER BY hits DESC, 1 LIMIT {_LISTED_MAX}"
    ).fetchall()
    return [
        _finding(lake, "", device, "arbitrage.under_step", a, b, float(hits), float(share * periods),
                 f"of {periods} periods ended just under {step:,} units",
                 f"fewer than {PERIODS_LEAST} periods had ended within {_UNDER:.0%} under the step",
                 f"SELECT c.* FROM charges c JOIN devices USING (device_key) WHERE device_id = {quote(device)}")
        for device, a, b, hits, periods, step, share in rows
    ]  # fmt: skip


def _totals(lake: Lake) -> str:
    """Units of each device, component and period; a line's number means something only within its period."""
    parts = []
    for period in sorted({segment.period for segment in lake.segments("charges")}):
        parts.append(
            "SELECT d.device_id, l.offer_id, l.component_id, l.period_start, max(l.period_end) AS period_end, "
            f"sum(c.units)::DOUBLE AS units FROM {lake.scan('charges', period=period)} c "
            f"JOIN {lake.scan('lines', period=period)} l USING (line_no) "
            f"JOIN {lake.scan('devices')} d USING (device_key) WHERE l.kind = 'usage' GROUP BY ALL"
        )
    return " UNION ALL ".join(parts)


def _steps(catalogue: Catalogue) -> list[tuple[str, str, int]]:
    """Every bound at which a price changes: (offer, component, units)."""
    found: set[tuple[str, str, int]] = set()
    for offer in catalogue.offers:
        for component in offer.components:
            if component.allowance:
                found.add((offer.id, component.id, component.allowance.units))
            for rate in component.rates:
                price = rate.price
                if isinstance(price, (Graduated, Volume)):
                    found |= {
                        (offer.id, component.id, low.up_to)
                        for low, high in pairwise(price.tiers)
                        if low.up_to and (low.amount, low.flat) != (high.amount, high.flat)
                    }
                elif isinstance(price, StairStep):
                    found |= {(offer.id, component.id, one.up_to) for one in price.steps[:-1] if one.up_to}
                elif isinstance(price, Package) and price.free:
                    found.add((offer.id, component.id, price.free))
    return sorted(found)


def _table(stream: str) -> str:
    return f"landed_{stream}".replace(".", "_").replace("-", "_")


def _finding(
    lake: Lake, stream: str, device: str, rule: str, since: datetime, until: datetime, observed: float, usual: float,
    unit: str, clears: str, query: str, members: tuple[str, ...] = (),
) -> Finding:  # fmt: skip
    reason = Reason(rule, "", CERTAIN, observed, usual, usual, unit)
    return Finding(
        short_hash(lake.tenant, stream, device, "arbitrage", rule, since), "arbitrage", stream, device, (reason,), since,
        until, query, f"it would not be raised if {clears}", 10.0**-CERTAIN, members,
    )  # fmt: skip
