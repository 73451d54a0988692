"""How long a counter lives: the billing period, or a local week, day, hour or minute inside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from workbench.model.offer import Component, Offer
from workbench.reference.days import period_of
from workbench.reference.results import Unpriceable
from workbench.reference.zones import zone_named


def life_of(
    offer: Offer, component: Component, at: datetime, start: datetime, end: datetime
) -> tuple[datetime, datetime]:
    """The instants ``[from, to)`` of the counter that ``at`` falls into, cut at the billing period
    ``[start, end)``.

    "Burst (a): a graduated price on a short counter period (minute, hour, day)". Local time of the offer;
    an hour that the clock repeats is another hour.
    """
    kind = component.counter_period
    if kind == "billing":
        return start, end
    if kind in ("day", "week", "month"):
        first, last = period_of(at, offer.zone, 1, kind)
    elif kind in ("hour", "minute"):
        first, last = clock_life(kind, at, offer.zone)
    else:
        raise Unpriceable(f"no counter period {kind}")
    return max(first, start), min(last, end)


def clock_life(kind: str, at: datetime, zone: str) -> tuple[datetime, datetime]:
    """The local hour or minute around ``at``, as long as the offset from UTC stays what it is at ``at``."""
    local = at.astimezone(zone_named(zone))
    offset = local.utcoffset()
    cut = local.replace(second=0, microsecond=0, tzinfo=None)
    length = timedelta(minutes=1)
    if kind == "hour":
        cut = cut.replace(minute=0)
        length = timedelta(hours=1)
    if offset is None:
        raise Unpriceable(f"zone {zone} has no offset at {at}")
    first = (cut - offset).replace(tzinfo=UTC)
    return first, first + length
