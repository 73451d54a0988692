"""What nodes say to each other besides requests: who joins, what is on its way, which accounts there are.

    {"op": "peer", "want": "status" | "join" | "leave" | "accounts" | "parcels" | "parcel" | "answers" | "where", ...}

Only on framed doors, which belong to a trusted network.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from workbench.charging.durable import Sink
from workbench.charging.handover import ROWS_MAX, Row, answers_of
from workbench.charging.service import Service

log = logging.getLogger(__name__)
Said = dict[str, Any]


class Peers:
    """Answers other nodes.

    Args:
        name: this node's.
        more: further wants: home's own are ``join``, ``leave`` and ``where``.
    """

    def __init__(
        self, name: str, service: Service, more: dict[str, Callable[[Said], Awaitable[Said]]] | None = None
    ) -> None:
        self.name, self.service = name, service
        self._wants: dict[str, Callable[[Said], Awaitable[Said]]] = {
            "status": self._status, "accounts": self._accounts, "parcels": self._parcels, "parcel": self._parcel,
            "answers": self._answers, "owns": self._owns, **(more or {}),
        }  # fmt: skip
        self._rows: tuple[tuple[int, str], list[Row]] = ((0, ""), [])
        service.ordered = True
        service.peer = self.take
        self._tasks: set[Any] = set()

    def take(self, body: bytes, sink: Sink, token: object) -> None:
        """One question; answered in its turn."""
        task = self.service.loop.create_task(self._answer(body, sink, token))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, body: bytes, sink: Sink, token: object) -> None:
        try:
            asked = json.loads(body)
            said = await self._wants[asked["want"]](asked)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            said = {"ok": False, "code": "bad_request", "why": f"{type(error).__name__}: {error}"}
        self.service.refuse(json.dumps(said, separators=(",", ":")).encode(), sink, token)

    async def _status(self, asked: Said) -> Said:
        return self.service.status()

    async def _accounts(self, asked: Said) -> Said:
        """The first accounts, pools whole; none while a snapshot is made (``Mover.out`` says why)."""
        node, most = self.service.durable.node, int(asked["most"])
        if self.service.following:
            return {"accounts": []}
        return {"accounts": node.together([key for key, _ in zip(node.accounts, range(most), strict=False)])}

    async def _owns(self, asked: Said) -> Said:
        accounts = self.service.durable.node.accounts
        return {"owns": any((tenant, name) in accounts for tenant, name in asked["keys"])}

    async def _parcels(self, asked: Said) -> Said:
        parcels = self.service.durable.node.parcels.values()
        return {"parcels": [[each.epoch, each.keys] for each in parcels if each.to == asked["to"]]}

    async def _parcel(self, asked: Said) -> Said:
        found = self.service.durable.node.parcels[int(asked["epoch"]), asked["to"]]
        body = base64.b64encode(found.body).decode()
        return {"name": self.name, "seq": found.seq, "keys": found.keys, "body": body}

    async def _answers(self, asked: Said) -> Said:
        """A piece of what the accounts of a parcel were answered; gathered once, kept until another parcel is asked for."""
        which, after = (int(asked["epoch"]), asked["to"]), int(asked["after"])
        if self._rows[0] != which:
            keys = self.service.durable.node.parcels[which].keys
            self._rows = (which, await answers_of(self.service, keys))
        rows = self._rows[1][after : after + ROWS_MAX]
        if not rows:
            self._rows = ((0, ""), [])
        return {
            "rows": [
                (key, base64.b64encode(digest).decode(), base64.b64encode(said).decode())
                for key, digest, said in rows
            ]
        }
