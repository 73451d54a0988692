"""What every detector promises, whatever it looks for; a new one is one line in ``MAKE``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import Batch
from workbench.insight.fleet.company import Hours, Rare, Volume
from workbench.insight.fleet.delivery import Backlog, Conflicts, Disorder, Duplicates
from workbench.insight.fleet.detector import Detector
from workbench.insight.fleet.drift import Drift
from workbench.insight.fleet.failing import Battery, Errors
from workbench.insight.fleet.hourly import Hourly
from workbench.insight.fleet.level import Level
from workbench.insight.fleet.quiet import Quiet
from workbench.insight.fleet.register import Register
from workbench.insight.fleet.silence import Silence
from workbench.insight.fleet.stuck import Held, Stuck
from workbench.insight.fleet.usage import Change, Consumption, Ways, ZeroUse
from workbench.insight.methods import theft

DEVICES = 40
MINUTE = 60_000
BEGIN = 1_600_000_000_000 // 86_400_000 * 86_400_000


def _change(way: str) -> Detector:
    use = Hourly("value", DEVICES)
    return Change(use, Ways(use), way)


MAKE: dict[str, Callable[[], Detector]] = {
    "stuck": lambda: Stuck("value", DEVICES),
    "held": lambda: Held("value", DEVICES),
    "spike": lambda: Level("value", DEVICES),
    "spike of a register": lambda: Level("value", DEVICES, of_steps=True),
    "sentinel": lambda: Level("value", DEVICES, "sentinel"),
    "drift": lambda: Drift("value", DEVICES),
    "register": lambda: Register("value", DEVICES),
    "silence": lambda: Silence(DEVICES),
    "quiet hours": lambda: Quiet(DEVICES),
    "duplicates": lambda: Duplicates(DEVICES),
    "disorder": lambda: Disorder(DEVICES),
    "backlog": lambda: Backlog(DEVICES),
    "conflicts": lambda: Conflicts(DEVICES),
    "destination": lambda: Rare("host", DEVICES, "destination"),
    "volume": lambda: Volume("value", DEVICES),
    "hours": lambda: Hours(DEVICES),
    "errors": lambda: Errors("value", DEVICES),
    "battery": lambda: Battery("value", DEVICES),
    "consumption": lambda: Consumption(Hourly("value", DEVICES)),
    "zero use": lambda: ZeroUse(Hourly("value", DEVICES)),
    **{f"use, {way}": partial(_change, way) for way in theft.KINDS},
}
EXACT = (
    "stuck",
    "register",
    "silence",
    "quiet hours",
    "duplicates",
    "conflicts",
    "destination",
    "volume",
    "hours",
    "disorder",
    "backlog",
    "errors",
    "battery",
    "consumption",
    "zero use",
    *(f"use, {way}" for way in theft.KINDS),
)
"""Detectors whose answer does not depend on how the stream was cut; the others keep a sample of readings."""

every = pytest.mark.parametrize("name", MAKE)
NOW = BEGIN + 6 * 86_400_000


def healthy(days: int = 6, seed: int = 1, value: Callable[[Array], Array] | None = None) -> Batch:
    """Forty devices that report every twenty minutes, one in a hundred twice."""
    generator = np.random.default_rng(seed)
    per_device = days * 72
    device = np.repeat(np.arange(DEVICES), per_device)
    ts = BEGIN + np.tile(np.arange(per_device), DEVICES) * 20 * MINUTE + device * 1000
    number = np.rint(50 + generator.normal(0, 8, len(device))) if value is None else value(device)
    again = np.flatnonzero(generator.random(len(device)) < 0.01)
    rows = np.r_[np.arange(len(device)), again]
    received = ts[rows] + generator.integers(100, 2_000, len(rows))
    received[len(device) :] += 30_000
    return Batch.of(
        device[rows], ts[rows], received, {"value": number[rows].astype(float)}, {"host": np.zeros(len(rows))}
    )


def cut(batch: Batch, *parts: Array) -> list[Batch]:
    return [
        Batch.of(batch.device[p], batch.ts[p], batch.received[p], {"value": batch.values["value"][p]}, {"host": batch.words["host"][p]})
        for p in parts
    ]  # fmt: skip


@every
def test_its_names_are_set(name: str) -> None:
    detector = MAKE[name]()
    assert detector.kind and "." in detector.rule and detector.unit


@every
def test_an_empty_batch_changes_nothing(name: str) -> None:
    detector = MAKE[name]()
    none = np.zeros(0, dtype=np.int64)
    detector.update(Batch.of(none, none, none, {"value": none.astype(float)}, {"host": none}))
    scores = detector.scores(NOW)
    assert not scores.surprise(np.zeros(DEVICES)).any()


@every
def test_devices_with_one_reading_are_learning_and_score_nothing(name: str) -> None:
    detector = MAKE[name]()
    device = np.arange(DEVICES)
    detector.update(
        Batch.of(device, BEGIN + device, BEGIN + device + 5, {"value": device * 1.0}, {"host": device})
    )
    scores = detector.scores(BEGIN + 60_000)
    if name not in ("conflicts", "destination"):  # these two need no history to be certain
        assert not scores.enough.any()
        assert not scores.surprise(np.zeros(DEVICES)).any()
    assert scores.surprise(np.zeros(DEVICES)).max() < 1


@every
@pytest.mark.parametrize("value", [np.nan, 0.0, 7.0])
def test_all_absent_and_constant_by_design_raise_nothing(name: str, value: float) -> None:
    detector = MAKE[name]()
    detector.update(healthy(value=lambda device: np.full(len(device), value)))
    scores = detector.scores(NOW)
    assert np.isfinite(scores.surprise(np.zeros(DEVICES))).all()
    assert scores.surprise(np.zeros(DEVICES)).max() < 6


@every
def test_two_devices_that_say_the_same_are_judged_alike(name: str) -> None:
    """A duplicate series under another name: same figures, no crash."""
    detector = MAKE[name]()
    batch = healthy(40 if "use" in name or name == "consumption" else 6)
    first = batch.device == 0
    again = batch.device != 1
    detector.update(
        Batch.of(
            np.r_[batch.device[again], np.ones(first.sum(), dtype=np.int64)], np.r_[batch.ts[again], batch.ts[first]],
            np.r_[batch.received[again], batch.received[first]],
            {"value": np.r_[batch.values["value"][again], batch.values["value"][first]]},
            {"host": np.r_[batch.words["host"][again], batch.words["host"][first]]},
        )
    )  # fmt: skip
    scores = detector.scores(NOW)
    surprise = scores.surprise(np.zeros(DEVICES))
    assert surprise[0] == pytest.approx(surprise[1]) and scores.enough[0] == scores.enough[1]


@every
def test_forty_healthy_days_raise_nothing(name: str) -> None:
    detector = MAKE[name]()
    detector.update(healthy(40, seed=3))
    surprise = detector.scores(BEGIN + 40 * 86_400_000).surprise(np.zeros(DEVICES))
    assert np.isfinite(surprise).all() and (surprise < 4).all()


@every
def test_healthy_devices_stay_below_the_threshold(name: str) -> None:
    detector = MAKE[name]()
    detector.update(healthy())
    surprise = detector.scores(NOW).surprise(np.zeros(DEVICES))
    assert (surprise < 4).all()
    assert len(surprise) == DEVICES


@every
def test_a_gap_of_months_is_no_crash(name: str) -> None:
    detector = MAKE[name]()
    first, later = healthy(2), healthy(2)
    detector.update(first)
    far = 90 * 86_400_000
    detector.update(Batch.of(later.device, later.ts + far, later.received + far, later.values, later.words))
    assert np.isfinite(detector.scores(NOW + far).surprise(np.zeros(DEVICES))).all()


@pytest.mark.parametrize("name", EXACT)
def test_two_batches_say_what_one_says(name: str) -> None:
    whole, half = MAKE[name](), MAKE[name]()
    batch = healthy(40 if "use" in name or name == "consumption" else 6)
    middle = BEGIN + 3 * 86_400_000
    whole.update(batch)
    for part in cut(batch, batch.ts < middle, batch.ts >= middle):
        half.update(part)
    one, two = whole.scores(NOW), half.scores(NOW)
    np.testing.assert_allclose(one.raw, two.raw, rtol=0.02, atol=0.05)
    np.testing.assert_array_equal(one.enough, two.enough)


@every
def test_episodes_end_after_they_begin(name: str) -> None:
    detector = MAKE[name]()
    detector.update(healthy())
    scores = detector.scores(NOW)
    seen = scores.enough & (scores.since > 0) & (scores.until > 0)
    assert (scores.until[seen] >= scores.since[seen]).all()
