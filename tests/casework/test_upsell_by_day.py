"""Upsell by the day: with five weeks of history outlooks come from the forecasts by weekday, and they keep their promise."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from workbench.casework.desk import Desk
from workbench.casework.money import catalogue_of
from workbench.casework.plans import sales_catalogue
from workbench.casework.projection import by_day
from workbench.casework.standing import CHANCE_LEAST, PERIODS
from workbench.casework.upsell import Sales
from workbench.lake.lake import Lake
from workbench.model.plan import Period
from workbench.showcase.build import build
from workbench.showcase.scene import Scene

DAY = timedelta(days=1)
BEGIN = datetime(2026, 4, 8, tzinfo=UTC)
PERIOD = Period(BEGIN, datetime(2026, 4, 29, tzinfo=UTC))
NAME = "2026-04-08/2026-04-29"


@pytest.fixture(scope="module")
def weeks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight weeks of forty homes; the first five are history."""
    path = tmp_path_factory.mktemp("weeks") / "lake"
    build(path, Scene({"meters": 40}, days=58))
    return path


@pytest.fixture(scope="module")
def sales(weeks: Path) -> Iterator[Sales]:
    with Lake.open(weeks) as lake:
        yield of(lake, PERIOD, NAME)


def of(lake: Lake, period: Period, name: str) -> Sales:
    known = catalogue_of(lake)
    assert known is not None
    return Sales(lake, sales_catalogue(lake.root.parent, known, None), period, name, Desk.of(lake))


def at(days: float) -> datetime:
    return (BEGIN + days * DAY).replace(tzinfo=None)


def test_five_weeks_of_history_make_days_the_slots(weeks: Path, sales: Sales) -> None:
    assert sales.step == DAY
    assert all(slot.hour == 0 for slot in sales.book.slots)
    with Lake.open(weeks) as lake:
        younger = of(
            lake,
            Period(datetime(2026, 3, 20, tzinfo=UTC), datetime(2026, 4, 3, tzinfo=UTC)),
            "2026-03-20/2026-04-03",
        )
        assert younger.step == timedelta(hours=1)


def test_nothing_is_foreseen_before_a_day_of_the_period_is_known(sales: Sales) -> None:
    assert {one.state for one in sales.at(at(0.9))} == {"no_usage"}
    assert {one.state for one in sales.at(at(14))} == {"forecast"}


def test_an_outlook_reads_nothing_that_comes_later(sales: Sales) -> None:
    meter = "meters.energy"
    use, slots = sales.book.use[meter], sales.book.slots
    start, end = sum(slot < sales.begin for slot in slots), len(slots)
    today, weekday = start + 10, np.array([slot.weekday() for slot in slots])
    true = by_day(use, weekday, start, today, end)
    changed = use.copy()
    changed[:, today:] *= 17.0
    other = by_day(changed, weekday, start, today, end)
    assert true is not None and other is not None
    assert np.array_equal(true.totals, other.totals) and np.array_equal(true.so_far, other.so_far)
    assert np.array_equal(true.so_far, use[:, start:today].sum(axis=1))


@pytest.mark.parametrize("days", [7, 14, 18])
def test_intervals_hold_what_they_promise(sales: Sales, days: int) -> None:
    """Four in five of the true totals lie within; with forty homes between 24 and 40 of them would still be no news."""
    end = {one.account: one for one in sales.at()}
    now = [one for one in sales.at(at(days)) if one.state == "forecast"]
    assert len(now) >= 36
    inside = sum(one.low <= end[one.account].bill <= one.high for one in now)
    assert inside >= 0.6 * len(now)
    off = [abs(one.projected - end[one.account].used) / end[one.account].used for one in now]
    naive = [abs(one.used * 21 / days - end[one.account].used) / end[one.account].used for one in now]
    assert float(np.mean(off)) < 0.25
    assert float(np.mean(off)) <= float(np.mean(naive)) * 1.1, (
        "no worse than so many days' use times what is left"
    )


def test_chances_are_surer_towards_the_end_and_true_at_it(sales: Sales) -> None:
    end = {one.account: one for one in sales.at()}
    for one in end.values():
        assert one.low == one.middle == one.high == one.bill
        assert one.chance in (0.0, 1.0) or one.tier is None or abs(one.chance - 0.5) > 0.49
    briers = []
    for days in (9, 19):
        pairs = [
            (one.chance, float(end[one.account].used >= one.tier))
            for one in sales.at(at(days))
            if one.state == "forecast" and one.tier
        ]
        assert len(pairs) >= 20
        briers.append(float(np.mean([(chance - came) ** 2 for chance, came in pairs])))
    assert briers[1] <= briers[0] and briers[1] < 0.1


def test_offers_by_the_day_keep_the_rules(sales: Sales) -> None:
    found = sales.at(at(14))
    offers = [one.offer for one in found if one.offer is not None]
    assert offers
    for one in offers:
        assert one.chance >= CHANCE_LEAST and one.saving > 0
    bills = {one.account: one.bill for one in sales.at()}
    for (
        one
    ) in sales.at():  # at the end what is expected is what was: the saving is three periods' exact difference
        if one.offer is None:
            continue
        plan = sales.kernels[one.offer.proposed]
        place = next(n for n, who in enumerate(sales.book.customers) if who.account == one.account)
        used = sales.book.used(place, sum(s < sales.begin for s in sales.book.slots), len(sales.book.slots))
        after = plan.bill(used, devices=len(sales.book.customers[place].devices))
        once = plan.once(len(sales.book.customers[place].devices))
        assert one.offer.saving == PERIODS * (bills[one.account] - after) - once
        assert isinstance(one.offer.saving, Fraction)
