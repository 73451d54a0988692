"""Replay: what a catalogue makes of the traffic on the stage, by the production path, and the charges it leaves.

    world = replay(lake, catalogue, period)        # inside lake.writer(), on a branch

It calls what ``pipeline.rate`` calls: ``billing.plan_of``, ``billing.rate_period``, one commit. There is nothing here
that prices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import lcm

from workbench.billing import name_of, plan_of, rate_period, records_within
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.model.offer import Catalogue, Offer
from workbench.model.plan import Period
from workbench.tariff.plan import Plan

OF_PERIOD = ("charges", "uncharged", "lines")


@dataclass(frozen=True, slots=True)
class World:
    """A period under one catalogue, rated.

    Attributes:
        plan: what it was rated by. version: of the branch, to look at it again later. records: what was rated.
        segments: charges, uncharged and lines of the period, by kind.
    """

    plan: Plan
    version: int
    records: tuple[Segment, ...]
    segments: dict[str, tuple[Segment, ...]]

    @property
    def denominators(self) -> dict[str, int]:
        """By currency, the smallest denominator that every charge's price divides."""
        found: dict[str, int] = {}
        columns = (self.plan.lines["currency"].to_pylist(), self.plan.lines["price_denominator"].to_pylist())
        for currency, denominator in set(zip(*columns, strict=True)):
            found[currency] = lcm(found.get(currency, 1), int(denominator))
        return found

    def offer(self, offer_id: str, version: int) -> Offer:
        """An offer version of this world."""
        return next(o for o in self.plan.catalogue.offers if (o.id, o.version) == (offer_id, version))

    def charges(self, lake: Lake, whole_lines: bool = False) -> str:
        """SQL of the charges with their line: the columns of ``lines`` and ``charges``, dimensions left out.

        Args:
            whole_lines: one row per line and segment, without device, time and step.
        """
        columns = "line_no, device_key, window_start, units, amount, step"
        every = ""
        if whole_lines:
            columns, every = (
                "line_no, sum(units) AS units, sum(amount)::HUGEINT AS amount",
                " GROUP BY line_no",
            )
        parts = [
            f"SELECT {columns} FROM {lake.scan('charges', segments=[s])}{every}"
            for s in self.segments["charges"]
        ]
        charges = (
            " UNION ALL ".join(parts) or f"SELECT {columns} FROM {lake.scan('charges', segments=[])}{every}"
        )
        lines = lake.scan("lines", segments=self.segments["lines"])
        return (
            "(SELECT c.*, l.account_id, l.offer_id, l.offer_version, l.component_id, l.kind, l.meter, l.currency, "
            f"l.side, l.tax_rate_ppm, l.tax_inclusive, l.price_denominator::HUGEINT AS den FROM ({charges}) c "
            f"JOIN {lines} l USING (line_no))"
        )


def replay(
    lake: Lake,
    catalogue: Catalogue,
    period: Period,
    plan: Plan | None = None,
    progress: Callable[[int], None] | None = None,
) -> World:
    """Rate the period on the branch and commit what came out.

    Args:
        plan: compiled for this catalogue and the parties on the branch already; left out: compiled now.

    Raises:
        RatingError, AmountOverflow, CatalogueError, PartyError: it cannot be rated; the branch is as it was.
    """
    plan = plan or plan_of(lake, catalogue, period)
    done = rate_period(lake, plan, progress)
    if done.facts:
        run = {"stage": "rate", "period": done.name, "catalogue": catalogue.sha256}
        lake.commit(run, add=done.add, remove=done.remove, facts=done.facts)
    name = name_of(period)
    made = {kind: tuple(lake.segments(kind, period=name)) for kind in OF_PERIOD}
    return World(plan, lake.state.version, tuple(records_within(lake, period)), made)
