"""The short way for the most common event: one debit under one price, by an account that holds nothing.

Nothing is held and settled when both happen at once, so the event is charged straight away: units out of buckets, the
rest priced, money out of buckets and balance. The long way (``sessions.grant``, ``attach``, ``finish``) comes to the
same to the last byte; tests take both with the same requests.
"""

from __future__ import annotations

from workbench.charging import funds
from workbench.charging.messages import Wish
from workbench.charging.pricing import free_units
from workbench.charging.sessions import earn
from workbench.charging.state import Account, Bucket, Used
from workbench.charging.tariffs import Stretch, Tariffs, instant
from workbench.rating.online import Price

_ANY = instant(0)


def at_once(account: Account, tariffs: Tariffs, ask: Wish, at: int, now: int, scale: int) -> int | None:
    """Charge a debit; answers the amount, or ``None`` with nothing changed: go the long way."""
    if account.required:
        return None
    if ask.amount_nano:
        amount = ask.amount_nano * scale
        return _pay(account, "", amount, now)
    if len(account.offers) != 1:
        return None
    offer = account.offers[0]
    stretch = tariffs.at(offer, account.currency, at)
    prices = stretch.prices.get(ask.meter, ())
    if len(prices) != 1:
        return None
    price, rest, parts = prices[0], ask.units, None
    if price.shape or price.alone or price.timed or price.counts:
        return None
    if account.buckets or account.pool is not None:
        parts, rest = _from_buckets(account, ask.meter, ask.units, now)
    if not rest:
        _take(parts)
        return 0
    if price.plain:
        if price.only is None:
            return None
        paid = _pay(account, offer, price.linear(0, rest) * stretch.factors[price.component.id], now)
    else:
        paid = _counted(account, stretch, price, ask, rest, now)
    if paid is not None and parts:
        _take(parts)
    return paid


def _counted(account: Account, stretch: Stretch, price: Price, ask: Wish, units: int, now: int) -> int | None:
    """A price with a counter: nobody holds units of it, as the account holds nothing."""
    device = ask.device if price.component.scope == "device" else ""
    placed = price.place(device, _ANY, ask.dims)
    if placed is None:
        return None
    index, key = placed
    place = (stretch.offer.id, stretch.start)
    used = account.used.get(place)
    before = used.counters.get(key, 0) if used is not None else 0
    amount = price.between(index, before, before + units, free_units(account, price))[0]
    paid = _pay(account, stretch.offer.id, amount * stretch.factors[price.component.id], now)
    if paid is not None:
        if used is None:
            used = account.used[place] = Used()
        used.counters[key] = before + units
    return paid


def _pay(account: Account, offer: str, amount: int, now: int) -> int | None:
    """Out of buckets of money in their order, then the balance; ``None`` when it is not there."""
    if not account.buckets and account.pool is None:
        if amount > account.balance + account.limit - account.held:
            return None
        account.balance -= amount
        if amount:
            earn(account, offer, amount)
        return amount
    if amount > funds.available(account, now) and amount > 0:
        return None
    rest, given = amount, 0
    shared = account.pool.buckets if account.pool is not None else ()
    for buckets in (account.buckets, shared):
        for bucket in buckets:
            if not rest:
                break
            if bucket.meter or now >= bucket.expires_at:
                continue
            part = bucket.left - bucket.held
            if part > 0:
                part = min(part, rest)
                bucket.left -= part
                bucket.used += part
                rest -= part
                given += part if bucket.promotional else 0
    account.balance -= rest
    if amount:
        earn(account, offer, amount - given)
    return amount


def _from_buckets(
    account: Account, meter: str, wanted: int, now: int
) -> tuple[list[tuple[Bucket, int]], int]:
    parts = []
    shared = account.pool.buckets if account.pool is not None else ()
    for buckets in (account.buckets, shared):
        for bucket in buckets:
            if not wanted:
                break
            if bucket.meter == meter and now < bucket.expires_at:
                part = min(bucket.left - bucket.held, wanted)
                if part > 0:
                    parts.append((bucket, part))
                    wanted -= part
    return parts, wanted


def _take(parts: list[tuple[Bucket, int]] | None) -> None:
    for bucket, part in parts or ():
        bucket.left -= part
        bucket.used += part
