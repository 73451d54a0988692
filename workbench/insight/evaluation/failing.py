"""Predictive maintenance: which devices fail, and on which days one should have known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from workbench.insight import stored
from workbench.insight.arrays import Array
from workbench.insight.evaluation.bootstrap import paired, ranking_gain
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.folds import held_out
from workbench.insight.evaluation.learned import Learner, Task
from workbench.insight.evaluation.measures import average_precision, precision_at
from workbench.insight.evaluation.result import Measured, need
from workbench.insight.methods import failing

FILES = ("device_failures",)
ROW = "predictive maintenance"
COUNTERS = ["metric2", "metric3", "metric4"]
_REPEATS = 3


def task(folder: Folder) -> tuple[Task, pd.DataFrame]:
    """Days of devices as rows, and those days."""
    days = folder.read("device_failures", "device", "date", "failure", *COUNTERS)
    days = days.sort_values(["device", "date"], kind="stable").reset_index(drop=True)
    failed = int(days.groupby("device").failure.max().sum())
    need(2 <= failed < days.device.nunique() - 1, "fewer than two devices that fail, or that do not")
    soon, device = failing.soon(days), days.device.to_numpy(dtype=str)

    def folds() -> Iterator[tuple[Array, Array]]:
        for seed in range(_REPEATS):
            yield from held_out(soon, device, seed=seed)

    asked = Task(
        "failing", failing.features(days, COUNTERS).to_numpy(dtype=float),
        failing.ever_and_week(days, COUNTERS).to_numpy(dtype=float), soon,
        stored.fingerprints(days[["metric1", *COUNTERS] if "metric1" in days else COUNTERS].to_numpy(dtype=float), device),
        (Learner(failing.fit, failing.score), Learner(failing.fit_plain, failing.score)), folds,
        "five folds over devices, three times",
    )  # fmt: skip
    return asked, days


def rows(folder: Folder) -> list[Measured]:
    """Device AP, precision among 20 devices, AP over days; every device is scored by models that never saw it."""
    asked, days = task(folder)
    soon, device = asked.label, days.device.to_numpy(dtype=str)
    ours, plain, how = asked.scores()
    table = pd.DataFrame({"device": device, "ours": ours, "plain": plain, "failed": days.failure})
    worst = table.groupby("device", sort=True).max()
    label, best, base = (worst[name].to_numpy(dtype=float) for name in ("failed", "ours", "plain"))
    low, high = ranking_gain(label, best, base, np.arange(len(label)))
    day_low, day_high = ranking_gain(soon, ours, plain, device, 200)
    top = paired(len(label), lambda times: _precision(label, best, times) - _precision(label, base, times))
    note = f"{int(label.sum())} of {len(label)} devices fail; {how}; baseline: logistic on ever-seen and 7-day maxima"
    return [
        Measured(ROW, "AP over devices", average_precision(label, base), average_precision(label, best), low, high,
                 len(label), float(label.mean()), note=note),
        Measured(ROW, "precision at 20 devices", precision_at(label, base, 20), precision_at(label, best, 20), top[0], top[1],
                 len(label)),
        Measured(ROW, f"AP over days, failure within {failing.AHEAD_DAYS} days", average_precision(soon, plain),
                 average_precision(soon, ours), day_low, day_high, len(label), float(soon.mean())),
    ]  # fmt: skip


def _precision(label: Array, score: Array, times: Array) -> float:
    drawn = np.repeat(np.arange(len(label)), times)
    return precision_at(label[drawn], score[drawn], 20)
