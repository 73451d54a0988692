"""Telling somebody of thresholds: a signed webhook, and MQTT. Each notice once; which ones were told is on disk.

A notice is on disk before it is sent, and before a snapshot lets go of the request it came from; it is ticked off when
it was accepted. An ordinary stop waits for the answer under way. A crash in between, or a loss of power that takes the
tick, sends it again with the same id: ``Idempotency-Key`` on HTTP, ``id`` in the message. The signature is
``X-Workbench-Signature: t=<seconds>,v1=<hex of HMAC-SHA256(secret, "<seconds>." + body)>``.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import os
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from workbench.charging.watch import Notice
from workbench.journal.segment import fsync_dir

log = logging.getLogger(__name__)
RETRY_SECONDS = (0.2, 1.0, 5.0, 30.0)
TRIES_MAX = 20


def signed(secret: str, body: bytes, at_seconds: int) -> str:
    """The signature header of a notice."""
    digest = hmac.new(secret.encode(), b"%d." % at_seconds + body, hashlib.sha256).hexdigest()
    return f"t={at_seconds},v1={digest}"


def body_of(notice: Notice) -> bytes:
    """A notice as JSON."""
    return json.dumps(notice._asdict(), separators=(",", ":")).encode()


class Notifier:
    """Sends notices in order, one at a time, on the loop it is made on.

    Args:
        folder: where the outbox is kept: ``notices.ndjson``, one line a notice, ``{"told": id}`` when it was accepted.
    """

    def __init__(
        self,
        folder: Path,
        webhook: str,
        secret: str,
        mqtt: tuple[str, int] | None = None,
        prefix: str = "charging",
    ) -> None:
        self._url, self._secret, self._prefix = webhook, secret, prefix
        self._path = folder / "notices.ndjson"
        self._seen: set[str] = set()
        self._queue: asyncio.Queue[Notice] = asyncio.Queue()
        for notice in self._read():
            self._queue.put_nowait(notice)
        self._file = self._path.open("ab", buffering=0)
        fsync_dir(folder)
        self._lock, self._pending, self._unsynced = threading.Lock(), list[bytes](), False
        self._sending = asyncio.Lock()  # held from the first byte of an attempt until its answer is noted
        self._mqtt = _client(mqtt) if mqtt is not None else None
        self.told = self.given_up = 0
        self._task = asyncio.get_running_loop().create_task(self._run())

    def _read(self) -> list[Notice]:
        """What was written down and not accepted yet."""
        waiting: dict[str, Notice] = {}
        if self._path.exists():
            for line in self._path.read_bytes().splitlines():
                try:
                    row = json.loads(line)
                except ValueError:  # the line a crash cut short was not sent yet either
                    continue
                if "told" in row:
                    waiting.pop(row["told"], None)
                else:
                    waiting[row["id"]] = Notice(**row)
                    self._seen.add(row["id"])
        return list(waiting.values())

    def tell(self, notices: list[Notice]) -> None:
        """Queue notices; one that was queued before is not told again."""
        fresh = [notice for notice in notices if notice.id not in self._seen]
        if not fresh:
            return
        self._seen.update(notice.id for notice in fresh)
        self._pending += [body_of(notice) + b"\n" for notice in fresh]
        for notice in fresh:
            self._queue.put_nowait(notice)

    def sync(self) -> None:
        """Make durable what there is to tell; for a thread, the disk may be slow.

        Raises:
            OSError: the disk refuses; nothing is forgotten, ask again.
        """
        self._write(durably=True)

    def _write(self, durably: bool) -> None:
        with self._lock:
            while self._pending and not self._file.closed:
                line, self._unsynced = self._pending[0], True
                if self._file.write(line) != len(line):
                    self._file.write(b"\n")  # the disk is full: this line is cut short and comes again
                    raise OSError("the outbox of notices could not be written")
                del self._pending[0]
            if durably and self._unsynced and not self._file.closed:
                os.fdatasync(self._file.fileno())
                self._unsynced = False

    async def _kept(self, durably: bool) -> None:
        """``_write``, as often as it takes."""
        while True:
            try:
                await asyncio.to_thread(self._write, durably)
                return
            except OSError as error:
                log.warning("charging: notices wait: %s", error)
                await asyncio.sleep(RETRY_SECONDS[1])

    async def _run(self) -> None:
        while True:
            notice = await self._queue.get()
            await self._kept(durably=True)
            for number in range(TRIES_MAX):
                if await self._told(notice):
                    self.told += 1
                    break
                await asyncio.sleep(RETRY_SECONDS[min(number, len(RETRY_SECONDS) - 1)])
            else:
                self.given_up += 1
                log.error("charging: notice %s was not accepted after %s tries", notice.id, TRIES_MAX)
                self._tick(notice)
            await self._kept(durably=False)

    async def _told(self, notice: Notice) -> bool:
        """Send a notice and, if it was accepted, note that: whoever holds ``_sending`` sees both or neither."""
        async with self._sending:
            accepted = await asyncio.to_thread(self._send, notice)
            if accepted:
                self._tick(notice)
            return accepted

    def _tick(self, notice: Notice) -> None:
        self._pending.append(json.dumps({"told": notice.id}).encode() + b"\n")

    def _send(self, notice: Notice) -> bool:
        body = body_of(notice)
        try:
            if self._mqtt is not None:
                topic = f"{self._prefix}/{notice.tenant}/notices/{notice.account}"
                self._mqtt.publish(topic, body, qos=1).wait_for_publish(10)
            return not self._url or self._post(notice, body)
        except (OSError, ValueError, RuntimeError) as error:
            log.warning("charging: a notice was not delivered: %s", error)
            return False

    def _post(self, notice: Notice, body: bytes) -> bool:
        headers = {"Content-Type": "application/json", "Idempotency-Key": notice.id}
        headers["X-Workbench-Signature"] = signed(self._secret, body, notice.at // 1_000_000)
        request = urllib.request.Request(self._url, body, headers, method="POST")
        with urllib.request.urlopen(request, timeout=10) as response:
            return 200 <= int(response.status) < 300

    async def close(self) -> None:
        """Stop, after the answer under way; what was not told is told after the next start."""
        async with self._sending:
            self._task.cancel()
        if self._mqtt is not None:
            self._mqtt.disconnect()
            self._mqtt.loop_stop()
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self.sync)
        self._file.close()


def _client(address: tuple[str, int]) -> Any:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect(*address)
    client.loop_start()
    return client
