"""What an offer would cost a customer whose use is known: the rating kernel on totals, offers compiled once.

It answers for offers whose prices follow from totals by device and dimension; what looks at the time of day, at single events
or at what other offers do is not reckoned but named in ``reason``: then the twin's replay decides alone.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.model.money import NANO
from workbench.model.offer import Catalogue, Offer
from workbench.model.plan import Period, PlanComponent
from workbench.tariff.canonical import sha256_of
from workbench.tariff.catalogue import load
from workbench.tariff.compile import compile_offer
from workbench.tariff.lookup import rate_at
from workbench.tariff.quote import cost_of

FILE = "sales.yaml"
"""Beside the lake's tenants: the offers that may be sold next."""


@dataclass(frozen=True, slots=True)
class Used:
    """What one device used of a meter, under one set of dimensions."""

    device: str
    meter: str
    dims: tuple[tuple[str, str], ...]
    units: int


class Kernel:
    """One offer, ready to be asked again and again."""

    def __init__(self, offer: Offer, known: Catalogue, period: Period) -> None:
        self.offer, self.period = offer, period
        self.reason = ""
        self.parts: dict[str, PlanComponent] = {}
        try:
            percent = [
                d for d in offer.discounts if d.kind == "percent" and not d.code and d.from_period == 1
            ]
            plan = compile_offer(offer, known, discounts=percent)
        except WorkbenchError as error:
            self.reason = error.what
            return
        self.parts = {part.meter: part for part in plan.components}
        odd = {
            "prices by the time of day": any(rate.windows for part in plan.components for rate in part.rates),
            "bundles": bool(offer.bundles),
            "a maximum, commitment, credit or sponsor": bool(
                offer.maximum or offer.commitment or offer.credits or offer.sponsorships
            ),
            "folds other than the sum": any(part.fold != "sum" for part in plan.components),
            "counters of another period": any(
                part.counter_period not in ("billing", offer.period) for part in plan.components
            ),
            "two prices of one meter": len(self.parts) != len(plan.components),
        }
        self.reason = ", ".join(what for what, holds in odd.items() if holds)

    @property
    def meters(self) -> frozenset[str]:
        """What it prices."""
        return frozenset(self.parts)

    def by_sum(self, meter: str) -> bool:
        """Whether only the sum of all devices' use of a meter matters: one price per unit, nothing free, no rounding."""
        part = self.parts.get(meter)
        return part is None or (
            all(rate.linear for rate in part.rates) and not part.free_units and part.increment_units == 1
        )

    @property
    def days(self) -> int:
        """Days of the period."""
        return max(1, -(-(self.period.end - self.period.start) // timedelta(days=1)))

    def once(self, devices: int) -> Fraction:
        """What is paid one time, when it begins."""
        return sum((devices * fee.amount for fee in self.offer.fees if fee.every == "once"), Fraction(0))

    def fees(self, devices: int) -> Fraction:
        """What is paid every period whatever is used."""
        found = Fraction(0)
        for fee in self.offer.fees:
            if fee.every != "once":
                found += devices * fee.amount * (self.days if fee.every == "day" else 1)
        return found

    def bill(
        self, used: Sequence[Used], factors: Mapping[str, Fraction] | None = None, devices: int = 0
    ) -> Fraction:
        """The period's bill, exact, main unit; what is paid once is not in it.

        Args:
            factors: by meter, each device's use times this, rounded down; 1 where a meter is not named.
            devices: how many pay fees; as many as used something when left out.
        """
        factors = factors or {}
        count = devices or len({each.device for each in used})
        sums: dict[tuple[str, str, int], int] = defaultdict(int)
        at = self.period.start.astimezone(UTC) if self.period.start.tzinfo else self.period.start
        for each in used:
            part = self.parts.get(each.meter)
            if part is None:
                continue
            rate = rate_at(part, at, dict(each.dims), {})
            if rate is not None:
                holder = each.device if part.scope == "device" else ""
                times = factors.get(each.meter)
                units = each.units if times is None else each.units * times.numerator // times.denominator
                sums[(each.meter, holder, rate)] += units
        amount = self.fees(count)
        for (meter, holder, rate), units in sums.items():
            part = self.parts[meter]
            if not holder and part.contribution != "none":
                part = dataclasses.replace(part, free_units=part.free_units * count)
            amount += Fraction(cost_of(part, part.rates[rate], units), part.denominator * NANO)
        return amount


def sales_catalogue(path: Path, known: Catalogue, offers: str | Path | Catalogue | None) -> Catalogue:
    """The present price list with what may be sold next beside it.

    Args:
        path: the lake's folder. offers: a file, folder or catalogue; left out: ``LAKE/sales.yaml`` where it is.
    """
    if offers is None:
        if not (path / FILE).exists():
            return known
        offers = path / FILE
    more = offers if isinstance(offers, Catalogue) else load(offers)
    return merged(known, more)


def merged(known: Catalogue, more: Catalogue) -> Catalogue:
    """Both catalogues; where an id stands in both, the present one counts."""

    offers = {offer.id for offer in known.offers}
    whole = dataclasses.replace(
        known,
        meters=tuple({one.id: one for one in (*more.meters, *known.meters)}.values()),
        partners=tuple({one.id: one for one in (*more.partners, *known.partners)}.values()),
        holidays=tuple({one.id: one for one in (*more.holidays, *known.holidays)}.values()),
        offers=(*known.offers, *(offer for offer in more.offers if offer.id not in offers)),
        sha256="",
    )
    return dataclasses.replace(whole, sha256=sha256_of(whole))


def next_plans(current: Offer, used: frozenset[str], kernels: Mapping[str, Kernel]) -> list[Kernel]:
    """Offers a customer could move to: they price all that he uses and is billed for today."""
    needed = used & kernels[current.id].meters
    return [
        kernel
        for kernel in kernels.values()
        if kernel.offer.id != current.id and kernel.offer.side == "sell" and kernel.offer.currency == current.currency
        and kernel.parts and not kernel.reason and needed and needed <= kernel.meters
    ]  # fmt: skip


def newest(known: Catalogue, at: datetime) -> list[Offer]:
    """The newest version of every offer that is effective at an instant."""
    found: dict[str, Offer] = {}
    for offer in sorted(known.offers, key=lambda one: one.version):
        if offer.effective <= at.date():
            found[offer.id] = offer
    return list(found.values())
