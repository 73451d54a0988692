"""Habits of fleets that look like faults, and faults that hide behind such habits: each test has one of both."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import DAY_MS, HOUR_MS, Batch
from workbench.insight.fleet.classes import Classes
from workbench.insight.fleet.delivery import Disorder
from workbench.insight.fleet.detector import Detector
from workbench.insight.fleet.drift import Drift
from workbench.insight.fleet.level import Level, Ranges
from workbench.insight.fleet.quiet import Quiet
from workbench.insight.fleet.samples import KEPT, Samples
from workbench.insight.fleet.stuck import Held, Stuck

DEVICES, DAYS, SICK, SOUND = 80, 7, 7, 23
BEGIN = 18_700 * DAY_MS
SURE = 3.3


def surprise(detector: Detector, *batches: Batch) -> Array:
    for batch in batches:
        detector.update(batch)
    return detector.scores(BEGIN + DAYS * DAY_MS).surprise(np.zeros(DEVICES))


def said(device: Array, ts: Array, **columns: Array) -> Batch:
    received = columns.pop("received", ts + 300)
    words = {name: columns.pop(name) for name in ("host",) if name in columns}
    return Batch.of(
        device, ts, received, {name: value.astype(float) for name, value in columns.items()}, words
    )


def cars(keep: dict[int, Array]) -> Batch:
    """Cars say hello every night, and twenty messages on each of a few trips; ``keep`` cuts hours out of a car's week."""
    generator = np.random.default_rng(4)
    hours = np.arange(DAYS * 24)
    active = generator.random((DEVICES, len(hours))) < 0.08
    hello = np.broadcast_to(hours % 24 == 3, active.shape)
    for device, gone in keep.items():
        active[device, gone] = False
    spoke = active | hello
    for device, gone in keep.items():
        spoke[device, gone] = hello[device, gone] & (device == SOUND)
    device, hour = np.nonzero(spoke)
    count = np.where(active[device, hour], 20, 1)
    device, hour = np.repeat(device, count), np.repeat(hour, count)
    minute = np.arange(len(hour)) - np.repeat(np.cumsum(count) - count, count)
    return said(device, BEGIN + hour * HOUR_MS + minute * 60_000 + device)


def test_a_car_that_does_not_even_say_hello_is_silent_and_one_that_is_parked_is_not() -> None:
    batch = cars({SICK: np.arange(70, 130), SOUND: np.arange(70, 130)})
    found = surprise(Quiet(DEVICES), batch)
    assert found[SICK] > SURE > 1.5 > found[SOUND]
    assert (np.delete(found, SICK) < SURE).all()


def test_hours_in_which_the_whole_fleet_is_quiet_are_nobodys_silence() -> None:
    hours = np.arange(DAYS * 24)
    hours = hours[(hours < 60) | (hours >= 110)]  # a weekend
    device, hour = np.repeat(np.arange(DEVICES), len(hours)), np.tile(hours, DEVICES)
    own = (device == SICK) & (hour >= 24) & (hour < 32)
    batch = said(device[~own], BEGIN + hour[~own] * HOUR_MS + device[~own] * 1000)
    detector = Quiet(DEVICES)
    found = surprise(detector, batch)
    assert set(np.flatnonzero(found > SURE)) == {SICK}
    scores = detector.scores(BEGIN + DAYS * DAY_MS)
    assert (scores.since[SICK] - BEGIN) // HOUR_MS == 23 and (scores.until[SICK] - BEGIN) // HOUR_MS == 32


@pytest.mark.parametrize("pieces", [1, 7, 50])
def test_a_silence_is_the_same_however_the_stream_is_cut(pieces: int) -> None:
    batch = cars({SICK: np.arange(70, 130)})
    edges = BEGIN + np.linspace(0, DAYS * DAY_MS, pieces + 1)
    parts = [(batch.ts >= low) & (batch.ts < high) for low, high in pairwise(edges)]
    found = surprise(Quiet(DEVICES), *(said(batch.device[part], batch.ts[part]) for part in parts))
    np.testing.assert_allclose(found[SICK], surprise(Quiet(DEVICES), batch)[SICK], rtol=0.02)


