"""Opening accounts, adding money and units, giving money back, features, balances."""

from __future__ import annotations

import re
from bisect import insort

from workbench.charging import funds
from workbench.charging.messages import Answer, Balance, Open, Refund, Terms, TopUp
from workbench.charging.refusals import Refused
from workbench.charging.state import NEVER, NO_BUCKETS, NO_EARNED, NO_REFUNDS, Account, Bucket, Pool
from workbench.charging.tariffs import Tariffs, micros

AMOUNT_MAX = 10**24
UNITS_MAX = 2**62 - 1
_NAME = re.compile(r"[^\x00-\x20\x7f][^\x00-\x1f\x7f]{0,127}")
_CURRENCY = re.compile(r"[A-Z]{3}")


def good_name(name: str) -> bool:
    """Whether text can name an account, a bucket or a request: 1 to 128 characters, none of them a control."""
    if name.isascii() and name.isprintable() and name[:1] > " ":  # what nearly all are, four times as fast
        return len(name) <= 128
    return _NAME.fullmatch(name) is not None


def open_account(
    accounts: dict[tuple[str, str], Account], pools: dict[tuple[str, str], Pool], tariffs: Tariffs, ask: Open
) -> Account:
    """A new account, or new terms of one that is there.

    Raises:
        Refused: ``bad_account``, ``bad_amount``, ``unknown_offer``, ``not_online``, ``currency_mismatch``.
    """
    _check_terms(tariffs, ask)
    account = accounts.get((ask.tenant, ask.account))
    pool = pools.get((ask.tenant, ask.pool)) if ask.pool else None
    if account is not None and account.currency != ask.currency:
        raise Refused("currency_mismatch")
    if pool is not None and pool.currency != ask.currency:
        raise Refused("currency_mismatch")
    if account is not None and account.reservations and account.pool is not pool:
        raise Refused("bad_account")
    if account is None:
        account = accounts[ask.tenant, ask.account] = Account(ask.tenant, ask.account, ask.currency)
    if ask.pool and pool is None:
        pool = pools[ask.tenant, ask.pool] = Pool(ask.pool, ask.currency)
    if account.pool is not pool:
        if account.pool is not None:
            account.pool.members -= 1
        if pool is not None:
            pool.members += 1
        account.pool = pool
    account.limit = ask.credit_limit_nano * tariffs.scale
    account.offers, account.devices = tuple(dict.fromkeys(ask.offers)), ask.devices
    account.critical, account.at_limit = ask.critical, ask.at_limit
    account.low = tuple(sorted(set(ask.low_nano)))
    account.usage_percent = tuple(sorted(set(ask.usage_percent)))
    return account


def _check_terms(tariffs: Tariffs, ask: Open) -> None:
    if not good_name(ask.account) or not _CURRENCY.fullmatch(ask.currency) or not 1 <= ask.devices <= 10**9:
        raise Refused("bad_account")
    if ask.pool and not good_name(ask.pool):
        raise Refused("bad_account")
    if ask.at_limit not in ("cut_off", "throttle") or len(ask.low_nano) > 16 or len(ask.usage_percent) > 16:
        raise Refused("bad_account")
    if not 0 <= ask.credit_limit_nano <= AMOUNT_MAX or any(abs(low) > AMOUNT_MAX for low in ask.low_nano):
        raise Refused("bad_amount")
    if any(not 0 < part <= 100 for part in ask.usage_percent):
        raise Refused("bad_account")
    for offer in ask.offers[:17]:
        if offer in tariffs.refused:
            raise Refused("not_online")
        if not tariffs.known(offer) or len(ask.offers) > 16:
            raise Refused("unknown_offer")


