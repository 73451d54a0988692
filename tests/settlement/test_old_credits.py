"""Credits of a period that was rated before there were paid ones."""

from __future__ import annotations

from tests.settlement.conftest import EUR, JAN, Row
from tests.settlement.test_close import shut
from workbench.rating.carry import credits_from


def test_a_period_rated_before_there_were_paid_credits_still_closes(world) -> None:
    """Its credits have no column ``kind``: all of them are promotional, and nothing is paid with them."""
    world.rate(JAN, [Row("a", EUR)])
    old = (
        "SELECT 'a' AS account_id, 'plan' AS offer_id, 'welcome' AS credit_id, 5::DECIMAL(38,0) AS left_nano, "
        "1::DECIMAL(38,0) AS left_denominator, 0 AS priority, TIMESTAMP '2026-01-01' AS granted_at, "
        "TIMESTAMP '2027-01-01' AS expires_at"
    )
    lake = world.lake
    lake.commit({}, add=[lake.write("credits", old, period=JAN)])
    shut(world)
    assert JAN in lake.facts("close")
    (balance,) = credits_from(lake.con.sql(f"SELECT * FROM {lake.scan('credits')}").to_arrow_table())[
        "a", "plan"
    ]
    assert (balance.kind, balance.left) == ("promotional", 5)
