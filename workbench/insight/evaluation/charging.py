"""Will a driver's charging reach a tier by the end of the month? Lumpy use, asked on day 10 and day 20."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.insight.arrays import Array
from workbench.insight.evaluation import measures
from workbench.insight.evaluation.bootstrap import paired
from workbench.insight.evaluation.folder import Folder
from workbench.insight.evaluation.result import Measured, need
from workbench.insight.methods import lumpy

FILES = ("ev_sessions",)
ROW = "tier crossing, EV"
TIERS_KWH = np.array([25.0, 50.0, 75.0, 100.0, 150.0])
_MONTHS_LEARNED = 3


@dataclass(frozen=True)
class Question:
    """One user, month and day of asking: what is known then, and what came of it for each tier."""

    month: int
    day: int
    user: int
    crossed: Array
    sure: Array
    compound: Array
    distance: Array


def rows(folder: Folder) -> list[Measured]:
    """Brier score over users, months and tiers; each month is forecast from the months before it."""
    sessions = folder.read("ev_sessions", "userId", "created", "kwhTotal")
    questions = _questions(sessions)
    months = sorted({q.month for q in questions})[_MONTHS_LEARNED:]
    need(len(months) > 0, f"fewer than {_MONTHS_LEARNED + 1} whole months of sessions")
    result = []
    for day in (10, 20):
        asked = [q for q in questions if q.day == day and q.month in months]
        if not asked:
            continue
        ours = [_ours(q, [p for p in questions if p.month < q.month]) for q in asked]
        truth = np.concatenate([q.crossed for q in asked])
        best, base = np.concatenate(ours), np.concatenate([q.compound for q in asked])
        user = np.repeat([q.user for q in asked], len(TIERS_KWH))
        users, place = np.unique(user, return_inverse=True)
        gain = (truth - base) ** 2 - (truth - best) ** 2
        low, high = paired(len(users), lambda times, g=gain, p=place: float(np.average(g, weights=times[p])))  # type: ignore[misc]
        result.append(
            Measured(ROW, f"Brier, day {day}", measures.brier(truth, base), measures.brier(truth, best), low, high,
                     len(users), float(truth.mean()), True,
                     note=f"{len(asked)} user-months; tiers {', '.join(f'{t:.0f}' for t in TIERS_KWH)} kWh; baseline: "
                     "sessions drawn by weekday")
        )  # fmt: skip
    return result


def _questions(sessions: pd.DataFrame) -> list[Question]:
    day0 = sessions.created.min().normalize()
    day = (sessions.created.dt.normalize() - day0).dt.days.to_numpy()
    users, place = np.unique(sessions.userId.to_numpy(), return_inverse=True)
    use = np.zeros((len(users), int(day.max()) + 1))
    np.add.at(use, (place, day), sessions.kwhTotal.to_numpy(dtype=float))
    first = np.full(len(users), use.shape[1])
    np.minimum.at(first, place, day)
    dates = pd.Series(pd.date_range(day0, periods=use.shape[1]))
    weekday, month = dates.dt.day_of_week.to_numpy(), dates.dt.to_period("M").astype("int64").to_numpy()
    whole = [m for m in np.unique(month) if m not in (month[0], month[-1])]
    result = []
    for one in whole:
        days = np.flatnonzero(month == one)
        start, end = int(days[0]), int(days[-1]) + 1
        for at in (10, 20):
            for user in np.flatnonzero(first < start + at):
                span = (int(first[user]), start, start + at, end)
                result.append(
                    Question(
                        int(one), at, int(user),
                        (use[user, start:end].sum() >= TIERS_KWH).astype(float),
                        use[user, start : start + at].sum() >= TIERS_KWH,
                        lumpy.compound(use[user], weekday, *span, TIERS_KWH, seed=int(user)),
                        lumpy.distances(use[user], *span, TIERS_KWH),
                    )
                )  # fmt: skip
    return result


def _ours(question: Question, past: list[Question]) -> Array:
    open_ = [(p.distance[~p.sure], p.crossed[~p.sure]) for p in past]
    distance = np.concatenate([d for d, _ in open_]) if open_ else np.zeros((0, 3))
    crossed = np.concatenate([c for _, c in open_]) if open_ else np.zeros(0)
    ranked = lumpy.ranked(distance, crossed, question.distance)
    mixed = question.compound if ranked is None else (ranked + question.compound) / 2
    return np.where(question.sure, 1.0, mixed)
