"""Who pays, what uses, who shares: the nouns behind the party tables (floor 0, standard library only).

At scale parties live in tables (``accounts``, ``partners``, ``devices_info``, ``subscriptions``, ``identities``) and
are never turned into objects; these classes are for small sets, tests and the reference rater.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class SimState(StrEnum):
    """Life of a SIM; fees and allowances look at it."""

    INVENTORY = "inventory"
    TEST = "test"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class Account:
    """Who pays. ``credit_limit_nano`` 0 is prepaid; ``billing_anchor_day`` 1..31; ``zone`` cuts its periods."""

    account_id: str
    name: str = ""
    currency: str = "EUR"
    zone: str = "UTC"
    billing_anchor_day: int = 1
    tax_region: str = ""
    credit_limit_nano: int = 0
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Partner:
    """Who shares revenue."""

    partner_id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """What uses. ``group_id`` is its SIM group ("" for none)."""

    device_id: str
    kind: str = ""
    site: str = ""
    group_id: str = ""


@dataclass(frozen=True, slots=True)
class Subscription:
    """An account takes an offer for a device, for a group, or (both empty) for nothing but fees; ``[starts, ends)``.

    ``overrides`` is a JSON object: ``version`` pins an offer version, ``coupons`` lists discount codes.
    """

    subscription_id: str
    account_id: str
    offer_id: str
    starts_at: datetime
    ends_at: datetime | None = None
    device_id: str = ""
    group_id: str = ""
    sim_state: str = SimState.ACTIVE
    overrides: str = "{}"


@dataclass(frozen=True, slots=True)
class Identity:
    """A dated name of a device on a network: iccid, imsi, eid or imei."""

    kind: str
    value: str
    device_id: str
    starts_at: datetime
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Parties:
    """A small set of parties held in memory."""

    accounts: tuple[Account, ...] = ()
    partners: tuple[Partner, ...] = ()
    devices: tuple[Device, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    identities: tuple[Identity, ...] = field(default=())
