"""Theft from meters: five injected ways in real households; which households, and since when?"""

from __future__ import annotations

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.evaluation.bootstrap import paired, ranking_gain
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.measures import Ranking, average_precision, precision_at
from workbench.insight.evaluation.result import Measured, need
from workbench.insight.methods import theft

FILES = ("theft_halfhourly", "theft_labels")
ROW = "theft and arbitrage"
_SLOTS = 48


def rows(folder: Folder) -> list[Measured]:
    """AP, precision among the ten most suspicious, and the error of the date."""
    table = folder.read("theft_halfhourly", "ts").set_index("ts")
    truth = (
        folder.read("theft_labels", "series_id", "label", "onset")
        .drop_duplicates("series_id")
        .set_index("series_id")
        .reindex(table.columns)
    )
    need(len(table) >= 40 * _SLOTS and len(table) % _SLOTS == 0, "fewer than forty whole days of half hours")
    need(truth.label.sum() >= 1 and table.shape[1] >= 10, "fewer than ten households, or no thief")
    use = table.to_numpy(dtype=float).T.reshape(table.shape[1], -1, _SLOTS)
    found, plain = theft.suspicion(use), theft.plain(use)
    label = truth.label.to_numpy(dtype=float)
    low, high = ranking_gain(label, found.score, plain, np.arange(len(label)))
    onset = ((truth.onset - table.index[0].normalize()).dt.days).to_numpy(dtype=float)
    stolen = label == 1
    late = np.abs(found.onset - onset)[stolen]
    top = paired(
        len(label), lambda times: _precision(label, found.score, times) - _precision(label, plain, times)
    )
    note = f"{int(label.sum())} thieves of {len(label)}; baseline: mean rank of drop, zeros, profile and flatness"
    return [
        Measured(ROW, "AP", average_precision(label, plain), average_precision(label, found.score), low, high,
                 len(label), float(label.mean()), note=note),
        Measured(ROW, "precision at 10", precision_at(label, plain, 10), precision_at(label, found.score, 10),
                 top[0], top[1], len(label)),
        Measured(ROW, "median onset error [days]", None, float(np.median(late)), units=int(stolen.sum()),
                 lower_is_better=True, note=f"90th percentile {np.quantile(late, 0.9):.0f} days"),
    ]  # fmt: skip


def _precision(label: Array, score: Array, times: Array) -> float:
    return Ranking(label, score).precision_at(10, times)
