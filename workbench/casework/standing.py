"""Where every customer stands at an instant: spend, projected bill with an interval, the next tier, and an offer if there is one.

An offer is triggered when the chance to use at least the tier is 0.7 or more, the tier being the use from which the next plan
is cheaper, and the next plan is cheaper in expectation over three periods; or when it prices what the customer uses and his
own plan does not. Use in an open case counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any

import numpy as np

from workbench.casework.plans import Kernel, Used, next_plans
from workbench.casework.projection import Outlook
from workbench.casework.usage import Customer
from workbench.model.ids import short_hash
from workbench.model.money import decimal_text

CHANCE_LEAST = 0.7
PERIODS = 3
HOLD_OUT = 10
"""One customer in so many is never offered anything, so that there is something to compare with."""
_DRAWS = 9
_REACH = 8  # a tier further away than so many times today's use is none
_HALVINGS = 22


@dataclass(frozen=True, slots=True)
class Offer:
    """What a customer could be offered.

    Attributes:
        offer_id: the same for one customer, plan and period, whenever it is asked.
        chance: P(use at the period's end >= tier). tier: units of ``meter`` from which the next plan is cheaper.
        saving: expected over ``PERIODS`` periods, what is paid once taken off; exact, main unit.
        adds: meters the customer uses, which his plan does not price and this one does.
        replayed: the period's bill so far now and under the next plan, by the twin on the customer's own use; None where
            some of it is in an open case.
        triggered_at: when it first held.
    """

    offer_id: str
    account: str
    name: str
    owner: str
    current: str
    proposed: str
    title: str
    meter: str
    tier: int
    chance: float
    saving: Fraction
    adds: tuple[str, ...]
    currency: str
    held_out: bool
    triggered_at: datetime
    reason: str = ""
    replayed: tuple[Fraction, Fraction] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values: exact amounts as text."""
        return {
            "offer_id": self.offer_id, "account": self.account, "name": self.name, "owner": self.owner,
            "current": self.current, "proposed": self.proposed, "title": self.title, "meter": self.meter,
            "tier": self.tier, "chance": round(self.chance, 4), "saving": decimal_text(self.saving),
            "periods": PERIODS, "adds": list(self.adds), "currency": self.currency, "held_out": self.held_out,
            "triggered_at": self.triggered_at.isoformat(), "reason": self.reason,
            "replayed_now": decimal_text(self.replayed[0]) if self.replayed else None,
            "replayed_then": decimal_text(self.replayed[1]) if self.replayed else None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """One customer under one offer at an instant.

    Attributes:
        state: ``forecast``, ``no_usage`` (nothing that counts), or ``not_enough_data`` (no forecast has come true yet).
        bill: what the use so far costs, with the period's fees; low, middle, high: the period's bill, 80 % of the outlooks.
        meter, used, tier, chance: of the meter that decides; tier None where no next plan gets cheaper.
        left_out: units of open cases that were not counted.
        offer: what could be offered now.
    """

    account: str
    name: str
    owner: str
    current: str
    title: str
    currency: str
    state: str
    bill: Fraction
    low: Fraction
    middle: Fraction
    high: Fraction
    meter: str = ""
    used: int = 0
    projected: int = 0
    tier: int | None = None
    chance: float = 0.0
    left_out: int = 0
    offer: Offer | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values: exact amounts as text."""
        found = {name: getattr(self, name) for name in (
            "account", "name", "owner", "current", "title", "currency", "state", "meter", "used", "projected", "tier", "left_out",
        )}  # fmt: skip
        money = {name: decimal_text(getattr(self, name)) for name in ("bill", "low", "middle", "high")}
        return (
            found
            | money
            | {"chance": round(self.chance, 4), "offer": self.offer.as_dict() if self.offer else None}
        )


@dataclass(frozen=True)
class Asked:
    """Everything about one customer at an instant: own use so far, and the outlook of each meter (row ``place``)."""

    customer: Customer
    used: Sequence[Used]
    outlooks: Mapping[str, tuple[Outlook, int]]
    period: str
    tenant: str
    at: datetime


def standing(ask: Asked, kernels: Mapping[str, Kernel]) -> Standing | None:
    """Where one customer stands; None where his offer is unknown to the price list."""
    who = ask.customer
    kernel = kernels.get(who.offer)
    if kernel is None or not kernel.parts:
        return None
    mine = [one for one in ask.used if one.meter in kernel.meters]
    spent = kernel.bill(mine, devices=len(who.devices))
    base = Standing(
        who.account, who.name, who.owner, who.offer, kernel.offer.title or who.offer, kernel.offer.currency, "no_usage", spent,
        spent, spent, spent, left_out=sum(who.left_out.values()),
    )  # fmt: skip
    meters = sorted(
        {one.meter for one in mine},
        key=lambda meter: (-sum(o.units for o in mine if o.meter == meter), meter),
    )
    if not meters:
        return base
    primary = meters[0]
    used = sum(one.units for one in mine if one.meter == primary)
    if any(meter not in ask.outlooks for meter in meters):
        return replace(base, state="not_enough_data", meter=primary, used=used)
    draws = _factors(ask, mine, meters)
    bills = [kernel.bill(mine, factors, len(who.devices)) for factors in draws]
    middle = draws[len(draws) // 2][primary]
    found = replace(
        base, state="forecast", low=bills[0], middle=bills[len(bills) // 2], high=bills[-1], meter=primary, used=used,
        projected=int(used * middle),
    )  # fmt: skip
    return _best(ask, found, kernel, kernels, mine, draws, bills)


def _factors(ask: Asked, mine: Sequence[Used], meters: Sequence[str]) -> list[dict[str, Fraction]]:
    """Equally likely growth of each meter from now to the period's end, lowest first, the same rank for all meters."""
    found: list[dict[str, Fraction]] = [{} for _ in range(_DRAWS)]
    grid = 0.1 + 0.8 * (np.arange(_DRAWS)) / (_DRAWS - 1)
    for meter in meters:
        outlook, row = ask.outlooks[meter]
        now = max(float(outlook.so_far[row]), 1e-9)
        for place, value in enumerate(np.quantile(outlook.totals[row], grid) / now):
            found[place][meter] = Fraction(round(max(float(value), 1.0) * 10**6), 10**6)
    return found


def _best(
    ask: Asked,
    base: Standing,
    kernel: Kernel,
    kernels: Mapping[str, Kernel],
    mine: Sequence[Used],
    draws: Sequence[Mapping[str, Fraction]],
    bills: Sequence[Fraction],
) -> Standing:
    """The next plan that saves most, its tier, and whether it is to be offered."""
    who, best = ask.customer, base
    top: tuple[bool, Fraction] | None = None
    for plan in next_plans(kernel.offer, frozenset(who.meters), kernels):
        tier, chance = _tier(ask, base, kernel, plan, mine)
        adds = tuple(sorted((who.meters - kernel.meters) & plan.meters))
        theirs = [one for one in ask.used if one.meter in plan.meters]
        after = [plan.bill(theirs, factors, len(who.devices)) for factors in draws]
        each = sum((old - new for old, new in zip(bills, after, strict=True)), Fraction(0)) / len(draws)
        saving = PERIODS * each - plan.once(len(who.devices))
        triggered = bool(adds) or (chance >= CHANCE_LEAST and saving > 0 and tier is not None)
        if top is not None and (triggered, saving) <= top:
            continue
        top = (triggered, saving)
        offer = _offer(ask, base, plan, tier or 0, chance, saving, adds) if triggered else None
        best = replace(base, tier=tier, chance=chance, offer=offer)
    return best


def _tier(
    ask: Asked, base: Standing, kernel: Kernel, plan: Kernel, mine: Sequence[Used]
) -> tuple[int | None, float]:
    """The use from which the plan is cheaper, and the chance to reach it by the period's end."""
    count = len(ask.customer.devices)

    def cheaper(times: Fraction) -> bool:
        factors = dict.fromkeys({one.meter for one in mine}, times)
        return plan.bill(mine, factors, count) <= kernel.bill(mine, factors, count)

    outlook, row = ask.outlooks[base.meter]
    projected = max(Fraction(int(np.median(outlook.totals[row]))) / max(base.used, 1), Fraction(1))
    low, high = Fraction(0), projected * _REACH
    if not cheaper(high):
        return None, 0.0
    if not cheaper(low):
        for _ in range(_HALVINGS):
            middle = Fraction(int((low + high) / 2 * 10**6), 10**6)
            low, high = (low, middle) if cheaper(middle) else (middle, high)
    else:
        high = low
    tier = int(base.used * high) + (1 if high else 0)
    return tier, float(outlook.chance(np.full(len(outlook.so_far), float(tier)))[row])


def _offer(
    ask: Asked,
    base: Standing,
    plan: Kernel,
    tier: int,
    chance: float,
    saving: Fraction,
    adds: tuple[str, ...],
) -> Offer:
    who = ask.customer
    title = plan.offer.title or plan.offer.id
    unit = plan.parts[base.meter].unit
    words = (
        f"{100 * chance:.0f} % sure to use at least {amount_of(tier, unit)} of {base.meter} by the period's end "
        f"(now {amount_of(base.used, unit)}, likely {amount_of(base.projected, unit)}); from there on {title} costs less"
        if not adds
        else f"{title} also covers {', '.join(adds)}, which is used and not in {base.title}"
    )
    return Offer(
        short_hash(ask.tenant, who.account, who.offer, plan.offer.id, ask.period), who.account, who.name, who.owner, who.offer,
        plan.offer.id, title, base.meter, tier, 1.0 if adds else chance, saving, adds, base.currency,
        held_out(ask.tenant, who.account), ask.at, words + ".",
    )  # fmt: skip


def held_out(tenant: str, account: str) -> bool:
    """Whether a customer is in the group that is never offered anything; the same one for ever."""
    return int(short_hash("hold-out", tenant, account, size=4), 16) % HOLD_OUT == 0


_LARGER = {"Wh": ("kWh", 1000), "mWh": ("kWh", 10**6), "byte": ("MB", 10**6)}


def amount_of(units: int, unit: str) -> str:
    """Units for people: ``12.3 kWh``.

    >>> amount_of(12345, "Wh"), amount_of(7, "session")
    ('12.3 kWh', '7 session')
    """
    name, size = _LARGER.get(unit, (unit, 1))
    if size == 1:
        return f"{units:,} {unit}"
    return f"{units / size:,.1f} {name}" if units >= size else f"{units / size:.3f} {name}"
