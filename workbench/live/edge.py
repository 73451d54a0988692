"""Gateway mediation: usage is made where it arises, by the same code and policy, and only records travel.

    devices ──> listener ──> journal ──> lake of the gateway ──> windows that are over ──> outbox ──> upstream
                                             └ raw events stay here, for whoever asks for them later

A pack is written to the outbox, durably, before it is sent, and moves to ``sent`` when upstream has it in its journal.
While the link is down packs wait; a window that late events changed is sent again, with its new fingerprint. A record
that was made here is the one the centre would have made, byte for byte: device keys, windows and fingerprints depend on
nothing but the events.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from workbench.lake.lake import Lake
from workbench.lake.segment import fsync_dir
from workbench.live.node import LiveNode
from workbench.mediation.packs import COLUMNS, CONTENT_TYPE, packed, table_of
from workbench.mediation.stream import Stream
from workbench.mediation.work import cursor_of

log = logging.getLogger(__name__)
_ROWS = 2_000


class Forwarder:
    """Sends a gateway's records upstream, in a thread of its own.

    Args:
        node: the gateway's own.
        folder: where the outbox lies.
        upstream: an HTTP source of the centre, ``https://host:port``.
        gateway: names this gateway in the topic of its packs.
        token: what upstream asks for.
        grace_seconds: a window is over so long after its end, by the newest message's receipt.

    Attributes:
        records, bytes: forwarded so far; ``waiting``: packs in the outbox.
    """

    def __init__(
        self,
        node: LiveNode,
        folder: Path,
        upstream: str,
        gateway: str,
        *,
        token: str = "",
        grace_seconds: float = 60.0,
        every_seconds: float = 1.0,
    ) -> None:
        self._node, self._upstream, self._gateway, self._token = node, upstream.rstrip("/"), gateway, token
        self._grace, self._every = timedelta(seconds=grace_seconds), every_seconds
        self.outbox, self.sent = folder / "outbox", folder / "sent"
        for each in (self.outbox, self.sent):
            each.mkdir(parents=True, exist_ok=True)
        self.records = self.bytes = 0
        self._told: dict[tuple[Any, ...], str] = {}
        self._number = 0
        for path in sorted(
            [*self.sent.glob("*.json"), *self.outbox.glob("*.json")], key=lambda path: path.name
        ):
            self._number = max(self._number, int(path.stem))
            self._remember(json.loads(path.read_text()))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edge", daemon=True)

    @property
    def waiting(self) -> int:
        """Packs that upstream does not have yet."""
        return sum(1 for _ in self.outbox.glob("*.json"))

    def __enter__(self) -> Forwarder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        with Lake.open(self._node.path, self._node.tenant, threads=1, memory_limit="256MB") as lake:
            patience = self._every
            while not self._stop.wait(patience):
                lake.refresh()
                self.gather(lake, self._over(lake))
                patience = self._every if self.send() else min(30.0, 2 * patience)
            self.send()

    def _over(self, lake: Lake) -> datetime:
        """Windows that ended before this (naive UTC) are over."""
        found = [fact["received_at"] for fact in lake.facts("journal").values() if fact["received_at"]]
        newest = max(
            (datetime.fromisoformat(each) for each in found), default=datetime(1970, 1, 2, tzinfo=UTC)
        )
        return newest.astimezone(UTC).replace(tzinfo=None) - self._grace

    def gather(self, lake: Lake, before: datetime) -> int:
        """Put the records of windows that ended before an instant into the outbox, those that changed again too."""
        count = 0
        for name in sorted(lake.facts("stream")):
            stream = Stream.from_json(lake.facts("stream")[name])
            for rows in _pieces(self._fresh(lake, stream, before)):
                self._number += 1
                pack = packed(stream, rows)
                path = self.outbox / f"{self._number:012d}.json"
                draft = path.with_suffix(".tmp")
                with draft.open("w") as file:
                    json.dump(pack, file, separators=(",", ":"))
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
                fsync_dir(self.outbox)
                self._remember(pack)
                count += len(rows)
        return count

    def _fresh(self, lake: Lake, stream: Stream, before: datetime) -> list[dict[str, Any]]:
        columns = ["d.device_id", *(f'r."{name}"' for name in (*COLUMNS, *stream.dimensions))]
        with cursor_of(lake) as con:
            found = con.execute(
                f"SELECT {', '.join(columns)} FROM {lake.scan('records', stream=stream.name)} r "
                f"JOIN (SELECT DISTINCT device_key, device_id FROM {lake.scan('devices')}) d USING (device_key) "
                "WHERE r.window_start <= $last ORDER BY r.window_start, d.device_id",
                {"last": before - timedelta(seconds=stream.grid_seconds)},
            ).fetchall()
        names = ("device_id", *COLUMNS, *stream.dimensions)
        rows = [dict(zip(names, row, strict=True)) for row in found]
        return [
            row for row in rows if self._told.get(_key(stream.name, row, stream.dimensions)) != _mark(row)
        ]

    def _remember(self, pack: dict[str, Any]) -> None:
        rows = table_of(pack).to_pylist()
        devices = pack["columns"]["device_id"]
        for row, device in zip(rows, devices, strict=True):
            row["device_id"] = device
            self._told[_key(pack["stream"], row, pack["dimensions"])] = _mark(row)

    def send(self) -> bool:
        """Send what waits, oldest first; False when upstream cannot be reached or wants no more now."""
        for path in sorted(self.outbox.glob("*.json")):
            body = path.read_bytes()
            pack = json.loads(body)
            topic = f"edge/{self._gateway}/{pack['stream']}"
            request = urllib.request.Request(
                f"{self._upstream}/v1/events/{topic}", body, {"Content-Type": CONTENT_TYPE}, method="POST"
            )
            if self._token:
                request.add_header("Authorization", f"Bearer {self._token}")
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    taken = answer.status == 202
            except (urllib.error.URLError, OSError) as problem:
                log.warning("edge: upstream does not take records: %s", problem)
                return False
            if not taken:
                return False
            path.replace(self.sent / path.name)
            self.records += len(pack["columns"]["device_id"])
            self.bytes += len(body)
        return True


def _key(stream: str, row: dict[str, Any], dimensions: Iterable[str]) -> tuple[Any, ...]:
    return (stream, row["device_id"], row["window_start"], *(row[name] for name in dimensions))


def _mark(row: dict[str, Any]) -> str:
    """What tells one state of a record from another."""
    return f"{row['fingerprint']:x}.{row['n_events']}.{row['n_duplicates']}.{row['units']}"


def _pieces(rows: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    for at in range(0, len(rows), _ROWS):
        yield rows[at : at + _ROWS]


def settled(forwarder: Forwarder, timeout_seconds: float) -> bool:
    """Wait until the outbox is empty."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if not forwarder.waiting:
            return True
        time.sleep(0.1)
    return False
