"""uvicorn's HTTP protocol, made patient with callers that send far ahead of what they read.

uvicorn reads on after every answer, however many requests of that connection wait already. One caller that sends without
end and never reads could so fill memory and hold the loop for seconds. Here a connection is read a piece at a time, and no
further while a few of its requests wait; every other connection is served in between.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

PIECE_BYTES = 16 << 10
WAITING_MAX = 8
"""Requests of one connection that may wait for those before them; what else has come stays unread."""


class PatientProtocol(HttpToolsProtocol):
    """One connection."""

    _rest = b""
    _soon = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self.flow = _Patient(transport, self)

    def data_received(self, data: bytes) -> None:
        """Take a piece now, the rest when what waits has become less."""
        if self._rest:
            self._rest += data
            self.flow.pause_reading()
        elif len(data) <= PIECE_BYTES and len(self.pipeline) < WAITING_MAX:
            super().data_received(data)
        else:
            self._rest = data
            self.flow.pause_reading()
            self._feed()

    def on_response_complete(self) -> None:
        """An answer has gone: the next request, and a piece more of what has come."""
        super().on_response_complete()
        if self._rest and not self._soon:
            self._soon = True
            self.loop.call_soon(self._feed)

    @property
    def behind(self) -> bool:
        """Whether something has come that was not looked at yet."""
        return bool(self._rest)

    def _feed(self) -> None:
        self._soon = False
        if self._rest and len(self.pipeline) < WAITING_MAX and not self.transport.is_closing():
            piece, self._rest = self._rest[:PIECE_BYTES], self._rest[PIECE_BYTES:]
            super().data_received(piece)
            if self._rest and len(self.pipeline) < WAITING_MAX:
                self._soon = True
                self.loop.call_soon(self._feed)
        if not self._rest:
            self.flow.resume_reading()


class _Patient(FlowControl):
    """Reading goes on only when everything that has come was looked at."""

    def __init__(self, transport: Any, protocol: PatientProtocol) -> None:
        super().__init__(transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        """Unless something has come that was not looked at yet."""
        if not self._protocol.behind:
            super().resume_reading()
