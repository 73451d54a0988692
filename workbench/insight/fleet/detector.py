"""The one interface of all detectors."""

from __future__ import annotations

from typing import Protocol

from workbench.insight.fleet.batch import Batch
from workbench.insight.fleet.scores import Scores


class Detector(Protocol):
    """Keeps a little state per device, moves it on with each batch, and says what it thinks of each device.

    Attributes:
        kind: what it finds: stuck, silent, spike ...
        rule: the rule's id, stable.
        column: the column it watches, empty when it watches deliveries.
        unit: of what it observed.
    """

    kind: str
    rule: str
    column: str
    unit: str

    def update(self, batch: Batch) -> None:
        """Take in a batch; batches come in the order of event time, a device's late readings may overlap."""

    def scores(self, now_ms: int) -> Scores:
        """What is known now."""
