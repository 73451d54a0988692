from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from workbench.errors import FileUnreadable, UsageError
from workbench.insight.evaluation import suite
from workbench.insight.evaluation.bootstrap import mean_gain, ranking_gain
from workbench.insight.evaluation.budget import Watched, curve
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.measures import average_precision, calibration_error, pinball


def test_average_precision_is_scikit_learns_also_with_ties() -> None:
    generator = np.random.default_rng(1)
    label = generator.integers(0, 2, 500)
    score = generator.integers(0, 20, 500) / 10
    assert average_precision(label, score) == pytest.approx(average_precision_score(label, score))


def test_calibration_error_and_pinball_by_hand() -> None:
    assert calibration_error(np.array([1, 0]), np.array([0.95, 0.95])) == pytest.approx(0.45)
    assert pinball(np.array([10.0]), np.array([[8.0, 12.0]]), np.array([0.1, 0.9])) == pytest.approx(0.2)


def test_an_interval_excludes_zero_only_when_every_device_gains() -> None:
    low, high = mean_gain(np.full(20, 0.9), np.full(20, 0.5))
    assert low == pytest.approx(0.4) and high == pytest.approx(0.4)
    noise = np.random.default_rng(0).normal(0, 1, 20)
    low, high = mean_gain(noise, np.zeros(20))
    assert low is not None and high is not None and low < 0 < high


def test_a_gain_is_drawn_over_devices_and_not_over_rows() -> None:
    label = np.r_[np.ones(50), np.zeros(50)]
    one_device = ranking_gain(label, label, 1 - label, np.zeros(100))
    assert one_device == (None, None)
    low, _ = ranking_gain(label, label, 1 - label, np.tile(np.arange(10), 10))
    assert low is not None and low > 0


def test_budget_counts_nearby_false_alerts_once_and_finds_the_event() -> None:
    ts = np.arange("2021-01-01", "2021-03-02", dtype="datetime64[h]").astype("datetime64[ns]")
    label, score = np.zeros(len(ts), int), np.where(np.arange(len(ts)) % 60 == 0, 0.5, 0.0)
    label[500:520] = 1
    score[502:510] = 0.9
    score[100:104] = 1.0
    recall, false, delay, _ = curve([Watched(ts, score, label)]).at_budget()
    assert (recall, delay) == (1.0, 2.0)
    assert false == pytest.approx(0.5, abs=0.01)


def test_the_suite_finds_what_was_planted_and_says_what_is_absent(made_up: Path) -> None:
    found = {(one.row, one.measure[:2]): one for one in suite.evaluate(Folder(made_up))}
    assert found["frozen sensor", "AP"].ours > 0.9
    assert found["compromised device", "AP"].ours == 1.0
    assert found["compromised device", "wo"].ours == 1.0
    assert suite.absent(Folder(made_up)) == [
        row.ROW for row in suite.ROWS if row.FILES not in (("sensors_lro",), ("iot23_flows",))
    ]


def test_bad_folders_and_files_are_refused_in_words(tmp_path: Path, made_up: Path) -> None:
    with pytest.raises(FileUnreadable, match="no folder"):
        Folder(tmp_path / "nowhere")
    (tmp_path / "sensors_lro.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(FileUnreadable, match="cannot be read"):
        list(suite.evaluate(Folder(tmp_path)))
    with pytest.raises(UsageError, match="No row"):
        list(suite.evaluate(Folder(made_up), ["weather"]))
