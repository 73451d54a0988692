"""What the API answers, as models: money as exact text, never as a float; instants in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from pydantic import BaseModel

from workbench.live.care import Standing, Use
from workbench.model.money import NANO, decimal_text, round_to_minor


class Money(BaseModel):
    """``exact`` in the currency's main unit (a decimal, or ``n/d``); ``rounded`` to its minor unit, for reading."""

    currency: str
    exact: str
    rounded: str


class Usage(BaseModel):
    """Use of one stream so far."""

    stream: str
    units: int
    events: int
    last_event_at: datetime | None


class Fresh(BaseModel):
    """How current an answer is: the lake's version, and the receipt of the newest message that is in it."""

    period: str
    version: int
    received_until: datetime | None


class AccountUsage(BaseModel):
    """An account's use in the period so far."""

    account_id: str
    devices: int
    usage: list[Usage]
    fresh: Fresh


class DeviceUsage(BaseModel):
    """A device's use and what it cost so far."""

    device_id: str
    usage: list[Usage]
    cost: list[Money]
    fresh: Fresh


class BillLine(BaseModel):
    """One line of a bill so far."""

    offer_id: str
    offer_version: int
    component_id: str
    kind: str
    meter: str | None
    title: str | None
    amount: Money


class Bill(BaseModel):
    """An account's bill so far, before tax and before what only the close decides."""

    account_id: str
    name: str
    total: list[Money]
    lines: list[BillLine]
    fresh: Fresh


class Record(BaseModel):
    """One usage record."""

    stream: str
    device_id: str
    window_start: datetime
    units: int
    events: int
    duplicates: int
    first_event_at: datetime | None
    last_event_at: datetime | None
    fingerprint: str


class Records(BaseModel):
    """A page of usage records; ``next`` is the cursor of the page after it, or null at the end."""

    records: list[Record]
    next: str | None


def money(nano: Fraction, currency: str) -> Money:
    """An amount for an answer."""
    rounded = Fraction(round_to_minor(nano, currency), NANO)
    return Money(currency=currency, exact=decimal_text(nano / NANO, 2), rounded=decimal_text(rounded, 2))


def usages(found: dict[str, Use]) -> list[Usage]:
    """Use by stream."""
    return [
        Usage(stream=stream, units=use.units, events=use.events, last_event_at=utc(use.last_at))
        for stream, use in sorted(found.items())
    ]


def fresh(standing: Standing) -> Fresh:
    """How current the standing is."""
    until = datetime.fromtimestamp(standing.updated_ns / 1e9, UTC) if standing.updated_ns else None
    return Fresh(period=standing.period, version=standing.version, received_until=until)


def utc(at: Any) -> datetime | None:
    """A naive UTC instant of the lake, said to be UTC."""
    return at.replace(tzinfo=UTC) if at is not None else None
