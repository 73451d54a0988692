"""A node at the edge: it grants out of units it has leased, with or without a link, and tells the centre afterwards.

A lease is a reservation at the centre, so its money is held there whatever happens here. The edge keeps what it leased as
buckets of units with an end; use drawn from them is granted at once. Each event goes to the centre later as a ``settle``
under its own id, is rated there at its own instant, and shrinks the lease. So the centre charges what it would have
charged alone: the same events under the same counters. Nothing is granted past a lease, or past its end.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from workbench.charging import funds
from workbench.charging.durable import Sink
from workbench.charging.facts import Fact
from workbench.charging.framed import Caller
from workbench.charging.messages import (
    Answer,
    Command,
    Open,
    Release,
    Reserve,
    Settle,
    TopUp,
    Update,
    Wish,
    decode,
    decode_answer,
    encode,
)
from workbench.charging.service import Service
from workbench.charging.tariffs import instant

log = logging.getLogger(__name__)
LEASE_SECONDS, GRACE_SECONDS = 3_600, 86_400
"""How long a lease is used here, and how much longer the centre holds it for what is told late."""
TIMES = 20
"""A lease is for this many times what was asked, so that the next requests need no link."""
Want = tuple[str, str, str]


class Nobody:
    """For requests of the edge's own."""

    def answer(self, token: object, answer: bytes) -> None:
        """It will be seen in the buckets."""

    def flush(self) -> None:
        """Nothing waits."""


