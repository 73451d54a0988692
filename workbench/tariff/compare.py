"""Which offers are worth comparing: all that price one meter alike, or of very many those that are cheapest somewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workbench.model.offer import Offer
from workbench.model.plan import PlanOffer
from workbench.tariff.shape import MUCH, Bill

MOST = 12
"""So many offers of one meter are compared with each other, each with each."""
_POINTS = (0, *(10**power for power in range(len(str(MUCH)))))


@dataclass(frozen=True, slots=True)
class Rivals:
    """Offers of one side, currency and period that price one meter; ``bills`` are those to compare of ``number``."""

    meter: str
    bills: tuple[Bill, ...]
    number: int


def rivals(offers: Sequence[tuple[Offer, PlanOffer]]) -> Iterator[Rivals]:
    """The offers to compare, by meter; what one counter does not tell (rates, single events) is left out."""
    found: dict[tuple[str, str, str, str], list[tuple[Offer, PlanOffer]]] = {}
    for offer, plan in offers:
        for meter in {component.meter: None for component in plan.components}:
            found.setdefault((meter, offer.side, offer.currency, offer.period), []).append((offer, plan))
    for (meter, *_), same in sorted(found.items()):
        if len(same) > 1:
            bills = [bill for offer, plan in same if (bill := Bill(offer, plan, meter)).plain]
            yield Rivals(meter, tuple(bills if len(bills) <= MOST else _front(bills)), len(bills))


def _front(bills: Sequence[Bill]) -> list[Bill]:
    """Those that are the cheapest of all at no, one, ten, a hundred ... units, in the order given."""
    best = {min(range(len(bills)), key=lambda number: bills[number].at(units)) for units in _POINTS}
    return [bills[number] for number in sorted(best)]
