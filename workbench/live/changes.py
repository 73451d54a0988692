"""What a batch changed in the records: for each partition the segment before and after, and the difference as rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.stream import Stream


@dataclass(frozen=True, slots=True)
class Change:
    """Records of one partition: ``old`` is None when there were none."""

    stream: str
    partition: str
    old: Segment | None
    new: Segment


def changes_of(add: Iterable[Segment], remove: Iterable[Segment]) -> list[Change]:
    """The records that a commit replaced by others; those that only name other parents are no change."""
    gone = {(s.stream, s.partition): s for s in remove if s.kind == "records"}
    found = []
    for segment in add:
        if segment.kind != "records":
            continue
        old = gone.get((segment.stream, segment.partition))
        if old is None or old.sha256 != segment.sha256:
            found.append(Change(segment.stream, segment.partition, old, segment))
    return sorted(found, key=lambda change: (change.stream, change.partition))


def difference_sql(lake: Lake, change: Change, stream: Stream) -> str:
    """Rows shaped like records whose units and events are what came since; windows that did not change are left out.

    A window that lost units (a conflict was decided the other way, a register was read again) has fewer, below zero.
    """
    new = lake.scan("records", segments=[change.new])
    if change.old is None:
        return f"(SELECT * FROM {new})"
    old = lake.scan("records", segments=[change.old])
    keys = ["device_key", "window_start", *(f'"{name}"' for name in stream.dimensions)]
    same = " AND ".join(f"n.{key} IS NOT DISTINCT FROM o.{key}" for key in keys)
    return (
        "(SELECT n.* REPLACE ((n.units - coalesce(o.units, 0))::BIGINT AS units, "
        f"(n.n_events - coalesce(o.n_events, 0))::INTEGER AS n_events) FROM {new} n LEFT JOIN {old} o ON {same} "
        "WHERE o.device_key IS NULL OR n.units <> o.units OR n.n_events <> o.n_events UNION ALL "
        f"SELECT o.* REPLACE (-o.units AS units, -o.n_events AS n_events) FROM {old} o ANTI JOIN {new} n ON {same})"
    )
