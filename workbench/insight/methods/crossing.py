"""Will a customer's use reach a tier by the end of the period? A chance that keeps its promise.

What is left of the period is forecast from the customer's own last weeks; how wrong such forecasts were is taken from
every forecast of the same length that has already come true, for this fleet, up to today. Nothing of the future and no
distribution is assumed: independent Gaussian days promise 80 % and keep 40 to 60.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from workbench.insight.arrays import Array

HISTORY_DAYS = 28
LEVELS = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
_RIDGE = 8.0
_ASKED = (-0.4, -0.25, -0.15, -0.08, -0.03, 0.03, 0.08, 0.15, 0.25, 0.4)
_ORIGIN_STEP = 2  # past forecasts are made every other day: neighbours say nearly the same


@dataclass(frozen=True)
class Forecast:
    """What is still to come in a period, per customer.

    Attributes:
        so_far: use from the period's start until now.
        middle: the best single guess of the rest.
        errors: possible factors on ``middle``, equally likely, one row per customer.
    """

    so_far: Array
    middle: Array
    errors: Array

    def totals(self) -> Array:
        """Possible totals at the period's end, one row per customer, equally likely."""
        return np.asarray(self.so_far[:, None] + self.middle[:, None] * self.errors)

    def chance(self, tier: Array) -> Array:
        """P(use at the period's end >= tier); never quite 0 or 1 before it has happened."""
        over = (self.totals() >= np.asarray(tier)[:, None]).mean(axis=1)
        size = self.errors.shape[1]
        shrunk = (over * size + 0.5) / (size + 1.0)
        return np.where(self.so_far >= tier, 1.0, shrunk)

    def quantiles(self, levels: Array = LEVELS) -> Array:
        """Quantiles of the total, one column per level."""
        return np.asarray(np.quantile(self.totals(), levels, axis=1).T)


def forecast(use: Array, weekday: Array, start: int, today: int, end: int) -> Forecast:
    """Forecast the rest of a period for steady use (households, sensors).

    Args:
        use: customers x days; only days before ``today`` are read.
        weekday: 0 (Monday) to 6 of every day up to ``end``.
        start, today, end: the period's first day, the first day not yet known, the day after its last.
    """
    horizon = end - today
    origins = range(HISTORY_DAYS, today - horizon + 1, _ORIGIN_STEP)
    guesses = [_features(use, weekday, at, horizon) for at in origins]
    truth = [np.log(use[:, at : at + horizon].sum(axis=1) + _floor(use)) for at in origins]
    x, y = np.concatenate([g for g, _ in guesses]), np.concatenate(truth)
    base = np.concatenate([b for _, b in guesses])
    slope = _ridge(x, y - base)
    now, middle = _features(use, weekday, today, horizon)
    residual = y - base - x @ slope
    size = _size_of_error(x, residual)
    scaled = np.sort(residual / size(x))
    pool = np.quantile(scaled, (np.arange(400) + 0.5) / 400)
    centre = middle + now @ slope
    errors = np.exp(pool[None, :] * size(now)[:, None])
    return Forecast(use[:, start:today].sum(axis=1), np.exp(centre), errors)


def chance(use: Array, weekday: Array, start: int, today: int, end: int, tier: Array) -> Array:
    """P(use at the period's end >= tier): the mean of two that err differently, plain residuals and a logistic line."""
    empirical = plain(use, weekday, start, today, end).chance(tier)
    line = distance_line(use, weekday, today, end)
    if line is None:
        return empirical
    so_far = use[:, start:today].sum(axis=1)
    x, middle = _features(use, weekday, today, end - today)
    sure = so_far >= tier
    left = np.log(np.maximum(np.asarray(tier) - so_far, 1e-9)) - middle
    odds = line.decision_function(_distances(left, x))
    return np.where(sure, 1.0, (empirical + 1 / (1 + np.exp(-odds))) / 2)


def blend(use: Array, weekday: Array, start: int, today: int, end: int) -> Forecast:
    """Possible totals of both forecasts, equally likely: its quantiles are the interval shown to people."""
    first, second = forecast(use, weekday, start, today, end), plain(use, weekday, start, today, end)
    rest = np.hstack((first.middle[:, None] * first.errors, second.middle[:, None] * second.errors))
    middle = np.median(rest, axis=1)
    return Forecast(first.so_far, middle, rest / np.maximum(middle, 1e-12)[:, None])


