"""Signed webhooks, each accepted once: written down, sent with retries, ticked off.

A message is in the outbox's log before it is sent, and marked when the receiver accepted it (2xx). Asked again with the same
id it is not sent again; after a crash in between it is sent again with the same ``Idempotency-Key``. The signature is the
charging node's: ``X-Workbench-Signature: t=<seconds>,v1=<hex of HMAC-SHA256(secret, "<seconds>." + body)>``.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.casework.log import Event, Log
from workbench.charging.notify import signed
from workbench.clock import Clock, SystemClock
from workbench.errors import CaseworkError

RETRY_SECONDS = (0.2, 1.0, 3.0)
TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Wires:
    """Where actions go: a webhook with its secret, a charging node's HTTP address with its token; empty for none."""

    webhook: str = ""
    secret: str = ""
    charging: str = ""
    token: str = ""
    timeout_seconds: float = TIMEOUT_SECONDS
    retry_seconds: tuple[float, ...] = RETRY_SECONDS


class Outbox:
    """One folder's messages. ``pause`` waits between tries."""

    def __init__(
        self, folder: Path, clock: Clock | None = None, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._log = Log(folder / "outbox.ndjson")
        self._clock: Clock = clock or SystemClock()
        self._pause = pause
        self._waiting: dict[str, Event] = {}
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def send(self, message_id: str, body: dict[str, Any], wires: Wires) -> bool:
        """Send a message unless it was accepted before; whether it was sent now.

        Raises:
            CaseworkError: ``webhook_missing``, or ``webhook_failed`` / ``webhook_slow`` after the last try: the message
                waits in the outbox and ``deliver`` sends it.
        """
        if not wires.webhook:
            raise CaseworkError("No webhook is set, so nobody can be told.", where="--webhook", code="webhook_missing",
                                cure="Give its URL and the file with its secret.")  # fmt: skip
        with self._lock:
            self._take(self._log.read())
            if message_id in self._told:
                return False
            if message_id not in self._waiting:
                event = {"what": "message", "id": message_id, "body": body}
                self._append(event)
            self._deliver(message_id, wires)
            return True

    def deliver(self, wires: Wires) -> tuple[int, list[str]]:
        """Send what still waits; how many were accepted, and the ids that were not."""
        with self._lock:
            self._take(self._log.read())
            failed = []
            before = list(self._waiting)
            for message_id in before:
                try:
                    self._deliver(message_id, wires)
                except CaseworkError:
                    failed.append(message_id)
            return len(before) - len(failed), failed

    @property
    def waiting(self) -> list[str]:
        """Ids of messages nobody accepted yet."""
        with self._lock:
            self._take(self._log.read())
            return list(self._waiting)

    def _deliver(self, message_id: str, wires: Wires) -> None:
        body = json.dumps(self._waiting[message_id]["body"], separators=(",", ":"), sort_keys=True).encode()
        error: Exception | None = None
        for wait in (*wires.retry_seconds, None):
            try:
                self._post(message_id, body, wires)
            except (OSError, ValueError) as problem:
                error = problem
            else:
                self._append({"what": "told", "id": message_id})
                return
            if wait is not None:
                self._pause(wait)
        slow = isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError)
        said = (
            f"did not answer within {wires.timeout_seconds:g} s"
            if slow
            else f"did not accept the message: {_why(error)}"
        )
        raise CaseworkError(
            f"The webhook {said}; it was tried {len(wires.retry_seconds) + 1} times.", where=wires.webhook.partition("?")[0],
            cure="The message is kept: `workbench queue deliver` sends it once the receiver is well.",
            code="webhook_slow" if slow else "webhook_failed",
        )  # fmt: skip

    def _post(self, message_id: str, body: bytes, wires: Wires) -> None:
        at = int(self._clock.now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": message_id,
            "X-Workbench-Signature": signed(wires.secret, body, at),
        }
        request = urllib.request.Request(wires.webhook, body, headers, method="POST")
        with urllib.request.urlopen(request, timeout=wires.timeout_seconds) as response:
            if not 200 <= int(response.status) < 300:
                raise ValueError(f"status {response.status}")

    def _append(self, event: Event) -> None:
        at = self._clock.now().isoformat(timespec="milliseconds")
        others, made = self._log.append(lambda _: [event], at=at, who="outbox")
        self._take([*others, *made])

    def _take(self, events: list[Event]) -> None:
        for event in events:
            if event["what"] == "message":
                self._waiting[event["id"]] = event
            elif event["what"] == "told":
                self._waiting.pop(event["id"], None)
                self._told.add(event["id"])


def _why(error: Exception | None) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"status {error.code}"
    return str(getattr(error, "reason", error))[:120]
