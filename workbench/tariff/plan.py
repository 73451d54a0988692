"""Compile a catalogue and the parties for one billing period: everything ``rating`` needs, as tables of integers.

    plan = compile_plan(catalogue, con, Period(start, end))       # con has the party tables

``Plan.tables`` (Arrow; every ``*_no`` is a dense number from 1 in a deterministic order):

| table | a row is |
|---|---|
| ``offers`` | one compiled variant: offer_no, offer_id, version, currency, side, charged, zone, period |
| ``components`` | one usage price of a variant: comp_no, offer_no, component_id, meter, denominator, linear … |
| ``rates`` | one row of a component: rate_no, comp_no, position, counter_no, linear, jumps, slope, rounding |
| ``steps`` | one piece of C: rate_no, step_no, from_units, origin_units, base, block_units, block_amount |
| ``matches`` | rate_no, dimension, value |
| ``windows`` | rate_no, from_at, until_at: expanded time-of-use windows |
| ``lives`` | comp_no, from_at, until_at: lives of short counters (hour, day …) |
| ``terms`` | a subscription under one variant: sub_no, account_no, offer_no, from_at, until_at, phase |
| ``turns`` | a row of a subscription that has several: sub_no, sim_state, first_at (since when it held) |
| ``assignments`` | a device under a term: device_key, account_no, offer_no, group_no, from_at, until_at, trial |
| ``line_keys`` | account_no, offer_no, part_id, line_no: which line a charge belongs to |
| ``lines`` | the key table of charges (see the lake's kind ``lines``), plus side, primary_meter, tax_inclusive, title |
| ``credits`` | account_no, holder, bundle_no, version, credits: the stock of each bundle in this period |
| ``bundles``, ``sponsors`` | what the components' bundle_no and sponsored stand for |
| ``grants`` | account_no, holder, counter_no, version, free_units: the allowance of each counter in this period |
| ``members`` | account_no, holder, counter_no, version, device_key, units: who brought what into a pool by excess |
| ``fees``, ``fee_days`` | fee_no of a variant; its integer amount on each local day of the period |
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import gcd
from typing import TYPE_CHECKING

import pyarrow as pa

from workbench.errors import RatingError, UsageError
from workbench.model.offer import Catalogue
from workbench.model.party import Parties
from workbench.model.plan import Period, PlanOffer, Stock
from workbench.tariff import assign
from workbench.tariff.canonical import canonical
from workbench.tariff.desk import Desk
from workbench.tariff.formerly import formerly
from workbench.tariff.grants import grants
from workbench.tariff.purse import Held, widen
from workbench.tariff.tables import offer_tables
from workbench.tariff.turns import turns
from workbench.tariff.variants import variants

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Plan:
    """A catalogue and its subscribers, compiled for one billing period.

    Attributes:
        period: the billing period, half-open.
        catalogue: what it was compiled from.
        offers: the compiled variants; ``offers[offer_no - 1]``.
        tables: see the module's docstring.
        sha256: names the whole plan: offers, assignments and lines.
    """

    period: Period
    catalogue: Catalogue
    offers: tuple[PlanOffer, ...]
    tables: Mapping[str, pa.Table]
    sha256: str
    grids: Mapping[str, int] = field(default_factory=dict)
    stock: tuple[Stock, ...] = ()

    @property
    def lines(self) -> pa.Table:
        """The key table of the charges, ready for the lake's kind ``lines``."""
        return self.tables["lines"]

    @property
    def streams(self) -> tuple[str, ...]:
        """Meters that some offer in force prices."""
        return tuple(sorted({meter for offer in self.offers for c in offer.components for meter in c.meters}))

    def order_free(self, stream: str) -> bool:
        """Whether each record of a stream can be charged alone: partitions may then be rated in any order."""
        return all(c.linear for offer in self.offers for c in offer.components if stream in c.meters)

    def needs_totals(self, stream: str) -> bool:
        """Whether a price on this stream needs all its records before the first is charged (``Rater.observe``).

        So do prices that jump, bundles (one stock of credits, used in order across meters), and sponsors with a budget.
        """
        return any(
            c.bundle
            or any(rate.jumps for rate in c.rates)
            or any(p.budget is not None and c.id in p.components for p in offer.sponsors)
            for offer in self.offers
            for c in offer.components
            if c.meter == stream
        )

    def dimensions(self, stream: str) -> tuple[str, ...]:
        """The dimensions that prices on this stream look at, sorted."""
        return tuple(
            sorted(
                {
                    name
                    for offer in self.offers
                    for c in offer.components
                    if c.meter == stream
                    for name in [
                        *(name for rate in c.rates for name, _ in rate.match),
                        *(name for p in offer.sponsors if c.id in p.components for name, _ in p.match),
                        c.unique_of,
                    ]
                    if name
                }
            )
        )


