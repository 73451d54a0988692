"""Predictive maintenance: which devices fail, and on which days one should have known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.insight.arrays import Array
from workbench.insight.evaluation.bootstrap import paired, ranking_gain
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.folds import held_out
from workbench.insight.evaluation.measures import average_precision, precision_at
from workbench.insight.evaluation.result import Measured
from workbench.insight.methods import failing

FILES = ("device_failures",)
ROW = "predictive maintenance"
COUNTERS = ["metric2", "metric3", "metric4"]
_REPEATS = 3


def rows(folder: Folder) -> list[Measured]:
    """Device AP, precision among 20 devices, AP over days; every device is scored by models that never saw it."""
    days = folder.read("device_failures", "device", "date", "failure", *COUNTERS)
    days = days.sort_values(["device", "date"], kind="stable").reset_index(drop=True)
    soon, device = failing.soon(days), days.device.to_numpy(dtype=str)
    ours = _scored(failing.features(days, COUNTERS), soon, device, 0.05)
    plain = _scored(failing.ever_and_week(days, COUNTERS), soon, device, 1.0)
    table = pd.DataFrame({"device": device, "ours": ours, "plain": plain, "failed": days.failure})
    worst = table.groupby("device", sort=True).max()
    label, best, base = (worst[name].to_numpy(dtype=float) for name in ("failed", "ours", "plain"))
    low, high = ranking_gain(label, best, base, np.arange(len(label)))
    day_low, day_high = ranking_gain(soon, ours, plain, device, 200)
    top = paired(len(label), lambda times: _precision(label, best, times) - _precision(label, base, times))
    note = (
        f"{int(label.sum())} of {len(label)} devices fail; baseline: logistic on ever-seen and 7-day maxima"
    )
    return [
        Measured(ROW, "AP over devices", average_precision(label, base), average_precision(label, best), low, high,
                 len(label), float(label.mean()), note=note),
        Measured(ROW, "precision at 20 devices", precision_at(label, base, 20), precision_at(label, best, 20), top[0], top[1],
                 len(label)),
        Measured(ROW, f"AP over days, failure within {failing.AHEAD_DAYS} days", average_precision(soon, plain),
                 average_precision(soon, ours), day_low, day_high, len(label), float(soon.mean())),
    ]  # fmt: skip


def _scored(features: pd.DataFrame, truth: Array, device: Array, strength: float) -> Array:
    values, total = features.to_numpy(dtype=float), np.zeros(len(truth))
    for seed in range(_REPEATS):
        for learn, score in held_out(truth, device, seed=seed):
            total[score] += failing.fit_and_score(values[learn], truth[learn], values[score], strength)
    return np.asarray(total / _REPEATS)


def _precision(label: Array, score: Array, times: Array) -> float:
    drawn = np.repeat(np.arange(len(label)), times)
    return precision_at(label[drawn], score[drawn], 20)
