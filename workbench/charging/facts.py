"""What happened at a node, told to whoever books, proves or exports it."""

from __future__ import annotations

from typing import NamedTuple

from workbench.charging.pricing import Settled
from workbench.charging.state import NO_DIMS, Account


class Fact(NamedTuple):
    """What happened to an account: for the ledger, the lake and proofs.

    ``kind`` is the operation, or ``expire``. A slice of use that was settled says what it was: ``units`` of ``meter`` at
    the instant ``at``, of which ``settled.rows`` say what was rated and how. ``paid`` is money added, over the node's
    denominator; ``seq`` the place of the request among all that changed the node. A refund gives back ``paid`` of what the
    request ``refers_to`` was charged, out of what ``offer`` earned.
    """

    kind: str
    account: Account
    id: str
    now: int
    settled: Settled | None = None
    units: int = 0
    meter: str = ""
    device: str = ""
    dims: dict[str, str] = NO_DIMS
    at: int = 0
    paid: int = 0
    seq: int = 0
    offer: str = ""
    refers_to: str = ""
