"""From a rule's raw figure per device to a tail probability that means the same for every rule and device.

Each rule gives the worst it saw of each device: nats of surprise, or a log ratio. What is usual there is asked of the peers: half of
them set the place, the upper fifth the spread of a Gumbel distribution (that of largest values), so that the few bad
ones do not hide themselves. Small cohorts borrow spread from a prior; a device that was seen too little is "learning".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.insight.arrays import Array

LEARNING, ALIVE = "learning", "judged"
CERTAIN = 9.0
"""Surprise of what needs no statistics."""

_PEERS_TRUSTED = 30  # with fewer peers the prior's spread weighs in
_LOG_P_MAX = 60.0


@dataclass(frozen=True)
class Scores:
    """What one rule says of each device (arrays over devices).

    Attributes:
        raw: how unusual the worst episode is, in the device's own units (nats, or a log ratio); -inf: nothing seen.
        enough: whether the device was seen enough to be judged.
        since, until: the episode [ms]; until is the last reading in it.
        observed, expected: the figure shown to people, and what is usual for this device.
        certain: episodes that need no statistics (a sentinel value, a conflict): judged by themselves.
        spread_least: no cohort is believed to be more alike than this, in the unit of ``raw``.
    """

    raw: Array
    enough: Array
    since: Array
    until: Array
    observed: Array
    expected: Array
    certain: Array
    spread_least: float = 1.0

    def surprise(self, cohort: Array) -> Array:
        """-log10 of the tail probability of each device among its cohort (codes per device); 0 while learning."""
        result = np.zeros(len(self.raw))
        usable = self.enough & np.isfinite(self.raw)
        for code in np.unique(cohort[usable]):
            mine = usable & (cohort == code)
            result[mine] = _tail(self.raw[mine], self.spread_least)
        result[self.certain] = np.maximum(result[self.certain], CERTAIN)
        return result


def _tail(raw: Array, least: float) -> Array:
    """-log10 P(a healthy peer's worst is at least this bad), by a Gumbel fitted to the middle of the peers."""
    place = float(np.median(raw))
    upper = float(np.quantile(raw, 0.8))
    seen = (upper - place) / (np.log(-np.log(0.5)) - np.log(-np.log(0.8)))
    weight = len(raw) / (len(raw) + _PEERS_TRUSTED)
    spread = max(least, weight * seen + (1 - weight) * max(seen, 2 * least))
    z = (raw - place) / spread - np.log(np.log(2.0))
    with np.errstate(over="ignore"):
        log_p = np.where(z > 20, -z, np.log(-np.expm1(-np.exp(-np.clip(z, -30, 60)))))
    return np.asarray(np.clip(-log_p / np.log(10.0), 0.0, _LOG_P_MAX))


def nothing(devices: int) -> Scores:
    """Scores of a rule that saw nothing."""
    zero = np.zeros(devices)
    return Scores(
        np.full(devices, -np.inf), np.zeros(devices, dtype=bool), zero.astype(np.int64), zero.astype(np.int64),
        zero, zero, np.zeros(devices, dtype=bool),
    )  # fmt: skip
