"""The short way for the most common event: one debit under one price, by an account that holds nothing.

Nothing is held and settled when both happen at once, so the event is charged straight away: units out of buckets, the
rest priced, money out of buckets and balance, in one function and one look at each bucket. The long way
(``operations``, ``sessions.grant``, ``attach``, ``finish``) comes to the same to the last byte; tests take both with the
same requests.
"""

from __future__ import annotations

from workbench.charging import watch
from workbench.charging.accounts import AMOUNT_MAX, UNITS_MAX
from workbench.charging.messages import Answer, Debit
from workbench.charging.operations import Operations
from workbench.charging.pricing import free_units
from workbench.charging.sessions import RATING_GROUP_MAX
from workbench.charging.state import NO_EARNED, Account, Bucket, Used
from workbench.charging.tariffs import instant

_ANY = instant(0)
_NO_BUCKETS: tuple[Bucket, ...] = ()


def charged(node: Operations, ask: Debit, now: int) -> Answer | None:
    """Charge a debit, or answer ``None`` with nothing changed: go the long way.

    Raises:
        Refused: what ``Tariffs.at`` refuses; nothing was changed, and the long way refuses the same.
    """
    account = node.accounts.get((ask.tenant, ask.account))
    if account is None or account.required or ask.at is not None or ask.critical or len(ask.device) > 128:
        return None
    wanted, meter, amount = ask.units, ask.meter, ask.amount_nano
    if amount:
        if meter or wanted or not 0 < amount <= AMOUNT_MAX:
            return None
        amount *= node.scale
    elif not 0 < wanted <= UNITS_MAX or len(account.offers) != 1:
        return None
    if ask.dims or not 0 <= ask.rating_group <= RATING_GROUP_MAX:
        return None

    rest, parts, purses, spare = _there(account, meter, wanted, now)
    offer, counters = "", None
    if wanted:
        offer = account.offers[0]
        stretch = node.tariffs.at(offer, account.currency, now)
        priced = stretch.short.get(meter)
        if priced is None:
            return None
        if rest:
            price, index, key, factor = priced
            if price.component.scope == "device" and not price.plain:
                key = (*key[:2], ask.device, None)
            if price.plain:
                amount = price.linear(index, rest) * factor
            else:
                used = account.used.get((offer, stretch.start))
                counters = used.counters if used is not None else {}
                before = counters.get(key, 0)
                free = free_units(account, price) if price.component.free_units else 0
                amount = price.between(index, before, before + rest, free)[0] * factor
    if amount > spare and amount > 0:
        return None

    # Nothing can be refused any more: it is done.
    if counters is not None:
        if used is None:
            used = account.used[offer, stretch.start] = Used()
        used.counters[key] = before + rest
    _take(account, offer, amount, parts, purses)
    if account.low or account.usage_percent or account.fired:
        watch.look(account, node.seq + 1, now, node.scale, node.notices)
    return Answer(
        ok=True, id=ask.id, account=ask.account, granted=wanted or ask.amount_nano, charged=amount,
        balance=account.balance, available=spare - amount, denominator=node.scale, rating_group=ask.rating_group,
    )  # fmt: skip


def _there(
    account: Account, meter: str, wanted: int, now: int
) -> tuple[int, list[tuple[Bucket, int]], list[tuple[Bucket, int]], int]:
    """What an account has, with one look at each bucket: the units that no bucket holds, those that some do, the buckets
    of money with what is in each, and all money that could be spent, the limit included.
    """
    rest, parts, purses = wanted, [], []
    spare, pool = account.balance + account.limit - account.held, account.pool
    if pool is not None or account.buckets:
        for buckets in (account.buckets, pool.buckets if pool is not None else _NO_BUCKETS):
            for bucket in buckets:
                free = bucket.left - bucket.held
                if free > 0 and now < bucket.expires_at:
                    if not bucket.meter:
                        spare += free
                        purses.append((bucket, free))
                    elif rest and bucket.meter == meter:
                        part = free if free < rest else rest
                        parts.append((bucket, part))
                        rest -= part
    return rest, parts, purses, spare


def _take(
    account: Account,
    offer: str,
    amount: int,
    parts: list[tuple[Bucket, int]],
    purses: list[tuple[Bucket, int]],
) -> None:
    """Take units and money out of buckets and balance, and note for the ledger what the offer earned."""
    for bucket, part in parts:
        bucket.left -= part
        bucket.used += part
    left, given = amount, 0
    for bucket, free in purses:
        if left <= 0:
            break
        part = free if free < left else left
        bucket.left -= part
        bucket.used += part
        left -= part
        given += part if bucket.promotional else 0
    account.balance -= left
    if amount:
        if account.earned is NO_EARNED:
            account.earned = {}
        account.earned[offer] = account.earned.get(offer, 0) + amount - given
