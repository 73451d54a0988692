"""Consumption anomalies in hand-labelled buildings: without labels, and trained on other buildings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from workbench.insight import stored
from workbench.insight.arrays import Array
from workbench.insight.evaluation.bootstrap import mean_gain
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.learned import Learner, Task
from workbench.insight.evaluation.measures import average_precision
from workbench.insight.evaluation.ranges import period, vus_pr
from workbench.insight.evaluation.result import Measured, need
from workbench.insight.methods import consumption

FILES = ("lead_meters",)
ROW = "consumption anomaly"
_OWN = 0.5  # how much the meter's own profile counts beside what was learned elsewhere
_HOURS_LEAST = 24 * 21


def rows(folder: Folder) -> list[Measured]:
    """Mean AP and mean VUS-PR over buildings, without labels; mean AP of the trained model."""
    meters = _meters(folder)
    label = [meter.label.to_numpy(dtype=float) for meter in meters]
    found = [consumption.profile(meter) for meter in meters]
    free = [consumption.suspicion(one) for one in found]
    plain = [one["plain"].to_numpy() for one in found]
    width = [period(meter["value"].to_numpy(dtype=float)) for meter in meters]
    note = "baseline: distance from the hour-of-week median"
    result = [
        _measured("mean AP, no labels", label, plain, free, average_precision, note),
        _measured(
            "mean VUS-PR, no labels",
            label,
            plain,
            free,
            vus_pr,
            "borders up to the series' own period",
            width,
        ),
    ]
    if len(meters) > 2:
        ours, base, how = _task(meters, found).scores()
        place = np.cumsum([len(one) for one in label])[:-1]
        mixed = [score + _OWN * own for score, own in zip(np.split(ours, place), free, strict=True)]
        note = f"{how}; baseline: boosting on the value-change features"
        result.append(
            _measured("mean AP, trained", label, np.split(base, place), mixed, average_precision, note)
        )
    return result


def task(folder: Folder) -> Task:
    """Hours of all buildings as rows."""
    meters = _meters(folder)
    return _task(meters, [consumption.profile(meter) for meter in meters])


def _meters(folder: Folder) -> list[pd.DataFrame]:
    table = folder.read("lead_meters", "series_id", "ts", "value", "label").sort_values(["series_id", "ts"])
    meters = [part.reset_index(drop=True) for _, part in table.groupby("series_id", sort=True)]
    meters = [
        meter
        for meter in meters
        if len(meter) >= _HOURS_LEAST and meter["value"].notna().sum() > _HOURS_LEAST // 2
    ]
    need(
        any(meter.label.any() for meter in meters), "no building with three weeks of hours and a labelled one"
    )
    return meters


def _task(meters: list[pd.DataFrame], found: list[pd.DataFrame]) -> Task:
    building = np.repeat(np.arange(len(meters)), [len(meter) for meter in meters])
    value = np.concatenate([meter["value"].to_numpy(dtype=float) for meter in meters])

    def one_left_out() -> Iterator[tuple[Array, Array]]:
        for out in range(len(meters)):
            yield np.flatnonzero(building != out), np.flatnonzero(building == out)

    return Task(
        "consumption",
        np.concatenate([consumption.features(m, f).to_numpy(dtype=float) for m, f in zip(meters, found, strict=True)]),
        np.concatenate([consumption.lags(meter).to_numpy(dtype=float) for meter in meters]),
        np.concatenate([meter.label.to_numpy(dtype=float) for meter in meters]),
        stored.fingerprints(value, building),
        (Learner(consumption.fit, consumption.score), Learner(consumption.fit_plain, consumption.score)),
        one_left_out, "each building by a model of the others",
    )  # fmt: skip


def _measured(
    measure: str, label: list[Array], base: list[Array], ours: list[Array], how: object, note: str,
    width: list[int] | None = None,
) -> Measured:  # fmt: skip
    labelled = [place for place, one in enumerate(label) if one.any()]

    def figure(place: int, score: Array) -> float:
        more = () if width is None else (width[place],)
        return float(how(label[place], score, *more))  # type: ignore[operator]

    first = np.array([figure(place, base[place]) for place in labelled])
    second = np.array([figure(place, ours[place]) for place in labelled])
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
