"""Every charge of a lake in which prices of every kind share their meters, explained from its events to its invoice line."""

from __future__ import annotations

import csv
import random
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.explain import told
from workbench.lake.lake import Lake
from workbench.tariff.trace_check import check_trace

PRICES = Path(__file__).parent / "mixed.yaml"
TAKEN = {"flat": "acme", "burst": "bee", "pool": "cee", "sponsored": "dee", "bundled": "eel", "excess": "fox"}
MAPPING = """
source: car
time: {zone: UTC, ends_at: ts}
device: {column: device}
key: {columns: [device, ends_at]}
meters:
  data: {column: bytes, unit: byte}
  sms: {column: sms, unit: message}
dimensions: [apn]
"""


def write(folder: Path) -> None:
    """Two devices of each offer, heard five times in March, the first time at its first instant; ``mute`` never is."""
    draw = random.Random(1)
    devices = {f"{offer}-{n}": offer for offer in TAKEN for n in (1, 2)}
    heard = [
        [device, at, draw.randint(100_000, 900_000), draw.randint(0, 7), draw.choice(["ota", "web"])]
        for device in devices
        for at in (
            "2026-03-01T00:00Z",
            "2026-03-01T06:00Z",
            "2026-03-02T12:00Z",
            "2026-03-02T23:00Z",
            "2026-03-15T12:00Z",
        )
    ]
    table(folder / "usage.csv", ["device", "ts", "bytes", "sms", "apn"], heard)
    owned = [*devices.items(), ("mute", "flat")]
    rows = [[f"s-{device}", TAKEN[offer], offer, device, "2026-01-01T00:00:00Z"] for device, offer in owned]
    table(folder / "subs.csv", ["subscription_id", "account_id", "offer_id", "device_id", "starts_at"], rows)
    table(
        folder / "accounts.csv",
        ["account_id", "currency", "zone"],
        [[a, "EUR", "UTC"] for a in [*TAKEN.values(), "carmaker"]],
    )
    table(folder / "partners.csv", ["partner_id"], [["op"], ["maker"]])
    (folder / "map.yaml").write_text(MAPPING)
    (folder / "policy.yaml").write_text("policy: 1\ngrid: 15m\npartition: day\ndimensions: [apn]\n")


def table(path: Path, names: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])


@pytest.fixture
def closed(say, tmp_path: Path) -> Path:
    """A closed lake, made by the commands that a user types."""
    write(tmp_path)
    lake, made = tmp_path / "lake", []
    for words in (
        ["ingest", tmp_path / "usage.csv", "--mapping", tmp_path / "map.yaml", "--policy", tmp_path / "policy.yaml",
         "--lake", lake, "--received-at", "2026-04-01"],
        ["parties", "load", lake, *(word for kind in ("accounts", "partners") for word in (f"--{kind}", tmp_path / f"{kind}.csv")),
         "--subscriptions", tmp_path / "subs.csv"],
        ["rate", lake, "--period", "2026-03", "--catalog", PRICES],
        ["close", lake, "--period", "2026-03"],
        ["verify", lake, "--full"],
    ):  # fmt: skip
        made.append(say(*words, "--json"))
        assert made[-1].code == 0, made[-1].err
    return lake


def test_a_charge_of_every_line_of_a_mixed_lake_is_explained(closed: Path) -> None:
    with Lake.open(closed) as lake:
        asked = {
            (line, device is None): (line, *rest, device, at)
            for line, *rest, device, at in reversed(charges(lake))
        }
        told_of, records = explained(lake, list(asked.values()))
    assert told_of >= {
        ("flat", "gift"),
        ("flat", "rent"),
        ("burst", "line"),
        ("burst", "commitment"),
        ("excess", "data"),
    }
    assert records >= 6


@pytest.mark.slow
def test_every_charge_of_a_mixed_lake_is_explained(closed: Path) -> None:
    with Lake.open(closed) as lake:
        asked = charges(lake)
        _, records = explained(lake, asked)
    assert len(asked) > records > 100


def charges(lake: Lake) -> list[tuple[Any, ...]]:
    """(line, invoice, part, device, window) of every charge of the closed invoices; every device has a name."""
    found = lake.con.execute(
        "SELECT DISTINCT l.line_no, l.invoice_no, l.component_id, c.device_key, d.device_id, c.window_start "
        f"FROM {lake.scan('invoice_lines')} l JOIN {lake.scan('charges')} c USING (line_no) "
        f"LEFT JOIN {lake.scan('devices')} d USING (device_key) ORDER BY ALL"
    ).fetchall()
    assert [row for row in found if row[3] is not None and row[4] is None] == []
    return [(*row[:3], row[4], row[5]) for row in found]


def explained(lake: Lake, asked: list[tuple[Any, ...]]) -> tuple[set[tuple[str, str]], int]:
    """Which offers' parts were explained, and of how many charges the record was found again."""
    parts, records = set(), 0
    for line, number, part, device, at in asked:
        trace = told(lake, number, line, device or "", at)["trace"]
        check_trace(trace)
        parts.add((trace["offer"]["id"], part))
        records += "record" in trace and trace["record"]["proven"]
    return parts, records


def test_a_trace_ends_at_events_or_says_why_it_does_not(say, closed: Path) -> None:
    first = say("trace", closed, "--device", "mute").out
    assert "mute" in first
    assert "no single record: due without use" in first
