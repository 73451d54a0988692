"""Detectors of use, of batteries and of error counters: what was planted is named, with its date; the rest is quiet."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.insight.fleet.batch import DAY_MS, HOUR_MS, Batch
from workbench.insight.fleet.detector import Detector
from workbench.insight.fleet.failing import Battery, Errors
from workbench.insight.fleet.hourly import DAYS_KEPT, Hourly
from workbench.insight.fleet.usage import Consumption, ZeroUse, of_use
from workbench.insight.fleet.watch import Columns, Watch

METERS, DAYS, SICK = 60, 49, 7
BEGIN = 18_700 * DAY_MS


def use(seed: int = 5) -> np.ndarray:
    """Meters x days x hours: an evening peak, weekends, weather of all, and each meter's own unrest."""
    generator = np.random.default_rng(seed)
    hour = np.arange(24)
    shape = 40 + 160 * np.exp(-((hour - 19) ** 2) / 8) + 60 * np.exp(-((hour - 8) ** 2) / 6)
    level = generator.lognormal(0, 0.3, METERS)[:, None, None]
    weather = generator.lognormal(0, 0.1, DAYS)[None, :, None]
    own = generator.lognormal(0, 0.15, (METERS, DAYS, 1)) * generator.lognormal(0, 0.3, (METERS, DAYS, 24))
    return np.rint(shape * level * weather * own)


def batch(table: np.ndarray, keep: np.ndarray | None = None) -> Batch:
    meters, days, hours = table.shape
    device = np.repeat(np.arange(meters), days * hours)
    ts = BEGIN + np.tile(np.arange(days * hours), meters) * HOUR_MS
    chosen = np.ones(len(device), dtype=bool) if keep is None else keep.reshape(-1)
    return Batch.of(
        device[chosen], ts[chosen], ts[chosen], {"units": table.reshape(-1)[chosen].astype(float)}
    )


def suspected(table: np.ndarray) -> dict[int, tuple[str, str, int]]:
    watch = Watch(Columns(()), len(table), None, list(of_use("units", len(table))))
    watch.update(batch(table))
    return {
        one.device: (one.detector.kind, one.detector.rule, (one.since_ms - BEGIN) // DAY_MS)
        for one in watch.suspicions()
    }


def test_honest_meters_raise_nothing() -> None:
    assert not suspected(use())


def test_a_share_that_is_not_metered_any_more_is_theft_with_its_date() -> None:
    table = use()
    table[SICK, 30:] = np.rint(table[SICK, 30:] * 0.3)
    kind, rule, day = suspected(table)[SICK]
    assert (kind, rule) == ("theft", "theft.scaled") and abs(day - 30) <= 2


def test_hours_turned_round_are_arbitrage() -> None:
    table = use()
    table[SICK, 25:] = table[SICK, 25:, ::-1]
    kind, rule, day = suspected(table)[SICK]
    assert (kind, rule) == ("arbitrage", "arbitrage.reversed") and abs(day - 25) <= 2


def test_a_meter_that_reports_nothing_from_a_day_on_is_zero_use_and_not_silent() -> None:
    table = use()
    table[SICK, 40:] = 0
    kind, _, day = suspected(table)[SICK]
    assert kind == "zero_usage" and day == 40


def test_one_odd_day_is_an_odd_consumption_with_what_was_expected() -> None:
    table = use()
    table[SICK, 33] *= 6
    watch = Watch(Columns(()), METERS, None, list(of_use("units", METERS)))
    watch.update(batch(table))
    (one,) = watch.suspicions()
    assert (one.device, one.detector.kind, (one.since_ms - BEGIN) // DAY_MS) == (SICK, "consumption", 33)
    assert one.observed > 3 * one.expected


def test_absence_of_readings_is_not_zero_use() -> None:
    table = use()
    keep = np.ones(table.shape, dtype=bool)
    keep[SICK, 20:35] = False
    detector = ZeroUse(Hourly("units", METERS))
    detector.update(batch(table, keep))
    assert detector.scores(0).surprise(np.zeros(METERS))[SICK] < 1


def test_a_nearly_new_meter_is_learning_while_its_peers_are_judged() -> None:
    table = use()
    keep = np.ones(table.shape, dtype=bool)
    keep[SICK, : DAYS - 5] = False
    detector = Consumption(Hourly("units", METERS))
    detector.update(batch(table, keep))
    scores = detector.scores(0)
    assert not scores.enough[SICK] and scores.enough.sum() == METERS - 1
    assert scores.surprise(np.zeros(METERS))[SICK] == 0


def test_use_is_added_once_for_all_detectors_and_old_days_are_let_go() -> None:
    found = of_use("units", METERS)
    one = batch(use())
    for detector in found:
        detector.update(one)
    days, table = found[0]._use.table()
    assert len(days) == DAYS and np.nansum(table) == pytest.approx(use().sum(), rel=1e-6)
    far = Batch.of(one.device, one.ts + 200 * DAY_MS, one.received, one.values)
    found[0].update(far)
    assert len(found[0]._use.table()[0]) <= DAYS_KEPT


def daily(value: np.ndarray, detector: Detector) -> Detector:
    devices, days = value.shape
    ts = BEGIN + np.tile(np.arange(days), devices) * DAY_MS
    detector.update(Batch.of(np.repeat(np.arange(devices), days), ts, ts, {"value": value.reshape(-1)}))
    return detector


def test_a_battery_that_falls_fast_is_failing_and_says_how_many_days_are_left() -> None:
    generator = np.random.default_rng(1)
    level = 3_000 - np.arange(30) * generator.uniform(0.5, 1.5, (50, 1)) + generator.normal(0, 2, (50, 30))
    level[SICK] = 3_000 - 18.0 * np.arange(30) + generator.normal(0, 2, 30)
    scores = daily(level, Battery("value", 50)).scores(0)
    surprise = scores.surprise(np.zeros(50))
    assert surprise.argmax() == SICK and surprise[SICK] > 4 > np.delete(surprise, SICK).max()
    assert scores.observed[SICK] == pytest.approx((3_000 - 18 * 29 - 0.8 * 3_000) / 18, abs=6)


def test_a_counter_that_begins_to_move_is_failing_and_one_that_stands_high_is_not() -> None:
    generator = np.random.default_rng(2)
    value = np.repeat(generator.integers(0, 500, (50, 1)), 40, axis=1).astype(float)
    value += np.cumsum(generator.random((50, 40)) < 0.02, axis=1)
    value[SICK, 33:] += np.cumsum(generator.integers(5, 20, 7))
    scores = daily(value, Errors("value", 50)).scores(0)
    surprise = scores.surprise(np.zeros(50))
    assert surprise.argmax() == SICK and surprise[SICK] > 4 > np.delete(surprise, SICK).max()
    assert (scores.since[SICK] - BEGIN) // DAY_MS >= 30
