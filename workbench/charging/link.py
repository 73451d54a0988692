"""A node's line to another node: requests of any caller over one framed connection, answers in their order.

What was sent and not answered is sent again after a new connection: requests have ids, so a second time does nothing. A
caller waits ``PATIENCE_SECONDS`` at most for a node that is away, then is told ``busy`` and may ask again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from workbench.charging.durable import Sink, deliver
from workbench.charging.refusals import refusal

log = logging.getLogger(__name__)
PATIENCE_SECONDS, RETRY_SECONDS = 5.0, 0.1
UNANSWERED_MAX = 50_000


class Link(asyncio.Protocol):
    """The line to one node.

    Args:
        address: host:port of its framed door.
        up: told each time the line is there.
    """

    def __init__(self, name: str, address: str, up: Callable[[Link], None] = lambda _: None) -> None:
        self.name, self.address, self._up = name, address, up
        self.loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[bytes, Sink, object]] = deque()
        self._out: list[bytes] = []
        self._data, self._soon, self._closed = b"", False, False
        self.down_since = self._heard = self.loop.time()
        self._task = self.loop.create_task(self._keep())

    @property
    def up(self) -> bool:
        """Whether the node is reached."""
        return self._transport is not None

    @property
    def waiting(self) -> int:
        """Requests it has not answered yet."""
        return len(self._waiting)

    def forward(self, body: bytes, sink: Sink, token: object = None) -> None:
        """Send a request on; its answer reaches ``sink``."""
        late = not self.up and self.loop.time() - self.down_since > PATIENCE_SECONDS
        if late or self._closed or len(self._waiting) >= UNANSWERED_MAX:
            deliver([(sink, token, refusal("busy"))])
            return
        if not self._waiting:
            self._heard = self.loop.time()
        self._waiting.append((body, sink, token))
        self._out += (len(body).to_bytes(4, "big"), body)
        if not self._soon:
            self._soon = True
            self.loop.call_soon(self._send)

    async def ask(self, body: bytes) -> bytes:
        """One request of our own; waits as long as the node is away."""
        while True:
            one = _One(self.loop)
            self.forward(body, one)
            answer = await one.future
            if answer != refusal("busy"):
                return answer
            if self._closed:
                raise ConnectionError(f"{self.name} is gone")
            await asyncio.sleep(RETRY_SECONDS)

    async def want(self, want: str, **more: Any) -> dict[str, Any]:
        """Ask the node about itself (``peers.py``)."""
        body = json.dumps({"op": "peer", "want": want, **more}, separators=(",", ":"))
        return cast(dict[str, Any], json.loads(await self.ask(body.encode())))

    def _send(self) -> None:
        self._soon = False
        if self._transport is not None and self._out:
            out, self._out = self._out, []
            self._transport.write(b"".join(out))

    async def _keep(self) -> None:
        while not self._closed:
            host, _, port = self.address.rpartition(":")
            try:
                await asyncio.wait_for(
                    self.loop.create_connection(lambda: self, host.strip("[]"), int(port)),
                    PATIENCE_SECONDS / 2,
                )
            except (OSError, TimeoutError):
                self._refuse_late()
                await asyncio.sleep(RETRY_SECONDS)
                continue
            while self._transport is not None:
                await asyncio.sleep(RETRY_SECONDS)
                silent = self.loop.time() - self._heard > PATIENCE_SECONDS
                if silent and self._waiting and self._transport is not None:
                    self._transport.abort()  # a machine that went away says nothing, not even that it is gone

    def _refuse_late(self) -> None:
        if self.loop.time() - self.down_since > PATIENCE_SECONDS and self._waiting:
            gone, self._out = list(self._waiting), []
            self._waiting.clear()
            deliver([(sink, token, refusal("busy")) for _, sink, token in gone])

    # -- asyncio ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say again what was not answered."""
        self._transport = cast(asyncio.Transport, transport)
        self._data, self._heard = b"", self.loop.time()
        self._out = [part for body, _, _ in self._waiting for part in (len(body).to_bytes(4, "big"), body)]
        self._send()
        self._up(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Try again until it is there."""
        self._transport, self.down_since = None, self.loop.time()
        if not self._closed:
            log.warning("charging: the line to node %s is down", self.name)

    def data_received(self, data: bytes) -> None:
        """Answers, in the order of the requests."""
        self._heard = self.loop.time()
        data = self._data + data if self._data else data
        at, end, replies = 0, len(data), []
        while end - at >= 4:
            size = int.from_bytes(data[at : at + 4], "big")
            if end - at - 4 < size:
                break
            _, sink, token = self._waiting.popleft()
            said = data[at + 4 : at + 4 + size]
            if said.startswith(b'{"ok":false') and b'"code":"elsewhere"' in said:
                said = refusal("busy")  # it has just let go of the account, and home does not have it yet
            replies.append((sink, token, said))
            at += 4 + size
        self._data = data[at:]
        deliver(replies)

    def move_to(self, address: str) -> None:
        """The node is somewhere else now."""
        self.address = address
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Hang up for good; who waits is told ``busy``."""
        self._closed = True
        self._task.cancel()
        if self._transport is not None:
            self._transport.abort()
        gone = list(self._waiting)
        self._waiting.clear()
        deliver([(sink, token, refusal("busy")) for _, sink, token in gone])


class _One:
    """Somebody who waits for one answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[bytes] = loop.create_future()

    def answer(self, token: object, answer: bytes) -> None:
        if not self.future.done():
            self.future.set_result(answer)

    def flush(self) -> None:
        """The future was the flush."""
