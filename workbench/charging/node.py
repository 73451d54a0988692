"""A charging node in memory: every operation is atomic, exact and remembered. No clock, no file, no network.

``handle`` takes one request as bytes and answers as bytes; the same requests at the same instants always give the same
answers, so a log of the requests is the node's whole truth (``durable.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from heapq import heappop, heappush
from itertools import chain
from typing import NamedTuple

import msgspec

from workbench.charging import accounts, funds, watch
from workbench.charging.facts import Fact
from workbench.charging.messages import (
    Answer,
    Arrive,
    Authorize,
    Balance,
    Command,
    Commit,
    Debit,
    Depart,
    Moved,
    Open,
    Publish,
    Refund,
    Release,
    Remember,
    Reserve,
    Settle,
    TopUp,
    Unlock,
    Update,
    decode,
    encode,
)
from workbench.charging.moves import Moves
from workbench.charging.operations import OPERATOR, Operations
from workbench.charging.refusals import FORGETTABLE, REFUSALS, Refused, refusal
from workbench.charging.sessions import finish
from workbench.charging.short import charged
from workbench.charging.state import NEVER, Account, Pool, Reservation
from workbench.charging.tariffs import Tariffs
from workbench.charging.watch import Notice

BYTES_MAX = 64 * 1024
ORDER_BYTES_MAX = 12 << 20
"""An operator's order may carry accounts that move."""
READS = frozenset((Authorize, Balance))
_ORDERS = (b'{"op":"arrive"', b'{"op":"remember"', b'{"op":"depart"', b'{"op":"publish"')


class Handled(NamedTuple):
    """An answer, and what must be in the log before it leaves (empty: nothing changed)."""

    answer: bytes
    record: bytes = b""


