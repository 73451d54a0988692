"""A durable node on an event loop: what all interfaces share. They bring bytes and a sink, and nothing else.

One flush per turn of the loop: whatever came in together is one batch. Beside it: the clock that expires reservations,
snapshots made by another process, and whoever wants to know of thresholds.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from workbench.charging import answers
from workbench.charging.durable import DurableNode, Sink
from workbench.charging.watch import Notice

log = logging.getLogger(__name__)
TICK_SECONDS = 0.05
SNAPSHOT_REQUESTS = 200_000
"""A snapshot is made when this many requests are behind the last one."""


REQUEST_SECONDS, LINGER_PART, LINGER_SECONDS = 20e-6, 0.25, 0.002
"""What a request costs about; how long a batch waits for callers to come back: a part of a sync, and a most."""


NOTICES_KEPT = 10_000
"""Notices that wait for somebody who tells them; a node without one lets go of older ones."""


class Service:
    """A node at work.

    Args:
        lake: where each snapshot's postings and charges go too.
        snapshot_requests: see ``SNAPSHOT_REQUESTS``; 0 makes no snapshots.
        more: what ``DurableNode`` takes.
    """

    def __init__(
        self,
        folder: Path,
        tenants: tuple[str, ...] = ("main",),
        *,
        snapshot_requests: int = SNAPSHOT_REQUESTS,
        lake: Path | None = None,
        **more: Any,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.durable = DurableNode(folder, tenants, wake=self.loop.call_soon_threadsafe, **more)
        self.folder, self.tenants, self._lake = folder, tenants, lake
        self.started = perf_counter()
        self.notify: Callable[[list[Notice]], None] | None = None
        self.keep_notices: Callable[[], None] = lambda: None  # makes durable what was notified so far
        self.hold_back: Callable[[], bool] = lambda: False
        self.more_status: Callable[[], dict[str, Any]] = dict
        self.home_http = ""  # where a node that owns only some accounts sends callers of all others
        self.ordered = False  # several nodes answer: each connection's answers are put in order
        self.peer: Callable[[bytes, Sink, object], None] = lambda body, sink, token: self.take(
            body, sink, token
        )
        self._soon = False
        self._wanted, self._linger_until = 0, 0.0
        self._seen, self._gather_until = 0, 0.0
        self.durable.next_batch = self._next_batch
        self.durable.sync_here = True
        self._snapshot_requests = snapshot_requests
        self.answers_max = 0  # answers in memory while snapshots are held back; 0: as many as come
        self._writing: asyncio.Task[None] | None = None
        self._snapshot_seq = self.durable.first_seq - 1
        self._following: asyncio.Task[None] | None = None
        self.durable.on_commit.append(self.tell)
        self._ticker = self.loop.create_task(self._tick())

    def take(self, body: bytes, sink: Sink, token: object = None, tenant: str = "") -> None:
        """One request; see ``DurableNode.take``."""
        self.durable.take(body, sink, token, tenant)
        if not self._soon:
            self._soon = True
            self.loop.call_soon(self._flush)

    def refuse(self, answer: bytes, sink: Sink, token: object = None) -> None:
        """Answer what never was a request of an account, in its turn."""
        self.durable.reply(sink, token, answer)
        if not self._soon:
            self._soon = True
            self.loop.call_soon(self._flush)

    @property
    def following(self) -> bool:
        """Whether a snapshot is being made, and the lake booked, beside the node."""
        return self._following is not None

    def _flush(self) -> None:
        """Send the batch when a turn of the loop brought nobody new, or it has waited for as long as a sync takes."""
        durable = self.durable
        gathered = durable.gathered
        if gathered > self._seen and not self._wanted:
            now = perf_counter()
            if not self._seen:
                self._gather_until = now + durable.sync_usual
            if now < self._gather_until:
                self._seen = gathered
                self.loop.call_soon(self._flush)
                return
        self._seen, self._soon = 0, False
        if not self._wanted:
            durable.flush()

    def _next_batch(self, flown: int) -> None:
        """A batch is durable and another has gathered: send it, or wait a moment for those who were just answered.

        Callers that wait for their answers come back at once. While the disk is slow, sending the others first would
        cut all callers into two halves that wait for each other's sync for ever: half the work for each sync.
        """
        wanted = flown + self.durable.gathered
        if self.durable.sync_usual < wanted * REQUEST_SECONDS:
            self.durable.flush()
            return
        self._wanted = wanted
        self._linger_until = perf_counter() + min(self.durable.sync_usual * LINGER_PART, LINGER_SECONDS)
        self.loop.call_soon(self._linger)

    def _linger(self) -> None:
        if self.durable.gathered < self._wanted and perf_counter() < self._linger_until:
            self.loop.call_soon(self._linger)  # a turn of the loop: what has come in is taken
            return
        self._wanted = 0
        self.durable.flush()

    def tell(self) -> None:
        """Hand notices to whoever tells them; those that come out of the log again are known there by their ids."""
        notices = self.durable.node.notices
        if notices:
            taken, notices[:] = notices[:], []
            if self.notify is not None:
                self.notify(taken)
            else:
                notices[:] = taken[-NOTICES_KEPT:]

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.durable.tick()
            self.durable.free()
            behind = self.durable.node.seq - self._snapshot_seq
            due = self._snapshot_requests and behind >= self._snapshot_requests and self._following is None
            if due and self.durable.idle and not self.hold_back():
                self._following = self.loop.create_task(self._follow())

            crowded = self.answers_max and self.durable.answers_in_memory > self.answers_max
            if crowded and self._writing is None and self._following is None and self.hold_back():
                self._writing = self.loop.create_task(self._write_answers())

    async def _write_answers(self) -> None:
        """Move answers from memory to disk while no snapshot can be made: the log has them all the same."""
        try:
            rows = self.durable.oldest(self.answers_max // 4)
            if rows:
                await asyncio.to_thread(answers.write, self.folder, rows, self.durable.now)
                self.durable.forget(rows)
        except (OSError, sqlite3.Error) as error:
            log.warning("charging: answers stay in memory: %s", error)
        finally:
            self._writing = None

    async def _follow(self) -> None:
        """Have a snapshot made, and the lake brought up to it; after a failure, once as many requests have come again."""
        self._snapshot_seq, upto = self.durable.node.seq, self.durable.journal.end
        self.durable.turn_page()
        try:
            await asyncio.to_thread(
                self.keep_notices
            )  # the log behind the snapshot would tell them again; it goes
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "workbench.charging.follow", str(self.folder), ",".join(self.tenants),
                str(self._lake or ""), str(upto),
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            out, err = await process.communicate()
            if process.returncode:
                log.error("charging: no snapshot was made: %s", err.decode(errors="replace")[-2000:])
                return
            made = json.loads(out.splitlines()[-1])
            self.durable.let_go(made["seq"], made["position"])
        except OSError as error:
            log.warning("charging: no snapshot was made: %s", error)
        finally:
            self._following = None

    def status(self) -> dict[str, Any]:
        """The node as plain values, for status pages and metrics."""
        durable, node = self.durable, self.durable.node
        stats = durable.journal.stats()
        return {
            "state": durable.journal.state,
            "tenants": sorted(node.tenants),
            "accounts": len(node.accounts),
            "open_reservations": sum(len(a.reservations) for a in node.accounts.values()),
            "exposure_nano": node.exposure // node.scale,
            "seq": node.seq,
            "requests": durable.requests,
            "approved": node.approved,
            "refused": node.refused,
            "expired": node.expired,
            "answers_in_memory": durable.answers_in_memory,
            "batches": stats.commits,
            "sync_seconds": stats.sync_seconds_sum,
            "sync_seconds_max": stats.sync_seconds_max,
            "following": self.following,
            "epoch": node.epoch,
            "away": len(node.away),
            "on_their_way": sum(len(parcel.keys) for parcel in node.parcels.values()),
            "cpu_seconds": round(process_time(), 3),
            "recovered_requests": durable.recovered.requests,
            "recovery_seconds": round(durable.recovery_seconds, 3),
            "up_seconds": round(perf_counter() - self.started, 1),
            **self.more_status(),
        }

    async def close(self) -> None:
        """Stop: write what waits, answer it, let go of the folder."""
        self._ticker.cancel()
        if self._writing is not None:
            await self._writing
        if self._following is not None:
            self._following.cancel()
        self.durable.flush()
        for _ in range(1000):
            if self.durable.idle:
                break
            await asyncio.sleep(0.01)
        await asyncio.to_thread(self.durable.close)
