"""A small rated world: hand-made lines and charges in a real lake, and the offers they were rated by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pytest

from workbench.lake.lake import Lake
from workbench.model.offer import Catalogue, Micropayment, Offer, Tax
from workbench.model.split import Split, SplitRule

JAN, FEB, MAR = "2026-01-01/2026-02-01", "2026-02-01/2026-03-01", "2026-03-01/2026-04-01"
NOW = datetime(2026, 4, 2, 9, tzinfo=UTC)
MONEY = pa.decimal128(38, 0)
EUR = 10**9
CENT = 10**7


def offer(offer_id: str = "lamp", **more: object) -> Offer:
    """70 % for the operator, 30 % for city-power, 19 % tax on top, unless said otherwise."""
    base = Offer(
        offer_id,
        1,
        "EUR",
        date(2026, 1, 1),
        taxes=(Tax("standard", Fraction(19, 100)),),
        split=Split((SplitRule("city-power", rate=Fraction(3, 10)),), rest="operator"),
    )
    return replace(base, **more)


INCLUSIVE = (Tax("standard", Fraction(19, 100), inclusive=True),)


def small(minimum: int | Fraction = 0, *, carry: bool = False) -> Micropayment:
    """A micropayment policy; ``minimum`` in EUR."""
    return Micropayment(carry_remainder=carry, minimum_invoice=Fraction(minimum))


@dataclass
class Row:
    """One charge of one line; ``amount`` over ``den`` nano."""

    account: str
    amount: int
    offer: str = "lamp"
    component: str = "energy"
    kind: str = "usage"
    den: int = 1
    units: int = 1
    device: int | None = 1
    version: int = 1
    currency: str = "EUR"
    category: str = "standard"
    ppm: int = 190_000

    @property
    def key(self) -> tuple[object, ...]:
        return (self.account, self.offer, self.version, self.component, self.kind, self.category)


@dataclass
class World:
    """A lake, and the ways to fill it."""

    lake: Lake
    offers: dict[str, Offer] = field(default_factory=lambda: {"lamp": offer()})

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue(offers=tuple(self.offers.values()))

    def tables(self, period: str, rows: list[Row]) -> tuple[pa.Table, pa.Table]:
        """Lines and charges as rating would write them."""
        start, end = (datetime.fromisoformat(day) for day in period.split("/"))
        keys = {row.key: row for row in sorted(rows, key=lambda row: row.key)}
        numbers = {key: number for number, key in enumerate(keys, 1)}
        first = list(keys.values())
        count = len(first)
        lines = {
            "line_no": pa.array(numbers.values(), pa.int32()),
            "account_id": [row.account for row in first],
            "offer_id": [row.offer for row in first],
            "offer_version": pa.array([row.version for row in first], pa.int32()),
            "component_id": [row.component for row in first],
            "kind": [row.kind for row in first],
            "meter": ["lamps.energy"] * count,
            "period_start": pa.array([start] * count, pa.timestamp("us")),
            "period_end": pa.array([end] * count, pa.timestamp("us")),
            "currency": [row.currency for row in first],
            "price_denominator": pa.array([row.den for row in first], MONEY),
            "tax_category": [row.category for row in first],
            "tax_rate_ppm": pa.array([row.ppm for row in first], pa.int32()),
        }
        charges = {
            "line_no": pa.array([numbers[row.key] for row in rows], pa.int32()),
            "device_key": pa.array([row.device for row in rows], pa.int64()),
            "window_start": pa.array([start] * len(rows), pa.timestamp("us")),
            "units": pa.array([row.units for row in rows], pa.int64()),
            "amount": pa.array([row.amount for row in rows], pa.int64()),
            "step": pa.array([0] * len(rows), pa.int16()),
        }
        return pa.table(lines), pa.table(charges)

    def rate(self, period: str, rows: list[Row], **subscribed: object) -> None:
        """Put a rated period into the lake, and subscriptions for whoever is billed."""
        lines, charges = self.tables(period, rows)
        parts = [
            self.lake.write("lines", lines, period=period, order_by=("line_no",)),
            self.lake.write("charges", charges, period=period, stream="lamps.energy", presorted=("line_no",)),
        ]
        self.lake.commit({"stage": "rate"}, add=parts)
        self.subscribe(rows)

    def subscribe(self, rows: list[Row], state: str = "active") -> None:
        """One subscription per account and offer that has none yet."""
        old = self.lake.segments("subscriptions")
        known = self.lake.con.execute(
            f"SELECT account_id, offer_id, sim_state FROM {self.lake.scan('subscriptions')}"
        ).fetchall()
        states = {(account, offer_id): sim for account, offer_id, sim in known}
        for row in rows:
            states.setdefault((row.account, row.offer), state)
        names = sorted(states)
        table = pa.table(
            {
                "subscription_id": [f"sub-{account}-{offer_id}" for account, offer_id in names],
                "account_id": [account for account, _ in names],
                "device_id": pa.array([None] * len(names), pa.string()),
                "group_id": pa.array([None] * len(names), pa.string()),
                "offer_id": [offer_id for _, offer_id in names],
                "starts_at": pa.array(
                    [datetime.fromisoformat("2026-01-01")] * len(names), pa.timestamp("us")
                ),
                "ends_at": pa.array([None] * len(names), pa.timestamp("us")),
                "sim_state": [states[name] for name in names],
                "overrides": ["{}"] * len(names),
            }
        )
        new = self.lake.write("subscriptions", table, order_by=("subscription_id",))
        if new.id not in self.lake.state.segments:
            self.lake.commit({"stage": "parties"}, add=[new], remove=old)

    def rows(
        self, kind: str, columns: str, order: str = "ALL", where: str = "true"
    ) -> list[tuple[object, ...]]:
        """Rows of a kind of segment."""
        sql = f"SELECT {columns} FROM {self.lake.scan(kind)} WHERE {where} ORDER BY {order}"
        return self.lake.con.execute(sql).fetchall()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Lake.open(tmp_path / "lake", create=True) as lake, lake.writer():
        yield World(lake)