class Edge:
    """What stands between the doors and the node of an edge.

    Args:
        name: this edge's, in the ids of its leases.
        service: the node, made so that ``told`` hears its facts; see ``attach``.
        centre: the socket file or (host, port) of the centre.
        state: file that remembers how far the centre was told.
    """

    def __init__(
        self, name: str, centre: Path | tuple[str, int], state: Path, lease_seconds: int = LEASE_SECONDS
    ) -> None:
        self.name, self.centre, self._state, self._lease = name, centre, state, lease_seconds
        said = json.loads(state.read_text()) if state.exists() else {}
        self.told_seq = int(said.get("seq", 0))
        self.up = False
        self.settled = self.refused = self.overshoot = 0
        self._pending: deque[tuple[int, bytes]] = deque()
        self._wanted: dict[Want, int] = {}
        self._jobs: deque[tuple[Want, int]] = deque()
        self._waiting: dict[Want, list[tuple[bytes, Sink, object, str]]] = {}
        self._ended: set[tuple[str, str, int]] = set()
        self._number = 0
        self._stop, self._work = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="edge-link", daemon=True)
        self.service: Service
        self._take: Any

    def told(self, fact: Fact) -> None:
        """A slice of use was settled here: the centre must hear of it. Given to the node before its log is read."""
        seq = fact.seq
        if fact.settled is None or not fact.settled.parts or seq <= self.told_seq:
            return
        for number, (bucket, units) in enumerate(fact.settled.parts):
            lease = int(bucket.rpartition(" ")[2])
            settle = Settle(
                tenant=fact.account.tenant, account=fact.account.id, id=f"{fact.id}#{number}" if number else fact.id,
                reservation=lease, meter=fact.meter, units=units, at=instant(fact.at), device=fact.device, dims=fact.dims,
            )  # fmt: skip
            self._pending.append((seq, encode(settle)))
        self._work.set()

    def attach(self, service: Service) -> None:
        """Stand before a node's door, and begin to speak with the centre."""
        self.service, self._take = service, service.take
        service.take = self.take  # type: ignore[method-assign]
        self._thread.start()

    # -- before the node, on its loop ------------------------------------------------------------------------

    def take(self, body: bytes, sink: Sink, token: object = None, tenant: str = "") -> None:
        """A request: carried out at once when what it wants is leased; else after the centre was asked, if it can be."""
        want = self._want(body)
        if want is not None:
            key, missing, low = want
            if low:
                self._ask(key, low)
            if missing and self.up:
                self._waiting.setdefault(key, []).append((body, sink, token, tenant))
                return
        self._take(body, sink, token, tenant)

    def _want(self, body: bytes) -> tuple[Want, bool, int] | None:
        """(whose units of which meter, whether they are missing, how many to lease) of a request that wants some."""
        try:
            ask: Command = decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        account = self.service.durable.node.accounts.get((ask.tenant, ask.account))
        if isinstance(ask, Wish):
            meter, units = ask.meter, ask.units
        elif isinstance(ask, Update) and account is not None and ask.reservation in account.reservations:
            meter, units = account.reservations[ask.reservation].meter, ask.more
        else:
            return None
        if not meter or not 0 < units < 2**56:
            return None
        now = self.service.durable.clock()
        free = sum(b.free(now) for b in funds.unit_buckets(account, meter)) if account is not None else 0
        return (
            (ask.tenant, ask.account, meter),
            free < units,
            units * TIMES if free < units * TIMES // 2 else 0,
        )

    def _ask(self, key: Want, units: int) -> None:
        if key not in self._wanted:
            self._wanted[key] = units
            self._jobs.append((key, units))
            self._work.set()

    def _leased(self, key: Want, answer: Answer | None) -> None:
        """The centre's word about a lease: fill the bucket, and carry out what waited for it."""
        tenant, account, meter = key
        self._wanted.pop(key, None)
        if answer is not None and answer.ok and answer.granted:
            until = instant(answer.expires_at) - timedelta(seconds=GRACE_SECONDS)
            label = f"lease {answer.reservation}"
            if (tenant, account) not in self.service.durable.node.accounts:
                self._take(
                    encode(Open(tenant=tenant, account=account, id=f"open:{label}:{account}")), Nobody()
                )
            bucket = TopUp(
                tenant=tenant, account=account, id=f"{label}:{account}", meter=meter, units=answer.granted,
                bucket=label, expires_at=until,
            )  # fmt: skip
            self._take(encode(bucket), Nobody())
        for waited in self._waiting.pop(key, []):
            self._take(*waited)

    # -- the link, on its own thread -------------------------------------------------------------------------

    def _run(self) -> None:
        caller: Caller | None = None
        while not self._stop.is_set():
            try:
                if caller is None:
                    caller = Caller(self.centre, 5)
                    self.up = True
                self._lease_some(caller)
                self._tell(caller)
                self._end_leases(caller)
                self._work.wait(0.2)
                self._work.clear()
            except (OSError, ConnectionError):
                self.up, caller = False, None
                self._give_up_waiting()
                self._stop.wait(0.5)
        if caller is not None:
            caller.close()

    def _call(self, do: Any, *words: Any) -> None:
        self.service.loop.call_soon_threadsafe(do, *words)

    def _give_up_waiting(self) -> None:
        """The link is down: what waits is answered out of what is here."""
        jobs = [key for key, _ in self._jobs] + list(self._wanted)
        self._jobs.clear()
        for key in dict.fromkeys(jobs):
            self._call(self._leased, key, None)

    def _lease_some(self, caller: Caller) -> None:
        while self._jobs:
            key, units = self._jobs[0]
            tenant, account, meter = key
            self._number += 1
            message = Reserve(
                tenant=tenant, account=account, id=f"lease:{self.name}:{time.monotonic_ns()}:{self._number}", meter=meter,
                units=units, partial=True, seconds=self._lease + GRACE_SECONDS,
            )  # fmt: skip
            answer = decode_answer(caller.ask(encode(message)))
            self._jobs.popleft()
            self._call(self._leased, key, answer)

    def _tell(self, caller: Caller) -> None:
        while self._pending:
            batch = [self._pending[n] for n in range(min(200, len(self._pending)))]
            durable = self.service.durable.durable_seq
            batch = [(seq, settle) for seq, settle in batch if seq <= durable]
            if not batch:
                return
            caller.send(*(settle for _, settle in batch))
            for seq, _ in batch:
                answer = decode_answer(caller.receive())
                self._pending.popleft()
                if answer.ok:
                    self.settled += 1
                    self.overshoot = max(self.overshoot, answer.debt)
                else:
                    self.refused += 1
                    log.error("edge: the centre refused an event: %s %s", answer.code, answer.id)
                self.told_seq = max(self.told_seq, seq - 1)
            if not self._pending:
                self.told_seq = max(self.told_seq, batch[-1][0])
            self._remember()

    def _remember(self) -> None:
        temporary = self._state.with_suffix(".tmp")
        temporary.write_text(
            json.dumps({"seq": self.told_seq, "settled": self.settled, "refused": self.refused})
        )
        temporary.replace(self._state)

    def _end_leases(self, caller: Caller) -> None:
        """Give back leases that are used up or over, once all their events were told."""
        if self._pending:
            return
        node, now = self.service.durable.node, self.service.durable.clock()
        for (tenant, name), account in list(node.accounts.items()):
            for bucket in list(account.buckets):
                lease = (tenant, name, int(bucket.name.rpartition(" ")[2]))
                over = not bucket.left or now >= bucket.expires_at
                if over and not bucket.held and lease not in self._ended and not self._pending:
                    ident = f"lease-end:{self.name}:{name}:{lease[2]}"
                    caller.ask(encode(Release(tenant=tenant, account=name, id=ident, reservation=lease[2])))
                    self._ended.add(lease)

    def status(self) -> dict[str, Any]:
        """How this edge stands with its centre."""
        return {
            "centre": "up" if self.up else "down",
            "settled_at_centre": self.settled,
            "refused_by_centre": self.refused,
            "to_tell": len(self._pending),
            "overshoot": self.overshoot,
        }

    def untold(self) -> bool:
        """Whether something happened here that the centre has not heard of."""
        return bool(self._pending)

    def close(self) -> None:
        """Stop speaking; what was not told is told after the next start."""
        self._stop.set()
        self._work.set()
        self._thread.join(10)
