"""Any fault of a sensor: how far a reading is from its own usual, its neighbours in time, its site and its peers.

Each term is the log of a distance in the sensor's own units, so that one threshold serves a whole fleet; they add up.
Two of them look sideways: a sensor whose neighbours at the same site misbehave at the same instant is more suspect (a
cleaning, a flooded logger), and one that leaves the course of the same quantity at other sites is too (a drift).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.insight.arrays import Array
from workbench.insight.methods import runs

_HAMPEL = 97  # readings of a day and one, around each reading
_COURSE = "6h"
_TERMS = ("run", "step", "level", "around")


def distances(values: Array) -> pd.DataFrame:
    """Plain distances of one series: run length, step, level, and the middle of the day around, in its own units."""
    found = runs.runs_of(values)
    so_far = np.arange(len(values)) - np.repeat(found.start, found.length) + 1
    step = np.abs(np.diff(values, prepend=values[:1]))
    step = np.maximum(step, np.r_[step[1:], 0.0])
    middle = float(np.nanmedian(values))
    spread = float(np.nanmedian(np.abs(values - middle))) + 1e-9
    around = pd.Series(values).rolling(_HAMPEL, center=True, min_periods=9).median().to_numpy()
    off = np.abs(values - around)
    return pd.DataFrame(
        {
            "run": so_far / max(found.q99, 1.0),
            "step": step / (found.step or 1.0),
            "level": np.abs(values - middle) / spread,
            "around": off / (float(np.nanmedian(off)) + 1e-9),
        }
    ).fillna(0.0)


def plain(found: pd.DataFrame) -> Array:
    """The baseline: the largest of four rules."""
    return np.asarray(
        np.max([found["run"], found["step"] / 10, found["level"] / 5, found["around"] / 10], axis=0)
    )


def suspicion(table: pd.DataFrame) -> Array:
    """Suspicion of each reading.

    Args:
        table: ``series_id``, ``site``, ``variable``, ``ts``, ``value`` and the columns of ``distances``; series in one
            piece each, in time order.
    """
    own = (
        np.log1p(table["run"]) + np.log1p(table["step"] / 10) + np.log1p(table["level"])
        + np.log1p(table["around"] / 10)
    )  # fmt: skip
    together = own.groupby([table["site"], table["ts"]])
    mates = (together.transform("sum") - own) / (together.transform("size") - 1).clip(lower=1)
    apart = np.log1p(5 * _from_course(table).abs())
    lasting = (
        apart.groupby(table["series_id"], sort=False)
        .rolling(_HAMPEL, center=True, min_periods=1)
        .median()
        .reset_index(level=0, drop=True)
    )
    return np.asarray(own + mates + apart + lasting.reindex(table.index))


def _from_course(table: pd.DataFrame) -> pd.Series:
    """Distance from the course of the same quantity at all sites, each in units of its own range."""
    series = table.groupby("series_id", sort=False)["value"]
    width = series.transform("quantile", 0.9) - series.transform("quantile", 0.1) + 1e-9
    level = (table["value"] - series.transform("median")) / width
    course = level.groupby([table["variable"], table["ts"].dt.floor(_COURSE)]).transform("median")
    return level - course
