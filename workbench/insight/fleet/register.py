"""Cumulative registers that go back: a reset or an exchange, told from a register that went round."""

from __future__ import annotations

import numpy as np

from workbench.insight.fleet.batch import Batch
from workbench.insight.fleet.scores import Scores

_ROUND_FROM = 0.95  # a fall to near zero from above this share of what its digits can hold is a rollover


class Register:
    """One numeric column; silent unless almost every step of the fleet goes up."""

    kind, rule = "counter_reset", "register.fell"

    def __init__(self, column: str, devices: int) -> None:
        self.column, self.unit = column, column
        self._last = np.full(devices, np.nan)
        self._first = np.full(devices, np.nan)
        self._last_ts = np.zeros(devices, dtype=np.int64)
        self._up, self._steps = 0, 0
        self._seen = np.zeros(devices)
        self._from, self._to = np.zeros(devices), np.zeros(devices)
        self._since = np.zeros(devices, dtype=np.int64)
        self._fell = np.zeros(devices, dtype=np.int64)

    def update(self, batch: Batch) -> None:
        """Look at each step; the largest fall of a device is kept."""
        device, ts, value = batch.known(self.column)
        if not len(device):
            return
        head = np.r_[True, device[1:] != device[:-1]]
        before = np.r_[np.nan, value[:-1]]
        before[head] = self._last[device[head]]
        late = head & (ts < self._last_ts[device])  # a straggler of the batch before
        before[late] = np.nan
        self._seen += np.bincount(device, minlength=len(self._seen))
        new = head & np.isnan(self._first[device])
        self._first[device[new]] = value[new]
        fell = np.flatnonzero(value < before)
        self._steps += int(np.isfinite(before).sum())
        self._up += int(np.isfinite(before).sum()) - len(fell)
        limit = 10.0 ** np.ceil(np.log10(np.maximum(before[fell], 1.0) + 1.0))  # registers have whole digits
        went_round = (before[fell] > _ROUND_FROM * limit) & (value[fell] < 0.1 * limit)
        restarts = (value[fell] < 0.5 * before[fell]) & (
            value[fell] < self._first[device[fell]]
        )  # a spike's way back does not
        fell = fell[~went_round & restarts & (value[fell] >= 0)]
        drop = before[fell] - value[fell]
        order = fell[np.argsort(drop, kind="stable")]
        larger = before[order] - value[order] > self._from[device[order]] - self._to[device[order]]
        order = order[larger]
        self._from[device[order]], self._to[device[order]] = before[order], value[order]
        self._since[device[order]] = ts[order]
        self._fell += np.bincount(device[fell], minlength=len(self._fell))
        tail = np.flatnonzero(np.r_[head[1:], True])
        self._last[device[tail]] = value[tail]
        self._last_ts[device[tail]] = ts[tail]

    @property
    def is_register(self) -> bool:
        """Whether the column behaves like one: 99.5 % of all steps go up or stay."""
        return self._steps > 100 and self._up >= 0.995 * self._steps

    def scores(self, now_ms: int) -> Scores:
        """A fall that was no rollover is certain, on a register."""
        hit = (self._fell > 0) & self.is_register
        raw = np.where(hit, 5.0, -5.0)
        return Scores(raw, self._seen >= 2, self._since, self._since, self._to, self._from, hit)
