"""``wb.upsell(lake)``: who stands where, who could be offered what, and which visits would pay.

found = wb.upsell(lake)                # at the end of what the lake knows
found.offers[0].reason, found.explain(0), found.frame(), found.plot()
Sales.of(lake).at(instant)             # the same at any earlier instant: what a live page replays
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.casework.desk import Desk
from workbench.casework.maintenance import MaintenanceOffer, maintenance_offers
from workbench.casework.money import catalogue_of
from workbench.casework.plans import Kernel, newest, sales_catalogue
from workbench.casework.projection import Outlook, by_day, by_hour
from workbench.casework.standing import PERIODS, Asked, Offer, Standing, standing
from workbench.casework.usage import Book, book_of
from workbench.errors import CaseworkError
from workbench.insight.detect import Opened
from workbench.lake.lake import Lake
from workbench.model.offer import Catalogue
from workbench.model.plan import Period
from workbench.twin.past import read_period
from workbench.twin.scenario import Scenario, Who
from workbench.twin.simulate import simulate

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_DAYS_FOR_DAILY = 35


@dataclass(frozen=True)
class Upsell:
    """What was found at an instant.

    Attributes:
        standings: every customer. offers: what may be offered, largest saving first. held_out: what would have been offered
            to the customers who are kept to compare with. maintenance: visits, most worth first.
    """

    at: datetime
    period: str
    standings: tuple[Standing, ...]
    offers: tuple[Offer, ...]
    held_out: tuple[Offer, ...]
    maintenance: tuple[MaintenanceOffer, ...]

    def frame(self) -> pd.DataFrame:
        """One row per offer."""
        columns = ["account", "name", "current", "proposed", "chance", "saving", "currency", "reason"]
        return pd.DataFrame(
            [{name: one.as_dict()[name] for name in columns} for one in self.offers], columns=columns
        )

    def visits(self) -> pd.DataFrame:
        """One row per maintenance offer."""
        columns = ["account", "name", "devices", "price", "avoided", "worth", "currency", "reason"]
        rows = [
            {name: one.as_dict()[name] for name in columns} | {"devices": len(one.devices)}
            for one in self.maintenance
        ]
        return pd.DataFrame(rows, columns=columns)

    def explain(self, index: int) -> str:
        """Why an offer is made: use, chance, tier, both bills, and what was not counted."""
        one = self.offers[index]
        where = next(s for s in self.standings if (s.account, s.current) == (one.account, one.current))
        lines = [
            f"{one.name}: {one.current} -> {one.proposed}",
            f"  {one.reason}",
            f"  bill: likely {_money(where.middle, one.currency)} ({_money(where.low, one.currency)} to "
            f"{_money(where.high, one.currency)}) this period; {_money(one.saving, one.currency)} saved over {PERIODS} periods",
        ]
        if one.replayed is not None:
            lines.append(
                f"  replayed by the twin on the use so far: {_money(one.replayed[0], one.currency)} now, "
                f"{_money(one.replayed[1], one.currency)} then"
            )
        if where.left_out:
            lines.append(f"  not counted: {where.left_out:,} units of an open case")
        return "\n".join(lines)

    def plot(self) -> Any:
        """Use so far and likely use against the tier, customer by customer."""
        from workbench.casework.show import tier_plot

        return tier_plot(self)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "at": self.at.isoformat(), "period": self.period, "offers": [one.as_dict() for one in self.offers],
            "held_out": len(self.held_out), "maintenance": [one.as_dict() for one in self.maintenance],
            "customers": [one.as_dict() for one in self.standings],
            "states": {state: sum(s.state == state for s in self.standings) for state in ("forecast", "not_enough_data", "no_usage")},
        }  # fmt: skip

    def _repr_html_(self) -> str:
        return str(self.frame().to_html(max_rows=20))


class Sales:
    """A lake's customers, read once; ``at`` says where they stood at any instant of the period."""

    def __init__(self, lake: Lake, known: Catalogue, period: Period, period_name: str, desk: Desk) -> None:
        self.lake, self.known, self.period, self.period_name, self.desk = (
            lake,
            known,
            period,
            period_name,
            desk,
        )
        self.begin, self.end = (at.replace(tzinfo=None) for at in (period.start, period.end))
        first = self._first()
        daily = (self.begin - first) >= timedelta(days=_DAYS_FOR_DAILY) and self.end - self.begin > 3 * _DAY
        self.step = _DAY if daily else _HOUR
        begin = first.replace(hour=0) if daily else min(first, self.begin)
        offers = {offer.id: offer for offer in newest(known, self.end)}
        self.kernels = {name: Kernel(offer, known, period) for name, offer in offers.items()}
        meters = {meter for kernel in self.kernels.values() for meter in kernel.meters}
        self.together = frozenset(
            meter for meter in meters if all(kernel.by_sum(meter) for kernel in self.kernels.values())
        )
        start = begin.replace(minute=0, second=0, microsecond=0)
        self.book: Book = book_of(lake, desk.cases(), start, self.end, self.step, self.together)

    @classmethod
    def of(
        cls,
        lake: Lake | Opened,
        offers: str | Path | Catalogue | None = None,
        *,
        desk: Desk | None = None,
        period: str = "",
    ) -> Sales:
        """Read a lake.

        Args:
            offers: what may be sold next; ``LAKE/sales.yaml`` when left out and there.

        Raises:
            CaseworkError: ``nothing_rated``, ``no_usage``.
        """
        inner = lake if isinstance(lake, Lake) else lake.inner
        rated = sorted({s.period for s in inner.segments("lines") if "#" not in s.period})
        known = catalogue_of(inner, period)
        if not rated or known is None:
            raise CaseworkError("No period of this lake was rated, so nobody has a bill to better.", where=str(inner.root),
                                cure="Run `workbench bill` first.", code="nothing_rated")  # fmt: skip
        if not inner.segments("records"):
            raise CaseworkError("No customer of this lake has used anything.", where=str(inner.root), code="no_usage",
                                cure="Bring usage in first (`workbench ingest`).")  # fmt: skip
        name = period or rated[-1]
        whole = sales_catalogue(inner.root.parent, known, offers)
        return cls(inner, whole, read_period(name), name, desk or Desk.of(inner))

    def _first(self) -> datetime:
        firsts = [
            self.lake.con.execute(
                f"SELECT min(window_start) FROM {self.lake.scan('records', stream=stream)}"
            ).fetchall()[0][0]
            for stream in sorted({segment.stream for segment in self.lake.segments("records")})
        ]
        return min((at for at in firsts if at is not None), default=self.begin)

    @property
    def instants(self) -> list[datetime]:
        """Every slot's end within the period: when a standing can change."""
        return [at + self.step for at in self.book.slots if at >= self.begin]

    def outlook(self, meter: str, today: int) -> Outlook | None:
        """The outlook of a meter for everybody, from what was known before slot ``today``."""
        use, slots = self.book.use[meter], self.book.slots
        start, end = sum(at < self.begin for at in slots), len(slots)
        if self.step == _DAY:
            weekday = np.array([at.weekday() for at in slots])
            return by_day(use, weekday, start, today, end)
        return by_hour(use, np.array([at.hour for at in slots]), start, today, end)

    def at(self, instant: datetime | None = None, account: str = "") -> list[Standing]:
        """Where everybody stood; at the end of the period when no instant is given."""
        now = instant or self.end
        slots = self.book.slots
        today = sum(at + self.step <= now for at in slots)
        start = sum(at < self.begin for at in slots)
        outlooks = {
            meter: found for meter in self.book.use if (found := self.of_group(meter, today)) is not None
        }
        result = []
        for place, customer in enumerate(self.book.customers):
            if account not in ("", customer.account):
                continue
            mine = {
                meter: (outlook, rows[place]) for meter, (outlook, rows) in outlooks.items() if place in rows
            }
            ask = Asked(
                customer, self.book.used(place, start, today), mine, self.period_name, self.lake.tenant, now
            )
            where = standing(ask, self.kernels)
            if where is not None:
                result.append(where)
        return result

    def part_of_rest(self, meter: str, today: int, now: datetime) -> float:
        """The share of the use from slot ``today`` to the period's end that the fleet is expected to show by an instant in it."""
        slots = self.book.slots
        if today >= len(slots):
            return 1.0
        cycle = np.array([at.weekday() if self.step == _DAY else at.hour for at in slots])
        fleet = self.book.use[meter][:, :today].sum(axis=0)
        seen = np.bincount(cycle[:today], minlength=24)
        mean = np.bincount(cycle[:today], weights=fleet, minlength=24) / np.maximum(seen, 1)
        weights = np.where(seen > 0, mean, mean[seen > 0].mean() if seen.any() else 1.0)[cycle[today:]]
        passed = min(max((now - slots[today]) / self.step, 0.0), 1.0)
        return float(passed * weights[0] / weights.sum()) if weights.sum() > 0 else passed / len(weights)

    def of_group(self, meter: str, today: int) -> tuple[Outlook, dict[int, int]] | None:
        """The outlook of those who use a meter at all: customers who never do would only dilute the shape."""
        places = np.flatnonzero(self.book.use[meter][:, :today].sum(axis=1) > 0)
        if not len(places):
            return None
        whole = self.book.use[meter]
        self.book.use[meter] = whole[places]
        try:
            found = self.outlook(meter, today)
        finally:
            self.book.use[meter] = whole
        return None if found is None else (found, {int(place): row for row, place in enumerate(places)})

    def replayed(self, offers: Sequence[Offer]) -> list[Offer]:
        """The offers with the twin's own answer: each pair of plans on the very use of the customers it concerns."""
        pairs: dict[tuple[str, str], list[Offer]] = {}
        doubted = {s.account for s in self.book.customers if s.left_out}
        for one in offers:
            if one.account not in doubted:
                pairs.setdefault((one.current, one.proposed), []).append(one)
        answers: dict[str, tuple[Fraction, Fraction]] = {}
        for pair, members in pairs.items():
            who = Who(accounts=tuple(sorted({one.account for one in members})), offers=(pair[0],))
            ask = Scenario(f"{pair[0]} to {pair[1]}", catalogue=self.known, moves=(pair,), who=who)
            with simulate(self.lake, ask, period=self.period_name) as sim:
                cell = sim.cell()
                changes = {change.account: change for change in cell.changes}
            for one in members:
                if one.account in changes:
                    change = changes[one.account]
                    answers[one.offer_id] = (change.before, change.after)
        return [replace(one, replayed=answers.get(one.offer_id)) for one in offers]


