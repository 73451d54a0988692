"""Before the door of the home node: a request goes to the node that owns its account, or waits while it moves.

Callers need not know of any of this: they speak to home, by any of its doors, and every request is answered by the one
node that owns the account. What a moving account is asked in the meantime waits here, and goes to the new owner.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from workbench.charging.durable import Sink, deliver
from workbench.charging.link import PATIENCE_SECONDS, Link
from workbench.charging.moves import Key
from workbench.charging.refusals import refusal
from workbench.charging.service import Service

HELD_MAX = 50_000


class Head(msgspec.Struct):
    """What a request must be looked at for."""

    account: str = ""
    tenant: str = "main"
    id: str = ""


_head = msgspec.json.Decoder(Head).decode


class Held:
    """Requests of accounts that are moving, in their order."""

    __slots__ = ("requests", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.requests: list[tuple[bytes, Sink, object, str]] = []


class Front:
    """Routes by account.

    Attributes:
        links: the other nodes, by name.
        counts: requests by account since somebody last took them. ``here``, ``there``: how many stayed, how many went on.
    """

    def __init__(self, service: Service) -> None:
        self.service, self._take = service, service.take
        self.node = service.durable.node
        self.links: dict[str, Link] = {}
        self.moving: dict[Key, Held] = {}
        self.counts: dict[Key, int] = {}
        self.here = self.there = self.held = 0
        service.take = self.take  # type: ignore[method-assign]

    def take(self, body: bytes, sink: Sink, token: object = None, tenant: str = "") -> None:
        """One request; see ``Service.take``."""
        try:
            head = _head(body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self._take(body, sink, token, tenant)  # the node says what is wrong with it
            return
        key = (head.tenant, head.account)
        if tenant and tenant != head.tenant:
            self._take(body, sink, token, tenant)
            return
        self.counts[key] = self.counts.get(key, 0) + 1
        if self.moving and (held := self.moving.get(key)) is not None:
            self._hold(held, (body, sink, token, tenant))
        elif self.node.away and (away := self.node.away.get(key)) is not None:
            self._forward(away[0], body, head, sink, token)
        else:
            self.here += 1
            known = key in self.node.accounts or not self.node.away_pools
            self._take(body, sink if known else Onward(self, body, head, sink), token, tenant)

    def _forward(self, name: str, body: bytes, head: Head, sink: Sink, token: object) -> None:
        link = self.links.get(name)
        if link is None:
            deliver([(sink, token, refusal("busy", head.id))])
            return
        self.there += 1
        link.forward(body, sink, token)

    def _hold(self, held: Held, request: tuple[bytes, Sink, object, str]) -> None:
        if self.held >= HELD_MAX:
            deliver([(request[1], request[2], refusal("busy"))])
            return
        self.held += 1
        held.requests.append(request)

    def freeze(self, keys: Iterable[Key]) -> Held:
        """From now on these accounts' requests wait."""
        held = Held(self.service.loop.time())
        for key in keys:
            self.moving[key] = held
        return held

    def thaw(self, held: Held) -> None:
        """They moved, or did not: what waited goes where the accounts are now, in its order."""
        for key in [key for key, each in self.moving.items() if each is held]:
            del self.moving[key]
        requests, held.requests = held.requests, []
        self.held -= len(requests)
        for request in requests:
            self.take(*request)

    def give_up(self) -> None:
        """Nobody waits for ever: what waited too long for a node that is away is told ``busy`` and may ask again."""
        now = self.service.loop.time()
        for held in set(self.moving.values()):
            if held.requests and now - held.since > PATIENCE_SECONDS:
                gone, held.requests = held.requests, []
                self.held -= len(gone)
                deliver([(sink, token, refusal("busy")) for _, sink, token, _ in gone])

    def taken_counts(self) -> dict[Key, int]:
        """Requests by account since the last time."""
        counts, self.counts = self.counts, {}
        return counts


class Onward:
    """An account that is opened into a pool that is elsewhere: the node says so, and the request goes on to there."""

    __slots__ = ("body", "front", "head", "sink")

    def __init__(self, front: Front, body: bytes, head: Head, sink: Sink) -> None:
        self.front, self.body, self.head, self.sink = front, body, head, sink

    def answer(self, token: Any, answer: bytes) -> None:
        """Pass an answer on, or the request."""
        away = self.front.node.away.get((self.head.tenant, self.head.account))
        if away is not None and b'"code":"elsewhere"' in answer:
            self.front._forward(away[0], self.body, self.head, self.sink, token)
        else:
            deliver([(self.sink, token, answer)])

    def flush(self) -> None:
        """Each answer was flushed as it came."""
