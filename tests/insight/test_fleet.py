from __future__ import annotations

import numpy as np
import pytest

from tests.insight.contract.test_detectors import BEGIN, DEVICES, MINUTE, healthy
from workbench.insight.fleet.batch import Batch, peaks
from workbench.insight.fleet.scores import Scores
from workbench.insight.fleet.watch import Columns, Suspicion, Watch

SICK = 11


def watched(batch: Batch, columns: Columns | None = None) -> dict[int, Suspicion]:
    watch = Watch(columns or Columns(("value",), destination="host", volume=("value",)), DEVICES)
    watch.update(batch)
    return {one.device: one for one in watch.suspicions()}


def changed(batch: Batch, value: np.ndarray | None = None, **other: np.ndarray) -> Batch:
    return Batch.of(
        other.get("device", batch.device), other.get("ts", batch.ts), other.get("received", batch.received),
        {"value": batch.values["value"] if value is None else value}, {"host": other.get("host", batch.words["host"])},
    )  # fmt: skip


def stretch(batch: Batch, begin: int, end: int) -> np.ndarray:
    """Positions of the sick device's deliveries between two of its readings."""
    mine = np.flatnonzero((batch.device == SICK) & ~batch.copy)
    return mine[begin:end]


def test_a_stuck_sensor_is_named_with_its_column_and_since() -> None:
    batch = healthy()
    value = batch.values["value"].copy()
    rows = stretch(batch, 200, 240)
    value[(batch.device == SICK) & (batch.ts >= batch.ts[rows[0]]) & (batch.ts <= batch.ts[rows[-1]])] = 51.0
    found = watched(changed(batch, value))
    assert set(found) == {SICK}
    assert (found[SICK].detector.kind, found[SICK].detector.column) == ("stuck", "value")
    assert found[SICK].since_ms <= batch.ts[rows[0]] and found[SICK].observed >= 40


@pytest.mark.parametrize(("put", "kind"), [(-9999.0, "sentinel"), (40_000.0, "spike")])
def test_single_readings_far_outside_are_named(put: float, kind: str) -> None:
    batch = healthy()
    value = batch.values["value"].copy()
    value[stretch(batch, 300, 302)] = put
    batch = changed(batch, value)
    found = watched(changed(batch, np.where(batch.conflict, value, value)))
    assert found[SICK].detector.kind in (kind, "conflict")


def test_silence_is_found_and_a_straggler_is_none() -> None:
    batch = healthy()
    keep = ~(
        (batch.device == SICK) & (batch.ts > BEGIN + 40 * 3_600_000) & (batch.ts < BEGIN + 52 * 3_600_000)
    )
    value, host = {"value": batch.values["value"][keep]}, {"host": batch.words["host"][keep]}
    part = Batch.of(batch.device[keep], batch.ts[keep], batch.received[keep], value, host)
    found = watched(part)
    assert found[SICK].detector.kind == "silent"
    assert found[SICK].observed == pytest.approx(12.3, abs=0.5)


def test_a_backlog_is_late_and_a_shuffle_is_reordered() -> None:
    batch = healthy()
    received = batch.received.copy()
    rows = stretch(batch, 100, 130)
    received[rows] = batch.ts[rows[-1]] + np.arange(30) * 500
    assert watched(changed(batch, received=received))[SICK].detector.kind == "late"
    received = batch.received.copy()
    received[rows] += np.random.default_rng(0).integers(0, 90 * MINUTE, 30)
    assert watched(changed(batch, received=received))[SICK].detector.kind == "reordered"


def test_a_new_destination_of_one_device_is_compromise_and_one_everybody_moves_to_is_not() -> None:
    batch = healthy()
    host = batch.words["host"].copy()
    host[stretch(batch, 250, 300)] = 9
    found = watched(changed(batch, host=host))
    assert found[SICK].detector.kind == "compromised"
    moved = np.where(batch.ts > BEGIN + 3 * 86_400_000, 9, 0)
    assert SICK not in watched(changed(batch, host=moved))


def test_a_drift_against_peers_is_found_and_a_season_of_all_is_not() -> None:
    batch = healthy()
    progress = np.clip((batch.ts - BEGIN - 86_400_000) / (5 * 86_400_000), 0, 1)
    season = np.round(batch.values["value"] + 60 * progress)
    assert not watched(changed(batch, season), Columns(("value",)))
    own = np.where(
        batch.device == SICK, np.round(batch.values["value"] + 30 * progress), batch.values["value"]
    )
    assert watched(changed(batch, own), Columns(("value",)))[SICK].detector.kind == "drift"


def test_tail_probabilities_grow_with_the_figure_and_learning_devices_have_none() -> None:
    raw = np.r_[np.random.default_rng(0).gumbel(2, 0.5, 200), 9.0]
    zero = np.zeros(201, dtype=np.int64)
    enough = np.ones(201, dtype=bool)
    enough[0] = False
    scores = Scores(raw, enough, zero, zero, raw, raw, np.zeros(201, dtype=bool), 0.1)
    surprise = scores.surprise(np.zeros(201))
    assert surprise[0] == 0 and surprise[200] == surprise.max() > 4
    order = np.argsort(raw[1:])
    assert (np.diff(surprise[1:][order]) >= -1e-9).all()


def test_peaks_are_the_first_largest_of_each_device() -> None:
    who, at = peaks(np.array([0, 0, 0, 3, 3]), np.array([1.0, 5.0, 5.0, 2.0, 1.0]))
    assert who.tolist() == [0, 3] and at.tolist() == [1, 3]
