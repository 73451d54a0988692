from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from workbench.errors import FileUnreadable, UsageError
from workbench.insight.evaluation import suite
from workbench.insight.evaluation.bootstrap import mean_gain, ranking_gain
from workbench.insight.evaluation.budget import Watched, curve, segments
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.measures import Ranking, average_precision, calibration_error, pinball
from workbench.insight.evaluation.ranges import period, vus_pr


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


def test_the_suite_finds_what_was_planted_in_every_row(made_up: Path) -> None:
    found = {(one.row, one.measure): one for one in suite.evaluate(Folder(made_up))}
    best = {
        ("frozen sensor", "AP over runs of 8 or more equal readings"): 0.9,
        ("any sensor fault", "pooled AP over readings"): 0.5,
        ("consumption anomaly", "mean AP, no labels"): 0.5,
        ("consumption anomaly", "mean AP, trained"): 0.5,
        ("compromised device", "AP over (device, destination) pairs"): 0.99,
        ("fraudulent SIM", "AP, against boosting"): 0.7,
        ("learning from analysts", "AP after 100 verdicts"): 0.7,
        ("theft and arbitrage", "AP"): 0.95,
        ("predictive maintenance", "AP over devices"): 0.8,
    }
    for key, least in best.items():
        assert found[key].ours >= least, key
    assert {"NAB", "SMAP/MSL", "SKAB"} <= {row for row, _ in found}
    assert found["compromised device", "worst rank of a Torii link within its capture"].ours == 1.0
    assert found["theft and arbitrage", "median onset error [days]"].ours <= 2
    for row in ("tier crossing, households", "tier crossing, EV"):
        brier = [one for key, one in found.items() if key[0] == row and "Brier" in key[1]]
        assert brier and all(
            one.ours < one.prevalence * (1 - one.prevalence) for one in brier if one.prevalence
        )


def test_files_that_are_absent_leave_their_row_out_and_are_named(tmp_path: Path, made_up: Path) -> None:
    (tmp_path / "iot23_flows.parquet").write_bytes((made_up / "iot23_flows.parquet").read_bytes())
    found = list(suite.evaluate(Folder(tmp_path)))
    assert {one.row for one in found if one.ours is not None} == {"compromised device"}
    said = {one.row: one.note for one in found if one.ours is None}
    assert said["frozen sensor"] == "not in this folder: sensors_lro.parquet"
    assert set(said) | {"compromised device"} == {row.ROW for row in suite.ROWS}
    assert "frozen sensor" in suite.absent(Folder(tmp_path))


def test_files_with_next_to_nothing_in_them_say_so_row_by_row(tmp_path: Path, made_up: Path) -> None:
    """Five rows of each file, or none that is labelled: no crash, no figure out of thin air."""
    for name in ("all", "few"):
        (tmp_path / name).mkdir()
    for file in made_up.glob("*.parquet"):
        table = pd.read_parquet(file)
        table.iloc[:5].to_parquet(tmp_path / "few" / file.name)
        flags = [flag for flag in ("label", "stuck", "failure") if flag in table]
        table.assign(**dict.fromkeys(flags, 0)).to_parquet(tmp_path / "all" / file.name)
    for one in suite.evaluate(Folder(tmp_path / "few")):
        assert one.ours is None and one.note.startswith("not enough data"), one
    unlabelled = {one.row: one for one in suite.evaluate(Folder(tmp_path / "all"))}
    for row in ("frozen sensor", "fraudulent SIM", "theft and arbitrage", "predictive maintenance", "SKAB"):
        assert unlabelled[row].ours is None and unlabelled[row].note.startswith("not enough data"), row


def test_volume_under_the_surface_is_the_definition_written_out() -> None:
    generator = np.random.default_rng(4)
    label = np.zeros(400, dtype=int)
    label[:4] = label[120:135] = label[142:150] = label[-6:] = 1
    score = np.round(generator.normal(size=400) + label, 1)
    assert vus_pr(label, score, 12) == pytest.approx(_by_hand(label, score, 12), abs=1e-12)
    assert vus_pr(label, label.astype(float), 0) == pytest.approx(1.0)
    assert vus_pr(label, label.astype(float), 12) > 0.9 > 0.3 > vus_pr(label, -label.astype(float), 12)
    assert np.isnan(vus_pr(np.zeros(10), np.zeros(10), 3))
    assert period(np.sin(np.arange(3000) * 2 * np.pi / 48)) == 48 and period(np.ones(100)) == 125


