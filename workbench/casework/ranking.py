"""How likely a case is true, learned from verdicts: a Beta count per reason at once, a straight line from 50 verdicts on.

The line (logistic regression on a few figures every case has) is stored as plain numbers with the hash of the labels and of
the code it was made from: no pickle, and anybody can multiply it out. It learns from random checks too, so that it does not
only learn what detectors flag already; verdicts count by one over the chance with which their case was shown, within bounds.
It is scored on the random checks alone when there are enough of them.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from workbench.casework.case import BENIGN, CONFIRMED, KINDS, RANDOM_CHECK, Case

LABELS_LEAST = 50
PRIOR_WEIGHT = 4.0
"""Reviews' worth of what the house believes of a reason before anybody judged a case of it."""
_WEIGHT_MAX = 10.0
UNCERTAIN_PLACE = 2
"""Of every five places the third is a doubtful case's: 20 % of what people look at."""
_REACH = 3.0  # standard deviations a figure may count for
FEATURES = ("surprise", "reasons", "ratio", "devices", "hours", "prior", "account_share", "learning")


@dataclass(frozen=True)
class Ranker:
    """A fitted line: ``P(true) = 1 / (1 + exp(-(intercept + coefficients . (x - mean) / scale)))``."""

    features: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    labels: int
    confirmed: int
    labels_sha256: str
    code_sha256: str
    random_checks: int
    random_brier: float | None

    def chance(self, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """P(true) of each row of figures."""
        z = np.clip((rows - np.array(self.mean)) / np.array(self.scale), -_REACH, _REACH)
        return np.asarray(1.0 / (1.0 + np.exp(-(self.intercept + z @ np.array(self.coefficients)))))

    def as_json(self) -> str:
        """The whole model as text."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def of_json(cls, text: str) -> Ranker:
        """Read it back."""
        data = json.loads(text)
        for key in ("features", "mean", "scale", "coefficients"):
            data[key] = tuple(data[key])
        return cls(**data)


@dataclass(frozen=True)
class Beliefs:
    """What verdicts say so far: counts per reason, and the ranker once there are enough."""

    counts: Mapping[str, tuple[int, int]]
    ranker: Ranker | None
    left_out: tuple[str, ...]

    def by_kind(self, kind: str, prior: float) -> float:
        """The share of a reason's cases that are true: what the house believes, moved by what was found."""
        yes, no = self.counts.get(kind, (0, 0))
        return (prior * PRIOR_WEIGHT + yes) / (PRIOR_WEIGHT + yes + no)

    def chances(self, cases: Sequence[Case]) -> list[float]:
        """P(true) of each case."""
        plain = np.array([self.by_kind(case.kind, case.about.prior) for case in cases])
        if self.ranker is None or not len(cases):
            return [float(value) for value in plain]
        learned = self.ranker.chance(figures(cases, self))
        # Both are asked: a reason's own record is sure of its level, the line of the order within it.
        odds = (np.log(plain / (1 - plain)) + np.log(learned / (1 - learned))) / 2
        return [float(value) for value in 1.0 / (1.0 + np.exp(-odds))]


def figures(cases: Sequence[Case], beliefs: Beliefs) -> np.ndarray[Any, Any]:
    """One row of ``FEATURES`` per case."""
    per_account: dict[str, int] = defaultdict(int)
    for case in cases:
        per_account[case.account] += 1
    rows = []
    for case in cases:
        first = case.reasons[0] if case.reasons else {}
        observed, peers = first.get("observed"), first.get("peers")
        ratio = np.log1p(abs(float(observed or 0))) - np.log1p(abs(float(peers or 0)))
        hours = (case.until - case.since).total_seconds() / 3600
        prior = beliefs.by_kind(case.kind, case.about.prior)
        rows.append(
            [min(case.surprise, 12.0), len(case.reasons), ratio, np.log(len(case.devices)), np.log1p(max(hours, 0.0)),
             np.log(prior / (1 - prior)), per_account[case.account] / len(cases), float(case.learning)]
        )  # fmt: skip
    return np.array(rows, dtype=float).reshape(len(rows), len(FEATURES))


def contradictions(cases: Sequence[Case]) -> list[tuple[Case, Case]]:
    """Pairs with the same subject and reason, episodes that overlap, and opposite verdicts."""
    judged: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in cases:
        if case.verdict in (CONFIRMED, BENIGN):
            judged[(case.subject, case.kind)].append(case)
    return [
        (left, right)
        for group in judged.values()
        for place, left in enumerate(group)
        for right in group[place + 1 :]
        if left.verdict != right.verdict and left.since <= right.until and right.since <= left.until
    ]


def believe(cases: Sequence[Case]) -> Beliefs:
    """What the verdicts on these cases say. Contradicting ones teach nothing and are named in ``left_out``."""
    out = {case.case_id for pair in contradictions(cases) for case in pair} | {
        case.case_id for case in cases if _wavered(case)
    }
    judged = sorted(
        (case for case in cases if case.verdict in (CONFIRMED, BENIGN) and case.case_id not in out),
        key=lambda case: case.case_id,
    )
    counts: dict[str, tuple[int, int]] = {}
    for case in judged:
        yes, no = counts.get(case.kind, (0, 0))
        counts[case.kind] = (yes + 1, no) if case.verdict == CONFIRMED else (yes, no + 1)
    plain = Beliefs(counts, None, tuple(sorted(out)))
    return Beliefs(counts, fit(judged, plain), plain.left_out)


def _wavered(case: Case) -> bool:
    """Whether two people said opposite things of it."""
    said = {
        step.who: step.what
        for step in case.history
        if step.what in (f"verdict {CONFIRMED}", f"verdict {BENIGN}")
    }
    return len(set(said.values())) > 1


def fit(judged: Sequence[Case], beliefs: Beliefs) -> Ranker | None:
    """The line through at least ``LABELS_LEAST`` verdicts of both kinds; None with fewer."""
    truth = np.array([case.verdict == CONFIRMED for case in judged], dtype=float)
    if len(judged) < LABELS_LEAST or len(np.unique(truth)) < 2:
        return None
    from sklearn.linear_model import LogisticRegression

    # A reason's own record holds this very verdict, so the line is fitted on what the house believed before.
    rows = figures(judged, Beliefs({}, None, ()))
    weight = np.clip([1.0 / max(case.sampled, 1e-6) for case in judged], 1.0, _WEIGHT_MAX)
    mean, scale = rows.mean(axis=0), np.where(rows.std(axis=0) > 1e-9, rows.std(axis=0), 1.0)
    z = np.clip((rows - mean) / scale, -_REACH, _REACH)
    line = LogisticRegression(C=0.3, max_iter=500).fit(z, truth, sample_weight=weight)
    drawn = np.array([case.kind == RANDOM_CHECK for case in judged])
    brier = None
    if int(drawn.sum()) >= 5:
        brier = float(np.mean((line.predict_proba(z)[drawn, 1] - truth[drawn]) ** 2))
    labels = ";".join(f"{case.case_id}={case.verdict}" for case in judged)
    return Ranker(
        FEATURES, tuple(map(float, mean)), tuple(map(float, scale)), tuple(map(float, line.coef_[0])),
        float(line.intercept_[0]), len(judged), int(truth.sum()), _sha(labels), _code(), int(drawn.sum()), brier,
    )  # fmt: skip


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _code() -> str:
    return _sha(inspect.getsource(sys.modules[__name__]))


def ordered(cases: Sequence[Case], beliefs: Beliefs, cap: int = 5) -> list[tuple[Case, float, float]]:
    """The queue: (case, P(true), score), best first; at every tenth place a random check, at every fifth a doubtful case.

    Doubtful is whose chance is nearest to one half: there a verdict says most about the next ones, wherever it would stand.
    Score is P(true) x money or risk at stake / minutes to review. No account and reason fills it: past ``cap`` cases of one
    account and reason the rest wait behind everybody else's.
    """
    chances = beliefs.chances(cases)
    rows = [
        (case, chance, chance * float(case.stake) / case.about.minutes)
        for case, chance in zip(cases, chances, strict=True)
    ]
    rows.sort(key=lambda row: (-row[2], row[0].case_id))
    flagged, drawn = (
        [row for row in rows if (row[0].kind == RANDOM_CHECK) is random] for random in (False, True)
    )
    seen: dict[tuple[str, str], int] = defaultdict(int)
    front: list[tuple[Case, float, float]] = []
    back: list[tuple[Case, float, float]] = []
    for row in flagged:
        key = (row[0].account, row[0].kind)
        seen[key] += 1
        (front if seen[key] <= cap else back).append(row)
    queue: list[tuple[Case, float, float]] = []
    waiting = {row[0].case_id: row for row in [*front, *back]}
    doubtful = sorted(
        waiting.values(), key=lambda row: (round(abs(row[1] - 0.5), 6), row[0].case_id), reverse=True
    )
    while waiting:
        if len(queue) % 10 == 9 and drawn:
            queue.append(drawn.pop(0))
            continue
        best = next(iter(waiting.values()))
        if len(queue) % 5 == UNCERTAIN_PLACE:
            while doubtful[-1][0].case_id not in waiting:
                doubtful.pop()
            best = doubtful[-1]
        queue.append(waiting.pop(best[0].case_id))
    return [*queue, *drawn]


__all__ = ["KINDS", "Beliefs", "Ranker", "believe", "contradictions", "figures", "fit", "ordered"]
