"""NAB, SMAP/MSL and SKAB: printed for information, always with the trivial rule beside. Never with point adjustment."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.insight.arrays import Array
from workbench.insight.evaluation.bootstrap import mean_gain
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.measures import average_precision
from workbench.insight.evaluation.nab import nab_score
from workbench.insight.evaluation.result import Measured
from workbench.insight.methods import streams


class _Row:
    """One of the three benchmarks."""

    def __init__(self, row: str, file: str) -> None:
        self.ROW, self.FILES = row, (file,)

    def rows(self, folder: Folder) -> list[Measured]:
        """Mean AP per series against the windowed Gaussian; for NAB its own score too."""
        series = _series(folder.read(self.FILES[0], "series_id", "label"), self.FILES[0])
        ours = {name: streams.causal(values) for name, (values, _, _) in series.items()}
        base = {name: streams.windowed_gaussian(values) for name, (values, _, _) in series.items()}
        labelled = [name for name, (_, label, _) in series.items() if label.any()]
        best = np.array([average_precision(series[name][1], ours[name]) for name in labelled])
        plain = np.array([average_precision(series[name][1], base[name]) for name in labelled])
        low, high = mean_gain(best, plain)
        note = "for information; window labels scored as points"
        result = [
            Measured(self.ROW, "mean AP per series", float(plain.mean()), float(best.mean()), low, high, len(labelled),
                     float(np.mean([series[name][1].mean() for name in labelled])), note=note)
        ]  # fmt: skip
        if self.FILES[0] == "nab":
            truth = {name: (label, ts) for name, (_, label, ts) in series.items()}
            first, second = nab_score(truth, base), nab_score(truth, ours)
            result.append(
                Measured(
                    self.ROW,
                    "NAB score, standard",
                    first,
                    second,
                    units=len(series),
                    note="for information; causal",
                )
            )
        return result


def _series(table: pd.DataFrame, file: str) -> dict[str, tuple[Array, Array, Array]]:
    if file == "smap_msl":
        table = table[table["part"] == "test"]
    number = "Volume_Flow_RateRMS" if file == "skab" else "value"
    order = "idx" if file == "smap_msl" else "ts"
    return {
        str(name): (
            part[number].to_numpy(dtype=float), part["label"].to_numpy(dtype=float), part[order].to_numpy(),
        )
        for name, part in table.sort_values(["series_id", order], kind="stable").groupby("series_id", sort=True)
    }  # fmt: skip


nab, smap, skab = _Row("NAB", "nab"), _Row("SMAP/MSL", "smap_msl"), _Row("SKAB", "skab")
