"""What use costs an account, before and after: holds are priced so that no order of events can cost more.

Reservations that share a counter are priced together: with ``c`` units charged and ``h`` units held, their holds come
to ``C(c + h) - C(c)``. Whoever settles first pays the cheaper end of a price that rises, and the sum never exceeds what
was held, because ``C`` telescopes. Settling less, or not at all, gives back the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from workbench.charging.refusals import Refused
from workbench.charging.state import Account, Hold, Reservation, Used
from workbench.charging.tariffs import Stretch, Tariffs, instant
from workbench.rating.online import Counters, Price

_NOTHING: Counters = {}
_ANY = instant(0)
"""Where a price does not look at the time."""


def quote(
    account: Account,
    tariffs: Tariffs,
    meter: str,
    units: int,
    at: int,
    device: str,
    dims: Mapping[str, str],
) -> tuple[list[Hold], int]:
    """What must be held for ``units`` at an instant: one hold per price, and the money they need together.

    Raises:
        Refused: ``unknown_meter``, ``no_rate``, ``device_missing`` and what ``Tariffs.at`` refuses.
    """
    holds, need, sold = [], 0, False
    for offer_id in account.offers:
        stretch = tariffs.at(offer_id, account.currency, at)
        for price in stretch.prices.get(meter, ()):
            sold = True
            hold, cost = _hold(account, stretch, price, units, at, device, dims)
            if hold is not None:
                holds.append(hold)
                need += cost
    if not sold:
        raise Refused("unknown_meter")
    return holds, need


def _hold(
    account: Account,
    stretch: Stretch,
    price: Price,
    units: int,
    at: int,
    device: str,
    dims: Mapping[str, str],
) -> tuple[Hold | None, int]:
    component = price.component
    if price.shape == "bucket" and component.increment_of == "device" and not device:
        raise Refused("device_missing")
    placed = price.place(_holder(price, device), instant(at) if price.timed else _ANY, dims)
    if placed is None:
        if component.free_when_unmatched:
            return None, 0
        raise Refused("no_rate")
    index, key = placed
    factor, count = stretch.factors[component.id], 1 if price.counts else units
    if price.plain:
        money = price.linear(index, count) * factor
        return Hold(stretch.offer.id, stretch.start, price, index, key, 0, money, factor), money
    used = account.used.get((stretch.offer.id, stretch.start))
    counters = used.counters if used is not None else _NOTHING
    measured = price.measured_most(counters, key, count)
    if price.alone:
        money = price.between(index, 0, measured, 0)[0] * factor
        return Hold(stretch.offer.id, stretch.start, price, index, key, 0, money, factor), money
    top = counters.get(key, 0) + (used.held.get(key, 0) if used is not None else 0)
    need = price.between(index, top, top + measured, free_units(account, price))[0] * factor
    return Hold(stretch.offer.id, stretch.start, price, index, key, measured, 0, factor), need


def price_of(account: Account, tariffs: Tariffs, offer_id: str, component: str, at: int) -> tuple[Price, int]:
    """The price of a hold that was written down, and its factor; versions never change, so it is the same price.

    Raises:
        Refused: the catalogue does not have it.
    """
    stretch = tariffs.at(offer_id, account.currency, at)
    for prices in stretch.prices.values():
        for price in prices:
            if price.component.id == component:
                return price, stretch.factors[component]
    raise Refused("unknown_offer")


def _holder(price: Price, device: str) -> str:
    """Whose counter: the account's own for pools and groups (an account is one pool, one group), else the device's."""
    return device if price.component.scope == "device" else ""


def free_units(account: Account, price: Price) -> int:
    """The allowance of one counter: each device of a pool or group brings its own unless the offer says otherwise."""
    component = price.component
    if component.scope == "device" or component.contribution == "none":
        return component.free_units
    return component.free_units * account.devices


def keep(account: Account, holds: list[Hold]) -> None:
    """Note the units of holds on their counters; the money they need was required before."""
    for hold in holds:
        if hold.measured:
            used = account.used.get((hold.offer, hold.start))
            if used is None:
                used = account.used[hold.offer, hold.start] = Used()
            used.held[hold.key] = used.held.get(hold.key, 0) + hold.measured


class Settled:
    """What settling a reservation comes to: the charge, what stays required, a row per price, units by bucket.

    ``given`` is the part of the charge that promotional money covered.
    """

    __slots__ = ("amount", "given", "given_back", "parts", "rows")

    def __init__(self) -> None:
        self.amount = self.given_back = self.given = 0
        self.rows: list[tuple[Hold, int, int, int, int]] = []
        self.parts: list[tuple[str, int]] = []


def settle(account: Account, held: Reservation, units: int) -> Settled:
    """End the holds of a reservation: ``units`` of it are charged, its counters move.

    ``given_back`` is by how much the account's requirement falls in all, the charge included. Rows are
    (hold, units, before, after, amount over the node's denominator).
    """
    found, moment = Settled(), None
    for hold in held.holds:
        price = hold.price
        count = (1 if units else 0) if price.counts else units
        if price.plain or price.alone:
            amount = before = after = 0
            if count and price.plain:
                amount = price.linear(hold.index, count) * hold.factor
            elif count:
                measured = price.measured(_NOTHING, hold.key, count, _ANY)
                amount = price.between(hold.index, 0, measured, 0)[0] * hold.factor
            found.given_back += hold.money
        else:
            moment = moment or instant(held.at)
            amount, before, after, back = _settle_counter(account, hold, count, moment, held.device)
            found.given_back += back
        found.amount += amount
        if count:
            found.rows.append((hold, count, before, after, amount))
    return found


def _settle_counter(
    account: Account, hold: Hold, units: int, moment: datetime, device: str
) -> tuple[int, int, int, int]:
    price, free = hold.price, free_units(account, hold.price)
    used = account.used.get((hold.offer, hold.start))
    if used is None:
        used = account.used[hold.offer, hold.start] = Used()
    counters, held, key = used.counters, used.held, hold.key
    before, on_hold = counters.get(key, 0), held.get(key, 0)
    was = price.between(hold.index, before, before + on_hold, free)[0]
    after, amount = before, 0
    if units:
        measured = price.measured(counters, key, units, moment, 1, device)
        after = before + measured
        amount = price.between(hold.index, before, after, free)[0]
        price.move(counters, key, measured, units, moment, device)
    rest = on_hold - hold.measured
    if rest:
        held[key] = rest
    else:
        held.pop(key, None)
    left = price.between(hold.index, after, after + rest, free)[0] if rest else 0
    return amount * hold.factor, before, after, (was - left) * hold.factor
