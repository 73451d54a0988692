"""The chance to reach a tier when use comes in lumps: charging sessions, print jobs, wash cycles.

Two views are averaged. The compound view draws sessions: a chance per weekday times the customer's own sizes; it knows
how lumpy a customer is, and believes too firmly in four weeks of history. The ranked view asks how far the projection
lies from the tier in units of the noise, and how often that was enough in the months before, for all customers.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from workbench.insight.arrays import Array

HISTORY_DAYS = 28
_DRAWS = 400
_USUAL_SIZE = 6.0  # of a first session, before a customer has had one [kWh]
_ENOUGH = 50  # rows of the past needed before the ranked view says anything


def compound(
    use: Array, weekday: Array, first: int, start: int, today: int, end: int, tiers: Array, seed: int = 0
) -> Array:
    """P(use at the period's end >= tier) of one customer, by drawing sessions: the baseline.

    Args:
        use: use per day, only days before ``today`` are read.
        first: the customer's first day with a session.
    """
    begin = max(first, today - HISTORY_DAYS)
    past, days = use[begin:today] > 0, weekday[begin:today]
    sizes = use[:today][use[:today] > 0]
    sizes = sizes if len(sizes) else np.array([_USUAL_SIZE])
    chance = np.array([past[days == day].mean() if (days == day).any() else 0.0 for day in range(7)])
    generator = np.random.default_rng([seed, today])
    shape = (_DRAWS, end - today)
    drawn = (generator.random(shape) < chance[weekday[today:end]]) * generator.choice(sizes, shape)
    total = use[start:today].sum() + drawn.sum(axis=1)
    return np.asarray((total[:, None] >= tiers[None, :]).mean(axis=0))


def distances(use: Array, first: int, start: int, today: int, end: int, tiers: Array) -> Array:
    """How far projections lie above each tier, in units of the noise: mixed, last week's, and all history's."""
    ahead, so_far = end - today, use[start:today].sum()
    known = max(today - first, 1)
    month = use[max(0, today - HISTORY_DAYS) : today].sum() / min(HISTORY_DAYS, known)
    week, ever = use[today - 7 : today].sum() / 7, use[:today].sum() / known
    mixed = 0.5 * month + 0.3 * ever + 0.2 * week
    sessions = max(int((use[:today] > 0).sum()), 1)
    noise = np.sqrt(ahead * max(mixed, 0.05) * use[:today].sum() / sessions) + 1.0
    steps = [(so_far + rate * ahead - tiers) / noise for rate in (mixed, week, ever)]
    return np.clip(np.column_stack(steps), -8.0, 8.0)


def ranked(past: Array, crossed: Array, now: Array) -> Array | None:
    """Chances from distances, by what such distances led to in the past; None with too little past."""
    if len(crossed) < _ENOUGH or len(np.unique(crossed)) < 2:
        return None
    model = LogisticRegression(C=0.3, max_iter=500).fit(past, crossed)
    return np.asarray(model.predict_proba(now)[:, 1])
