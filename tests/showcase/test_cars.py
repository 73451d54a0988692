"""The connected cars: a real node, real requests; a feature unlocked on pay, from refusal to acceptance."""

from __future__ import annotations

import time

import workbench as wb
from workbench.dashboards.cars_app import CarsPage


def test_cars_drive_and_pay() -> None:
    with wb.car_drive(cars=60, rate=2_000) as drive:
        drive.start()
        deadline = time.monotonic() + 60
        while drive.approved < 100 and time.monotonic() < deadline:
            time.sleep(0.05)
        page = CarsPage(drive)
        page.view()
        car = drive.name(61)
        assert drive.unlock(car).code == "unknown_account"
        car = drive.name(1)
        if drive.balance(car).available >= 4_990_000_000 * drive.balance(car).denominator:
            car = drive.name(2)
        refused = drive.unlock(car)
        assert refused.code == "insufficient_balance"
        assert drive.top_up(car, 500).ok
        opened = drive.unlock(car)
        assert opened.ok and opened.charged == 4_990_000_000 * opened.denominator
        figures = drive.figures()
        assert figures["approved"] >= 100
        assert figures["p50_ms"] > 0
        assert len(drive.balances_cents()) == 60


def test_the_notebook_s_node() -> None:
    with wb.charging_node() as node:
        assert node.ask("open", account="car-1", offers=["connected-car"])["ok"]
        assert node.ask("topup", account="car-1", amount_nano=8_000_000_000)["balance"] == 8
        session = node.ask("reserve", account="car-1", meter="cars.data", units=3_000_000)
        assert str(session["held"]) == "0.9"
        assert str(node.ask("commit", account="car-1", reservation=1, used=2_000_000)["charged"]) == "0.7"