def _by_hand(label: np.ndarray, score: np.ndarray, widest: int) -> float:
    count, found, total = len(label), segments(label), []
    ordered = -np.sort(-score)
    for width in range(widest + 1):
        soft = label.astype(float)
        for begin, end in found:
            for at in range(end, min(end + width // 2, count)):
                soft[at] += np.sqrt(1 - (at - end + 1) / width)
            for at in range(max(begin - width // 2, 0), begin):
                soft[at] += np.sqrt(1 - (begin - at) / width)
        soft = np.minimum(soft, 1)
        near = np.zeros(count, dtype=int)
        for begin, end in found:
            near[max(begin - width // 2, 0) : end + width // 2] = 1
        before, area = 0.0, 0.0
        for place in np.linspace(0, count - 1, 250).astype(int):
            flagged = score >= ordered[place]
            hit = (soft * flagged).sum()
            labels = np.where(label > 0, 1.0, soft * flagged).sum()
            touched = np.mean([flagged[begin:end].any() for begin, end in segments(near)])
            recall = min(hit / ((label.sum() + labels) / 2), 1.0) * touched
            area += (recall - before) * hit / flagged.sum()
            before = recall
        total.append(area)
    return float(np.mean(total))


def test_weights_make_fraud_rare_without_throwing_fraudsters_away() -> None:
    label, score = np.array([1.0, 0, 1, 0, 0, 0]), np.array([9.0, 8, 7, 3, 2, 1])
    light = np.where(label == 1, 0.5, 1.0)
    assert Ranking(label, score).precision_at(1.0, light) == pytest.approx(0.5)
    assert Ranking(label, score).average_precision(light) < average_precision(label, score)


def test_bad_folders_and_files_are_refused_in_words(tmp_path: Path, made_up: Path) -> None:
    with pytest.raises(FileUnreadable, match="no folder"):
        Folder(tmp_path / "nowhere")
    (tmp_path / "sensors_lro.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(FileUnreadable, match="cannot be read"):
        list(suite.evaluate(Folder(tmp_path)))
    with pytest.raises(UsageError, match="No row"):
        list(suite.evaluate(Folder(made_up), ["weather"]))


def test_no_row_knows_a_device_by_its_name(made_up: Path, tmp_path: Path) -> None:
    """The part kept back has other devices: renaming all of them changes nothing."""
    import pandas as pd

    flows = pd.read_parquet(made_up / "iot23_flows.parquet")
    flows["capture"] = "other-" + flows.capture
    flows["resp_h"] = "x" + flows.resp_h
    flows.to_parquet(tmp_path / "iot23_flows.parquet")
    river = pd.read_parquet(made_up / "sensors_lro.parquet")
    river["series_id"], river["site"] = "z" + river.series_id, "elsewhere"
    river.to_parquet(tmp_path / "sensors_lro.parquet")
    rows = ("frozen", "compromised")
    before = [one.ours for one in suite.evaluate(Folder(made_up), rows)]
    assert [one.ours for one in suite.evaluate(Folder(tmp_path), rows)] == before


def test_nab_score_is_the_published_one_at_its_ends() -> None:
    from workbench.insight.evaluation.nab import nab_score

    label = np.zeros(2000)
    label[1000:1100] = 1
    truth = {"a": (label, np.arange(2000))}
    early = np.zeros(2000)
    early[1000] = 1.0
    assert nab_score(truth, {"a": early}) == pytest.approx(100.0, abs=1.0)
    wrong = np.zeros(2000)
    wrong[500] = 1.0
    assert nab_score(truth, {"a": wrong}) <= 100.0
    assert nab_score(truth, {"a": np.zeros(2000)}) < 60


@pytest.mark.slow
def test_the_recordings_are_beaten_where_it_counts(recordings: Path) -> None:
    """The quick rows on the real recordings; `workbench detect evaluate` prints all of them."""
    rows = ("frozen", "compromised", "theft")
    found = {(one.row, one.measure.split()[0]): one for one in suite.evaluate(Folder(recordings), rows)}
    for key in (("frozen sensor", "AP"), ("compromised device", "AP"), ("theft and arbitrage", "AP")):
        assert found[key].sure, key
