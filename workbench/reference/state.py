"""What the rater remembers within a period, and what one period hands to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from workbench.model.offer import Component, Offer, Rate
from workbench.model.price import Price, StairStep, Volume
from workbench.reference.allowance import Grant
from workbench.reference.cost import cumulative_cost
from workbench.reference.credits import Wallet
from workbench.reference.folds import Values
from workbench.reference.percentile import Slots
from workbench.reference.quantity import Quantity
from workbench.reference.results import Bill, Charge, Line, Unpriceable, Use
from workbench.reference.who import Who

Key = tuple[str, ...]


@dataclass(slots=True)
class Carry:
    """What lives longer than a period. Keys are counter keys, or (account, currency)."""

    period: int = 0
    stock: dict[Key, list[Grant]] = field(default_factory=dict)
    wallets: dict[Key, Wallet] = field(default_factory=dict)
    residues: dict[tuple[str, str, str, str], Fraction] = field(default_factory=dict)
    deferred: dict[Key, list[Line]] = field(default_factory=dict)


@dataclass(slots=True)
class Counter:
    """Units used so far, per (payer, scope holder, offer, component, rate, life)."""

    quantity: Quantity
    by_member: dict[str, int] = field(default_factory=dict)
    known: dict[tuple[str, str, Price], Fraction] = field(default_factory=dict)

    def add(self, use: Use) -> None:
        """Move the counter."""
        self.known.clear()
        self.quantity.add(use)
        self.by_member[use.device_id] = self.by_member.get(use.device_id, 0) + use.units

    def cost(self, offer: Offer, component: Component, rate: Rate, free: int) -> Fraction:
        """C of what has been counted so far, by the price of one offer version."""
        key = (str(offer.version), str(free), rate.price)
        if key not in self.known:
            beyond = self.beyond_cap(offer, component)
            drawn = max(0, self.quantity.value() - beyond - free)
            self.known[key] = cumulative_cost(rate.price, drawn + beyond, offer.conventions)
        return self.known[key]

    def drawn(self, offer: Offer, component: Component) -> int | Fraction:
        """The units that may use free units."""
        return self.quantity.value() - self.beyond_cap(offer, component)

    def beyond_cap(self, offer: Offer, component: Component) -> int:
        """What members use beyond the "optional cap per SIM": it never draws on the free units of the
        pool.
        """
        beyond = 0
        if offer.pool_cap_units is not None and pays_together(offer, component):
            if component.fold != "sum" or component.increment is not None:
                raise Unpriceable("a cap per member of a pool is decided for plain sums only")
            for units in self.by_member.values():
                if units > offer.pool_cap_units:
                    beyond += units - offer.pool_cap_units
        return beyond


@dataclass(frozen=True, slots=True)
class Part:
    """One use of a counter whose total is shared out at close: its charge so far, and what that was reckoned with."""

    charge: Charge
    units: int
    factor: Fraction
    price: Price
    offer: Offer
    own: dict[str, int] | None = None
    """By device what it brought into a pool whose overage is by excess; ``None`` for any other counter."""


def pays_together(offer: Offer, component: Component) -> bool:
    """Whether a component has free units for a whole pool, so that somebody must answer for what goes beyond them."""
    return component.allowance is not None and (component.scope or offer.scope) == "pool"


def is_shared_out(offer: Offer, component: Component, price: Price) -> bool:
    """Whether a counter's total is shared out at close: "volume, stair-step, ..., pool overage"."""
    if isinstance(price, Volume | StairStep):
        return True
    return pays_together(offer, component) and (offer.pool_cap_units is not None or offer.overage == "excess")


@dataclass(slots=True)
class State:
    """One period at work."""

    who: Who
    carry: Carry
    bill: Bill
    outages: tuple[tuple[datetime, datetime], ...] = ()
    tenant: str = "main"
    counters: dict[Key, Counter] = field(default_factory=dict)
    slots: dict[Key, Slots] = field(default_factory=dict)
    bundle_used: dict[Key, int] = field(default_factory=dict)
    sponsored: dict[Key, Fraction] = field(default_factory=dict)
    free: dict[Key, int] = field(default_factory=dict)
    jumping: dict[Key, list[Part]] = field(default_factory=dict)
    values: dict[Key, Values] = field(default_factory=dict)
