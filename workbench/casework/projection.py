"""Where a customer's use will stand at the period's end: equally likely totals, from forecasts that have already come true.

With four weeks of daily history the forecasts of ``insight.methods.crossing`` are used, whose chances were measured. A younger
lake is forecast by the hour: the customer's own level times the fleet's shape of the day, and how wrong that was for every
horizon of that length that has ended since a whole day was known. Where none
has, there is no forecast and nothing is offered: *not enough data*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.insight.arrays import Array
from workbench.insight.methods import crossing

HISTORY_LEAST = 24
"""Hours that must be known before a forecast: a day's shape that was never seen cannot be continued."""
RESIDUALS_LEAST = 20
_DRAWS = 200


@dataclass(frozen=True)
class Outlook:
    """Possible totals at the period's end.

    Attributes:
        so_far: use since the period began, per customer. totals: customers x draws, each as likely as the others.
    """

    so_far: Array
    totals: Array

    def chance(self, tier: Array) -> Array:
        """P(total >= tier) per customer; never quite 0 or 1 before it has happened."""
        size = self.totals.shape[1]
        over = (self.totals >= np.asarray(tier)[:, None]).mean(axis=1)
        return np.where(self.so_far >= tier, 1.0, (over * size + 0.5) / (size + 1.0))

    def moved(self, rows: Array, history: Array, came: Array, part: float) -> Outlook:
        """The outlook of some customers while a slot is running.

        What came takes the place of its part of the rest. A customer's level is all he used by all that was expected of
        him, so use that comes faster than expected also raises what is still to come.

        Args:
            rows: whose. history: their use before the slot, as far back as it is known. came: their use in it so far.
            part: the share of the rest that was expected by now.
        """
        so_far, rest = self.so_far[rows], self.totals[rows] - self.so_far[rows][:, None]
        expected = part * np.median(rest, axis=1)
        level = (history + came) / np.maximum(history + expected, 1e-9)
        totals = (so_far + came)[:, None] + rest * ((1 - part) * level)[:, None]
        return Outlook(so_far + came, totals)

    def interval(self, share: float = 0.8) -> tuple[Array, Array, Array]:
        """Lower end, middle and upper end that hold ``share`` of the totals."""
        half = (1 - share) / 2
        low, middle, high = np.quantile(self.totals, [half, 0.5, 1 - half], axis=1)
        return low, middle, high


def by_day(use: Array, weekday: Array, start: int, today: int, end: int) -> Outlook | None:
    """Days as slots. ``use`` is customers x days; only days before ``today`` are read."""
    if today >= end:
        return _known(use[:, start:end].sum(axis=1))
    if today - (end - today) - crossing.HISTORY_DAYS < 2 or today <= start:
        return None
    known = use[
        :, :today
    ]  # the methods take a floor from all they are given; a replay must not see what came later
    both = [
        crossing.forecast(known, weekday, start, today, end),
        crossing.plain(known, weekday, start, today, end),
    ]
    grid = (np.arange(_DRAWS // 2) + 0.5) / (_DRAWS // 2)
    totals = np.hstack([np.quantile(one.totals(), grid, axis=1).T for one in both])
    return Outlook(use[:, start:today].sum(axis=1), totals)


def by_hour(use: Array, shape: Array, start: int, today: int, end: int) -> Outlook | None:
    """Hours as slots.

    Args:
        use: customers x hours; only hours before ``today`` are read.
        shape: which place in the day (0 to 23) each hour is, up to ``end``.
        start, today, end: the period's first hour, the first hour not yet known, the hour after its last.
    """
    horizon = end - today
    if horizon <= 0:
        return _known(use[:, start:end].sum(axis=1))
    origins = range(HISTORY_LEAST, today - horizon + 1)
    residuals = []
    for at in origins:
        guess = _rest(use, shape, at, horizon)
        came = use[:, at : at + horizon].sum(axis=1)
        usable = guess > 0
        small = 0.05 * np.median(guess[usable]) if usable.any() else 1.0
        residuals.append(np.log((came[usable] + small) / (guess[usable] + small)))
    pool = np.concatenate(residuals) if residuals else np.zeros(0)
    if len(pool) < RESIDUALS_LEAST:
        return None
    errors = np.exp(np.quantile(pool, (np.arange(_DRAWS) + 0.5) / _DRAWS))
    so_far = use[:, start:today].sum(axis=1)
    return Outlook(so_far, so_far[:, None] + _rest(use, shape, today, horizon)[:, None] * errors[None, :])


def _known(total: Array) -> Outlook:
    """The outlook when the period is over: nothing is open."""
    return Outlook(total, np.tile(total[:, None], (1, _DRAWS)))


def _rest(use: Array, shape: Array, at: int, horizon: int) -> Array:
    """The use of ``horizon`` hours from ``at`` on: own level times the fleet's day, as far as either was known then."""
    fleet = use[:, :at].sum(axis=0)
    known = np.bincount(shape[:at], weights=fleet, minlength=24) / np.maximum(
        np.bincount(shape[:at], minlength=24), 1
    )
    seen = np.bincount(shape[:at], minlength=24) > 0
    day = np.where(seen, known, known[seen].mean())
    expected = day[shape[:at]].sum()
    if expected <= 0:
        return np.zeros(len(use))
    level = use[:, :at].sum(axis=1) / expected
    return np.asarray(level * day[shape[at : at + horizon]].sum())
