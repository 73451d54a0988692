from __future__ import annotations

import numpy as np
import pytest

from tests.insight.conftest import flows
from workbench.insight.methods import rarity, runs


def test_a_long_run_at_an_odd_level_beats_a_longer_one_where_the_sensor_always_rests() -> None:
    generator = np.random.default_rng(2)
    resting = np.repeat(generator.integers(0, 2, 60) * 0.01, generator.integers(10, 80, 60))
    moving = np.round(10 + generator.normal(0, 2, 4000), 2)
    values = np.r_[resting, moving[:2000], np.full(40, 27.5), moving[2000:]]
    found = runs.runs_of(values)
    score = runs.score(found, values)
    assert found.level[np.argmax(score)] == 27.5
    assert found.level[np.argmax(runs.ratio(found))] != 27.5


def test_a_running_score_only_uses_the_past_of_its_run() -> None:
    values = np.r_[np.arange(200.0), np.full(30, 5000.0), np.arange(200.0)]
    found = runs.runs_of(values)
    score = runs.score_while_running(found, values)
    during = score[200:230]
    assert (np.diff(during[runs.RUN_MIN :]) > 0).all()
    assert during[runs.RUN_MIN - 2] < during[runs.RUN_MIN - 1]


@pytest.mark.parametrize("values", [[], [1.0], [np.nan] * 20, [3.0] * 50])
def test_constant_single_and_empty_series_score_nothing(values: list[float]) -> None:
    found = runs.runs_of(np.array(values))
    assert np.isfinite(runs.score(found, np.array(values))).all()
    assert len(runs.score_while_running(found, np.array(values))) == len(values)


def test_the_reason_of_a_pair_is_its_largest_term() -> None:
    table = flows().assign(device=lambda t: t.capture)
    evidence = rarity.pairs(table)
    worst = int(np.argmax(rarity.suspicion(evidence)))
    assert evidence.resp_h[worst] == "pub-stranger"
    assert rarity.terms(evidence).iloc[worst].idxmax() in ("destination_rare", "port_rare")