def top_up(account: Account, ask: TopUp, scale: int, now: int) -> Bucket | None:
    """Add to the balance or to a bucket; answers the bucket.

    Raises:
        Refused: ``bad_amount``, ``bad_quantity``, ``bad_account``, ``unknown_pool``, ``too_early``, ``no_zone``.
    """
    if bool(ask.amount_nano) == bool(ask.units) or bool(ask.units) != bool(ask.meter):
        raise Refused("bad_quantity")
    if ask.amount_nano and not 0 < ask.amount_nano <= AMOUNT_MAX:
        raise Refused("bad_amount")
    if ask.units and not 0 < ask.units <= UNITS_MAX:
        raise Refused("bad_quantity")
    if not ask.bucket:
        if ask.units or ask.pool or ask.promotional or ask.expires_at is not None:
            raise Refused("bad_account")
        account.balance += ask.amount_nano * scale
        account.paid_in += ask.amount_nano * scale
        return None
    if not good_name(ask.bucket) or (ask.meter and not good_name(ask.meter)) or abs(ask.priority) > 1_000_000:
        raise Refused("bad_account")
    expires = NEVER
    if ask.expires_at is not None:
        if ask.expires_at.tzinfo is None:
            raise Refused("no_zone")
        expires = micros(ask.expires_at)
        if expires <= now:
            raise Refused("too_early")
    bucket = _bucket(account, ask, expires)
    amount = ask.units or ask.amount_nano * scale
    if not ask.promotional:
        account.paid_in += ask.amount_nano * scale
    bucket.left += amount
    bucket.size += amount
    return bucket


def _bucket(account: Account, ask: TopUp, expires: int) -> Bucket:
    """The bucket of that name; the same name with other terms is another bucket, and refused."""
    if ask.pool:
        pool = account.pool
        if pool is None or pool.name != ask.pool:
            raise Refused("unknown_pool")
        held = pool.buckets
    else:
        if account.buckets is NO_BUCKETS:
            account.buckets = []
        held = account.buckets
    for bucket in held:
        if bucket.name == ask.bucket:
            same = (bucket.meter, bucket.promotional, bucket.priority) == (
                ask.meter,
                ask.promotional,
                ask.priority,
            )
            if not same or expires != bucket.expires_at:
                raise Refused("bad_account")
            return bucket
    if len(held) >= BUCKETS_MAX:
        raise Refused("bad_account")
    bucket = Bucket(ask.bucket, ask.meter, ask.priority, expires, ask.promotional)
    insort(held, bucket, key=lambda b: b.order)
    return bucket


BUCKETS_MAX = 64
"""A bucket that is empty or expired, and not held, makes room: see ``sweep_buckets``."""


def sweep_buckets(account: Account, now: int) -> None:
    """Drop buckets nobody can use any more."""
    account.buckets = [b for b in account.buckets if b.held or (b.left and now < b.expires_at)] or NO_BUCKETS


def refund(account: Account, ask: Refund, earlier: Answer, scale: int) -> tuple[int, str]:
    """Give back money of an earlier charge of this account; answers how much, and out of which offer's earnings.

    ``earlier`` is what the node answered to the request ``ask.of``.

    Raises:
        Refused: ``unknown_charge``, ``bad_amount``, ``refund_too_high``.
    """
    if not earlier.ok or earlier.charged <= 0:
        raise Refused("unknown_charge")
    charged = earlier.charged * (scale // earlier.denominator)
    left = charged - account.refunded.get(ask.of, 0)
    if ask.amount_nano and not 0 < ask.amount_nano <= AMOUNT_MAX:
        raise Refused("bad_amount")
    amount = ask.amount_nano * scale if ask.amount_nano else left
    if amount > left or amount <= 0:
        raise Refused("refund_too_high")
    if account.refunded is NO_REFUNDS:
        account.refunded = {}
    account.refunded[ask.of] = account.refunded.get(ask.of, 0) + amount
    account.balance += amount
    if account.earned is NO_EARNED:
        account.earned = {}
    offer = account.offers[0] if account.offers and account.offers[0] in account.earned else ""
    account.earned[offer] = account.earned.get(offer, 0) - amount
    return amount, offer


def show(account: Account, ask: Balance, now: int, scale: int) -> Answer:
    """What an account has, bucket by bucket, and its terms."""
    found = [(b.name, b.meter, b.free(now)) for b in account.buckets]
    if account.pool is not None:
        found += [(b.name, b.meter, b.free(now)) for b in account.pool.buckets]
    terms = Terms(
        currency=account.currency, credit_limit_nano=account.limit // scale, offers=account.offers,
        pool=account.pool.name if account.pool is not None else "", devices=account.devices, at_limit=account.at_limit,
        critical=account.critical, low_nano=account.low, usage_percent=account.usage_percent,
    )  # fmt: skip
    return Answer(ok=True, id=ask.id, buckets=found, available=funds.available(account, now), terms=terms)
