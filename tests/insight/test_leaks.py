"""Leaks and arbitrage on tables made by hand: one culprit of each kind among honest devices, and nobody else is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest

from workbench.insight import arbitrage, estate
from workbench.insight.finding import Finding
from workbench.lake import engine
from workbench.lake.lake import Lake
from workbench.tariff import restore
from workbench.tariff.catalogue import loads

DAY = datetime(2026, 3, 2)
DEVICES = 30
CULPRIT = 7


@dataclass
class Tables:
    """Tables under the names a lake gives them; what ``estate`` and ``arbitrage`` ask of a lake, and no more."""

    tenant: str = "main"
    con: Any = field(default_factory=lambda: engine.connect([], None, 1, "256MB"))
    made: dict[str, pa.Table] = field(default_factory=dict)

    def put(self, kind: str, rows: list[dict[str, Any]], types: dict[str, str] | None = None) -> Tables:
        table = pa.Table.from_pylist(rows)
        self.con.register(f"t_{kind}", table)
        casts = ", ".join(f"{name}::{kind_} AS {name}" for name, kind_ in (types or {}).items())
        self.con.execute(
            f"CREATE TABLE {kind} AS SELECT * {f'REPLACE ({casts})' if casts else ''} FROM t_{kind}"
        )
        self.made[kind] = table
        return self

    def segments(self, kind: str, **_: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(stream="sims.data", period="2026-03")] if kind in self.made else []

    def scan(self, kind: str, **_: Any) -> str:
        return kind


def honest() -> Tables:
    """Thirty SIMs that are active, billed, speak from their own handsets and use something every hour of ten days."""
    tables = Tables()
    tables.put("devices", [{"device_key": n, "device_id": f"sim-{n:02d}"} for n in range(DEVICES)])
    tables.put(
        "subscriptions",
        [{"device_id": f"sim-{n:02d}", "offer_id": "data", "sim_state": "active", "starts_at": DAY - timedelta(90),
          "ends_at": None} for n in range(DEVICES)],
        {"ends_at": "TIMESTAMP"},
    )  # fmt: skip
    return tables


def hours(skip: int | None = None, zero: int | None = None) -> list[dict[str, Any]]:
    return [
        {"device_key": n, "window_start": DAY + timedelta(hours=h), "units": 0 if n == zero else 5 + n % 3, "n_events": 4}
        for n in range(DEVICES) if n != skip for h in range(240)
    ]  # fmt: skip


def messages(**one: Any) -> list[dict[str, Any]]:
    """Four messages a day of every SIM; ``one`` changes what the culprit says."""
    rows = []
    for n in range(DEVICES):
        for quarter in range(40):
            at = DAY + timedelta(hours=6 * quarter)
            row = {
                "device_key": n,
                "ends_at": at,
                "received_at": at + timedelta(seconds=2),
                "imei": f"35{n:013d}",
            }
            rows.append(
                row | {k: v(row) if callable(v) else v for k, v in (one if n == CULPRIT else {}).items()}
            )
    return rows


def named(found: list[Finding], kind: str) -> list[str]:
    return [one.device_id for one in found if one.kind == kind]


def leaks(tables: Tables) -> list[Finding]:
    return estate.leaks(cast(Lake, tables))


def test_an_honest_estate_has_no_leak() -> None:
    identities = [
        {"kind": "imei", "value": f"35{n:013d}", "device_id": f"sim-{n:02d}", "starts_at": DAY - timedelta(90), "ends_at": None}
        for n in range(DEVICES)
    ]  # fmt: skip
    tables = honest().put("records", hours()).put("landed", messages())
    tables.put("identities", identities, {"ends_at": "TIMESTAMP"})
    assert leaks(tables) == []
    assert arbitrage.of_stream(cast(Lake, tables), "sims.data") == []


def test_a_sim_that_is_paid_for_and_never_heard_is_a_zombie() -> None:
    found = leaks(honest().put("records", hours(skip=CULPRIT)))
    assert named(found, "zombie") == ["sim-07"]
    assert found[0].reasons[0].rule == "estate.zombie" and "had been used once" in found[0].clears


def test_a_short_look_calls_nobody_a_zombie() -> None:
    short = [row for row in hours(skip=CULPRIT) if row["window_start"] < DAY + timedelta(days=3)]
    assert named(leaks(honest().put("records", short)), "zombie") == []


@pytest.mark.parametrize("state", ["suspended", "terminated"])
def test_charges_while_a_sim_was_off_are_named_and_those_before_are_not(state: str) -> None:
    tables = honest().put("records", hours())
    off = DAY + timedelta(days=4)
    tables.con.execute(
        f"UPDATE subscriptions SET ends_at = TIMESTAMP '{off}' WHERE device_id IN ('sim-07', 'sim-08')"
    )
    for device in ("sim-07", "sim-08"):
        tables.con.execute(
            f"INSERT INTO subscriptions VALUES ('{device}', 'data', '{state}', TIMESTAMP '{off}', NULL)"
        )
    charged = [
        {"line_no": 1, "device_key": n, "window_start": DAY + timedelta(days=d), "units": 5, "amount": 10, "step": 0}
        for n in range(DEVICES) for d in range(10) if n != 8 or d < 4
    ]  # fmt: skip
    found = [one for one in leaks(tables.put("charges", charged)) if one.kind == "billed_while_suspended"]
    assert [one.device_id for one in found] == ["sim-07"]
    assert found[0].reasons[0].observed == 6 and found[0].since == off


def test_use_without_a_price_is_named_with_its_reason_and_use_charged_online_is_not() -> None:
    rows = [
        {
            "stream": "sims.data",
            "device_key": CULPRIT,
            "window_start": DAY,
            "units": 900,
            "reason": "no_subscription",
        },
        {
            "stream": "sims.data",
            "device_key": 3,
            "window_start": DAY,
            "units": 500,
            "reason": "charged_online",
        },
        {
            "stream": "sims.data",
            "device_key": 4,
            "window_start": DAY,
            "units": 0,
            "reason": "no_subscription",
        },
    ]
    found = [
        one
        for one in leaks(honest().put("records", hours()).put("uncharged", rows))
        if one.kind == "used_not_billed"
    ]
    assert [one.device_id for one in found] == ["sim-07"]
    assert found[0].reasons[0].observed == 900 and "no_subscription" in found[0].reasons[0].unit


def test_a_foreign_handset_is_a_breach_only_while_the_lock_holds() -> None:
    tables = honest().put("landed", messages(imei="359999999999999"))
    lock = {
        "kind": "imei",
        "value": f"35{CULPRIT:013d}",
        "device_id": "sim-07",
        "starts_at": DAY - timedelta(90),
    }
    tables.put("identities", [lock | {"ends_at": DAY + timedelta(days=2)}])
    (breach,) = [one for one in leaks(tables) if one.kind == "imei_lock_breach"]
    assert breach.device_id == "sim-07" and breach.until < DAY + timedelta(days=2)
    assert breach.reasons[0].observed == 8


def test_a_storm_is_many_times_the_peers_hour_and_a_busy_fleet_is_none() -> None:
    storm = [
        {"device_key": CULPRIT, "ends_at": DAY, "received_at": DAY + timedelta(seconds=s), "imei": f"35{CULPRIT:013d}"}
        for s in range(0, 3600, 10)
    ]  # fmt: skip
    found = leaks(honest().put("landed", messages() + storm))
    assert named(found, "reconnect_storm") == ["sim-07"] and found[0].reasons[0].observed >= 360
    everybody = [row | {"device_key": n} for row in storm for n in range(DEVICES)]
    assert named(leaks(honest().put("landed", everybody)), "reconnect_storm") == []


def test_a_meter_that_reports_and_measures_nothing_is_zero_use_unless_all_rest() -> None:
    assert named(leaks(honest().put("records", hours(zero=CULPRIT))), "zero_usage") == ["sim-07"]
    resting = [row | {"units": 0} for row in hours()]
    assert named(leaks(honest().put("records", resting)), "zero_usage") == []
    seldom = [
        row
        for row in hours(zero=CULPRIT)
        if row["device_key"] != CULPRIT or row["window_start"] < DAY + timedelta(hours=20)
    ]
    assert named(leaks(honest().put("records", seldom)), "zero_usage") == []


def test_one_handset_behind_many_sims_is_arbitrage_with_its_members() -> None:
    rows = [row | ({"imei": "350000000000099"} if row["device_key"] < 6 else {}) for row in messages()]
    (found,) = arbitrage.of_stream(cast(Lake, honest().put("landed", rows)), "sims.data")
    assert found.reasons[0].rule == "arbitrage.shared_handset" and found.reasons[0].observed == 6
    assert found.members == tuple(f"sim-{n:02d}" for n in range(6))
    pairs = [row | {"imei": f"35{row['device_key'] // 2:013d}"} for row in messages()]
    assert arbitrage.of_stream(cast(Lake, honest().put("landed", pairs)), "sims.data") == []


def test_a_last_day_that_is_sent_in_the_next_month_is_arbitrage_when_only_one_does_it() -> None:
    last = datetime(2026, 3, 31)
    rows = [
        {"device_key": n, "ends_at": last + timedelta(minutes=30 * k),
         "received_at": last + timedelta(minutes=30 * k, days=3 if n == CULPRIT else 0)}
        for n in range(DEVICES) for k in range(47)
    ]  # fmt: skip
    (found,) = arbitrage.of_stream(cast(Lake, honest().put("landed", rows)), "sims.data")
    assert (found.device_id, found.reasons[0].rule) == ("sim-07", "arbitrage.backdated")
    everybody = [row | {"received_at": row["ends_at"] + timedelta(days=3)} for row in rows]
    assert arbitrage.of_stream(cast(Lake, honest().put("landed", everybody)), "sims.data") == []


OFFER = """
meters: [{id: sims.data, unit: byte}]
partners: [{id: op}]
offers:
  - id: data
    version: 1
    currency: EUR
    effective: 2020-01-01
    split: {rest: op}
    prices: [{id: use, meter: sims.data, graduated: {tiers: [{up_to: 1000, amount: 0.02}, {amount: 0.01}]}}]