def battery(traffic: Array, stuck: bool) -> Batch:
    """A battery that falls by one step in eight hours, read whenever somebody presses a button."""
    generator = np.random.default_rng(8)
    device = np.repeat(np.arange(DEVICES), generator.poisson(traffic * DAYS))
    ts = BEGIN + generator.integers(0, DAYS * DAY_MS, len(device))
    order = np.lexsort((ts, device))
    device, ts = device[order], ts[order]
    value = 3000 + device - (ts - BEGIN) // (8 * HOUR_MS)
    held = (device == SICK) & (ts > BEGIN + 60 * HOUR_MS) & (ts < BEGIN + 84 * HOUR_MS)
    return said(device, ts, value=np.where(held & stuck, value[held][0] if held.any() else 0, value))


def test_a_slow_value_that_is_held_too_long_is_stuck_however_seldom_it_is_read() -> None:
    traffic = np.full(DEVICES, 14.0)
    traffic[40:] = 60.0  # a busy button repeats a value more often, and holds it no longer
    found = surprise(Held("value", DEVICES), battery(traffic, stuck=True))
    assert set(np.flatnonzero(found > SURE)) == {SICK}
    assert not (surprise(Held("value", DEVICES), battery(traffic, stuck=False)) > SURE).any()
    assert surprise(Stuck("value", DEVICES), battery(traffic, stuck=True))[SICK] < SURE


def test_a_silence_is_not_a_value_held() -> None:
    batch = battery(np.full(DEVICES, 60.0), stuck=False)
    gone = (batch.device == SICK) & (batch.ts > BEGIN + 60 * HOUR_MS) & (batch.ts < BEGIN + 67 * HOUR_MS)
    found = surprise(
        Held("value", DEVICES), said(batch.device[~gone], batch.ts[~gone], value=batch.values["value"][~gone])
    )
    assert found[SICK] < SURE


def test_a_spike_is_judged_among_messages_of_its_own_class() -> None:
    generator = np.random.default_rng(2)
    hours = np.arange(DAYS * 24)
    device, hour = np.repeat(np.arange(DEVICES), len(hours)), np.tile(hours, DEVICES)
    host = np.where(hour % 24 == 2, 1, 0)  # an image is fetched every night
    value = np.where(host == 1, 4e6, 900) * generator.lognormal(0, 0.2, len(hour))
    value[(device == SICK) & (hour == 53)] = 60_000
    batch = said(device, BEGIN + hour * HOUR_MS, value=value, host=host)
    by_class = surprise(Level("value", DEVICES, ranges=Ranges(DEVICES, Classes("value", "host"))), batch)
    assert set(np.flatnonzero(by_class > SURE)) == {SICK}
    assert surprise(Level("value", DEVICES), batch)[SICK] < SURE


def test_a_drift_shows_in_the_hours_in_which_peers_agree() -> None:
    generator = np.random.default_rng(3)
    hours = np.arange(DAYS * 24)
    device, hour = np.repeat(np.arange(DEVICES), len(hours)), np.tile(hours, DEVICES)
    sky = 40_000 * np.clip(np.sin((hour % 24 - 6) / 12 * np.pi), 0, None) * (1 + 0.02 * (hour // 24))
    value = sky * generator.uniform(0.5, 1.0, DEVICES)[device] + generator.integers(0, 4, len(hour))
    drift = np.where(device == SICK, 20.0 * np.clip((hour - 40) / 24, 0, None), 0.0)
    found = surprise(Drift("value", DEVICES), said(device, BEGIN + hour * HOUR_MS, value=value + drift))
    assert set(np.flatnonzero(found > SURE)) == {SICK}


def test_two_presses_within_a_second_may_arrive_either_way() -> None:
    generator = np.random.default_rng(6)
    device = np.repeat(np.arange(DEVICES), 140)
    first = BEGIN + generator.integers(0, DAYS * DAY_MS, len(device))
    first[device == SICK] = BEGIN + np.arange(140) * 4_000_000
    twice = (device == SICK) | (generator.random(len(device)) < 0.05)
    ts = np.r_[first, first[twice] + 900]
    received = ts + np.rint(generator.lognormal(6.8, 0.9, len(ts))).astype(np.int64)
    detector = Disorder(DEVICES)
    assert (surprise(detector, said(np.r_[device, device[twice]], ts, received=received)) < SURE).all()


def test_a_new_devices_range_rests_on_more_than_a_dozen_readings() -> None:
    samples = Samples(2)
    samples.add(np.repeat([0, 1], [400, 3]), np.arange(403.0))
    assert np.isfinite(samples.values).sum(axis=1).tolist() == [400 // (-(-400 // KEPT)) + 1, 3]
    samples.add(np.zeros(400, dtype=np.int64), np.full(400, -1.0))
    assert 8 <= (samples.values[0] == -1).sum() <= 13
