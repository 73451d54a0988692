"""A home node with others beside it: who there is, what they bear, and accounts that go out with a wave and come back.

Home starts nodes of its own on this machine (``--nodes auto``) and takes in those that join by address. About twice a
second it looks at every node and takes one step (``overflow.py``); each step and its reason is written to the table.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path
from time import process_time
from typing import Any

from workbench.charging.front import Front
from workbench.charging.handover import Mover, orders
from workbench.charging.link import Link
from workbench.charging.messages import Publish, encode
from workbench.charging.operations import OPERATOR
from workbench.charging.overflow import Limits, Overflow, Seen, Step, hottest
from workbench.charging.peers import Peers, Said
from workbench.charging.placement import Member, Placement
from workbench.charging.service import Service
from workbench.errors import ChargingError

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.5
ENDS_SECONDS = 60.0


class Cluster:
    """What a home node does besides charging.

    Args:
        name: home's name.
        address, http: where other nodes and callers reach home, host:port.
        words: options for nodes that are started here: ``--tenant``, ``--into`` and the like.
    """

    def __init__(
        self, name: str, service: Service, placement: Placement, limits: Limits, address: str, http: str = "",
        words: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.name, self.service, self.placement, self.limits = name, service, placement, limits
        self.address, self.http, self._words = address, http, words
        order = orders(service)
        self.front = Front(service)
        self.mover = Mover(name, service, self.front, order, placement)
        self.rule = Overflow(limits)
        self.peers = Peers(name, service, {"join": self._join, "leave": self._leave, "where": self._where})
        self.members: dict[str, Member] = {}
        self.seen: dict[str, Seen] = {}
        self.home = Seen(0, 0)
        self._before: dict[str, tuple[float, int, float]] = {}
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._busy: set[asyncio.Task[Any]] = set()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take up the nodes the table knows, and begin to look."""
        for member in await asyncio.to_thread(self.placement.members):
            self._know(member)
            if member.own:
                await self._spawn(member.name)
        await self._decide(
            "start", f"{len(self.members)} nodes besides home, at most {self.limits.most} in all"
        )
        self._tasks = [
            self.service.loop.create_task(self._look()),
            self.service.loop.create_task(self._mind()),
        ]

    # -- who there is ----------------------------------------------------------------------------------------

    def _know(self, member: Member) -> None:
        self.members[member.name] = member
        link = self.front.links.get(member.name)
        if link is None:
            self.front.links[member.name] = Link(member.name, member.address, self._is_up)
        elif link.address != member.address:
            link.move_to(member.address)

    def _is_up(self, link: Link) -> None:
        """A line is there, for the first time or again: the catalogue, then what was under way."""
        task = self.service.loop.create_task(self._greet(link))
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _greet(self, link: Link) -> None:
        with contextlib.suppress(ConnectionError):
            await self._same_catalogue(link)
            count = await self.mover.resume(link)
            if count:
                await self._decide("resume", f"{count} accounts were on their way to or from {link.name}")

    async def _same_catalogue(self, link: Link) -> None:
        text = self.service.durable.node.tariffs.text
        status = await link.want("status")
        if text:
            ident = f"catalogue of {self.name} at {status['seq'] + 1}"
            await link.ask(encode(Publish(tenant=OPERATOR, id=ident, text=text)))

    async def _join(self, asked: Said) -> Said:
        member = Member(
            str(asked["name"]), str(asked["address"]), str(asked.get("http", "")), bool(asked.get("own"))
        )
        if member.name == self.name or not member.name:
            return {"ok": False, "code": "bad_name", "why": "A node needs a name of its own."}
        known = self.members.get(member.name)
        if known is not None and known.own != member.own:
            return {"ok": False, "code": "bad_name", "why": "Another node bears this name."}
        await asyncio.to_thread(self.placement.join, member)
        self._know(member)
        await self._decide("join", f"{member.name} at {member.address}")
        return {"ok": True, "home": self.address, "http": self.http}

    async def _leave(self, asked: Said) -> Said:
        """A node wants to end: take its accounts home first."""
        left = await self._empty(str(asked["name"]))
        return {"ok": left}

    async def _where(self, asked: Said) -> Said:
        """Where an account is, for callers that go there themselves."""
        away = self.service.durable.node.away.get((asked["tenant"], asked["account"]))
        member = self.members.get(away[0]) if away is not None else None
        return {"where": member.address if member is not None else self.address}

    async def _empty(self, name: str) -> bool:
        link = self.front.links.get(name)
        if link is None:
            return True
        for _ in range(600):
            while await self.mover.back(link, self.limits.accounts):
                continue
            if not (await link.want("status"))["accounts"]:
                break
            await asyncio.sleep(0.1)  # it makes a snapshot
        else:
            return False
        link.close()
        del self.front.links[name], self.members[name]
        self.seen.pop(name, None)
        await asyncio.to_thread(self.placement.leave, name)
        await self._decide("leave", f"{name} has no account any more")
        return True

    # -- nodes of our own ------------------------------------------------------------------------------------

    async def _spawn(self, name: str) -> None:
        folder = self.service.folder / "nodes" / name
        folder.mkdir(parents=True, exist_ok=True)
        words = [
            sys.executable, "-m", "workbench", "charge", str(folder), "--join", self.address, "--own",
            "--tcp", "127.0.0.1:0", *(("--http", "127.0.0.1:0") if self.http else ()), "--json", *self._words,
        ]  # fmt: skip
        with (folder / "log.txt").open("ab") as out:
            self._processes[name] = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

    async def _mind(self) -> None:
        """Start a node of ours that died: its log has all it answered."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.front.give_up()
            for name, process in list(self._processes.items()):
                if process.returncode is not None and not self._stopping and name in self.members:
                    await self._decide("restart", f"{name} ended with {process.returncode}")
                    await self._spawn(name)

    async def _grow(self) -> None:
        numbers = {int(name.rpartition("-")[2]) for name, m in self.members.items() if m.own}
        number = next(n for n in range(1, 1_000) if n not in numbers)
        name = f"{self.name}-{number}"
        await self._spawn(name)
        for _ in range(600):
            link = self.front.links.get(name)
            if link is not None and link.up:
                return
            await asyncio.sleep(0.1)
        log.error("charging: node %s did not come up: see %s", name, self.service.folder / "nodes" / name)

    async def _end(self, name: str) -> None:
        if await self._empty(name) and (process := self._processes.pop(name, None)) is not None:
            await _ended(process)

    # -- looking ---------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._see()
                own = sum(member.own for member in self.members.values())
                step = self.rule.decide(self.home, self.seen, own)
                counts = self.front.taken_counts()
                if step is not None:
                    await self._take(step, counts)
            except (ConnectionError, ChargingError, KeyError, ValueError):
                log.exception("charging: a look at the nodes failed")

    async def _see(self) -> None:
        self.home = self._seen(
            self.name, self.front.here, process_time(), len(self.service.durable.node.accounts), up=True
        )
        for name, link in list(self.front.links.items()):
            status: Said = {}
            if link.up:
                with contextlib.suppress(asyncio.TimeoutError):
                    status = await asyncio.wait_for(link.want("status"), 2)
            if status:
                self.seen[name] = self._seen(
                    name, status["requests"], status["cpu_seconds"], status["accounts"], up=True
                )
            else:
                self.seen[name] = Seen(0, 0, self.seen[name].accounts if name in self.seen else 0, up=False)

    def _seen(self, name: str, requests: int, cpu: float, accounts: int, *, up: bool) -> Seen:
        now = self.service.loop.time()
        then, before, cpu_before = self._before.get(name, (now, requests, cpu))
        self._before[name] = (now, requests, cpu)
        if now <= then:
            return Seen(0, 0, accounts, up)
        rate = max(0, requests - before) / (now - then)
        share = max(0.0, cpu - cpu_before) / (now - then)
        load = rate / self.limits.rate if self.limits.rate else share / self.limits.full
        return Seen(rate, load, accounts, up)

    async def _take(self, step: Step, counts: dict[tuple[str, str], int]) -> None:
        match step.what:
            case "grow":
                await self._decide("grow", step.why)
                await self._grow()
            case "spill":
                here = {
                    key: count for key, count in counts.items() if key in self.service.durable.node.accounts
                }
                keys = hottest(here, step.part, self.limits.accounts, self.service.durable.node.together)
                moved = await self.mover.out(keys, self.front.links[step.node]) if keys else 0
                if moved:
                    await self._decide("spill", f"{moved:,} accounts to {step.node}: {step.why}")
            case "retract":
                moved = await self.mover.back(self.front.links[step.node], self.limits.accounts)
                if moved:
                    await self._decide("retract", f"{moved:,} accounts from {step.node}: {step.why}")
            case "leave" if self.members[step.node].own:
                await self._end(step.node)

    async def _decide(self, what: str, why: str) -> None:
        log.info("charging: %s: %s", what, why)
        at = self.service.durable.clock()
        await asyncio.to_thread(self.placement.decide, at, what, why)

    def status(self) -> Said:
        """The nodes as plain values."""
        nodes = {
            self.name: {"address": self.address, **_plain(self.home)},
            **{
                name: {
                    "address": self.members[name].address,
                    **_plain(self.seen.get(name, Seen(0, 0, up=False))),
                }
                for name in sorted(self.members)
            },
        }
        mover = self.mover
        return {
            "nodes": nodes, "forwarded": self.front.there, "waiting_for_moves": self.front.held,
            "moved_out": mover.moved_out, "moved_back": mover.moved_back, "moves_refused": mover.refused,
            "move_seconds_max": round(mover.seconds_max, 3), "decisions": self.placement.decisions(10),
        }  # fmt: skip

    async def close(self) -> None:
        """End the nodes of our own; their accounts stay with them until home is back."""
        self._stopping = True
        for task in [*self._tasks, *self._busy]:
            task.cancel()
        for process in self._processes.values():
            await _ended(process)
        for link in self.front.links.values():
            link.close()
        await asyncio.to_thread(self.placement.close)


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), ENDS_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


def _plain(seen: Seen) -> Said:
    return {
        "state": "up" if seen.up else "down",
        "accounts": seen.accounts,
        "requests_per_second": round(seen.rate),
        "load_percent": round(100 * seen.load),
    }


def child_words(
    folder: Path, tenants: tuple[str, ...], lake: Path | None, webhook: str, secret_file: str
) -> tuple[str, ...]:
    """The options a started node shares with home."""
    words: list[str] = []
    for tenant in tenants:
        words += ["--tenant", tenant]
    if lake is not None:
        words += ["--into", str(lake)]
    if webhook:
        words += ["--webhook", webhook]
    if secret_file:
        words += ["--secret", secret_file]
    return tuple(words)
