"""One hand-over, from the first order to the last, and how it goes on after any crash.

    freeze      at home, requests of these accounts wait
    depart      at the source: durable, then the parcel may leave
    remember    at the target: every answer the accounts were ever given, from memory and from disk
    arrive      at the target: durable, then it owns them
    flip        the table says so
    moved       at the source: the parcel is forgotten, or taken back when the target refused it
    thaw        what waited goes to the new owner

Each step can be done again: orders have ids, and the parcel stays in the source's log until ``moved``.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from hashlib import sha256
from itertools import islice
from typing import Any

from workbench.charging.answers import account_of
from workbench.charging.front import Front
from workbench.charging.link import Link, _One
from workbench.charging.messages import (
    Answer,
    Arrive,
    Command,
    Depart,
    Moved,
    Remember,
    decode_answer,
    encode,
)
from workbench.charging.moves import Key, Parcel
from workbench.charging.operations import OPERATOR
from workbench.charging.placement import Placement
from workbench.charging.service import Service

log = logging.getLogger(__name__)
ROWS_MAX, SLICE = 1_000, 5_000
Row = tuple[str, bytes, bytes]
Order = Callable[[Command], Awaitable[Answer]]


def orders(service: Service) -> Order:
    """How this node is given orders, behind whatever stands before its door."""
    take = service.take

    async def order(message: Command) -> Answer:
        while True:
            one = _One(service.loop)
            take(encode(message), one, None, "")
            said = decode_answer(await one.future)
            if said.code not in ("busy", "read_only"):
                return said
            await asyncio.sleep(0.1)

    return order


async def answers_of(service: Service, keys: Iterable[Key]) -> list[Row]:
    """All answers that these accounts were given: in memory, a slice at a time so that the loop goes on, and on disk."""
    wanted, found = set(keys), dict[str, Row]()
    items = iter(list(service.durable.node.remembered()))
    while part := list(islice(items, SLICE)):
        for key, (digest, said, _) in part:
            if (key.partition("\x1f")[0], account_of(said)) in wanted:
                found[key] = (key, digest, said)
        await asyncio.sleep(0)
    rows = await asyncio.to_thread(service.durable.answers.of_accounts, [name for _, name in wanted])
    for row in rows:
        if (row[0].partition("\x1f")[0], account_of(row[2])) in wanted:
            found.setdefault(row[0], row)
    return list(found.values())


def remember(epoch: int, source: str, piece: list[Row]) -> Remember:
    """The order for some answers, named by what it says: a hand-over that begins again may cut them otherwise."""
    digest = sha256(b"".join(key.encode() + digest for key, digest, _ in piece)).hexdigest()[:32]
    return Remember(tenant=OPERATOR, id=f"answers {epoch} {source[:40]} {digest}", answers=piece)


def chunks(rows: list[Row]) -> Iterable[list[Row]]:
    """Rows in pieces that fit an order."""
    for at in range(0, len(rows), ROWS_MAX):
        yield rows[at : at + ROWS_MAX]


class Mover:
    """Hand-overs of a home node, one at a time.

    Args:
        name: home's name, as its own log and the lake know it.
    """

    def __init__(self, name: str, service: Service, front: Front, order: Order, placement: Placement) -> None:
        self.name, self.service, self.front, self.order, self.placement = (
            name,
            service,
            front,
            order,
            placement,
        )
        self._one = asyncio.Lock()
        self.moved_out = self.moved_back = self.refused = 0
        self.seconds_max = 0.0

    async def out(self, keys: list[Key], link: Link) -> int:
        """Hand accounts to another node; answers how many it owns now."""
        async with self._one:
            node = self.service.durable.node
            status = await link.want("status")
            if self.service.following or not (keys := node.together(keys)):
                return 0  # a follower books the lake up to a request before this one: not while it runs
            epoch = max(node.epoch, int(status["epoch"])) + 1
            began, held = self.service.loop.time(), self.front.freeze(keys)
            try:
                said = await self.order(
                    Depart(
                        tenant=OPERATOR,
                        id=f"move {epoch} to {link.name}",
                        epoch=epoch,
                        to=link.name,
                        leave=keys,
                    )
                )
                if not said.ok:
                    return 0
                return await self._deliver(node.parcels[epoch, link.name], link)
            finally:
                self.front.thaw(held)
                self.seconds_max = max(self.seconds_max, self.service.loop.time() - began)

    async def _deliver(self, parcel: Parcel, link: Link) -> int:
        rows = await answers_of(self.service, parcel.keys)
        for piece in chunks(rows):
            await link.ask(encode(remember(parcel.epoch, self.name, piece)))
        arrive = Arrive(
            tenant=OPERATOR, id=f"move {parcel.epoch} from {self.name}", epoch=parcel.epoch, came=self.name, seq=parcel.seq,
            parcel=parcel.body,
        )  # fmt: skip
        said = decode_answer(await link.ask(encode(arrive)))
        # A refusal is believed only of a node that does not have them: it may have forgotten that it took them.
        taken = said.ok or (await link.want("owns", keys=parcel.keys))["owns"]
        if taken:
            await asyncio.to_thread(self.placement.flip, parcel.keys, link.name, parcel.epoch, home=False)
            self.moved_out += len(parcel.keys)
        else:
            self.refused += 1
            log.error("charging: node %s refused accounts: %s %s", link.name, said.code, said.why)
        ident = f"moved {parcel.epoch} to {link.name}"
        await self.order(Moved(tenant=OPERATOR, id=ident, epoch=parcel.epoch, to=link.name, back=not taken))
        return len(parcel.keys) if taken else 0

    async def back(self, link: Link, most: int) -> int:
        """Take accounts home from another node; answers how many came."""
        async with self._one:
            node = self.service.durable.node
            theirs = [(tenant, name) for tenant, name in (await link.want("accounts", most=most))["accounts"]]
            if not theirs:
                return 0
            epoch = max(node.epoch, int((await link.want("status"))["epoch"])) + 1
            began, held = self.service.loop.time(), self.front.freeze(theirs)
            try:
                depart = Depart(
                    tenant=OPERATOR,
                    id=f"move {epoch} to {self.name}",
                    epoch=epoch,
                    to=self.name,
                    leave=theirs,
                )
                said = decode_answer(await link.ask(encode(depart)))
                if not said.ok:
                    return 0  # it makes a snapshot, or an account left this very moment: at the next look
                return await self._fetch(epoch, link)
            finally:
                self.front.thaw(held)
                self.seconds_max = max(self.seconds_max, self.service.loop.time() - began)

    async def _fetch(self, epoch: int, link: Link) -> int:
        parcel = await link.want("parcel", epoch=epoch, to=self.name)
        keys = [(tenant, name) for tenant, name in parcel["keys"]]
        async for piece in _answers_there(link, epoch, self.name):
            await self.order(remember(epoch, link.name, piece))
        said = await self.order(
            Arrive(
                tenant=OPERATOR, id=f"move {epoch} from {link.name}", epoch=epoch, came=parcel["name"], seq=parcel["seq"],
                parcel=base64.b64decode(parcel["body"]),
            )
        )  # fmt: skip
        taken = said.ok or any(key in self.service.durable.node.accounts for key in keys)
        if taken:
            await asyncio.to_thread(self.placement.flip, keys, self.name, epoch, home=True)
            self.moved_back += len(keys)
        else:
            self.refused += 1
            log.error("charging: accounts of node %s could not come home: %s", link.name, said.code)
        moved = Moved(
            tenant=OPERATOR, id=f"moved {epoch} to {self.name}", epoch=epoch, to=self.name, back=not taken
        )
        await link.ask(encode(moved))
        return len(keys) if taken else 0

    async def resume(self, link: Link) -> int:
        """Finish what a crash of either node left on its way between them; answers how many accounts that were."""
        async with self._one:
            node, count = self.service.durable.node, 0
            for (_, to), parcel in sorted(node.parcels.items()):
                if to == link.name:
                    held = self.front.freeze(parcel.keys)
                    try:
                        count += await self._deliver(parcel, link)
                    finally:
                        self.front.thaw(held)
            for epoch, keys in (await link.want("parcels", to=self.name))["parcels"]:
                held = self.front.freeze([(tenant, name) for tenant, name in keys])
                try:
                    count += await self._fetch(epoch, link)
                finally:
                    self.front.thaw(held)
            return count


async def _answers_there(link: Link, epoch: int, to: str) -> AsyncIterator[list[Row]]:
    after = 0
    while True:
        said: dict[str, Any] = await link.want("answers", epoch=epoch, to=to, after=after)
        rows = [
            (key, base64.b64decode(digest), base64.b64decode(answer)) for key, digest, answer in said["rows"]
        ]
        if not rows:
            return
        yield rows
        after += len(rows)
