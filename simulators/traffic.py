"""How the network treats a message: latency, loss, retries that become duplicates, waiting, wrong clocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp
from statistics import NormalDist

import numpy as np

from simulators.columns import Array
from simulators.errors import ArgumentBad
from simulators.randomness import sparse

_STEPS = 256


@dataclass(frozen=True)
class Traffic:
    """The habits of a fleet's network. Shares are per true event.

    Args:
        loss: share of events that never arrive. Measured LoRaWAN: 0.9 % fixed, 42-47 % mobile and mountain.
        duplicates: share delivered a second time, because the acknowledgement got lost. Measured: 8 % and 28
            %.
        duplicate_seconds: the copy arrives up to this much after the first delivery.
        latency_ms: median time from event to arrival.
        latency_spread: sigma of the log-normal latency.
        late: share that waits in the device for coverage before it is sent.
        late_seconds: how long such an event waits at most.
        skew_ms: most device clocks are wrong by up to this; one in a hundred by 30 times as much.
    """

    loss: float = 0.0
    duplicates: float = 0.015
    duplicate_seconds: int = 120
    latency_ms: int = 120
    latency_spread: float = 0.7
    late: float = 0.0
    late_seconds: int = 0
    skew_ms: int = 0

    def __post_init__(self) -> None:
        for name in ("loss", "duplicates", "late"):
            share = getattr(self, name)
            if not isinstance(share, int | float) or not 0 <= share <= 1:
                raise ArgumentBad(
                    f"{name} is {share!r}.",
                    where=name,
                    code="share_bad",
                    cure="A share lies between 0 and 1; 1.5 % is 0.015.",
                )

    def but(self, *, duplicates: float | None = None, loss: float | None = None) -> Traffic:
        """The same habits with another share of duplicates or losses."""
        changed = self if duplicates is None else replace(self, duplicates=duplicates)
        return changed if loss is None else replace(changed, loss=loss)

    @property
    def delay_ms_max(self) -> int:
        """The longest way an event can take [ms]."""
        copy = self.duplicate_seconds if self.duplicates else 0
        wait = self.late_seconds if self.late else 0
        return int(latencies(self.latency_ms, self.latency_spread)[-1]) + 1000 * (copy + wait)

    def deliver(self, generator: np.random.Generator, sent_ms: Array) -> tuple[Array, Array]:
        """Send events at ``sent_ms`` (true time) and say what arrives: (rows, received_ms), in no order."""
        count = len(sent_ms)
        table = latencies(self.latency_ms, self.latency_spread)
        received = sent_ms + table.take(generator.integers(0, _STEPS, size=count, dtype=np.uint8))
        waiting = sparse(generator, count, self.late)
        if len(waiting):
            received[waiting] = sent_ms[waiting] + generator.integers(
                0, 1000 * self.late_seconds + 1, size=len(waiting)
            )
        rows = np.arange(count, dtype=np.int64)
        if self.loss:
            rows = np.flatnonzero(generator.random(count) >= self.loss)
        return self.repeat(generator, rows, received[rows])

    def repeat(self, generator: np.random.Generator, rows: Array, received_ms: Array) -> tuple[Array, Array]:
        """Add the second deliveries of some of the deliveries given."""
        again = sparse(generator, len(rows), self.duplicates)
        if not len(again):
            return rows, received_ms
        delay = generator.integers(1, 1000 * self.duplicate_seconds + 1, size=len(again), dtype=np.int64)
        return np.concatenate((rows, rows[again])), np.concatenate((received_ms, received_ms[again] + delay))

    def skews(self, generator: np.random.Generator, devices: int) -> Array:
        """How wrong each device's clock is [ms, positive = fast]."""
        if not self.skew_ms:
            return np.zeros(devices, dtype=np.int64)
        skew = generator.integers(-self.skew_ms, self.skew_ms + 1, size=devices, dtype=np.int64)
        return np.where(generator.random(devices) < 0.01, skew * 30, skew)


@lru_cache(maxsize=64)
def latencies(median_ms: int, spread: float) -> Array:
    """256 equally likely log-normal latencies [ms], rising; a table makes a draw one look-up."""
    normal = NormalDist()
    steps = [median_ms * exp(spread * normal.inv_cdf((step + 0.5) / _STEPS)) for step in range(_STEPS)]
    return np.array([max(1, round(step)) for step in steps], dtype=np.int64)
