"""Thresholds: what somebody wants to be told about an account, once each time it is crossed."""

from __future__ import annotations

from typing import NamedTuple

from workbench.charging.state import NO_FIRED, Account, Bucket


class Notice(NamedTuple):
    """Something crossed a threshold.

    Attributes:
        id: unique and the same after a restart; a receiver that has seen it has seen it.
        kind: ``balance_low`` (``threshold`` nano or less is left), ``bucket_used``, ``limit_used`` (percent).
        about: the bucket's name, or empty.
        at: microseconds since 1970.
    """

    id: str
    tenant: str
    account: str
    kind: str
    about: str
    threshold: int
    at: int


def look(account: Account, seq: int, now: int, scale: int, out: list[Notice]) -> None:
    """Add what was crossed since the last look; what was uncrossed (a top-up) can be crossed again."""
    crossed = set()
    for low in account.low:
        if account.balance <= low * scale:
            crossed.add(f"balance_low::{low}")
    if account.usage_percent:
        if account.limit and account.balance < 0:
            crossed |= _parts("limit_used", "", -account.balance, account.limit, account.usage_percent)
        if account.buckets:
            for bucket in account.buckets:
                crossed |= _bucket(bucket, account.usage_percent)
    if crossed == account.fired:
        return
    for name in sorted(crossed - account.fired):
        kind, about, threshold = name.split(":", 1)[0], *name.split(":", 1)[1].rsplit(":", 1)
        out.append(
            Notice(f"{account.id}:{seq}:{name}", account.tenant, account.id, kind, about, int(threshold), now)
        )
    account.fired = crossed or NO_FIRED


def _bucket(bucket: Bucket, percents: tuple[int, ...]) -> set[str]:
    return _parts("bucket_used", bucket.name, bucket.used, bucket.size, percents) if bucket.size else set()


def _parts(kind: str, about: str, part: int, whole: int, percents: tuple[int, ...]) -> set[str]:
    return {f"{kind}:{about}:{percent}" for percent in percents if part * 100 >= percent * whole}
