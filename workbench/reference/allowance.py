"""Free units: "C(max(0, q − free))", what members contribute, and what rolls over.

"allowance with rollover for n periods up to a cap; consume: own_first | rollover_first, then oldest grant
first; expiry exclusive; forfeited at termination; pools roll at pool level."
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.model.offer import Allowance, Offer, Rollover
from workbench.model.party import Subscription
from workbench.reference.who import Who

GRANTING_STATES = ("test", "active")


@dataclass(frozen=True, slots=True)
class Grant:
    """Free units left over from period number ``period``."""

    period: int
    units: int


def own_grant(units: int, contribution: str, who: Who, offer: Offer, members: list[Subscription]) -> int:
    """The free units one counter gets for this period from its members' subscriptions.

    ``none``: the units are for the holder as a whole. ``full``: every member adds all of them.
    ``prorated``: every member adds its part of the period by covered days, rounded down. A member that is
    not in test or active state, or covers no day, adds nothing.
    """
    total = 0
    for device_days in member_days(who, offer, members).values():
        if device_days == 0:
            continue
        if contribution == "none":
            return units
        if contribution == "prorated":
            total += units * device_days // len(who.days_in_period(offer.zone))
        else:
            total += units
    return total


def own_of_each(allowance: Allowance, who: Who, offer: Offer, members: list[Subscription]) -> dict[str, int]:
    """What each device brought into a pool; nothing when the units are the pool's own."""
    if allowance.contribution == "none":
        return {}
    found = {}
    for device_id, days in member_days(who, offer, members).items():
        if days:
            found[device_id] = allowance.units
            if allowance.contribution == "prorated":
                found[device_id] = allowance.units * days // len(who.days_in_period(offer.zone))
    return found


def member_days(who: Who, offer: Offer, members: list[Subscription]) -> dict[str, int]:
    """For each member device the number of days it is covered by this version in a state that grants."""
    days: dict[str, set[object]] = {}
    for subscription in members:
        if subscription.sim_state not in GRANTING_STATES:
            continue
        for device_id in who.devices_of(subscription):
            days.setdefault(device_id, set()).update(who.covered_days(subscription, offer))
    return {device_id: len(covered) for device_id, covered in days.items()}


def roll(stock: list[Grant], own: int, used: int, period: int, rollover: Rollover | None) -> list[Grant]:
    """What is left for the next period after ``used`` units of this one.

    ``stock`` holds older grants, oldest first. A grant of period p is usable in p .. p + ``periods``. What
    exceeds the cap is taken from the oldest.
    """
    if rollover is None:
        return []
    mine = Grant(period, own)
    order = [mine, *stock] if rollover.order == "own_first" else [*stock, mine]
    left: list[Grant] = []
    for grant in order:
        spent = min(grant.units, used)
        used = used - spent
        if grant.units > spent and grant.period + rollover.periods > period:
            left.append(Grant(grant.period, grant.units - spent))
    left.sort(key=lambda grant: grant.period)
    if rollover.cap is not None:
        excess = sum(grant.units for grant in left) - rollover.cap
        while excess > 0:
            oldest = left.pop(0)
            if oldest.units > excess:
                left.insert(0, Grant(oldest.period, oldest.units - excess))
            excess = excess - oldest.units
    return left
