"""What is learned is kept as numbers with hashes, gives what the fitted model gives, and is not asked about its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from tests.insight.conftest import failures, subscribers
from workbench.errors import FileUnreadable, UsageError
from workbench.insight import stored
from workbench.insight.evaluation import failing, fraud, learned, suite
from workbench.insight.evaluation.folder import Folder
from workbench.insight.methods import trees


def test_kept_trees_score_as_the_fitted_ones_do_also_where_values_are_missing() -> None:
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(2000, 6))
    rows[generator.random(rows.shape) < 0.1] = np.nan
    label = (np.nan_to_num(rows[:, 0] + rows[:, 1] ** 2) > 1).astype(int)
    models = [
        HistGradientBoostingClassifier(max_iter=40, random_state=seed).fit(rows, label) for seed in (0, 1)
    ]
    kept = trees.of_boosting(models)
    fresh = generator.normal(size=(500, 6))
    fresh[::7, 0] = np.nan
    expected = np.mean([model.decision_function(fresh) for model in models], axis=0)
    np.testing.assert_allclose(trees.raw_score(kept, fresh), expected, atol=1e-5)
    assert trees.raw_score(kept, fresh[:0]).shape == (0,)


@pytest.fixture
def taught(tmp_path: Path) -> Path:
    """A folder of recordings and the parameters learned from it."""
    failures().to_parquet(tmp_path / "device_failures.parquet")
    suite.learn(Folder(tmp_path), tmp_path / "models")
    return tmp_path


def test_the_same_recordings_give_the_same_bytes(taught: Path) -> None:
    before = (taught / "models" / "failing.npz").read_bytes()
    suite.learn(Folder(taught), taught / "models")
    assert (taught / "models" / "failing.npz").read_bytes() == before
    card = json.loads((taught / "models" / "models.json").read_text())["failing"]
    assert card["data"]["device_failures"] == Folder(taught).sha256("device_failures")
    assert card["units"] == 60 and len(card["code"]) == 64


def test_a_model_with_other_bytes_is_refused(taught: Path) -> None:
    place = taught / "models" / "failing.npz"
    place.write_bytes(place.read_bytes()[:-1] + b"x")
    with pytest.raises(FileUnreadable, match="vouched for"):
        stored.load("failing", taught / "models")
    assert stored.load("nobody", taught / "models") is None


def test_devices_it_has_seen_are_scored_by_folds_and_others_by_what_is_shipped(
    taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned.stored, "load", lambda name: _load(name, taught / "models"))
    assert "folds" in failing.rows(Folder(taught))[0].note
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    failures(seed=77).to_parquet(elsewhere / "device_failures.parquet")
    row = failing.rows(Folder(elsewhere))[0]
    assert learned.SHIPPED in row.note and row.ours is not None and row.ours > 0.8
    one_known = failures(seed=77)
    known = failures()
    mixed = pd.concat(
        [one_known[one_known.device != "D000"], known[known.device == "D000"]]
    )  # one that was seen
    mixed.to_parquet(elsewhere / "device_failures.parquet")
    assert "folds" in failing.rows(Folder(elsewhere))[0].note


_load = stored.load


def test_shipped_parameters_are_whole_and_no_unit_in_them_is_one_of_ours() -> None:
    for name in ("consumption", "fraud", "failing"):
        model = stored.load(name)
        assert model is not None, name
        assert model.part("ours") and model.part("plain") and set(model.card) >= {"data", "code", "sha256"}
        assert all(array.dtype != object for array in model.arrays.values())
    made = subscribers()
    assert not stored.load("fraud").knows(stored.fingerprints(made.to_numpy(dtype=float)))  # type: ignore[union-attr]


def test_an_empty_folder_teaches_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="learned"):
        suite.learn(Folder(tmp_path), tmp_path / "models")


def test_fingerprints_are_of_the_rows_and_not_of_the_names() -> None:
    rows = np.arange(12.0).reshape(4, 3)
    assert (stored.fingerprints(rows) == stored.fingerprints(rows)).all()
    by_unit = stored.fingerprints(rows, np.array(["b", "b", "a", "a"]))
    assert (by_unit == stored.fingerprints(rows, np.array(["y", "y", "x", "x"]))).all() and len(by_unit) == 2


def test_users_with_other_columns_than_the_shipped_ones_are_scored_by_folds(tmp_path: Path) -> None:
    subscribers().to_parquet(tmp_path / "telecom_users.parquet")
    assert "five folds" in fraud.rows(Folder(tmp_path))[0].note
