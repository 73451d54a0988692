"""A small true world: lamps, registers and buttons, delivered, mediated, rated and closed by the real rooms."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.billing import plan_of, rate_period, settle_period
from workbench.lake import parties
from workbench.lake.lake import Lake
from workbench.mediation.delivery import Delivery, deliver
from workbench.mediation.mapping_file import load_mapping
from workbench.mediation.mediate import mediate_stream
from workbench.mediation.policy import load_policy
from workbench.mediation.stream import Stream
from workbench.model.offer import Catalogue
from workbench.model.plan import Period
from workbench.tariff.catalogue import loads

START = datetime(2026, 3, 2, tzinfo=UTC)
END = START + timedelta(days=1)
PERIOD = "2026-03-02/2026-03-03"

MAPPINGS = {
    "lamps": """
source: lamps
time: {zone: UTC, ends_at: ts, received_at: received_at}
device: {column: device_id}
key: {columns: [device, ends_at]}
meters: {energy: {column: energy_mwh, unit: mWh}}
samples: {lux: integer}
""",
    "meters": """
source: meters
time: {zone: UTC, ends_at: ts, received_at: received_at}
device: {column: device_id}
key: {columns: [device, ends_at]}
meters:
  energy:
    column: reading_wh
    unit: Wh
    cumulative:
      {rollover_at: 100000, max_delta: 5000, max_delta_per: 15m, reset: from_zero, first: baseline, silence: 2h}
""",
    "buttons": """
source: buttons
time: {zone: UTC, ends_at: ts, received_at: received_at}
device: {column: device_id}
key: {event_id: event_id}
meters: {presses: {column: presses, unit: press}}
dimensions: [floor]
""",
}
POLICY = """
policy: 1
grid: 15m
partition: day
late_horizon: 40d
correction_window: 5d
dedup_horizon: 45d
accept: {past: 40d, future: 5m}
streams:
  lamps.energy: {grid: 15m, partition: hour}
  buttons.presses: {dimensions: [floor]}
"""
CATALOGUE = """
meters:
  - {id: lamps.energy, unit: mWh, title: Energy}
  - {id: meters.energy, unit: Wh, title: Energy}
  - {id: buttons.presses, unit: press, title: Presses, dimensions: [floor]}
partners: [{id: operator, name: Operator}, {id: maker, name: Maker}]
offers:
  - id: lights
    version: 1
    title: Lights
    currency: EUR
    effective: 2026-01-01
    zone: UTC
    prices: [{id: energy, title: Energy, meter: lamps.energy, per_unit: {amount: 0.05, per: 1 kWh}}]
    fees: [{id: rent, title: Rent, amount: 0.10, every: day, per: device}]
    taxes: [{category: standard, rate: 19 %}]
    split: {rules: [{partner: operator, percent: 70 %}, {partner: maker, percent: 30 %}]}
  - id: current
    version: 1
    title: Current
    currency: EUR
    effective: 2026-01-01
    zone: UTC
    prices:
      - id: energy
        title: Energy
        meter: meters.energy
        graduated: {per: 1 kWh, tiers: [{up_to: 8 kWh, amount: 0.31}, {amount: 0.27}]}
    taxes: [{category: standard, rate: 19 %}]
    split: {rules: [{partner: operator, percent: 100 %}]}
  - id: help
    version: 1
    title: Help
    currency: EUR
    effective: 2026-01-01
    zone: UTC
    prices: [{id: press, title: Press, meter: buttons.presses, per_unit: {amount: 0.01, per: 1 press}}]
    taxes: [{category: standard, rate: 19 %}]
    split: {rules: [{partner: operator, percent: 50 %}, {partner: maker, percent: 50 %}]}