class Node(Operations, Moves):
    """Accounts, and what may be asked of them.

    Attributes:
        tenants: whose accounts it keeps; requests of others are refused.
        answers: key to (hash of the request, answer, its place); ``former`` are those before the snapshot that is being
            made, which memory lets go of as a whole.
        older: asked for answers that memory has let go of: key to (hash, answer) or ``None``.
        replaying: a log is carried out again: what it holds was new then, whatever ``older`` knows by now.
        any_group: what is carried out again is of a time when rating groups were not looked at (``recovery``).
        facts: when set, told what happened, in order.
        notices: what crossed a threshold since somebody last took them.
        exposure: what all open reservations may still cost: the most that a loss of this node could leave unbilled.
    """

    def __init__(self, tenants: tuple[str, ...] = ("main",), tariffs: Tariffs | None = None) -> None:
        self.tenants = frozenset(tenants)
        self.tariffs = tariffs or Tariffs()
        self.scale = self.tariffs.scale
        self.accounts: dict[tuple[str, str], Account] = {}
        self.pools: dict[tuple[str, str], Pool] = {}
        self.answers: dict[str, tuple[bytes, bytes, int]] = {}
        self.former: dict[str, tuple[bytes, bytes, int]] = {}
        self.older: Callable[[str], tuple[bytes, bytes] | None] | None = None
        self.replaying = self.any_group = False
        self.facts: Callable[[Fact], None] | None = None
        self.notices: list[Notice] = []
        self.no_moves()
        self.due: list[tuple[int, str, str, int]] = []
        self.seq = self.now = self.exposure = 0
        self.approved = self.refused = self.expired = 0
        self._do: dict[type, Callable[..., Answer]] = {
            Authorize: self._authorize, Reserve: self._reserve, Update: self._update, Commit: self._commit,
            Release: self._release, Debit: self._debit, Settle: self._settle_lease, Unlock: self._unlock, Refund: self._refund,
            TopUp: self._topup, Balance: self._balance,
        }  # fmt: skip
        self._orders: dict[type, Callable[..., Answer]] = {
            Publish: self._publish, Depart: self._depart, Remember: self._remember, Arrive: self._arrive,
            Moved: self._moved,
        }  # fmt: skip

    # -- the door --------------------------------------------------------------------------------------------

    def handle(self, body: bytes, now: int, tenant: str = "") -> Handled:
        """``take`` with names to what it answers."""
        return Handled(*self.take(body, now, tenant))

    def take(self, body: bytes, now: int, tenant: str = "") -> tuple[bytes, bytes]:
        """One request, as bytes; never raises.

        Args:
            now: the instant, microseconds since 1970; never earlier than the last one.
            tenant: whom the caller was seen to be; empty where the place itself is trusted.

        Returns: the answer, and the record for the log (empty: nothing changed); see ``Handled``.
        """
        if len(body) > BYTES_MAX and not is_order(body, tenant):
            return refusal("too_large"), b""
        try:
            ask = decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            return refusal("bad_request", why=f"{REFUSALS['bad_request'][1]} {str(error)[:200]}"), b""
        if tenant and ask.tenant != tenant:
            return refusal("forged_tenant", ask.id), b""
        return self.carry_out(ask, now)

    def ask(self, ask: Command, now: int) -> Handled:
        """``carry_out`` with names to what it answers."""
        return Handled(*self.carry_out(ask, now))

    def carry_out(self, ask: Command, now: int) -> tuple[bytes, bytes]:
        """One request; never raises. Answers what ``take`` does."""
        tenant, name = ask.tenant, ask.id
        if tenant not in self.tenants and not (tenant == OPERATOR and type(ask) in self._orders):
            return refusal("unknown_tenant", name), b""
        if (self.away or self.guest_of) and tenant != OPERATOR:
            elsewhere = self.elsewhere(ask)
            if elsewhere is not None:
                return elsewhere
        if type(ask) in READS:
            return encode(self._answer(ask, now)), b""
        if not accounts.good_name(name):
            return refusal("bad_id", name[:128]), b""
        record = encode(ask)
        digest = blake2b(record, digest_size=16).digest()
        key = f"{tenant}\x1f{name}"
        known = self.answers.get(key) or self.former.get(key)
        if known is None and self.older is not None and not self.replaying:
            known = self.older(key)  # type: ignore[assignment]
        if known is not None:
            return (known[1] if known[0] == digest else refusal("key_reused", name)), b""
        answer = (self._short(ask, now) if type(ask) is Debit else None) or self._answer(ask, now)
        if not answer.ok and answer.code in FORGETTABLE:
            return encode(answer), b""
        self.seq = seq = answer.seq = self.seq + 1
        said = encode(answer)
        self.answers[key] = (digest, said, seq)
        return said, record

    def _short(self, ask: Debit, now: int) -> Answer | None:
        """The short way, where nobody wants to be told of every step of the long one."""
        if self.facts is not None:
            return None
        try:
            answer = charged(self, ask, now)
        except Refused:
            return None
        if answer is not None:
            self.now = now
            self.approved += 1
        return answer

    def _answer(self, ask: Command, now: int) -> Answer:
        self.now = now
        try:
            do = self._do.get(type(ask))
            if do is not None:
                account = self.accounts.get((ask.tenant, ask.account))
                if account is None:
                    raise Refused("unknown_account")
                required = account.required
                answer = do(account, ask, now)
                after, balance = account.required, account.balance
                if after != required:
                    self.exposure += after - required
                answer.balance, answer.held = balance, after
                if account.buckets or account.pool is not None:
                    answer.available = funds.available(account, now)
                else:
                    answer.available = balance + account.limit - account.held
                if (account.low or account.usage_percent or account.fired) and (
                    account.low or account.limit or account.buckets
                ):
                    watch.look(account, self.seq + 1, now, self.scale, self.notices)
            else:
                answer = self._open(ask, now) if type(ask) is Open else self._order(ask)
            answer.id, answer.account, answer.denominator = ask.id, ask.account, self.scale
            self.approved += 1
            return answer
        except Refused as refused:
            self.refused += 1
            return Answer(
                id=ask.id, ok=False, code=refused.code, why=REFUSALS[refused.code][1],
                affordable=refused.affordable, denominator=self.scale,
            )  # fmt: skip

    def _order(self, ask: Command) -> Answer:
        if ask.tenant != OPERATOR:
            raise Refused("forged_tenant")
        return self._orders[type(ask)](ask)

    def tick(self, now: int) -> int:
        """Expire what is due at an instant: an event of its own. Answers how many reservations ended."""
        ended, due = 0, self.due
        while due and due[0][0] <= now:
            _, tenant, name, number = heappop(due)
            account = self.accounts.get((tenant, name))
            made = account.reservations.get(number) if account is not None else None
            if account is None or made is None:
                continue
            if made.expires_at > now:
                heappush(due, (made.expires_at, tenant, name, number))
                continue
            required = account.required
            finish(account, made, 0)
            del account.reservations[number]
            self.exposure += account.required - required
            ended += 1
            if self.facts is not None:
                self.facts(Fact("expire", account, "", now, meter=made.meter, at=made.at))
        self.expired += ended
        return ended

    def remember_due(self, made: Reservation, account: Account) -> None:
        """Note when a reservation that came from elsewhere ends."""
        heappush(self.due, (made.expires_at, account.tenant, account.id, made.number))

    @property
    def next_due(self) -> int:
        """When ``tick`` may next have something to do."""
        return self.due[0][0] if self.due else NEVER

    def remembered(self) -> Iterator[tuple[str, tuple[bytes, bytes, int]]]:
        """All answers in memory, oldest first: key, (hash of the request, answer, its place)."""
        return chain(self.former.items(), self.answers.items())


def is_order(body: bytes, tenant: str = "") -> bool:
    """Whether bytes may be an operator's order, which may be long: only where the place itself is trusted."""
    return not tenant and len(body) <= ORDER_BYTES_MAX and body.startswith(_ORDERS)
