"""A simulated fleet as detectors read it: what its columns mean, and its deliveries as batches."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from simulators.base import Fleet
from workbench.insight.fleet.batch import Batch
from workbench.insight.fleet.watch import Columns


def columns_of(fleet: Fleet) -> Columns:
    """What a fleet's columns are to the detectors."""
    names = {column.name for column in fleet.columns}
    return Columns(
        tuple(fleet.sensed), (fleet.counter,) if fleet.counter else (), ("bytes",) if {"bytes", "destination"} <= names else (),
        "destination" if "destination" in names else "", "imei" if "imei" in names else "",
    )  # fmt: skip


def batch_of(fleet: Fleet, columns: Columns, table: pa.Table) -> Batch:
    """Deliveries as a batch."""

    def ms(name: str) -> np.ndarray:
        return table[name].cast(pa.int64()).to_numpy() // 1000

    def codes(name: str) -> np.ndarray:
        return table[name].combine_chunks().indices.to_numpy()

    table = table.combine_chunks()
    numbers = {*columns.values, *columns.volume}
    words = [word for word in (columns.destination, columns.handset) if word]
    return Batch.of(
        codes("device_id"), ms(fleet.event_time), ms("received_at"),
        {name: table[name].to_numpy().astype(float) for name in numbers}, {word: codes(word) for word in words},
    )  # fmt: skip
