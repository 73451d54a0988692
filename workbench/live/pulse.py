"""The last minutes of a node, sampled ten times a second: what charts are drawn from, whoever looks and whenever."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from workbench.live.care import nano
from workbench.live.node import LiveNode

_EVERY_SECONDS = 0.1
_KEPT = 3_000


@dataclass(frozen=True, slots=True)
class Beat:
    """One look at the node.

    ``acknowledged``: messages whose senders were told that they are safe; ``per_second``: of the last second.
    ``owed``: exact nano so far by currency, all accounts together; ``for_use``: the part that usage made, without fees.
    """

    number: int
    at: datetime
    acknowledged: int
    per_second: float
    events: int
    records: int
    duplicates: int
    rejected: int
    freshness: float
    lag: int
    owed: dict[str, Fraction]
    for_use: dict[str, Fraction]
    version: int


class Pulse:
    """Samples a node in a thread of its own; pages only read."""

    def __init__(self, node: LiveNode, acknowledged: Callable[[], int]) -> None:
        self.node, self._acknowledged = node, acknowledged
        self.beats: deque[Beat] = deque(maxlen=_KEPT)
        self._stop = threading.Event()
        self._owed: tuple[dict[str, Fraction], dict[str, Fraction]] = ({}, {})
        self._summed: tuple[object, int] = (None, -1)
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def after(self, number: int) -> list[Beat]:
        """The beats since beat ``number``."""
        return [beat for beat in list(self.beats) if beat.number > number]

    def _run(self) -> None:
        counts: deque[tuple[float, int]] = deque(maxlen=11)
        number = 0
        while not self._stop.wait(_EVERY_SECONDS):
            now, said = time.monotonic(), self._acknowledged()
            counts.append((now, said))
            since, before = counts[0]
            figures, number = self.node.figures, number + 1
            self.beats.append(
                Beat(
                    number, self.node.clock.now(), said, (said - before) / max(1e-3, now - since), figures.events,
                    figures.records, figures.duplicates, figures.rejected,
                    figures.freshness[-1] if figures.freshness else 0.0, figures.lag_messages, *self._sums(),
                    figures.version,
                )
            )  # fmt: skip

    def _sums(self) -> tuple[dict[str, Fraction], dict[str, Fraction]]:
        """What all accounts owe so far, and for use alone; summed again only when something changed."""
        standing = self.node.standing
        stands = (standing, standing.version)  # a memory made anew may stand at the same version
        if self._summed[0] is not standing or self._summed[1] != standing.version:
            charges = list(standing.charges.items())
            used = [(line, amount) for line, amount in charges if standing.lines[line]["kind"] == "usage"]
            self._owed, self._summed = (nano(standing, charges), nano(standing, used)), stands
        return self._owed
