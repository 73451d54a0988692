"""A node beside a home node: it joins by address, takes accounts that home hands over, and gives them back."""

from __future__ import annotations

import asyncio
import contextlib

from workbench.charging.link import Link
from workbench.charging.peers import Peers, Said
from workbench.charging.service import Service
from workbench.errors import ChargingError

ENDS_SECONDS = 60.0


class Guest:
    """A node that takes accounts of a home node.

    Args:
        home: host:port of home's framed door. address, http: where this node is reached. own: home started it.
    """

    def __init__(
        self, name: str, service: Service, home: str, address: str, http: str = "", *, own: bool = False
    ) -> None:
        self.name, self.service, self.home = name, service, home
        self.address, self.http, self.own = address, http, own
        self.peers = Peers(name, service)
        service.durable.node.guest_of = home
        self._joined: asyncio.Future[None] = service.loop.create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self.link: Link | None = None

    async def start(self) -> None:
        """Tell home where we are, again whenever home comes back.

        Raises:
            ChargingError: ``not_taken_in``: home does not take this node in.
        """
        self.link = Link(self.home, self.home, self._is_up)
        await self._joined

    def _is_up(self, link: Link) -> None:
        task = self.service.loop.create_task(self._join(link))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, link: Link) -> None:
        with contextlib.suppress(ConnectionError):
            said = await link.want("join", name=self.name, address=self.address, http=self.http, own=self.own)
            if said.get("ok"):
                self.service.home_http = str(said["http"])
            if self._joined.done():
                return
            if said.get("ok"):
                self._joined.set_result(None)
            else:
                error = ChargingError(
                    f"Home does not take this node in: {said.get('why', said)}", where=self.home,
                    cure="Name another folder, or start home with --nodes.", code="not_taken_in",
                )  # fmt: skip
                self._joined.set_exception(error)

    def status(self) -> Said:
        """Where home is, and whether it is reached."""
        return {"home": self.home, "home_state": "up" if self.link is not None and self.link.up else "down"}

    async def close(self) -> None:
        """Give everything back, when home can take it; a node that home started is emptied by home."""
        if self.link is None:
            return
        if not self.own and self.link.up:
            with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
                await asyncio.wait_for(self.link.want("leave", name=self.name), ENDS_SECONDS)
        self.link.close()
