"""NAB, SMAP/MSL and SKAB: printed for information, always with the trivial rule beside. Never with point adjustment."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.insight.arrays import Array
from workbench.insight.evaluation.bootstrap import mean_gain
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.measures import average_precision
from workbench.insight.evaluation.nab import nab_score
from workbench.insight.evaluation.ranges import period, vus_pr
from workbench.insight.evaluation.result import Measured, need
from workbench.insight.methods import streams

_READINGS_LEAST = 50


class _Row:
    """One of the three benchmarks."""

    def __init__(self, row: str, file: str) -> None:
        self.ROW, self.FILES = row, (file,)

    def rows(self, folder: Folder) -> list[Measured]:
        """Mean VUS-PR and mean AP per series against the trivial rule; for NAB its own, causal score too."""
        series = _series(folder.read(self.FILES[0], "series_id", "label"), self.FILES[0])
        labelled = [one for one in series.values() if one[1].any() and len(one[1]) >= _READINGS_LEAST]
        need(labelled, "no labelled series of any length")
        ours = [streams.odd_windows(values) for values, _, _ in labelled]
        base = [streams.far_from_middle(values) for values, _, _ in labelled]
        label = [one for _, one, _ in labelled]
        width = [period(values) for values, _, _ in labelled]
        prevalence = float(np.mean([one.mean() for one in label]))
        result = []
        for name, figures in (
            ("mean VUS-PR per series", lambda scores: [vus_pr(*one) for one in zip(label, scores, width, strict=True)]),
            ("mean AP per series", lambda scores: [average_precision(*one) for one in zip(label, scores, strict=True)]),
        ):  # fmt: skip
            best, plain = np.array(figures(ours)), np.array(figures(base))
            low, high = mean_gain(best, plain)
            result.append(
                Measured(self.ROW, name, float(plain.mean()), float(best.mean()), low, high, len(label), prevalence,
                         note="for information; looks at the whole series; baseline: distance from the median")
            )  # fmt: skip
        return result + (self._causal(series) if self.FILES[0] == "nab" else [])

    def _causal(self, series: dict[str, tuple[Array, Array, Array]]) -> list[Measured]:
        truth = {name: (label, ts) for name, (_, label, ts) in series.items()}
        ours, base = (
            {name: rule(values) for name, (values, _, _) in series.items()}
            for rule in (streams.causal, streams.windowed_gaussian)
        )
        return [
            Measured(self.ROW, "NAB score, standard, causal", nab_score(truth, base), nab_score(truth, ours),
                     units=len(series), note="for information; baseline: windowed Gaussian")
        ]  # fmt: skip


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
