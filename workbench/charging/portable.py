"""An account as plain values and back: for snapshots, and for handing it to another node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.charging.pricing import price_of
from workbench.charging.state import (
    NO_BACKING,
    NO_BUCKETS,
    NO_EARNED,
    NO_FEATURES,
    NO_FIRED,
    NO_REFUNDS,
    Account,
    Bucket,
    Hold,
    Pool,
    Reservation,
    Used,
)

if TYPE_CHECKING:
    from workbench.charging.node import Node

_BUCKET = ("name", "meter", "priority", "expires_at", "promotional", "left", "held", "size", "used")
_ACCOUNT = (
    "tenant", "id", "currency", "balance", "limit", "held", "required", "paid_in", "sequence", "devices", "critical",
    "at_limit",
)  # fmt: skip


def pool_out(tenant: str, pool: Pool) -> list[Any]:
    """A pool as plain values."""
    return [tenant, pool.name, pool.currency, [_bucket(bucket) for bucket in pool.buckets]]


def pool_in(node: Node, row: Sequence[Any]) -> Pool:
    """Put a pool back into a node; its members follow."""
    tenant, name, currency, buckets = row
    pool = node.pools[tenant, name] = Pool(name, currency)
    pool.buckets = [_bucket_in(each) for each in buckets]
    return pool


def account_out(account: Account) -> list[Any]:
    """An account as plain values."""
    buckets = account.buckets + (account.pool.buckets if account.pool else [])
    place = {id(bucket): number for number, bucket in enumerate(buckets)}
    return [
        [_plain(getattr(account, name)) for name in _ACCOUNT],
        [list(account.offers), list(account.low), list(account.usage_percent), sorted(account.fired)],
        account.pool.name if account.pool else "",
        [_bucket(bucket) for bucket in account.buckets],
        [[place[id(bucket)], _plain(part)] for bucket, part in account.backing.items()],
        [
            [offer, start, _counters(u.counters), _counters(u.held)]
            for (offer, start), u in account.used.items()
        ],
        account.features,
        {of: str(part) for of, part in account.refunded.items()},
        [_reservation(made, place) for made in account.reservations.values()],
        {offer: str(part) for offer, part in account.earned.items()},
        list(account.came) if account.came is not None else None,
    ]


def account_in(node: Node, row: Sequence[Any]) -> Account:
    """Put an account back into a node, with its place among what is due."""
    plain, terms, pool, buckets, backing, used, features, refunded, made, earned, came = (*row, None)[:11]
    values = dict(zip(_ACCOUNT, plain, strict=True))
    account = Account(values["tenant"], values["id"], values["currency"])
    for name, value in values.items():
        setattr(account, name, int(value) if name in _MONEY else value)
    account.offers, account.low, account.usage_percent = tuple(terms[0]), tuple(terms[1]), tuple(terms[2])
    account.fired = set(terms[3]) or NO_FIRED
    if pool:
        account.pool = node.pools[account.tenant, pool]
        account.pool.members += 1
    account.buckets = [_bucket_in(each) for each in buckets] or NO_BUCKETS
    every = account.buckets + (account.pool.buckets if account.pool else [])
    account.backing = {every[place]: int(part) for place, part in backing} or NO_BACKING
    for offer, start, counters, held in used:
        found = account.used[offer, start] = Used()
        found.counters, found.held = _counters_in(counters), _counters_in(held)
    account.features = features or NO_FEATURES
    account.refunded = {of: int(part) for of, part in refunded.items()} or NO_REFUNDS
    account.earned = {offer: int(part) for offer, part in earned.items()} or NO_EARNED
    account.came = (came[0], came[1]) if came is not None else None
    for each in made:
        _reservation_in(node, account, each, every)
    node.accounts[account.tenant, account.id] = account
    node.exposure += account.required
    return account


_MONEY = ("balance", "limit", "held", "required", "paid_in")


def _plain(value: object) -> object:
    return (
        str(value)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63
        else value
    )


def _bucket(bucket: Bucket) -> list[Any]:
    return [_plain(getattr(bucket, name)) for name in _BUCKET]


def _bucket_in(row: Sequence[Any]) -> Bucket:
    values = dict(zip(_BUCKET, row, strict=True))
    bucket = Bucket(
        values["name"], values["meter"], values["priority"], values["expires_at"], values["promotional"]
    )
    for name in ("left", "held", "size", "used"):
        setattr(bucket, name, int(values[name]))
    return bucket


def _counters(counters: dict[tuple[object, ...], int]) -> list[Any]:
    return [[list(key), _plain(units)] for key, units in counters.items()]


def _counters_in(rows: Sequence[Any]) -> dict[tuple[object, ...], int]:
    return {tuple(key): int(units) for key, units in rows}


def _reservation(made: Reservation, place: dict[int, int]) -> list[Any]:
    holds = [
        [h.offer, h.start, h.price.component.id, h.index, list(h.key), _plain(h.measured), _plain(h.money)]
        for h in made.holds
    ]
    return [
        made.number, made.meter, made.units, made.at, made.expires_at, made.device, made.dims, made.critical,
        made.rating_group, _plain(made.money), holds, [[place[id(bucket)], part] for bucket, part in made.from_buckets],
    ]  # fmt: skip


def _reservation_in(node: Node, account: Account, row: Sequence[Any], buckets: Sequence[Bucket]) -> None:
    number, meter, units, at, expires_at, device, dims, critical, group, money, holds, parts = row
    made = Reservation(number, meter, units, at, expires_at)
    made.device, made.dims, made.critical, made.rating_group, made.money = (
        device,
        dims,
        critical,
        group,
        int(money),
    )
    made.from_buckets = [(buckets[place], part) for place, part in parts]
    for offer, start, component, index, key, measured, amount in holds:
        price, factor = price_of(account, node.tariffs, offer, component, at)
        made.holds.append(Hold(offer, start, price, index, tuple(key), int(measured), int(amount), factor))
    account.reservations[number] = made
    node.remember_due(made, account)
