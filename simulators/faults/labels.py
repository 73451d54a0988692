"""The truth about faults, for those who score detectors; detectors themselves never see it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from simulators.calendar import from_ms

SCHEMA = pa.schema(
    [
        pa.field("fault_id", pa.string(), nullable=False),
        pa.field("fleet", pa.string(), nullable=False),
        pa.field("device_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        ("column", pa.string()),
        pa.field("starts_at", pa.timestamp("us"), nullable=False),
        pa.field("ends_at", pa.timestamp("us"), nullable=False),
        ("magnitude", pa.float64()),
        ("detail", pa.string()),
        pa.field("rows", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Episode:
    """One fault of one device.

    Args:
        number: position in the plan.
        kind: one of ``spec.KINDS``.
        device: code of the device.
        begin_ms, end_ms: events with begin <= event time < end are touched [ms since 1970].
        column: the column that lies, when one does.
        magnitude: how bad, in the kind's own unit (see ``detail``).
        detail: what the magnitude means, or which aspects a compromise has.
    """

    number: int
    kind: str
    device: int
    begin_ms: int
    end_ms: int
    column: str = ""
    magnitude: float = 0.0
    detail: str = ""


@dataclass(frozen=True)
class Label:
    """An episode with the names a person reads and the count of events it touched."""

    fleet: str
    device_id: str
    episode: Episode
    rows: int


def label_table(labels: list[Label]) -> pa.Table:
    """The labels as a table, columns of ``SCHEMA``."""
    rows = [
        {
            "fault_id": f"{label.fleet}-{label.episode.number + 1:05d}",
            "fleet": label.fleet,
            "device_id": label.device_id,
            "kind": label.episode.kind,
            "column": label.episode.column or None,
            "starts_at": from_ms(label.episode.begin_ms),
            "ends_at": from_ms(label.episode.end_ms),
            "magnitude": label.episode.magnitude,
            "detail": label.episode.detail or None,
            "rows": label.rows,
        }
        for label in labels
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)
