"""Half a million devices and 43.2 thousand million events come to 12,000.00 and not a cent less."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import duckdb
import pytest

from workbench.model.plan import Period
from workbench.rating.batch import Rater
from workbench.tariff.catalogue import loads
from workbench.tariff.plan import compile_plan

CATALOGUE = """
meters: [{id: node.status, unit: message}]
partners: [{id: operator}]
offers:
  - id: heartbeat
    version: 1
    currency: USD
    effective: 2026-01-01
    # A message each second of a day: 86,400 per device, 0.024 USD.
    prices: [{id: status, meter: node.status, per_unit: {amount: 0.024, per: 86400 messages}}]
    split: {rest: operator}
"""
DEVICES = 500_000
PARTIES = {
    "accounts": "(SELECT 'acme' AS account_id, 'USD' AS currency, 'UTC' AS zone, 1 AS billing_anchor_day)",
    "devices_info": f"(SELECT 'd' || i AS device_id, NULL::VARCHAR AS group_id FROM range({DEVICES}) t(i))",
    "devices": f"(SELECT i AS device_key, 'd' || i AS device_id FROM range({DEVICES}) t(i))",
    "subscriptions": "(SELECT 's' || i AS subscription_id, 'acme' AS account_id, 'd' || i AS device_id, "
    "NULL::VARCHAR AS group_id, 'heartbeat' AS offer_id, TIMESTAMP '2026-01-01' AS starts_at, "
    f"NULL::TIMESTAMP AS ends_at, 'active' AS sim_state, '' AS overrides FROM range({DEVICES}) t(i))",
}


@pytest.mark.slow
def test_500_000_devices_cost_exactly_12_000() -> None:
    period = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    with duckdb.connect() as con:
        plan = compile_plan(loads(CATALOGUE), PARTIES, period, con=con)
        rater = Rater(con, plan)
        with con.cursor() as other:
            other.execute(
                "CREATE TABLE fleet AS SELECT i AS device_key, TIMESTAMP '2026-01-05 00:00:00' AS window_start, "
                f"86400::BIGINT AS units, 86400::INTEGER AS n_events FROM range({DEVICES}) t(i)"
            ).fetchall()
        rated = rater.rate("node.status", "fleet")
        charged = con.execute(
            f"SELECT count(*), sum(units)::BIGINT, sum(amount)::HUGEINT, min(amount), max(amount) FROM ({rated.charges})"
        ).fetchall()
        denominator = int(plan.lines.to_pylist()[0]["price_denominator"])
    (count, units, amount, least, most) = charged[0]
    assert (count, units) == (DEVICES, 43_200_000_000)
    assert Fraction(int(amount), denominator) == 12_000 * 10**9
    assert (
        Fraction(least, denominator) == Fraction(most, denominator) == 24_000_000
    )  # 0.024 USD: two cents and a bit
