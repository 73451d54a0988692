"""Devices that speak a few times a day: what their peers and their delays say when their own history says little."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.insight.fleet.batch import DAY_MS, HOUR_MS, Batch
from workbench.insight.fleet.delivery import Disorder
from workbench.insight.fleet.watch import Columns, Suspicion, Watch

DEVICES, DAYS, SICK = 120, 7, 17
BEGIN = 1_600_000_000_000 // DAY_MS * DAY_MS


def sessions(seed: int = 1) -> dict[str, np.ndarray]:
    """One session a day of 120 chargers: device, end, arrival within seconds, energy."""
    generator = np.random.default_rng(seed)
    device = np.repeat(np.arange(DEVICES), DAYS)
    ts = BEGIN + np.tile(np.arange(DAYS), DEVICES) * DAY_MS + generator.integers(7, 19, len(device)) * HOUR_MS
    value = np.rint(generator.uniform(1_000, 9_000, len(device)))
    return {
        "device": device,
        "ts": ts,
        "received": ts + generator.integers(500, 9_000, len(ts)),
        "value": value,
    }


def batch_of(rows: dict[str, np.ndarray]) -> Batch:
    return Batch.of(rows["device"], rows["ts"], rows["received"], {"energy": rows["value"]})


def watched(rows: dict[str, np.ndarray]) -> dict[int, Suspicion]:
    watch = Watch(Columns(("energy",)), DEVICES)
    watch.update(batch_of(rows))
    return {one.device: one for one in watch.suspicions()}


def test_healthy_chargers_raise_nothing() -> None:
    assert not watched(sessions())


@pytest.mark.parametrize(
    ("kind", "rule"), [("stuck", "stuck.run"), ("spike", "level.spike"), ("reordered", "delivery.order")]
)
def test_a_handful_of_sessions_is_enough_where_peers_are_many(kind: str, rule: str) -> None:
    rows = sessions()
    mine = np.flatnonzero(rows["device"] == SICK)
    if kind == "stuck":
        rows["value"][mine[1:6]] = 4_321.0
    elif kind == "spike":
        rows["value"][mine[3]] = 60_000.0
    else:
        rows["received"][mine[1:7]] += np.array([9, 3, 11, 5, 8, 4]) * HOUR_MS
    found = watched(rows)
    assert set(found) == {SICK}
    assert (found[SICK].detector.kind, found[SICK].detector.rule) == (kind, rule)


def test_a_message_that_waits_and_is_overtaken_is_one_and_not_two() -> None:
    """Cut anywhere: the reading after it, in the next batch, is no second one."""
    device = np.zeros(12, dtype=np.int64)
    ts = BEGIN + np.arange(12) * HOUR_MS
    received = ts + 2_000
    received[5] += 2 * HOUR_MS
    for cut in (12, 6, 5):
        disorder = Disorder(1)
        for part in (slice(0, cut), slice(cut, 12)):
            if len(device[part]):
                disorder.update(Batch.of(device[part], ts[part], received[part], {}))
        assert disorder._windows.marked[0] == 1, cut
