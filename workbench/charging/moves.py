"""Accounts that leave for another node, and come from one. In memory, as exact and as repeatable as any operation.

    source: depart   the accounts leave the node's memory and lie in a parcel; it answers ``elsewhere`` from here on
    target: remember what they were answered before, so that a repeated request gets its answer from the new owner too
    target: arrive   the parcel is unpacked; it answers from here on
    source: moved    the parcel is forgotten, or taken back when the target refused it

All four are requests in the node's log, so a kill at any moment leaves the accounts in exactly one place: on the source, in
a parcel that can be sent again, or on the target. Two nodes never both answer, because the parcel leaves only when
``depart`` is durable. What a table of placements says plays no part in that.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from math import lcm
from typing import Any, NamedTuple, cast

import msgspec

from workbench.charging.messages import (
    Answer,
    Arrive,
    Command,
    Depart,
    Moved,
    Open,
    Remember,
    encode,
)
from workbench.charging.portable import account_in, account_out, pool_in, pool_out
from workbench.charging.refusals import Refused, refusal
from workbench.charging.state import Account, Pool, rescale
from workbench.charging.tariffs import Tariffs

Key = tuple[str, str]
"""(tenant, account), or (tenant, pool)."""


class Parcel(NamedTuple):
    """Accounts between two nodes: ``body`` holds them, ``seq`` is the request of this node that packed them."""

    epoch: int
    to: str
    seq: int
    keys: list[Key]
    body: bytes


class Packed(msgspec.Struct, array_like=True):
    """What a parcel's body says: whole pools with all their members, and accounts of no pool."""

    scale: str
    catalogue: str
    pools: list[Any]
    accounts: list[Any]


_packed = msgspec.msgpack.Decoder(Packed).decode