def compile_plan(
    catalogue: Catalogue,
    parties: duckdb.DuckDBPyConnection | Parties | Mapping[str, str],
    period: Period,
    *,
    con: duckdb.DuckDBPyConnection | None = None,
    billing: Period | None = None,
    tenant: str = "main",
    grids: Mapping[str, int] | None = None,
    stock: Sequence[Stock] = (),
    held: Held | None = None,
    desk: Desk | None = None,
) -> Plan:
    """Everything needed to rate one billing period.

    Args:
        parties: a DuckDB connection that has ``accounts``, ``subscriptions``, ``devices_info`` and ``devices``; or a
            map of those four names to SQL relations (``lake.scan("accounts")``) read through ``con``; or a small
            ``Parties`` held in memory (``con`` is then any connection to work with).
        period: what to rate: the billing period all accounts share, or a part of it.
        billing: the whole billing period when ``period`` is a part of it; prorated fees count its days.
        tenant: whose device keys.
        grids: stream to grid seconds of its records; instants at which prices change must lie on it.
        stock: free units left over, as ``Rater.stock`` gave them at the end of the period before.
        held: over which denominator credits of the period before are left, per (account id, offer id): what pays with them
            is counted over it too.
        desk: to compile several plans of the same parties on; its connection is worked on, not ``con``.

    Raises:
        PartyError: a subscription that overlaps another of its offer, an unknown account or offer, bad overrides.
        CatalogueError: an offer that cannot be priced.
        RatingError: ``grid_too_coarse`` with the grid that is needed.
    """
    if desk is None:
        work = con if con is not None else parties
        if isinstance(work, Parties | Mapping):
            raise UsageError(
                "Compiling a plan needs a connection.", cure="Pass `con=`.", where="compile_plan"
            )
        with Desk(work) as desk:
            return compile_plan(
                catalogue,
                parties,
                period,
                billing=billing,
                tenant=tenant,
                grids=grids,
                stock=stock,
                held=held,
                desk=desk,
            )
    work = desk.con
    if isinstance(parties, Parties):
        desk.forget()  # they all go by the same names
        assign.register(work, parties)
    desk.load(assign.relations(parties), period, tenant)
    found = variants(catalogue, assign.wanted(work), period)
    tables = offer_tables(found, catalogue, period, billing or period)
    desk.assign(found, catalogue, period, billing or period)
    assign.payers(work, tables)
    assign.lines(work, period)
    widen(work, catalogue, held or {})
    formerly(work, assign.relations(parties), catalogue, tenant)
    turns(work, assign.relations(parties), catalogue)
    grants(work, tables, stock)
    tables |= desk.tables()
    offers = tuple(variant.offer for variant in found)
    plan = Plan(
        period,
        catalogue,
        offers,
        tables,
        _hash(desk, offers, period, tables),
        dict(grids or {}),
        tuple(stock),
    )
    for stream, seconds in sorted(plan.grids.items()):
        check_grid(plan, stream, seconds)
        check_slots(plan, stream, seconds)
    return plan


def _hash(desk: Desk, offers: Sequence[PlanOffer], period: Period, tables: Mapping[str, pa.Table]) -> str:
    digest = hashlib.sha256()
    digest.update(f"{period.start.isoformat()}/{period.end.isoformat()}".encode())
    for offer in offers:
        digest.update(canonical(offer).encode())
    for name in ("terms", "turns", "assignments", "lines", "grants"):
        digest.update(desk.digest(name, tables[name]))
    return digest.hexdigest()


def check_grid(plan: Plan, stream: str, seconds: int) -> None:
    """Refuse a plan whose prices change between two grid points of a stream.

    Raises:
        RatingError: ``grid_too_coarse``: names the instant and the grid that would do.
    """
    for at, what in _instants(plan, stream):
        behind = int(at.timestamp()) % seconds
        if behind:
            raise RatingError(
                f"{what} changes at {at:%Y-%m-%d %H:%M:%S}, which is not on the {seconds} s grid of '{stream}'.",
                where=stream,
                code="grid_too_coarse",
                cure=f"Aggregate '{stream}' on a grid of {gcd(seconds, behind)} s, or move the instant.",
            )


def check_slots(plan: Plan, stream: str, seconds: int) -> None:
    """Refuse records that are coarser than the slots of a percentile price.

    Raises:
        RatingError: ``grid_too_coarse``.
    """
    for row in plan.tables["bursts"].to_pylist():
        if row["meter"] == stream and row["slot_seconds"] % seconds:
            raise RatingError(
                f"A percentile price of '{stream}' has slots of {row['slot_seconds']} s, its records a "
                f"grid of {seconds} s.",
                where=stream,
                code="grid_too_coarse",
                cure=f"Aggregate '{stream}' on a grid of {row['slot_seconds']} s.",
            )


def _instants(plan: Plan, stream: str) -> list[tuple[datetime, str]]:
    components = plan.tables["components"].to_pylist()
    numbers = {row["comp_no"]: row["component_id"] for row in components if row["meter"] == stream}
    rates = {r["rate_no"]: r["comp_no"] for r in plan.tables["rates"].to_pylist() if r["comp_no"] in numbers}
    found: list[tuple[datetime, str]] = []
    for row in plan.tables["windows"].to_pylist():
        if row["rate_no"] in rates:
            name = f"The price '{numbers[rates[row['rate_no']]]}'"
            found += [(row["from_at"], name), (row["until_at"], name)]
    for row in plan.tables["lives"].to_pylist():
        if row["comp_no"] in numbers:
            found.append((row["from_at"], f"The counter of '{numbers[row['comp_no']]}'"))
    edges = {plan.period.start, plan.period.end}
    return [(_aware(at), name) for at, name in sorted(set(found)) if _aware(at) not in edges]


def _aware(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC)
