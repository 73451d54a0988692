"""The proof of edges and of moves: what one node would have charged alone, from the nodes' own logs.

The logs are carried out together, in the order of their instants, on a fresh node: every event that an edge told is
replaced by a plain charge at its own instant, there are no leases, and nobody moves. Each account must come to the same
there as on whichever node owns it now: what every offer earned, and the balance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from pathlib import Path

from msgspec import structs

from workbench.charging.batches import unpack
from workbench.charging.messages import (
    Answer,
    Arrive,
    Command,
    Commit,
    Depart,
    Moved,
    Publish,
    Release,
    Remember,
    Reserve,
    Settle,
    Update,
    decode,
    decode_answer,
)
from workbench.charging.node import Node
from workbench.charging.recovery import old_groups
from workbench.errors import ChargingError
from workbench.journal.reader import JournalReader


@dataclass(frozen=True, slots=True)
class Alone:
    """What the comparison found.

    Attributes:
        accounts, events: how many were compared, and how many events edges told.
        different: the first accounts that came to something else: (account, as it was, alone), over the denominator.
        overshoot: the most an account went past its limit by what edges told; 0 where leases covered everything.
        nodes, moves: how many logs were read, and how many parcels of accounts arrived somewhere.
        on_their_way: accounts that left one of these nodes and arrived at none of them.
    """

    accounts: int
    events: int
    different: list[tuple[str, str, str]]
    overshoot: int
    nodes: int = 1
    moves: int = 0
    on_their_way: int = 0

    @property
    def ok(self) -> bool:
        """Nothing came to anything else, and nothing is missing."""
        return not self.different and not self.on_their_way


class _Log:
    """One node as its log says, a request at a time."""

    def __init__(self, folder: Path, tenants: tuple[str, ...]) -> None:
        self.name, self.node = folder.name, Node(tenants)
        self._old, self._of_old = old_groups(folder), False
        self._next = self._read(folder)
        self.head: tuple[int, Command | None] | None = next(self._next, None)

    def _read(self, folder: Path) -> Iterator[tuple[int, Command | None]]:
        reader = JournalReader(folder / "log", 0)
        while (read := reader.read()) is not None:
            for number, message in enumerate(read.messages, read.first):
                self._of_old = number < self._old
                now = message.received_at_ns // 1000
                yield now, None  # the clock's
                for record in unpack(message):
                    yield now, decode(record)

    def step(self) -> tuple[int, Command | None, Answer | None]:
        """Carry out the next request: its instant, itself (``None``: the clock's), its answer."""
        assert self.head is not None
        now, ask = self.head
        self.node.any_group = self._of_old  # of this head; reading the next one changes it
        self.head = next(self._next, None)
        self.node.now = now
        if ask is None:
            self.node.tick(now)
            return now, None, None
        return now, ask, decode_answer(self.node.ask(ask, now).answer)

    def waits(self, logs: dict[str, _Log]) -> bool:
        """Whether accounts arrive next that the log of the node they come from has not yet let go of."""
        ask = self.head[1] if self.head is not None else None
        return isinstance(ask, Arrive) and ask.came in logs and logs[ask.came].node.seq < ask.seq


def _together(logs: dict[str, _Log]) -> Iterator[tuple[_Log, int, Command | None, Answer | None]]:
    """All requests by their instants; accounts never arrive before they left, whatever the clocks say."""
    heap = [(log.head[0], name) for name, log in logs.items() if log.head is not None]
    heapify(heap)
    waiting: list[str] = []
    while heap:
        _, name = heappop(heap)
        log = logs[name]
        if log.waits(logs):
            waiting.append(name)
            continue
        yield log, *log.step()
        if log.head is not None:
            heappush(heap, (log.head[0], name))
        for other in [other for other in waiting if not logs[other].waits(logs)]:
            waiting.remove(other)
            head = logs[other].head
            assert head is not None
            heappush(heap, (head[0], other))
    if waiting:
        raise ChargingError(
            "Accounts arrived that never left.",
            where=", ".join(sorted(waiting)),
            cure="Give the folders of all nodes, as they are after the last one stopped.",
            code="charging_logs",
        )


class _One:
    """The node that has no edges and hands nothing over."""

    def __init__(self, tenants: tuple[str, ...]) -> None:
        self.node = Node(tenants)
        self.events = self.overshoot = self.moves = self._now = 0
        self._leases: set[tuple[str, str, int]] = set()

    def take(self, log: _Log, now: int, ask: Command | None, said: Answer | None) -> None:
        """What this request would have been here."""
        node = self.node
        node.any_group = log.node.any_group
        now = self._now = max(self._now, now)
        if ask is None or said is None:
            node.tick(now)
            return
        if isinstance(ask, Depart | Remember | Arrive | Moved):
            self.moves += isinstance(ask, Arrive) and said.ok
            return
        if said.code == "elsewhere":
            return  # whoever owns it has it in its own log
        if isinstance(ask, Publish):
            node.ask(structs.replace(ask, id=f"{log.name}: {ask.id}"), now)
        elif isinstance(ask, Reserve) and ask.id.startswith("lease:"):
            if said.ok:  # the number it took is taken here too
                self._leases.add((ask.tenant, ask.account, said.reservation))
                node.accounts[ask.tenant, ask.account].sequence += 1
        elif isinstance(ask, Settle):
            self.events += 1
            self.overshoot = max(self.overshoot, said.debt)
            node.ask(structs.replace(ask, reservation=0), now)
        elif not (
            isinstance(ask, Release | Commit | Update)
            and (ask.tenant, ask.account, ask.reservation) in self._leases
        ):
            node.ask(ask, now)


def compare(folder: Path | Sequence[Path], tenants: tuple[str, ...]) -> Alone:
    """Compare a centre, or all nodes that accounts moved between, with one node alone.

    All edges must have told everything; the logs must reach back to their starts.

    Raises:
        ChargingError: ``charging_logs``: the log of a node that accounts came from ends before they left.
    """
    folders = [folder] if isinstance(folder, Path) else list(folder)
    logs = {each.name: _Log(each, tenants) for each in folders}
    one = _One(tenants)
    for log, now, ask, said in _together(logs):
        one.take(log, now, ask, said)
    owned = {(key, log) for log in logs.values() for key in log.node.accounts}
    different = [
        (key[1], str(real), str(alone))
        for key, log in sorted(owned, key=lambda pair: (pair[0], pair[1].name))
        if (real := _sums(log.node, key, one.node.scale)) != (alone := _sums(one.node, key, log.node.scale))
    ]
    missing = one.node.accounts.keys() - {key for key, _ in owned}
    return Alone(
        len(owned), one.events, different[:10], one.overshoot, len(logs), one.moves, len(missing)
    )  # fmt: skip


def _sums(node: Node, key: tuple[str, str], scale: int) -> tuple[int, dict[str, int]] | None:
    """Balance and earnings over both nodes' denominators together."""
    account = node.accounts.get(key)
    if account is None:
        return None
    return account.balance * scale, {offer: part * scale for offer, part in account.earned.items()}