"""


def periods(*culprit: int) -> Tables:
    """Months of charges: honest use is spread widely, the culprit's totals are given."""
    tables = honest()
    tables.put("catalog", restore.rows(loads(OFFER)).to_pylist())
    starts = [datetime(2026, month, 1) for month in range(1, len(culprit) + 1)]
    lines = [
        {"line_no": n, "offer_id": "data", "component_id": "use", "kind": "usage", "period_start": at, "period_end": at + timedelta(30)}
        for n, at in enumerate(starts)
    ]  # fmt: skip
    charges = [
        {"line_no": month, "device_key": n, "window_start": at, "amount": 1,
         "units": culprit[month] if n == CULPRIT else 300 + 90 * ((n + month) % DEVICES)}
        for month, at in enumerate(starts) for n in range(DEVICES)
    ]  # fmt: skip
    return tables.put("lines", lines).put("charges", charges)


def test_ending_just_under_the_same_step_every_month_is_arbitrage() -> None:
    (found,) = arbitrage.of_estate(cast(Lake, periods(980, 996, 999, 1000)))
    assert (found.device_id, found.reasons[0].rule) == ("sim-07", "arbitrage.under_step")
    assert found.reasons[0].observed == 4 and "1,000 units" in found.reasons[0].unit


@pytest.mark.parametrize("totals", [(980, 996), (980, 1400, 999, 700), (1001, 1010, 1003, 1002)])
def test_two_months_or_a_mixed_year_or_above_the_step_is_none(totals: tuple[int, ...]) -> None:
    assert arbitrage.of_estate(cast(Lake, periods(*totals))) == []
