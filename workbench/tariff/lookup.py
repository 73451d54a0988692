"""Which step, which rate: the look-ups of the Python driver (``rating/batch.py`` has the same two as joins)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime

from workbench.model.plan import PlanComponent, PlanStep

Intervals = Sequence[tuple[datetime, datetime]]


def step_at(steps: Sequence[PlanStep], units: int) -> int:
    """Index of the step that holds at ``units``: the last one whose ``from_units`` is not above it."""
    return bisect_right(steps, units, key=lambda step: step.from_units) - 1


def inside(intervals: Intervals, at: datetime) -> bool:
    """Whether an instant lies in one of the sorted, disjoint, half-open intervals."""
    place = bisect_right(intervals, at, key=lambda interval: interval[0]) - 1
    return place >= 0 and at < intervals[place][1]


def rate_at(
    component: PlanComponent,
    at: datetime,
    dimensions: Mapping[str, object],
    windows: Mapping[str, Intervals],
) -> int | None:
    """Index of the first rate whose dimensions and windows fit, or ``None``.

    Args:
        windows: rate id to its expanded intervals; a rate that is absent holds always.
    """
    for index, rate in enumerate(component.rates):
        fits = all(_text(dimensions.get(name)) in values for name, values in rate.match)
        if fits and (rate.id not in windows or inside(windows[rate.id], at)):
            return index
    return None


def _text(value: object) -> str | None:
    """A dimension's value as the text the price list writes."""
    return None if value is None else str(value)
