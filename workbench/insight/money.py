"""What money hangs on a finding: the use of the episode priced as delivered and without the anomaly.

Both are asked of the price list the lake was rated with, so the figure is the bill's own arithmetic, not an estimate
of it. Where nothing was rated, or a stream is not billed, there is no figure rather than a guess.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from workbench.errors import WorkbenchError
from workbench.insight.finding import Finding, Money
from workbench.insight.pricelist import rated_by
from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.model.offer import Catalogue
from workbench.tariff.quote import price

_BILLED = (
    "stuck",
    "silent",
    "spike",
    "sentinel",
    "drift",
    "counter_reset",
    "duplicate",
    "compromised",
    "zero_usage",
    "consumption",
    "theft",
    "arbitrage",
    "metering_outage",
)


class _Use(NamedTuple):
    billed: int
    usual: int


def priced(lake: Lake, findings: list[Finding]) -> list[Finding]:
    """The findings with their money."""
    catalogue = rated_by(lake)
    if catalogue is None:
        return findings
    subscribed = _offers(lake)
    return [one.priced(_money(lake, one, catalogue, subscribed)) for one in findings]


def _offers(lake: Lake) -> dict[str, str]:
    """Offer of each device that has a subscription of its own."""
    if not lake.segments("subscriptions"):
        return {}
    rows = lake.con.execute(
        f"SELECT device_id, max(offer_id) FROM {lake.scan('subscriptions')} WHERE device_id IS NOT NULL GROUP BY 1"
    ).fetchall()
    return {str(device): str(offer) for device, offer in rows}


def _money(lake: Lake, one: Finding, catalogue: Catalogue, subscribed: dict[str, str]) -> Money | None:
    offer_id = subscribed.get(one.device_id)
    counted = one.kind == "compromised" or one.reasons[0].column in (
        "",
        "units",
        "reading",
        "bytes",
    )  # lux and temperature are not billed
    if offer_id is None or one.kind not in _BILLED or not one.stream or not counted:
        return None
    use = _use(lake, one)
    try:
        offer = catalogue.offer(offer_id)
        component = next(part for part in offer.components if part.meter == one.stream)
        asked = [
            price(offer, units, component=component.id, catalogue=catalogue).amount
            for units in (use.billed, use.usual)
        ]
    except (WorkbenchError, StopIteration, KeyError):
        return (
            None  # this price needs what a finding does not know (dimensions), or does not count this stream
        )
    return Money(Fraction(asked[0]), Fraction(asked[1]), offer.currency, f"{offer.id} v{offer.version}")


def _use(lake: Lake, one: Finding) -> _Use:
    """Units recorded in the episode, and the units usual for as many windows of this device outside it."""
    records = lake.scan("records", stream=one.stream)
    inside = (
        f"window_start >= TIMESTAMP {quote(one.since.isoformat(sep=' '))} - INTERVAL 15 MINUTE "
        f"AND window_start <= TIMESTAMP {quote(one.until.isoformat(sep=' '))}"
    )
    row = lake.con.execute(
        f"WITH mine AS (SELECT window_start, units, ({inside}) AS hit FROM {records} r JOIN {lake.scan('devices')} d "
        f"USING (device_key) WHERE d.device_id = {quote(one.device_id)}), "
        "grid AS (SELECT greatest(count(*), 1) AS n, coalesce(quantile_disc(units, 0.5), 0)::BIGINT AS middle, "
        "coalesce(sum(units), 0)::BIGINT AS total FROM mine WHERE NOT hit) "
        "SELECT coalesce((SELECT sum(units) FROM mine WHERE hit), 0)::BIGINT, "
        f"(total * (SELECT greatest(count(DISTINCT window_start), 0) FROM {records} WHERE {inside})) // n FROM grid"
    ).fetchall()[0]
    return _Use(max(int(row[0]), 0), max(int(row[1]), 0))
