"""One device's connection to the listener: bytes in, messages to the journal, acknowledgements out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from workbench.collectors import mqtt_wire as wire
from workbench.collectors.tls import common_name
from workbench.journal.message import PAYLOAD_BYTES_MAX, RawMessage

if TYPE_CHECKING:
    from workbench.collectors.listener import ListenerCollector

_PACKET_BYTES_MAX = PAYLOAD_BYTES_MAX + 70_000
_CONNECT_BYTES_MAX = 200_000
_CONNECT_SECONDS = 10.0
_REFUSAL = "This is an ingest endpoint, not a broker: nothing can be subscribed to."


class Session(asyncio.Protocol):
    """A connection from its first byte to its last; every method runs on the listener's loop.

    All PUBLISH packets that arrived together go to the journal in one append. Reading pauses while the journal asks
    for it or too much of this device is unacknowledged, so a fast sender waits and memory stays bounded.
    """

    def __init__(self, owner: ListenerCollector) -> None:
        self.owner = owner
        self.draining = False
        self._buffer = bytearray()
        self._version = 0
        self._tenant = ""
        self._client_id = ""
        self._facts: dict[str, str] = {}
        self._in_flight = 0
        self._reading = True
        self._keep_alive = _CONNECT_SECONDS
        self._heard = 0.0
        self._closed = False

    # ---- what the loop calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A device is there; it has ten seconds to say CONNECT."""
        self.transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()
        self.owner.sessions.add(self)
        name = common_name(transport.get_extra_info("peercert"))
        if name:
            self._facts["certificate"] = name
        self.regulate()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone; what it sent and was not told about it will send again."""
        self._closed = True
        self.owner.sessions.discard(self)
        key = (self._tenant, self._client_id)
        if self.owner.by_client_id.get(key) is self:
            del self.owner.by_client_id[key]

    def data_received(self, data: bytes) -> None:
        """Take every whole packet; the rest waits for more bytes."""
        self._heard = self._loop.time()
        self._buffer += data
        messages: list[RawMessage] = []
        packet_ids: list[int] = []
        try:
            self._packets(messages, packet_ids)
        except wire.Malformed as problem:
            self._hand_over(messages, packet_ids)
            self._refuse(problem.reason, str(problem))
        except (IndexError, ValueError) as problem:
            self._hand_over(messages, packet_ids)
            self._refuse(wire.MALFORMED, f"a packet that ends too early ({problem})")
        else:
            self._hand_over(messages, packet_ids)

    # ---- what the listener calls ---------------------------------------------------------------------------------

    def acknowledge(self, packet_ids: list[int], count: int) -> None:
        """These are durable."""
        self._in_flight -= count
        if packet_ids and not self._closed:
            self.transport.write(wire.pubacks(packet_ids))
        if not self._reading:
            self.regulate()

    def regulate(self) -> None:
        """Read, or do not, by how things are now."""
        if self._closed or self.transport.is_closing():
            return
        room = self._in_flight < self.owner.source.in_flight_max
        wanted = room and not self.owner.blocked and not self.draining
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                self._heard = self._loop.time()
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def check_alive(self, now: float) -> None:
        """Close when nothing was heard for one and a half times the keep-alive."""
        if self._keep_alive and self._reading and now - self._heard > 1.5 * self._keep_alive:
            self._refuse(wire.KEEP_ALIVE, "nothing was heard for too long")

    def goodbye(self) -> None:
        """The listener stops."""
        if not self._closed:
            self.transport.write(wire.disconnect(self._version, wire.SHUTTING_DOWN))
            self.transport.close()

    # ---- packets -------------------------------------------------------------------------------------------------

    def _packets(self, messages: list[RawMessage], packet_ids: list[int]) -> None:
        buffer, at = self._buffer, 0
        try:
            while len(buffer) - at >= 2:
                found = wire.length_at(buffer, at + 1)
                if found is None:
                    return
                size, start = found
                if size > (_PACKET_BYTES_MAX if self._version else _CONNECT_BYTES_MAX):
                    raise wire.Malformed(f"a packet of {size:,} bytes", wire.PACKET_TOO_LARGE)
                if len(buffer) < start + size:
                    return
                first = buffer[at]
                body = bytes(buffer[start : start + size])
                at = start + size
                if first >> 4 == wire.PUBLISH and self._version:
                    self._publish(first & 15, body, messages, packet_ids)
                else:
                    self._other(first >> 4, body)
                    if self.transport.is_closing():
                        return
        finally:
            del buffer[:at]

    def _publish(self, flags: int, body: bytes, messages: list[RawMessage], packet_ids: list[int]) -> None:
        topic, packet_id, payload, content_type = wire.publish(flags, body, self._version)
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise wire.Malformed(f"a payload of {len(payload):,} bytes", wire.PACKET_TOO_LARGE)
        if flags & 8:
            self.owner.stats.redelivered += 1
        if packet_id:
            packet_ids.append(packet_id)
        messages.append(
            self.owner.message(topic, payload, content_type, facts=self._facts, tenant=self._tenant)
        )

    def _hand_over(self, messages: list[RawMessage], packet_ids: list[int]) -> None:
        if not messages:
            return
        count = len(messages)
        self._in_flight += count
        owner = self.owner
        owner.keep(messages, None, lambda: owner.told_durable(self, packet_ids, count))
        if self._in_flight >= owner.source.in_flight_max:
            self.regulate()

    def _other(self, kind: int, body: bytes) -> None:
        if kind == wire.CONNECT and not self._version:
            self._connect(wire.connect(body))
        elif not self._version:
            raise wire.Malformed("a first packet that is no CONNECT", wire.PROTOCOL_ERROR)
        elif kind == wire.PINGREQ:
            self.transport.write(wire.PINGRESP_PACKET)
        elif kind == wire.DISCONNECT:
            self.transport.close()
        elif kind in (wire.SUBSCRIBE, wire.UNSUBSCRIBE):
            self.owner.stats.refused += 1
            self.transport.write(wire.refusal_of(kind, body, self._version, _REFUSAL))
        else:
            raise wire.Malformed(f"packet type {kind} is not spoken here", wire.PROTOCOL_ERROR)

    def _connect(self, said: wire.Connect) -> None:
        tokens = self.owner.tokens
        sender: Any = None
        if tokens is not None:
            sender = tokens.named(said.username, said.password)
            if sender is None:
                self._answer(said, wire.BAD_CREDENTIALS)
                return
        self._version = said.version
        self._tenant = sender.tenant if sender else ""
        self._client_id = said.client_id or f"anonymous-{id(self):x}"
        self._facts["client_id"] = self._client_id
        if sender or tokens is None:
            self._facts["username"] = said.username
        self._keep_alive = float(said.keep_alive_seconds)
        key = (self._tenant, self._client_id)
        before = self.owner.by_client_id.get(key)
        if before is not None and before is not self:
            before._refuse(wire.TAKEN_OVER, "another connection uses this client id")
        self.owner.by_client_id[key] = self
        self._answer(said, 0)

    def _answer(self, said: wire.Connect, reason: int) -> None:
        self.transport.write(
            wire.connack(
                said.version,
                reason,
                receive_maximum=min(self.owner.source.in_flight_max, 65_535),
                packet_bytes_max=_PACKET_BYTES_MAX,
                client_id="" if said.client_id else self._client_id,
            )
        )
        if reason:
            self.owner.stats.refused += 1
            self.transport.close()

    def _refuse(self, reason: int, why: str) -> None:
        """Close, and say why where the protocol can."""
        if self._closed or self.transport.is_closing():
            return
        self.owner.stats.refused += 1
        self.owner.stats.notes.append(f"{self._client_id or 'a stranger'} was disconnected: {why}")
        if self._version:
            self.transport.write(wire.disconnect(self._version, reason, why[:200]))
        elif reason == wire.UNSUPPORTED_VERSION:
            self.transport.write(wire.connack(5, reason))
        self.transport.close()
