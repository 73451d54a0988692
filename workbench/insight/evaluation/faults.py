"""Any sensor fault on river recordings: technicians' point labels of six quantities at several sites."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.insight.arrays import Array
from workbench.insight.evaluation import budget
from workbench.insight.evaluation.bootstrap import mean_gain, paired, ranking_gain
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.measures import average_precision
from workbench.insight.evaluation.result import Measured, need
from workbench.insight.methods import sensors

FILES = ("sensors_lro",)
ROW = "any sensor fault"


def rows(folder: Folder) -> list[Measured]:
    """Pooled AP with one threshold for all, mean AP per sensor, event recall at a budget of false alerts."""
    table = folder.read(
        "sensors_lro", "series_id", "site", "variable", "ts", "value", "label", "reviewed", "ignore"
    )
    table = table.sort_values(["series_id", "ts"], kind="stable").reset_index(drop=True)
    parts = [
        sensors.distances(part.to_numpy(dtype=float))
        for _, part in table.groupby("series_id", sort=False)["value"]
    ]
    table = table.join(pd.concat(parts, ignore_index=True))
    table["ours"], table["plain"] = sensors.suspicion(table), sensors.plain(table)
    table = table[(table.reviewed == 1) & (table.ignore == 0)]
    need(table.label.any(), "no reviewed reading is labelled a fault")
    label, ours, plain = (table[name].to_numpy(dtype=float) for name in ("label", "ours", "plain"))
    unit = table.series_id.to_numpy(dtype=str)
    low, high = ranking_gain(label, ours, plain, unit, 200)
    note = "baseline: largest of four rules (run, step, level, day around); labels of drift and ice are weak"
    return [
        Measured(ROW, "pooled AP over readings", average_precision(label, plain), average_precision(label, ours),
                 low, high, len(np.unique(unit)), float(label.mean()), note=note),
        _by_sensor(label, ours, plain, unit),
        _by_event(table),
    ]  # fmt: skip


def _by_sensor(label: Array, ours: Array, plain: Array, unit: Array) -> Measured:
    best, base = [], []
    for name in np.unique(unit):
        mine = unit == name
        if label[mine].any():
            best.append(average_precision(label[mine], ours[mine]))
            base.append(average_precision(label[mine], plain[mine]))
    low, high = mean_gain(np.array(best), np.array(base))
    return Measured(
        ROW, "mean AP per sensor", float(np.mean(base)), float(np.mean(best)), low, high, len(best)
    )


def _by_event(table: pd.DataFrame) -> Measured:
    parts = [part for _, part in table.groupby("series_id", sort=False) if len(part) > 1]
    ours, plain = (
        budget.curve([budget.Watched(p.ts.to_numpy(), p[name].to_numpy(), p.label.to_numpy()) for p in parts])
        for name in ("ours", "plain")
    )
    recall, false, delay, _ = ours.at_budget()
    base = plain.at_budget()[0]
    low, high = paired(len(parts), lambda t: ours.at_budget(times=t)[0] - plain.at_budget(times=t)[0])
    return Measured(ROW, "event recall at 1 false alert per device and 30 days", base, recall, low, high, len(parts),
                    note=f"{false:.2f} false alerts per device and 30 days, median delay {delay:.1f} h")  # fmt: skip