def upsell(
    lake: Lake | Opened,
    offers: str | Path | Catalogue | None = None,
    *,
    at: datetime | None = None,
    period: str = "",
    desk: Desk | None = None,
    replay: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> Upsell:
    """Who could be offered what, and which visits would pay.

    Args:
        lake: a lake, or what ``open_lake`` returned; nothing is written to its tables.
        offers: what may be sold next, a YAML file or folder; ``LAKE/sales.yaml`` when left out, and else the price list itself.
        at: as if it were this instant (UTC without zone); left out: the end of the period.
        replay: let the twin replay each offer on the customer's own use as well.

    Raises:
        CaseworkError: ``nothing_rated``, ``no_usage``.
    """
    progress("usage")
    inner = lake if isinstance(lake, Lake) else lake.inner
    desk = desk or Desk.of(inner)
    if desk.looked < 0:
        progress("findings")
        desk.look(inner)
    sales = Sales.of(inner, offers, desk=desk, period=period)
    progress("standings")
    now = at or sales.end
    standings = sales.at(now)
    made = one_each(one.offer for one in standings if one.offer is not None)
    if replay and made:
        progress("twin")
        made = sales.replayed(made)
    made.sort(key=lambda one: (-one.saving, one.offer_id))
    visits = maintenance_offers(desk.queue(), sales.known, inner.tenant)
    return Upsell(
        now, sales.period_name, tuple(standings), tuple(one for one in made if not one.held_out),
        tuple(one for one in made if one.held_out), tuple(visits),
    )  # fmt: skip


def one_each(offers: Iterable[Offer]) -> list[Offer]:
    """One offer per account and period: the one that saves most."""
    best: dict[str, Offer] = {}
    for one in offers:
        if one.account not in best or one.saving > best[one.account].saving:
            best[one.account] = one
    return list(best.values())


def _money(amount: Fraction, currency: str) -> str:
    from workbench.twin.show import rounded

    return f"{rounded(amount, currency)} {currency}"
