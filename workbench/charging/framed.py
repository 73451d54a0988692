"""The framed socket: for callers on the same machine, and between nodes. Four bytes of length, then one JSON message.

    frame = length u32, big endian | JSON

Answers come back in the order of the requests, framed the same way. A caller may send as many as it likes before it
reads; one that does not read is first not read from, and cut off when its answers pile up.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import deque
from pathlib import Path
from typing import cast

from workbench.charging.durable import Sink
from workbench.charging.node import BYTES_MAX, ORDER_BYTES_MAX, is_order
from workbench.charging.refusals import refusal
from workbench.charging.service import Service

PILE_BYTES_MAX = 16 << 20
"""Answers that may wait for one caller before it is cut off."""
FRAME_BYTES_MAX = 64 << 20
"""Who announces more than this does not speak this protocol, and is hung up on."""


STATUS = b'{"op":"status"}'
"""Asks about the node, not about an account."""


PEER = b'{"op":"peer"'
"""What nodes say to each other begins so (``peers.py``)."""


class Turn:
    """Answers of one connection in the order of its requests, whoever answers them, and when."""

    def __init__(self, caller: Framed) -> None:
        self._caller = caller
        self._waiting: deque[list[bytes | None]] = deque()

    def slot(self) -> list[bytes | None]:
        """The place of the next answer; the token of its request."""
        place: list[bytes | None] = [None]
        self._waiting.append(place)
        return place

    def answer(self, token: object, answer: bytes) -> None:
        """Put an answer in its place."""
        cast(list[bytes | None], token)[0] = answer

    def flush(self) -> None:
        """Send what stands at the head of the line."""
        while self._waiting and (said := self._waiting[0][0]) is not None:
            self._waiting.popleft()
            self._caller.answer(None, said)
        self._caller.flush()


class Framed(asyncio.Protocol):
    """One connection."""

    def __init__(self, service: Service, tenant: str = "") -> None:
        self.service, self.tenant = service, tenant
        self._data, self._skip, self._paused = b"", 0, False
        self._out: list[bytes] = []
        self._turn = Turn(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; a peer that vanishes without a word is noticed by TCP's own keep-alive."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=1 << 20)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family != socket.AF_UNIX:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Answers that are on their way find nobody; their requests are done all the same."""
        self._transport = None
        del self._turn  # it points back here: the collector would have to find the two

    def data_received(self, data: bytes) -> None:
        """Whole frames become requests; the rest waits for more."""
        size = len(data) - 4
        if (
            0 <= size <= BYTES_MAX
            and not self._data
            and self._skip <= 0
            and int.from_bytes(data[:4], "big") == size
            and not self.service.ordered
        ):  # one request, and nothing else: what callers who wait for their answers send
            body = data[4:]
            if body != STATUS:
                self.service.take(body, cast(Sink, self), None, self.tenant)
                return
        if self._skip > 0:
            self._skip, data = self._skip - len(data), data[self._skip :]
        if self._data:
            data = self._data + data
        at, end = 0, len(data)
        take, tenant = self.service.take, self.tenant
        ordered, sink, token = self.service.ordered, cast(Sink, self), None
        while end - at >= 4:
            size = int.from_bytes(data[at : at + 4], "big")
            if BYTES_MAX < size <= ORDER_BYTES_MAX and end - at < 64:
                break  # whether it may be so long is said by how it begins
            if size > BYTES_MAX and not (
                size <= ORDER_BYTES_MAX and is_order(data[at + 4 : at + 64], tenant)
            ):
                self._too_large(size)
                self._skip = size - (end - at - 4)
                at += 4 + size
                break
            if end - at - 4 < size:
                break
            body = data[at + 4 : at + 4 + size]
            if ordered:
                sink, token = self._turn, self._turn.slot()
            if body == STATUS:
                self.service.refuse(json.dumps(self.service.status()).encode(), sink, token)
            elif ordered and not tenant and body.startswith(PEER):
                self.service.peer(body, sink, token)
            else:
                take(body, sink, token, tenant)
            at += 4 + size
        self._data = data[at:]

    def _too_large(self, size: int) -> None:
        """Refuse a frame that is no request; its bytes are let go as they come, or the caller is when it is absurd."""
        if self.service.ordered:
            self.service.refuse(refusal("too_large"), self._turn, self._turn.slot())
        else:
            self.service.refuse(refusal("too_large"), self)
        if size > FRAME_BYTES_MAX and self._transport is not None:
            self._transport.close()

    def pause_writing(self) -> None:
        """The caller reads too slowly: ask it for no more."""
        self._paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._paused = False
        if self._transport is not None:
            self._transport.resume_reading()

    def answer(self, token: object, answer: bytes) -> None:
        """Queue one answer for ``flush``."""
        self._out.append(len(answer).to_bytes(4, "big") + answer)

    def flush(self) -> None:
        """Send what is queued."""
        out, self._out = self._out, []
        if self._transport is None:
            return
        self._transport.write(out[0] if len(out) == 1 else b"".join(out))
        if self._paused and self._transport.get_write_buffer_size() > PILE_BYTES_MAX:
            self._transport.abort()


async def serve_unix(service: Service, path: Path, tenant: str = "") -> asyncio.AbstractServer:
    """Listen on a socket file that only this user may open; whoever can open it is trusted."""
    path.unlink(missing_ok=True)
    server = await service.loop.create_unix_server(lambda: Framed(service, tenant), str(path), backlog=1024)
    path.chmod(0o600)
    return server


async def serve_tcp(
    service: Service, host: str, port: int, tenant: str = ""
) -> tuple[asyncio.AbstractServer, int]:
    """Listen on an address, for networks whose members are trusted; answers the port too."""
    server = await service.loop.create_server(lambda: Framed(service, tenant), host, port, backlog=1024)
    return server, int(server.sockets[0].getsockname()[1])


class Caller:
    """A blocking caller of the framed socket.

    Args:
        address: a socket file, or (host, port).
    """

    def __init__(self, address: Path | tuple[str, int], timeout_seconds: float = 30.0) -> None:
        if isinstance(address, tuple):
            self._socket = socket.create_connection(address, timeout_seconds)
        else:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(timeout_seconds)
            self._socket.connect(str(address))
        self._data = bytearray()

    def send(self, *bodies: bytes) -> None:
        """Send requests without waiting."""
        self._socket.sendall(b"".join(len(body).to_bytes(4, "big") + body for body in bodies))

    def receive(self) -> bytes:
        """The next answer.

        Raises:
            ConnectionError: the node hung up. TimeoutError: no answer in time; ask again with the same id.
        """
        while True:
            size = int.from_bytes(self._data[:4], "big")
            if len(self._data) >= 4 + size and len(self._data) >= 4:
                answer = bytes(self._data[4 : 4 + size])
                del self._data[: 4 + size]
                return answer
            more = self._socket.recv(1 << 16)
            if not more:
                raise ConnectionError("the node hung up")
            self._data += more

    def ask(self, body: bytes) -> bytes:
        """One request, its answer."""
        self.send(body)
        return self.receive()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
