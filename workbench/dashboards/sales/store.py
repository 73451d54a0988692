"""A billing period played again for sales: where every customer stood, hour by hour, worked out once in the background."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path

from workbench.casework.maintenance import MaintenanceOffer, maintenance_offers
from workbench.casework.standing import Offer, Standing
from workbench.casework.telling import tell
from workbench.casework.upsell import Sales, Upsell, one_each
from workbench.dashboards.cases.store import CaseStore
from workbench.errors import WorkbenchError
from workbench.lake.lake import Lake


@dataclass(frozen=True)
class Frame:
    """One instant. ``bill``, ``low``, ``middle``, ``high``: by owner ("" for all), exact sums in the main unit.

    The ends are sums of every customer's own ends, so they are wider than the sum's own interval.
    """

    at: datetime
    standings: tuple[Standing, ...]
    offers: tuple[Offer, ...]
    bill: dict[str, Fraction]
    low: dict[str, Fraction]
    middle: dict[str, Fraction]
    high: dict[str, Fraction]

    @property
    def foreseen(self) -> int:
        """Customers with a forecast."""
        return sum(one.state == "forecast" for one in self.standings)


class SalesStore:
    """The frames of a lake's newest rated period; sessions only read.

    Args:
        offers: what may be sold next; ``LAKE/sales.yaml`` when left out.

    Attributes:
        frames: so far, in time order. told: what is being worked out; empty at the end. trouble: why there is nothing.
        replayed: offer id to the twin's two bills. owners: everybody's, sorted.
    """

    def __init__(self, path: Path, tenant: str, cases: CaseStore, offers: Path | None = None) -> None:
        self._path, self._tenant, self._cases, self._offers = path, tenant, cases, offers
        self.frames: list[Frame] = []
        self.instants: list[datetime] = []
        self.maintenance: list[MaintenanceOffer] = []
        self.replayed: dict[str, tuple[Fraction, Fraction]] = {}
        self.first: dict[str, datetime] = {}
        self.owners: list[str] = []
        self.told, self.trouble, self.period = "the customers' usage is being read", "", ""
        self.begin: datetime | None = None
        self.end: datetime | None = None
        threading.Thread(target=self._work, name="sales", daemon=True).start()

    def _work(self) -> None:
        self._cases.ready.wait()
        try:
            with Lake.open(self._path, self._tenant) as lake:
                sales = Sales.of(lake, self._offers, desk=self._cases.desk)
                self.period, self.begin, self.end = sales.period_name, sales.begin, sales.end
                self.owners = sorted({customer.owner for customer in sales.book.customers if customer.owner})
                self.maintenance = maintenance_offers(self._cases.queue(), sales.known, lake.tenant)
                self._play(sales)
                offers = {one.offer_id: one for frame in self.frames for one in frame.offers}
                self.told = "the twin is replaying the offers"
                for one in sales.replayed(list(offers.values())):
                    if one.replayed is not None:
                        self.replayed[one.offer_id] = one.replayed
        except WorkbenchError as error:
            self.trouble = f"{error.what} {error.cure}"
        finally:
            self.told = ""

    def _play(self, sales: Sales) -> None:
        instants = [sales.begin, *sales.instants]
        self.instants = instants
        for number, at in enumerate(instants, 1):
            self.told = f"hour {number} of {len(instants)} is being worked out"
            frame = _frame(at, sales.at(at), self.first)
            self.frames.append(frame)

    def webhooks(self, offers: Sequence[Offer]) -> None:
        """Tell of triggers, each once for ever; a receiver that is not well is tried again with the next one."""
        wires = self._cases.wires
        if wires.webhook and offers:
            threading.Thread(target=self._tell, args=(list(offers),), name="webhooks", daemon=True).start()

    def _tell(self, offers: list[Offer]) -> None:
        try:
            tell(offers, self._cases.outbox, self._cases.wires)
        except WorkbenchError as error:
            self.trouble = f"{error.what} {error.cure}"

    def at(self, now: datetime) -> Frame | None:
        """The newest frame at an instant; None before the first one is there."""
        place = bisect_right([frame.at for frame in self.frames], now)
        return self.frames[place - 1] if place else None

    def after(self, now: datetime) -> Frame | None:
        """The next frame."""
        place = bisect_right([frame.at for frame in self.frames], now)
        return self.frames[place] if place < len(self.frames) else None

    def found(self, frame: Frame) -> Upsell:
        """A frame as ``wb.upsell`` gives it: for snapshots and explanations."""
        offers = [replace(one, replayed=self.replayed.get(one.offer_id)) for one in frame.offers]
        return Upsell(frame.at, self.period, frame.standings, tuple(o for o in offers if not o.held_out),
                      tuple(o for o in offers if o.held_out), tuple(self.maintenance))  # fmt: skip


def offered(at: datetime, standings: Iterable[Standing], first: dict[str, datetime]) -> list[Offer]:
    """One offer per customer, largest saving first, each with the instant it was triggered at; ``first`` remembers those."""
    offers = one_each(one.offer for one in standings if one.offer is not None)
    for one in offers:
        first.setdefault(one.offer_id, at)
    kept = [replace(one, triggered_at=first[one.offer_id]) for one in offers]
    return sorted(kept, key=lambda one: (-one.saving, one.offer_id))


def _frame(at: datetime, standings: list[Standing], first: dict[str, datetime]) -> Frame:
    kept = offered(at, standings, first)
    sums: dict[str, dict[str, Fraction]] = {name: {} for name in ("bill", "low", "middle", "high")}
    for stood in standings:
        for name, by_owner in sums.items():
            for owner in {"", stood.owner}:
                by_owner[owner] = by_owner.get(owner, Fraction(0)) + getattr(stood, name)
    return Frame(at, tuple(standings), tuple(kept), **sums)
