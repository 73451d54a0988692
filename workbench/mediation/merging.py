"""Many small segments become few: merged while an hour fills, one sorted segment per hour once it is sealed.

A merge reads and writes beside the batches, in a thread of its own, and becomes visible with the next batch's commit.
Rows are only put together: their number, their content and their order within the file are what landing would have
given for one large delivery, so records do not change; they only name other parents.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.landing import SPAN, landed_columns, sort_columns
from workbench.mediation.messages import instant_of
from workbench.mediation.stream import Stream
from workbench.mediation.work import cursor_of

if TYPE_CHECKING:
    from workbench.mediation.intake import Taken

LIVE = "live"
"""Marks segments that came by the wire; its value is how often their rows were merged."""
_TOGETHER = 16
_LARGEST_ROWS = 2_000_000
_GRACE = timedelta(minutes=2)
_SMALL = {
    "rejects": ("item_no", "reason"),
    "deadletters": ("seen_at", "letter_id", "position"),
    "devices": ("device_id",),
}


@dataclass(frozen=True, slots=True)
class _Job:
    kind: str
    stream: str
    partition: str
    level: int
    inputs: tuple[Segment, ...]


class Merger:
    """Decides what to merge, does it in its own thread, and hands over what is finished."""

    def __init__(self, together: int = _TOGETHER, grace: timedelta = _GRACE) -> None:
        self._together, self._grace = together, grace
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="merge")
        self._running: tuple[_Job, Future[Segment]] | None = None
        self.merged = 0

    def close(self) -> None:
        """Wait for the merge that runs; what it wrote and nobody committed is swept by the next writer."""
        self._pool.shutdown(wait=True)

    @property
    def idle(self) -> bool:
        """Whether no merge runs or waits to be committed."""
        return self._running is None

    def consider(self, lake: Lake, taken: Taken) -> None:
        """Start the next merge, if one is due."""
        if self._running is not None:
            return
        job = self._due(lake, taken.received_ns[1])
        if job is not None:
            self._running = job, self._pool.submit(_merge, lake, job)

    def finished(self, lake: Lake) -> tuple[list[Segment], list[Segment]]:
        """Segments to add and to remove for a merge that is done; records that were made of its inputs name it."""
        if self._running is None or not self._running[1].done():
            return [], []
        (job, future), self._running = self._running, None
        merged = future.result()
        if any(segment.id not in lake.state.segments for segment in job.inputs):
            return [], []
        self.merged += len(job.inputs)
        add, remove = [merged], list(job.inputs)
        gone = {segment.id for segment in job.inputs}
        for records in lake.segments("records", stream=job.stream, partition=job.partition):
            if job.kind == "landed" and gone & set(records.parents):
                parents = [parent for parent in records.parents if parent not in gone]
                add.append(replace(records, parents=(*parents, merged.id)))
                remove.append(records)
        return add, remove

    def _due(self, lake: Lake, now_ns: int) -> _Job | None:
        sealed = _sealed_before(now_ns, self._grace)
        groups: dict[tuple[str, str, str], list[Segment]] = {}
        for segment in lake.state.segments.values():
            if (segment.kind == "landed" and LIVE in segment.meta) or segment.kind in _SMALL:
                groups.setdefault((segment.kind, segment.stream, segment.partition), []).append(segment)
        for (kind, stream, partition), segments in sorted(groups.items()):
            if len(segments) < 2:
                continue
            by_level: dict[int, list[Segment]] = {}
            for segment in segments:
                by_level.setdefault(int(segment.meta.get(LIVE, 0)), []).append(segment)
            for level, same in sorted(by_level.items()):
                if len(same) >= self._together and sum(s.rows for s in same) <= _LARGEST_ROWS:
                    return _Job(kind, stream, partition, level + 1, tuple(same))
            if kind == "landed" and _end(partition) <= sealed:
                return _Job(kind, stream, partition, max(by_level) + 1, tuple(segments))
        return None


def _sealed_before(now_ns: int, grace: timedelta) -> datetime:
    return instant_of(now_ns).replace(tzinfo=None) - grace


def _end(partition: str) -> datetime:
    """When a partition's time is over, naive UTC."""
    if len(partition) == len("2026-03"):
        start = datetime.fromisoformat(partition + "-01")
        return (start + timedelta(days=32)).replace(day=1)
    return datetime.fromisoformat(partition) + (timedelta(hours=1) if "T" in partition else timedelta(days=1))


def _merge(lake: Lake, job: _Job) -> Segment:
    source = lake.scan(job.kind, segments=job.inputs)
    order: Sequence[str] = _SMALL.get(job.kind, ())
    columns, controls = "*", {}
    if job.kind == "landed":
        stream = Stream.from_json(lake.facts("stream")[job.stream])
        order = sort_columns(stream)
        columns = ", ".join(f'"{name}"' for name in landed_columns(stream))
        controls = {"quantity": f"sum({stream.quantity})", **SPAN}
    with cursor_of(lake) as con:
        return lake.write(
            job.kind,
            f"SELECT {columns} FROM {source}",
            stream=job.stream,
            partition=job.partition,
            order_by=order,
            controls=controls,
            origin=",".join(segment.id for segment in job.inputs),
            meta={LIVE: job.level},
            con=con,
        )
