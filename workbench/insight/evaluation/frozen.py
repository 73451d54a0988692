"""Frozen sensors on river recordings: every run of equal values is one case."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.insight.arrays import Array
from workbench.insight.evaluation import budget
from workbench.insight.evaluation.bootstrap import paired, ranking_gain
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.measures import average_precision
from workbench.insight.evaluation.result import Measured, need
from workbench.insight.methods import runs as stuck

FILES = ("sensors_lro",)
ROW = "frozen sensor"


def rows(folder: Folder) -> list[Measured]:
    """Average precision over runs; event recall at one false alert per device and 30 days."""
    table = folder.read(
        "sensors_lro", "series_id", "ts", "value", "label", "reviewed", "ignore", "stuck"
    ).sort_values(["series_id", "ts"], kind="stable")
    series = [part for _, part in table.groupby("series_id", sort=True)]
    need(any(part.stuck.any() for part in series), "no frozen run is labelled")
    return [*_by_run(series), *_by_event(series)]


def _by_run(series: list[pd.DataFrame]) -> list[Measured]:
    label, ours, plain, unit = [], [], [], []
    for number, part in enumerate(series):
        values = part.value.to_numpy(dtype=float)
        found = stuck.runs_of(values)
        keep = (
            (found.length >= stuck.RUN_MIN)
            & (np.minimum.reduceat(part.reviewed.to_numpy(), found.start) == 1)
            & (np.maximum.reduceat(part.ignore.to_numpy(), found.start) == 0)
        )
        label.append(np.maximum.reduceat(part.stuck.to_numpy(), found.start)[keep])
        ours.append(stuck.score(found, values)[keep])
        plain.append(stuck.ratio(found)[keep])
        unit.append(np.full(int(keep.sum()), number))
    truth, best, base, device = (np.concatenate(x) for x in (label, ours, plain, unit))
    low, high = ranking_gain(truth, best, base, device)
    return [
        Measured(
            ROW,
            "AP over runs of 8 or more equal readings",
            average_precision(truth, base),
            average_precision(truth, best),
            low,
            high,
            len(series),
            float(truth.mean()),
            note=f"{int(truth.sum())} frozen of {len(truth)} runs; baseline: length / own 99th-percentile run",
        )
    ]


def _by_event(series: list[pd.DataFrame]) -> list[Measured]:
    """Recall and delay; a reading's score may use only how long its run has lasted by then."""
    ours, plain = [], []
    for part in series:
        keep = ((part.reviewed == 1) & (part.ignore == 0)).to_numpy()
        if keep.sum() < 2:
            continue
        values = part.value.to_numpy(dtype=float)
        found = stuck.runs_of(values)
        ts, label = part.ts.to_numpy()[keep], part.stuck.to_numpy()[keep]
        ours.append(budget.Watched(ts, stuck.score_while_running(found, values)[keep], label))
        plain.append(budget.Watched(ts, _running_ratio(found)[keep], label))
    best, base = budget.curve(ours), budget.curve(plain)
    recall, false, delay, _ = best.at_budget()
    recall_base, _, delay_base, _ = base.at_budget()
    low, high = paired(
        len(ours), lambda times: best.at_budget(times=times)[0] - base.at_budget(times=times)[0]
    )
    said = f"{false:.2f} false alerts per device and 30 days"
    quiet, quiet_base = (one.false_at(max(recall_base, 1e-9)) for one in (best, base))
    fewer = paired(
        len(ours),
        lambda times: base.false_at(recall_base, times=times) - best.false_at(recall_base, times=times),
    )
    return [
        Measured(ROW, "event recall at 1 false alert per device and 30 days", recall_base, recall, low, high,
                 len(ours), note=said),
        Measured(ROW, "false alerts per device and 30 days at the baseline's recall", quiet_base, quiet, fewer[0], fewer[1], len(ours),
                 lower_is_better=True),
        Measured(ROW, "median delay of those [h]", delay_base, delay, units=len(ours), lower_is_better=True,
                 note="from the first equal reading on"),
    ]  # fmt: skip


def _running_ratio(found: stuck.Runs) -> Array:
    so_far = np.arange(found.readings) - np.repeat(found.start, found.length) + 1
    return np.asarray(so_far / max(found.q99, 1.0), dtype=float)