class Moves:
    """What a node knows of accounts that are elsewhere.

    Attributes:
        away: account to (node, epoch) of the hand-over that took it there. ``away_pools``: the same of pools.
        parcels: packed and not known to have arrived, by (epoch, to).
        epoch: the highest this node has seen.
        guest_of: the node that owns every account that is not known here; empty on that node itself. Set by whoever
            runs the node, after its log was read.
    """

    tariffs: Tariffs
    scale: int
    accounts: dict[Key, Account]
    pools: dict[Key, Pool]
    answers: dict[str, tuple[bytes, bytes, int]]
    former: dict[str, tuple[bytes, bytes, int]]
    seq: int
    exposure: int

    def no_moves(self) -> None:
        """Nothing ever moved."""
        self.away: dict[Key, tuple[str, int]] = {}
        self.away_pools: dict[Key, tuple[str, int]] = {}
        self.parcels: dict[tuple[int, str], Parcel] = {}
        self.epoch, self.guest_of = 0, ""

    def elsewhere(self, ask: Command) -> tuple[bytes, bytes] | None:
        """The refusal of a request whose account another node owns, and what the log must keep of it.

        An account that is opened into a pool which is elsewhere is opened there; this node remembers where it is.
        """
        key = (ask.tenant, ask.account)
        opens, pool = type(ask) is Open, (ask.tenant, ask.pool if type(ask) is Open else "")
        account = self.accounts.get(key)
        if account is not None:
            stays = not opens or not pool[1] or (account.pool is not None and account.pool.name == pool[1])
            if stays or (pool not in self.away_pools and not self.guest_of):
                return None
            return refusal("busy", ask.id, "This account and that pool meet when the overflow is over."), b""
        found = self.away.get(key)
        if found is not None:
            return refusal("elsewhere", ask.id, where=found[0]), b""
        if opens and pool in self.away_pools:
            self.away[key] = self.away_pools[pool]
            return refusal("elsewhere", ask.id, where=self.away[key][0]), encode(ask)
        if self.guest_of and not (opens and pool[1] and pool in self.pools):
            return refusal("elsewhere", ask.id, where=self.guest_of), b""
        return None

    def together(self, keys: Iterable[Key]) -> list[Key]:
        """Accounts that are here, and all that share a pool with one of them."""
        here = [key for key in dict.fromkeys(keys) if key in self.accounts]
        pools = {id(pool) for key in here if (pool := self.accounts[key].pool) is not None}
        if not pools:
            return here
        more = [key for key, a in self.accounts.items() if a.pool is not None and id(a.pool) in pools]
        return list(dict.fromkeys([*here, *more]))

    def _depart(self, ask: Depart) -> Answer:
        if ask.epoch <= self.epoch or not ask.to or any(tuple(key) not in self.accounts for key in ask.leave):
            raise Refused("stale_move")
        keys = self.together([(tenant, name) for tenant, name in ask.leave])
        leaving = [self.accounts.pop(key) for key in keys]
        pools = {(a.tenant, a.pool.name): a.pool for a in leaving if a.pool is not None}
        packed = Packed(
            str(self.scale), fingerprint(self.tariffs), [pool_out(tenant, p) for (tenant, _), p in pools.items()],
            [account_out(account) for account in leaving],
        )  # fmt: skip
        for key in pools:
            del self.pools[key]
            self.away_pools[key] = (ask.to, ask.epoch)
        for key, account in zip(keys, leaving, strict=True):
            self.away[key] = (ask.to, ask.epoch)
            self.exposure -= account.required
        self.epoch = ask.epoch
        body = msgspec.msgpack.encode(packed)
        self.parcels[ask.epoch, ask.to] = Parcel(ask.epoch, ask.to, self.seq + 1, keys, body)
        return Answer(ok=True, granted=len(keys))

    def _remember(self, ask: Remember) -> Answer:
        for key, digest, said in ask.answers:
            if key not in self.answers and key not in self.former:
                self.answers[key] = (digest, said, self.seq + 1)
        return Answer(ok=True, granted=len(ask.answers))

    def _arrive(self, ask: Arrive) -> Answer:
        try:
            packed = _packed(ask.parcel)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Refused("bad_request") from error
        keys = [(row[0][0], row[0][1]) for row in packed.accounts]
        if packed.catalogue != fingerprint(self.tariffs):
            raise Refused("catalogue_refused")
        if any(key in self.accounts or self.away.get(key, ("", 0))[1] >= ask.epoch for key in keys):
            raise Refused("stale_move")
        self._unpack(packed, (ask.came, ask.seq))
        self.epoch = max(self.epoch, ask.epoch)
        return Answer(ok=True, granted=len(keys))

    def _moved(self, ask: Moved) -> Answer:
        parcel = self.parcels.pop((ask.epoch, ask.to), None)
        if parcel is None:
            raise Refused("stale_move")
        if ask.back:
            self._unpack(_packed(parcel.body), None)
        return Answer(ok=True, granted=len(parcel.keys))

    def _unpack(self, packed: Packed, came: tuple[str, int] | None) -> None:
        theirs = int(packed.scale)
        if (scale := lcm(theirs, self.scale)) != self.scale:
            rescale(self.accounts.values(), self.pools.values(), scale // self.scale)
            self.exposure *= scale // self.scale
            self.tariffs = Tariffs(self.tariffs.text)  # what it had worked out was for another denominator
            self.tariffs.scale = self.scale = scale
        node, before = cast(Any, self), self.exposure
        pools = [pool_in(node, row) for row in packed.pools]
        accounts = [account_in(node, row) for row in packed.accounts]
        if (ratio := self.scale // theirs) != 1:
            rescale(accounts, pools, ratio)
            for hold in (h for a in accounts for made in a.reservations.values() for h in made.holds):
                hold.factor //= ratio  # it was this node's from the start
        self.exposure = before + sum(account.required for account in accounts)
        for account in accounts:
            account.came = came if came is not None else account.came
            self.away.pop((account.tenant, account.id), None)
        for row in packed.pools:
            self.away_pools.pop((row[0], row[1]), None)

    def moves_out(self) -> list[Any]:
        """All this as plain values, for a snapshot."""
        return [
            self.epoch,
            [[*key, *at] for key, at in self.away.items()],
            [[*key, *at] for key, at in self.away_pools.items()],
            [list(parcel) for parcel in self.parcels.values()],
        ]

    def moves_in(self, said: list[Any]) -> None:
        """What ``moves_out`` said."""
        self.epoch, away, pools, parcels = said
        self.away = {(tenant, name): (node, epoch) for tenant, name, node, epoch in away}
        self.away_pools = {(tenant, name): (node, epoch) for tenant, name, node, epoch in pools}
        for epoch, to, seq, keys, body in parcels:
            self.parcels[epoch, to] = Parcel(epoch, to, seq, [(t, n) for t, n in keys], body)


def fingerprint(tariffs: Tariffs) -> str:
    """What two nodes' catalogues are compared by."""
    return sha256(tariffs.text.encode()).hexdigest()
