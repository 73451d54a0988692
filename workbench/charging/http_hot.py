"""The hot route without a parser and without a task: a plain ``POST /v1/charge`` is cut out of the bytes and handed over.

Plain is: HTTP/1.1, a content length, nothing said about transfer, upgrade or expectation. Everything else, whole or in
part, is uvicorn's (``http_wire.py``), which also has every other route; a connection may mix both, and its answers keep
the order of its requests. The answers are the same bytes either way, only uvicorn is not asked to make them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl

from workbench.charging.door import Door, cured, head_of
from workbench.charging.http_wire import WAITING_MAX, PatientProtocol
from workbench.charging.node import BYTES_MAX
from workbench.charging.service import Service

HEAD_BYTES_MAX = 8 << 10
HEADS_MAX = 1_000
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t\x80-\xff]*?)[ \t]*")
_LENGTH = re.compile(rb"[0-9]{1,8}")
_NOT_PLAIN = frozenset((b"transfer-encoding", b"upgrade", b"expect", b"trailer", b"te"))


class HotProtocol(PatientProtocol):
    """One connection; see ``PatientProtocol`` for what uvicorn is given.

    Args:
        service, door: whom to ask; who may.
        heads: request heads that were seen plain, with what they said; shared by all connections.
    """

    def __init__(
        self, service: Service, door: Door, heads: dict[bytes, tuple[int, str]], **more: Any
    ) -> None:
        super().__init__(**more)
        self._service, self._door, self._heads = service, door, heads
        self._part, self._out = b"", list[bytes]()
        self._under_way = 0
        self._inside = self._held = self._again = self._ends = self._heard = False

    # -- bytes in --------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Plain requests are taken; uvicorn has the rest, and whatever follows until it is done."""
        if not self._part and self._uvicorns:
            super().data_received(data)
            return
        self._heard = True
        if self.timeout_keep_alive_task is None:
            self._arm()
        self._part = self._part + data if self._part else data
        self._work()

    @property
    def _uvicorns(self) -> bool:
        return self._inside or (
            self.cycle is not None and (not self.cycle.response_complete or bool(self.pipeline or self._rest))
        )

    def _work(self) -> None:
        """Take what is whole, a few at a time; the others are served in between."""
        self._again = False
        data, at, held = self._part, 0, False
        most = 1 if self._service.ordered else WAITING_MAX
        take = self._service.take
        while at < len(data):
            if self._under_way >= most or self.flow.write_paused or self.transport.is_closing():
                held = True
                break
            end = data.find(b"\r\n\r\n", at, at + HEAD_BYTES_MAX)
            plain = self._plain(data[at:end]) if end >= 0 else None
            if plain is None:
                held = self._under_way > 0  # uvicorn's answer must not overtake
                if not held:
                    self._part = b""
                    self._hold(False)
                    super().data_received(data[at:])
                    return
                break
            size, tenant = plain
            end += 4
            if len(data) - end < size:
                break
            at = end + size
            self._under_way += 1
            take(data[end:at], self, None, tenant)
        self._part = data[at:] if at < len(data) else b""
        self._hold(held)

    def _plain(self, head: bytes) -> tuple[int, str] | None:
        """(length of the body, tenant) of a plain request of somebody who may ask; ``None``: not that."""
        known = self._heads.get(head)
        if known is not None:
            return known
        lines = head.split(b"\r\n")
        if lines[0] != b"POST /v1/charge HTTP/1.1":
            return None
        headers, lengths = list[tuple[bytes, bytes]](), list[bytes]()
        for line in lines[1:]:
            found = _LINE.fullmatch(line)
            if found is None:
                return None
            name, value = found[1].lower(), found[2]
            if name in _NOT_PLAIN or (name == b"connection" and value.lower() != b"keep-alive"):
                return None
            if name == b"content-length":
                lengths.append(value)
            headers.append((name, value))
        if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]) or int(lengths[0]) > BYTES_MAX:
            return None
        tenant = self._door.tenant(headers)
        if tenant is None:
            return None
        plain = int(lengths[0]), tenant
        if not tenant and len(self._heads) < HEADS_MAX:  # a head with a token in it is not kept
            self._heads[head] = plain
        return plain

    def _hold(self, held: bool) -> None:
        """Read on only when everything that has come could be looked at."""
        if held and not self._held:
            self._held = True
            self.flow.pause_reading()
        elif self._held and not held:
            self._held = False
            self.flow.resume_reading()

    @property
    def behind(self) -> bool:
        """Whether something has come that was not looked at yet."""
        return self._held or super().behind

    def on_message_begin(self) -> None:
        """uvicorn's parser is within a message."""
        self._inside = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """And behind it."""
        self._inside = False
        super().on_message_complete()

    # -- answers out -----------------------------------------------------------------------------------------

    def answer(self, token: object, answer: bytes) -> None:
        """Queue one answer for ``flush``."""
        self._under_way -= 1
        answer = cured(answer)
        self._out.append(head_of(answer, self.server_state.default_headers, self._service.home_http) + answer)

    def flush(self) -> None:
        """Send what is queued, then go on with what waits."""
        out, self._out = self._out, []
        if self.transport.is_closing():
            return
        self.server_state.total_requests += len(out)
        self.transport.write(out[0] if len(out) == 1 else b"".join(out))
        if self._ends and not self._under_way:
            self.transport.close()
        elif self._held:
            self._go_on()

    def _go_on(self) -> None:
        if not self._again:
            self._again = True
            self.loop.call_soon(self._work)

    def resume_writing(self) -> None:
        """The caller has read: answer what waited for that."""
        super().resume_writing()
        if self._held:
            self._go_on()

    # -- the end ---------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        """Hang up on who was silent all the while; one timer for many requests."""
        if self._heard or self._under_way:
            self._heard = False
            self._arm()
        else:
            super().timeout_keep_alive_handler()

    def shutdown(self) -> None:
        """Answer what is under way first."""
        if self._under_way:
            self._ends = True
        else:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """What was asked is done all the same; its answers find nobody."""
        self._part, self._held = b"", False
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self.flow = FlowControl(self.transport)  # one that does not point back here, for the collector's sake


def hot(service: Service, tokens: Mapping[str, str]) -> Any:
    """What makes a protocol for each connection."""
    door, heads = Door(tokens), dict[bytes, tuple[int, str]]()

    def make(**more: Any) -> asyncio.Protocol:
        return HotProtocol(service, door, heads, **more)

    return make
