"""Will a household reach a tier by the end of the month? Asked on day 10 and day 20 of the last month recorded."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.insight.arrays import Array
from workbench.insight.evaluation import measures
from workbench.insight.evaluation.bootstrap import mean_gain
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.result import Measured, need
from workbench.insight.methods import crossing

FILES = ("households_halfhourly",)
ROW = "tier crossing, households"
TIERS = (0.85, 0.95, 1.05, 1.15, 1.25)
"""Tiers asked of each household, as shares of its use in the month before."""


def rows(folder: Folder) -> list[Measured]:
    """Brier score, calibration, coverage and pinball; forecasts use only days before the day of asking."""
    daily = folder.read("households_halfhourly", "ts").set_index("ts").resample("D").sum()
    use, weekday = daily.to_numpy(dtype=float).T, pd.Series(daily.index).dt.day_of_week.to_numpy()
    month = pd.Series(daily.index).dt.to_period("M").to_numpy()
    need(
        len(daily) >= 75 and len(np.unique(month)) >= 3 and len(use) >= 10,
        "fewer than three months or ten households",
    )
    days = np.flatnonzero(month == month[-1])
    start, end = int(days[0]), int(days[-1]) + 1
    before = np.flatnonzero(month == month[start - 1])
    usual = use[:, before].sum(axis=1)
    total = use[:, start:end].sum(axis=1)
    result: list[Measured] = []
    gains = []
    for day in (10, 20):
        measured, gain = _asked(use, weekday, (start, start + day, end), total, usual, day)
        result += measured
        gains.append(gain)
    base, best = (np.mean([gain[which] for gain in gains], axis=0) for which in (0, 1))
    low, high = mean_gain(base, best)
    both = Measured(ROW, "Brier, days 10 and 20 together, against empirical residuals", float(base.mean()),
                    float(best.mean()), low, high, len(use), lower_is_better=True)  # fmt: skip
    return [both, *result]


def _asked(
    use: Array, weekday: Array, span: tuple[int, int, int], total: Array, usual: Array, day: int
) -> tuple[list[Measured], tuple[Array, Array]]:
    tiers = [usual * share + 0.5 for share in TIERS]
    truth = np.array([total >= tier for tier in tiers], dtype=float)
    plain, normal = crossing.plain(use, weekday, *span), crossing.gaussian(use, weekday, *span)
    best = crossing.blend(use, weekday, *span)
    ours = np.array([crossing.chance(use, weekday, *span, tier) for tier in tiers])
    result = []
    for name, other in (("empirical residuals", plain), ("independent Gaussian days", normal)):
        base = np.array([other.chance(tier) for tier in tiers])
        low, high = mean_gain(((truth - base) ** 2).mean(axis=0), ((truth - ours) ** 2).mean(axis=0))
        result.append(
            Measured(ROW, f"Brier, day {day}, against {name}", measures.brier(truth, base),
                     measures.brier(truth, ours), low, high, len(use), float(truth.mean()), True,
                     note=f"base rate alone: {truth.mean() * (1 - truth.mean()):.3f}")
        )  # fmt: skip
    base = np.array([plain.chance(tier) for tier in tiers])
    squared = ((truth - base) ** 2).mean(axis=0), ((truth - ours) ** 2).mean(axis=0)
    result.append(
        Measured(ROW, f"calibration error, day {day}", measures.calibration_error(truth.ravel(), base.ravel()),
                 measures.calibration_error(truth.ravel(), ours.ravel()), lower_is_better=True, units=len(use))
    )  # fmt: skip
    scale = float(total.mean())
    loss = [measures.pinball(total / scale, f.quantiles() / scale, crossing.LEVELS) for f in (plain, best)]
    sharper = _pinball_gain(total / scale, plain, best, scale)
    cover = [_covered(total, f) for f in (plain, best, normal)]
    return [
        *result,
        Measured(ROW, f"share inside the 80 % interval, day {day}", cover[0], cover[1], units=len(use),
                 note=f"Gaussian days cover {cover[2]:.2f}"),
        Measured(ROW, f"pinball, day {day}", loss[0], loss[1],
                 sharper[0], sharper[1], len(use), lower_is_better=True,
                 note="in shares of the mean household's month"),
    ], squared  # fmt: skip


def _pinball_gain(
    truth: Array, plain: crossing.Forecast, best: crossing.Forecast, scale: float
) -> tuple[float, float] | tuple[None, None]:
    per = [
        np.array(
            [
                measures.pinball(truth[at : at + 1], q[at : at + 1], crossing.LEVELS)
                for at in range(len(truth))
            ]
        )
        for q in (plain.quantiles() / scale, best.quantiles() / scale)
    ]
    return mean_gain(per[0], per[1])


def _covered(total: Array, forecast: crossing.Forecast) -> float:
    low, high = forecast.quantiles(np.array([0.1, 0.9])).T
    return float(((total >= low) & (total <= high)).mean())
