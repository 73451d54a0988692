"""Consumption anomalies in hand-labelled buildings: without labels, and trained on the other buildings."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.insight.arrays import Array
from workbench.insight.evaluation.bootstrap import mean_gain
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.measures import average_precision
from workbench.insight.evaluation.result import Measured
from workbench.insight.methods import consumption

FILES = ("lead_meters",)
ROW = "consumption anomaly"


def rows(folder: Folder) -> list[Measured]:
    """Mean AP over buildings; each building is scored by a model of the others."""
    table = folder.read("lead_meters", "series_id", "ts", "value", "label").sort_values(["series_id", "ts"])
    meters = [part.reset_index(drop=True) for _, part in table.groupby("series_id", sort=True)]
    found = [consumption.profile(meter) for meter in meters]
    label = [meter.label.to_numpy(dtype=float) for meter in meters]
    free = [consumption.suspicion(one) for one in found]
    plain = [one["plain"].to_numpy() for one in found]
    result = [
        _measured("mean AP, no labels", label, plain, free, "baseline: distance from the hour-of-week median")
    ]
    if len(meters) > 2:
        wide = [consumption.features(meter, one) for meter, one in zip(meters, found, strict=True)]
        narrow = [consumption.lags(meter) for meter in meters]
        ours = [score + 0.5 * own for score, own in zip(_in_turn(wide, label, False), free, strict=True)]
        base = _in_turn(narrow, label, True)
        note = "each building by a model of the others; baseline: boosting on the value-change features"
        result.append(_measured("mean AP, trained", label, base, ours, note))
    return result


def _in_turn(features: list[pd.DataFrame], label: list[Array], plain: bool) -> list[Array]:
    values = [one.to_numpy(dtype=float) for one in features]
    learn = consumption.boosted if plain else consumption.trained
    scores = []
    for out in range(len(values)):
        known = np.concatenate([one for place, one in enumerate(values) if place != out])
        truth = np.concatenate([one for place, one in enumerate(label) if place != out])
        scores.append(learn(known, truth, values[out]) if truth.any() else np.zeros(len(values[out])))
    return scores


def _measured(measure: str, label: list[Array], base: list[Array], ours: list[Array], note: str) -> Measured:
    labelled = [place for place, one in enumerate(label) if one.any()]
    first = np.array([average_precision(label[place], base[place]) for place in labelled])
    second = np.array([average_precision(label[place], ours[place]) for place in labelled])
    low, high = mean_gain(second, first)
    prevalence = float(np.mean([one.mean() for one in label]))
    return Measured(
        ROW,
        measure,
        float(first.mean()),
        float(second.mean()),
        low,
        high,
        len(labelled),
        prevalence,
        note=note,
    )
