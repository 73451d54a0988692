"""Whether the queue earns its keep: how often its first places were right, money found per hour, time to a first review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from fractions import Fraction
from statistics import median
from typing import Any

from workbench.casework.case import BENIGN, CONFIRMED, RANDOM_CHECK, Case
from workbench.model.money import decimal_text


@dataclass(frozen=True, slots=True)
class Measures:
    """What verdicts say of the queue.

    Attributes:
        decided: cases with a verdict of either kind. precision: the share confirmed among the first ``k`` that were decided;
            None while nothing was. random_precision: the same among random checks, the base rate nobody chose.
        found: money at risk of confirmed cases, by currency, exact text. minutes: what reviewing them takes by the house's own
            figures. hours_to_review: the median from opening to the first verdict.
    """

    decided: int
    k: int
    precision: float | None
    random_precision: float | None
    found: dict[str, str]
    minutes: int
    hours_to_review: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def measures(cases: Sequence[Case], k: int = 20) -> Measures:
    """Measure a queue by its history; the first ``k`` are those decided first."""
    judged = sorted((case for case in cases if case.verdict in (CONFIRMED, BENIGN)), key=_decided_at)
    flagged = [case for case in judged if case.kind != RANDOM_CHECK]
    drawn = [case for case in judged if case.kind == RANDOM_CHECK]
    sums: dict[str, Fraction] = {}
    for case in judged:
        if case.verdict == CONFIRMED and case.at_risk is not None:
            sums[case.currency] = sums.get(case.currency, Fraction(0)) + case.at_risk
    waits = [(_at(_decided_at(case)) - _at(case.history[0].at)).total_seconds() / 3600 for case in judged]
    return Measures(
        len(judged), k, _share(flagged[:k]), _share(drawn), {name: decimal_text(sum_) for name, sum_ in sorted(sums.items())},
        sum(case.about.minutes for case in judged), round(median(waits), 3) if waits else None,
    )  # fmt: skip


def _share(cases: Sequence[Case]) -> float | None:
    return sum(case.verdict == CONFIRMED for case in cases) / len(cases) if cases else None


def _decided_at(case: Case) -> str:
    return next((step.at for step in case.history if step.what.startswith("verdict")), case.history[-1].at)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