def distance_line(use: Array, weekday: Array, today: int, end: int) -> LogisticRegression | None:
    """P(rest of the period >= what is missing), learned on every earlier day that has come true since; None too early.

    Each earlier forecast is asked with ten distances between what was missing and what was forecast.
    """
    horizon = end - today
    origins = range(HISTORY_DAYS, today - horizon + 1)
    rows, crossed = [], []
    for at in origins:
        x, middle = _features(use, weekday, at, horizon)
        rest = np.log(use[:, at : at + horizon].sum(axis=1) + _floor(use))
        for left in _ASKED:
            rows.append(_distances(np.full(len(use), left), x))
            crossed.append(rest >= middle + left)
    if not rows or len(np.unique(np.concatenate(crossed))) < 2:
        return None
    return LogisticRegression(max_iter=500).fit(np.concatenate(rows), np.concatenate(crossed))


def _distances(left: Array, x: Array) -> Array:
    left = np.clip(left, -3.0, 3.0)
    return np.column_stack([left, left * x[:, 4], x[:, 1], x[:, 2], x[:, 6], x[:, 4], x[:, 3]])


def plain(use: Array, weekday: Array, start: int, today: int, end: int) -> Forecast:
    """The baseline: last 28 days by weekday and weekend, times the error factor of the last whole period, same day."""
    horizon, length = end - today, end - start
    _, middle = _features(use, weekday, today, horizon)
    then = max(HISTORY_DAYS, today - length)
    then = min(then, today - horizon)
    _, before = _features(use, weekday, then, horizon)
    came = np.log(use[:, then : then + horizon].sum(axis=1) + _floor(use))
    pool = np.quantile(came - before, (np.arange(400) + 0.5) / 400)
    return Forecast(use[:, start:today].sum(axis=1), np.exp(middle), np.exp(np.tile(pool, (len(use), 1))))


def gaussian(use: Array, weekday: Array, start: int, today: int, end: int) -> Forecast:
    """What is often done and over-confident: days independent and normal."""
    from scipy.stats import norm

    past = use[:, today - HISTORY_DAYS : today]
    mean, spread = past.mean(axis=1), past.std(axis=1)
    rest = mean * (end - today)
    z = norm.ppf((np.arange(400) + 0.5) / 400)
    factor = 1 + z[None, :] * (spread * np.sqrt(end - today) / np.maximum(rest, 1e-9))[:, None]
    return Forecast(use[:, start:today].sum(axis=1), rest, np.maximum(factor, 0.0))


def _floor(use: Array) -> float:
    """A day of nearly nothing, so that logarithms stay small for dead meters."""
    return float(0.02 * np.median(use)) + 1e-6


def _features(use: Array, weekday: Array, at: int, horizon: int) -> tuple[Array, Array]:
    """What moves a forecast made on day ``at``, and its plain guess (log of the rest)."""
    past, days = use[:, at - HISTORY_DAYS : at], weekday[at - HISTORY_DAYS : at] >= 5
    ahead = weekday[at : at + horizon] >= 5
    by_day = past[:, ~days].mean(axis=1) * (~ahead).sum() + past[:, days].mean(axis=1) * ahead.sum()
    small = _floor(use)
    level = np.log(past.mean(axis=1) + small)
    week, half = np.log(past[:, -7:].mean(axis=1) + small), np.log(past[:, -14:].mean(axis=1) + small)
    rough = np.log(past.std(axis=1) / (past.mean(axis=1) + small) + 0.05)
    fleet_week = float(np.median(week - level))
    x = np.column_stack(
        [np.ones(len(use)), week - level - fleet_week, half - level, np.full(len(use), fleet_week),
         rough + 1.5, (week - level - fleet_week) * (rough + 1.5),
         np.log(np.quantile(past[:, -14:], 0.25, axis=1) + small) - level]
    )  # fmt: skip
    return x, np.log(by_day + small)


def _ridge(x: Array, y: Array) -> Array:
    """Least squares with the slopes (not the level) held back."""
    hold = np.eye(x.shape[1]) * _RIDGE
    hold[0, 0] = 1e-6
    return np.asarray(np.linalg.solve(x.T @ x + hold, x.T @ np.clip(y, -1.5, 1.5)))


class _Size:
    """How large errors are for a customer: irregular customers and those that just changed are harder to tell."""

    def __init__(self, slope: Array) -> None:
        self.slope = slope

    def __call__(self, x: Array) -> Array:
        return np.asarray(np.exp(np.clip(_spread_terms(x) @ self.slope, -4.0, 1.0)))


def _spread_terms(x: Array) -> Array:
    return np.column_stack([np.ones(len(x)), x[:, 4], np.abs(x[:, 1]), np.abs(x[:, 2])])


def _size_of_error(x: Array, residual: Array) -> _Size:
    terms = _spread_terms(x)
    target = np.log(np.abs(residual) + 0.01)
    hold = np.eye(terms.shape[1]) * _RIDGE
    return _Size(np.linalg.solve(terms.T @ terms + hold, terms.T @ target))
