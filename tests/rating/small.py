"""Offers in a line, a few records, and what a rater charges for them: what the small tests of rating share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from workbench.model.ids import device_key
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.model.plan import Period
from workbench.rating.batch import Rater
from workbench.tariff.catalogue import loads
from workbench.tariff.plan import compile_plan

HEAD = """
meters:
  - {id: m.data, unit: byte, dimensions: [country]}
  - {id: m.sms, unit: message}
  - {id: m.sales, unit: nano, currency: EUR}
  - {id: m.out, unit: byte}
partners: [{id: op}]
offers:
"""
OFFER = "  - {id: %s, version: 1, currency: EUR, effective: 2020-01-01, split: {rest: op}, %s}\n"
START = datetime(2026, 1, 1, tzinfo=UTC)
JANUARY = Period(START, datetime(2026, 2, 1, tzinfo=UTC))
NANO = 10**9


@dataclass(frozen=True)
class Seen:
    """A record: hours after the start of January, a device, its units and events."""

    hour: float
    device: str
    units: int
    events: int = 1
    country: str = "DE"


def table(rows: Sequence[Seen]) -> pa.Table:
    return pa.table(
        {
            "device_key": pa.array([device_key("main", row.device) for row in rows], pa.int64()),
            "window_start": pa.array([(START + timedelta(hours=row.hour)).replace(tzinfo=None) for row in rows], pa.timestamp("us")),
            "units": pa.array([row.units for row in rows], pa.int64()),
            "n_events": pa.array([row.events for row in rows], pa.int32()),
            "country": pa.array([row.country for row in rows], pa.string()),
        }
    )  # fmt: skip


class World:
    """A rater of some offers, which the devices d1, d2 ... of one account have subscribed."""

    def __init__(self, *offers: str, devices: int = 2, more: str = "", **said: Any) -> None:
        self.con = duckdb.connect()
        names = [f"d{number}" for number in range(1, devices + 1)]
        text = HEAD + "".join(OFFER % (f"o{number}", offer) for number, offer in enumerate(offers, 1)) + more
        parties = Parties(
            (Account("acme"), Account("payer")), (), tuple(Device(name) for name in names),
            tuple(Subscription(f"s{name}{n}", "acme", f"o{n}", datetime(2020, 1, 1, tzinfo=UTC), device_id=name)
                  for name in names for n in range(1, len(offers) + 1)),
        )  # fmt: skip
        self.plan = compile_plan(loads(text), parties, JANUARY, con=self.con)
        self.rater = Rater(self.con, self.plan, **said)

    def observe(self, *rows: Seen, stream: str = "m.data") -> None:
        self.con.register("seen", table(rows))
        self.rater.observe(stream, "seen")

    def rate(self, *rows: Seen, stream: str = "m.data") -> list[int]:
        """Nano of each charge (over the denominator one), by time, device and line."""
        self.con.register("seen", table(rows))
        made = self.rater.rate(stream, "seen").charges
        found = self.con.execute(f"SELECT amount FROM ({made}) ORDER BY window_start, device_key, line_no")
        return [amount for (amount,) in found.fetchall()]

    def uncharged(self, *rows: Seen, stream: str = "m.data") -> list[str]:
        self.con.register("seen", table(rows))
        made = self.rater.rate(stream, "seen").uncharged
        return [
            reason
            for (reason,) in self.con.execute(f"SELECT reason FROM ({made}) ORDER BY window_start").fetchall()
        ]

    def recurring(self) -> list[int]:
        found = self.con.execute(f"SELECT amount FROM ({self.rater.recurring()}) ORDER BY 1").fetchall()
        return [amount for (amount,) in found]


def price(text: str, more: str = "", meter: str = "m.data", name: str = "a") -> str:
    return f"prices: [{{id: {name}, meter: {meter}, {text}}}]{more and ', ' + more}"


EACH = "per_unit: {amount: 1}"
TIERS = "graduated: {tiers: [{up_to: 10, amount: 2}, {amount: 1}]}"
PACK = "package: {amount: 5, size: 10}"
JUMPS = "volume: {tiers: [{up_to: 10, amount: 2}, {amount: 1}]}"
