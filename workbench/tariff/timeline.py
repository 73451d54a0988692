"""Which version of an offer a subscription is under, and when: the rules of ``publish`` and of overrides."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workbench.errors import PartyError
from workbench.model.money import exact
from workbench.model.offer import Offer
from workbench.model.plan import Period
from workbench.model.price import PerUnit
from workbench.tariff.calendar import local_midnight

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER = datetime(2260, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Subscriptions that began in ``[began_from, began_until)`` are under ``offer`` in ``[start, end)``.

    ``offered`` is when the first version of the offer became effective.
    """

    offer: Offer
    began_from: datetime
    began_until: datetime
    start: datetime
    end: datetime
    offered: datetime


def effective_at(offer: Offer) -> datetime:
    """The instant a version can first hold: midnight of its effective day in its zone."""
    return local_midnight(offer.effective, offer.zone)


def stretches(versions: Sequence[Offer], period: Period) -> Iterator[Stretch]:
    """The versions in force within one billing period, by when a subscription began.

    Args:
        versions: all versions of one offer, oldest first.

    A subscription begins under the newest version effective at its start (or waits for the first one). Each later
    version moves it as that version's ``publish.running`` says: ``now`` at its effective instant, ``next_period`` at
    the first period start from then on, ``keep`` never.
    """
    dated = sorted(
        ((effective_at(offer), offer) for offer in versions), key=lambda pair: (pair[0], pair[1].version)
    )
    for index, (begins, first) in enumerate(dated):
        began_from = BEGINNING if index == 0 else begins
        began_until = dated[index + 1][0] if index + 1 < len(dated) else FOREVER
        if began_from == began_until:
            continue
        changes = [(begins, first)]
        for effective, offer in dated[index + 1 :]:
            if offer.publish.running == "now" or (
                offer.publish.running == "next_period" and effective <= period.start
            ):
                changes.append((max(effective, changes[-1][0]), offer))
        for number, (start, offer) in enumerate(changes):
            end = changes[number + 1][0] if number + 1 < len(changes) else FOREVER
            if max(start, period.start) < min(end, period.end):
                yield Stretch(
                    offer,
                    began_from,
                    began_until,
                    max(start, period.start),
                    min(end, period.end),
                    dated[0][0],
                )


def override(offer: Offer, text: str, where: str) -> Offer:
    """The offer with a subscription's own prices: ``{"prices": {"energy": "0.00004"}, "fees": {"rent": "0.08"}}``.

    Raises:
        PartyError: the text is not such an object, names an unknown price, or writes a number that is not text.
    """
    data = overrides_of(text, where)
    components = {component.id: component for component in offer.components}
    for name, amount in data.get("prices", {}).items():
        component = components.get(name)
        prices = [rate.price for rate in component.rates] if component else []
        if component is None or len(prices) != 1 or not isinstance(prices[0], PerUnit):
            raise PartyError(
                f"An override names the price '{str(name)[:40]}', which is no single per-unit price of '{offer.id}'.",
                where=where,
                code="override",
                cure="Override a per_unit price of this offer.",
            )
        price = dataclasses.replace(prices[0], amount=_amount(amount, where))
        components[name] = dataclasses.replace(
            component, rates=(dataclasses.replace(component.rates[0], price=price),)
        )
    fees = {fee.id: fee for fee in offer.fees}
    for name, amount in data.get("fees", {}).items():
        if name not in fees:
            raise PartyError(
                f"An override names the fee '{str(name)[:40]}', which '{offer.id}' does not have.",
                where=where,
                code="override",
                cure=f"It has: {', '.join(fees) or 'none'}.",
            )
        fees[name] = dataclasses.replace(fees[name], amount=_amount(amount, where))
    return dataclasses.replace(offer, components=tuple(components.values()), fees=tuple(fees.values()))


def overrides_of(text: str, where: str) -> dict[str, Any]:
    """A subscription's ``overrides`` as a checked object: keys ``version``, ``coupons``, ``prices``, ``fees``."""
    try:
        data = json.loads(text or "{}")
    except ValueError:
        data = None
    shapes = {"version": int, "coupons": list, "prices": dict, "fees": dict}
    good = isinstance(data, dict) and all(isinstance(data[k], shapes[k]) for k in data if k in shapes)
    if not isinstance(data, dict) or not good or set(data) - set(shapes):
        raise PartyError(
            f"The overrides of a subscription cannot be read: {text[:80]}",
            where=where,
            code="override",
            cure='Write JSON like {"version": 2, "coupons": ["SPRING"], "prices": {"energy": "0.00004"}}.',
        )
    return data


def _amount(value: object, where: str) -> Any:
    try:
        number = exact(value) if isinstance(value, str) else None
    except ValueError:
        number = None
    if number is None or number < 0:
        raise PartyError(
            f"An overridden amount must be decimal text, but is {str(value)[:40]!r}.",
            where=where,
            code="override",
            cure='Quote it: "0.00004".',
        )
    return number
