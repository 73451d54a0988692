"""Where an account's money comes from: its buckets in their order, its pool's, then its balance down to the limit.

``require`` raises what reservations may cost and backs it; ``pay`` takes a charge out of that backing; ``relax`` gives
back what is no longer required. Between any two of them ``backing + held >= required`` holds, and so does
``balance - held >= -limit`` unless debt was allowed.
"""

from __future__ import annotations

from collections.abc import Iterator

from workbench.charging.state import NO_BACKING, Account, Bucket


def money_buckets(account: Account) -> Iterator[Bucket]:
    """The account's and its pool's buckets of money, first used first."""
    for bucket in account.buckets:
        if not bucket.meter:
            yield bucket
    if account.pool is not None:
        for bucket in account.pool.buckets:
            if not bucket.meter:
                yield bucket


def unit_buckets(account: Account, meter: str) -> Iterator[Bucket]:
    """The account's and its pool's buckets of a meter's units, first used first."""
    for bucket in account.buckets:
        if bucket.meter == meter:
            yield bucket
    if account.pool is not None:
        for bucket in account.pool.buckets:
            if bucket.meter == meter:
                yield bucket


def available(account: Account, now: int) -> int:
    """What could be spent now, the limit included; negative after debt."""
    found = account.balance + account.limit - account.held
    for bucket in account.buckets:
        if not bucket.meter and now < bucket.expires_at:
            found += bucket.left - bucket.held
    if account.pool is not None:
        for bucket in account.pool.buckets:
            if not bucket.meter and now < bucket.expires_at:
                found += bucket.left - bucket.held
    return found


def require(account: Account, amount: int, now: int, *, allow_debt: bool = False) -> bool:
    """Hold ``amount`` more; ``False`` (and nothing held) when it is not there and debt is not allowed."""
    if not allow_debt and amount > available(account, now) and amount > 0:
        return False
    account.required += amount
    if account.buckets or account.pool is not None:
        for bucket in money_buckets(account):
            part = min(bucket.free(now), amount)
            if part > 0:
                if account.backing is NO_BACKING:
                    account.backing = {}
                bucket.held += part
                account.backing[bucket] = account.backing.get(bucket, 0) + part
                amount -= part
    account.held += amount
    return True


def pay(account: Account, amount: int) -> int:
    """Take a charge out of what is held; answers how much of it nobody paid for (promotional money)."""
    account.required -= amount
    given = 0
    for bucket in sorted(account.backing, key=_expiry) if account.backing else ():
        part = min(account.backing[bucket], amount)
        _unback(account, bucket, part)
        bucket.left -= part
        bucket.used += part
        amount -= part
        given += part if bucket.promotional else 0
    account.held -= amount
    account.balance -= amount
    return given


def relax(account: Account) -> None:
    """Give back what is held and not required any more: to the balance first, then to the buckets that last longest."""
    surplus = account.held + sum(account.backing.values()) - account.required
    part = min(surplus, account.held)
    account.held -= part
    surplus -= part
    for bucket in sorted(account.backing, key=_expiry, reverse=True) if surplus else ():
        part = min(account.backing[bucket], surplus)
        _unback(account, bucket, part)
        surplus -= part


def _expiry(bucket: Bucket) -> tuple[int, int, str]:
    return bucket.expires_at, bucket.priority, bucket.name


def _unback(account: Account, bucket: Bucket, part: int) -> None:
    bucket.held -= part
    left = account.backing[bucket] - part
    if left:
        account.backing[bucket] = left
    else:
        del account.backing[bucket]