"""


def catalogue() -> Catalogue:
    return loads(CATALOGUE, "world")


def _at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def lamp_rows() -> dict[str, list[object]]:
    """12 lamps, one row a minute for 3 hours; duplicates, one conflict, two rows nobody can use."""
    dice = random.Random(5)
    rows: list[tuple[object, ...]] = []
    for lamp in range(12):
        for minute in range(1, 181):
            at = _at(minute - 0.3)
            row = (
                f"lamp-{lamp:02}",
                at,
                at + timedelta(seconds=3),
                1000 + dice.randrange(50),
                dice.randrange(90),
            )
            rows.append(row)
            if dice.random() < 0.03:
                rows.append((*row[:2], at + timedelta(seconds=90), *row[3:]))
    rows.append((*rows[40][:2], _at(700), 999_999, 5))
    rows += [("lamp-00", _at(200), _at(201), None, 1), ("", _at(200), _at(201), 7, 1)]
    dice.shuffle(rows)
    names = ("device_id", "ts", "received_at", "energy_mwh", "lux")
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def meter_rows() -> dict[str, list[object]]:
    """Three registers: one plain, one that goes round and is exchanged, one with a jump no home can make."""
    readings = {
        "meter-a": [90_000 + 700 * n for n in range(20)],
        "meter-b": [*(99_000 + 400 * n for n in range(3)), 200, 650, 1100, 0, 300, 900],
        "meter-c": [5_000, 5_400, 60_000, 60_300, 60_300, 60_900],
    }
    rows = [
        (name, _at(15 * n + 5), _at(15 * n + 6), reading)
        for name, values in readings.items()
        for n, reading in enumerate(values)
    ]
    rows.append((*rows[3][:2], _at(500), rows[3][3]))
    names = ("device_id", "ts", "received_at", "reading_wh")
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def button_rows() -> dict[str, list[object]]:
    """Presses with ids of their own; some arrive again, one with another time under the same id."""
    rows = [(f"button-{n % 3}", f"e{n}", _at(7 * n), _at(7 * n + 1), 1, f"floor {n % 2}") for n in range(24)]
    rows += [(*row[:3], _at(600), *row[4:]) for row in rows[::5]]
    rows.append(("button-1", "e4", _at(300), _at(601), 1, "floor 0"))
    names = ("device_id", "event_id", "ts", "received_at", "presses", "floor")
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def party_tables() -> dict[str, pa.Table]:
    holders = {f"lamp-{n:02}": ("city" if n < 8 else "port", "lights") for n in range(11)}
    holders |= {f"meter-{n}": ("port", "current") for n in "abc"}
    holders |= {f"button-{n}": ("city", "help") for n in range(3)}
    count = len(holders)
    return {
        "accounts": pa.table({"account_id": ["city", "port"]}),
        "partners": pa.table({"partner_id": ["operator", "maker"]}),
        "subscriptions": pa.table(
            {
                "subscription_id": [f"s-{device}" for device in holders],
                "account_id": [account for account, _ in holders.values()],
                "device_id": list(holders),
                "offer_id": [offer for _, offer in holders.values()],
                "starts_at": ["2026-01-01T00:00:00Z"] * count,
            }
        ),
    }


def make(folder: Path) -> None:
    """The lake at ``folder / lake``."""
    inbox = folder / "inbox"
    inbox.mkdir(parents=True)
    (folder / "policy.yaml").write_text(POLICY)
    policy = load_policy(folder / "policy.yaml")
    with Lake.open(folder / "lake", create=True, inputs=[inbox]) as lake, lake.writer():
        parties.replace(lake, party_tables(), {"stage": "parties"})
        for source, rows in (("lamps", lamp_rows()), ("meters", meter_rows()), ("buttons", button_rows())):
            (folder / f"{source}.yaml").write_text(MAPPINGS[source])
            path = inbox / f"{source}.parquet"
            pq.write_table(pa.table(rows), path)
            done = deliver(lake, Delivery(path, load_mapping(folder / f"{source}.yaml"), END), policy)
            streams = {name: stream.to_json() for name, stream in done.streams.items()}
            facts = {"delivery": {done.delivery_id: done.account}, "stream": streams}
            lake.commit({"stage": "land"}, add=done.segments, facts=facts)
        for data in lake.facts("stream").values():
            mediated = mediate_stream(lake, Stream.from_json(data))
            lake.commit({"stage": "mediate"}, add=mediated.add, remove=mediated.remove)
        plan = plan_of(lake, catalogue(), Period(START, END))
        rated = rate_period(lake, plan)
        lake.commit({"stage": "rate"}, add=rated.add, facts=rated.facts)
        settle_period(lake, plan, END + timedelta(hours=1))
