"""Usage records of some devices, page by page, out of the lake as it is now."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from workbench.api.answers import Record, Records, utc
from workbench.api.cursor import Place, written
from workbench.lake.lake import Lake
from workbench.lake.sql import quote

_LOOK_SECONDS = 0.5


class RecordReader:
    """A lake opened for reading beside the process's writer; looks at a new version at most twice a second."""

    def __init__(self, path: Path, tenant: str) -> None:
        self._lake = Lake.open(path, tenant, threads=1, memory_limit="256MB")
        self._lock = threading.Lock()
        self._looked = 0.0

    def close(self) -> None:
        """Let go of the lake."""
        self._lake.close()

    def page(
        self,
        names: dict[int, str],
        keys: Collection[int],
        after: Place | None,
        limit: int,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Records:
        """Records of the devices, oldest window first.

        Args:
            names: device key -> id, for the answer.
            since, until: windows that start in between, naive UTC.
        """
        with self._lock:
            if time.monotonic() - self._looked > _LOOK_SECONDS:
                self._lake.refresh()
                self._looked = time.monotonic()
            parts = self._parts(keys, after, since, until)
            rows = self._lake.con.execute(
                f"SELECT * FROM ({' UNION ALL '.join(parts)}) ORDER BY window_start, stream, device_key "
                f"LIMIT {limit + 1}"
            ).fetchall() if parts else []  # fmt: skip
        found = [
            Record(
                stream=row[0], device_id=names.get(row[1], ""), window_start=row[2].replace(tzinfo=None),
                units=row[3], events=row[4], duplicates=row[5], first_event_at=utc(row[6]),
                last_event_at=utc(row[7]), fingerprint=f"{row[8]:016x}",
            )
            for row in rows[:limit]
        ]  # fmt: skip
        for record in found:
            record.window_start = utc(record.window_start) or record.window_start
        last = rows[limit - 1] if len(rows) > limit else None
        return Records(records=found, next=written(Place(last[2], last[0], last[1])) if last else None)

    def _parts(
        self, keys: Collection[int], after: Place | None, since: datetime | None, until: datetime | None
    ) -> list[str]:
        """One query per stream; only partitions that can hold what is asked for."""
        if not keys:
            return []
        listed = ", ".join(str(int(key)) for key in keys)
        begin = max((at for at in (since, after.window_start if after else None) if at), default=None)
        parts = []
        streams = sorted({segment.stream for segment in self._lake.segments("records")})
        for stream in streams:
            segments = [
                segment
                for segment in self._lake.segments("records", stream=stream)
                if begin is None or segment.partition >= f"{begin:%Y-%m-%dT%H}"[: len(segment.partition)]
            ]
            if not segments:
                continue
            where = [f"device_key IN ({listed})"]
            if since:
                where.append(f"window_start >= TIMESTAMP '{since}'")
            if until:
                where.append(f"window_start < TIMESTAMP '{until}'")
            if after:
                at = f"TIMESTAMP '{after.window_start}'"
                later = (
                    f"{quote(stream)} > {quote(after.stream)} OR "
                    f"({quote(stream)} = {quote(after.stream)} AND device_key > {after.device_key})"
                )
                where.append(f"(window_start > {at} OR (window_start = {at} AND ({later})))")
            parts.append(
                f"SELECT {quote(stream)} AS stream, device_key, window_start, units, n_events, n_duplicates, "
                f"first_at, last_at, fingerprint FROM {self._lake.scan('records', segments=segments)} "
                f"WHERE {' AND '.join(where)}"
            )
        return parts
