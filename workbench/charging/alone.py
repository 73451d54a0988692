"""The proof of edges: what their centre would have charged alone, from the centre's own log.

The log is carried out on a fresh node with every event that an edge told replaced by a plain charge at its own instant,
and no leases. Each account must come to the same: what every offer earned, and the balance.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from workbench.charging.batches import unpack
from workbench.charging.messages import (
    Command,
    Commit,
    Release,
    Reserve,
    Settle,
    Update,
    decode,
    decode_answer,
)
from workbench.charging.node import Node
from workbench.journal.reader import JournalReader


@dataclass(frozen=True, slots=True)
class Alone:
    """What the comparison found.

    Attributes:
        accounts, events: how many were compared, and how many events edges told.
        different: the first accounts that came to something else: (account, with edges, alone), over the denominator.
        overshoot: the most an account went past its limit by what edges told; 0 where leases covered everything.
    """

    accounts: int
    events: int
    different: list[tuple[str, str, str]]
    overshoot: int

    @property
    def ok(self) -> bool:
        """Nothing came to anything else."""
        return not self.different


def compare(folder: Path, tenants: tuple[str, ...]) -> Alone:
    """Compare a centre with itself alone. All edges must have told everything; the log must reach back to its start."""
    real, node, events, overshoot = Node(tenants), Node(tenants), 0, 0
    leases: set[tuple[str, str, int]] = set()
    reader = JournalReader(folder / "log", 0)
    while (read := reader.read()) is not None:
        for message in read.messages:
            now = message.received_at_ns // 1000
            real.tick(now)
            node.tick(now)
            for record in unpack(message):
                ask: Command = decode(record)
                said = decode_answer(real.ask(ask, now).answer)
                if isinstance(ask, Reserve) and ask.id.startswith("lease:"):
                    if said.ok:  # the number it took is taken here too
                        leases.add((ask.tenant, ask.account, said.reservation))
                        node.accounts[ask.tenant, ask.account].sequence += 1
                elif isinstance(ask, Settle):
                    events += 1
                    overshoot = max(overshoot, said.debt)
                    node.ask(structs.replace(ask, reservation=0), now)
                elif not (
                    isinstance(ask, Release | Commit | Update)
                    and (ask.tenant, ask.account, ask.reservation) in leases
                ):
                    node.ask(ask, now)
    different = [
        (key[1], str(_sums(real, key)), str(_sums(node, key)))
        for key in real.accounts
        if key not in node.accounts or _sums(real, key) != _sums(node, key)
    ]
    return Alone(len(real.accounts), events, different[:10], overshoot)


def _sums(node: Node, key: tuple[str, str]) -> tuple[int, dict[str, int]]:
    account = node.accounts[key]
    return account.balance, dict(account.earned)
