"""Batch rating: the charges of one partition of records as one query.

    rater = Rater(con, plan)
    for stream in plan.streams:
        if plan.needs_totals(stream):                # volume, stair-step: final only once the whole period is known
            rater.observe(stream, all_records_sql)
        for partition, records_sql in ...:           # in time order, unless plan.order_free(stream)
            rated = rater.rate(stream, records_sql)
            lake.write("charges", rated.charges, ...); lake.write("uncharged", rated.uncharged, ...)
    lake.write("charges", rater.recurring(), ...)
    lake.write("charges", rater.closing(all_charges_written_so_far), ...)
    lake.write("lines", plan.lines, ...)
    rater.close()

Linear prices (per unit, percentage, time of use, matrix) join and multiply. Other prices need what a counter had
before: three levels keep that cheap. A counter that stays on one step for the whole partition is linear there; else
its windows are looked at; and only in the few windows that hold a tier boundary are single records told apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from workbench.errors import AmountOverflow, RatingError
from workbench.lake.engine import EngineOverflow
from workbench.model.plan import Stock
from workbench.rating import (
    burst,
    closing,
    counted,
    fees,
    folded,
    jumping,
    ordered,
    rollover,
    shaped,
    stretches,
    uncharged,
)
from workbench.rating.tables import PlanTables, Stream
from workbench.rating.use import linear_charges, prepare_routes, prepare_sponsors, use, zero_charges
from workbench.rating.wallet import Balance
from workbench.tariff.plan import Plan
from workbench.tariff.sql import first
from workbench.tariff.tables import naive

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Rated:
    """SQL of one partition's results. Run them before the next call of ``rate`` for a stream with counters.

    charges: line_no INTEGER, device_key BIGINT, window_start TIMESTAMP, units BIGINT, amount BIGINT, step SMALLINT, and
        the dimensions that prices of the stream look at. Not ordered: write with ``order_by=order``.
    uncharged: stream VARCHAR, device_key BIGINT, window_start TIMESTAMP, units BIGINT, reason VARCHAR: the records no
        sell price charged, each once (reasons: see ``uncharged.py``).
    """

    charges: str
    uncharged: str
    order: tuple[str, ...]


class Rater:
    """A plan at work on one connection.

    Attributes:
        within: SQL that holds for the records of the period.

    Args:
        con: where records can be read; the plan's tables live there in a schema of their own until ``close``.
        balances: credits left from the period before, per (account id, offer id).
        outages: known collection outages, whose slots percentile prices do not count.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        plan: Plan,
        balances: Mapping[tuple[str, str], list[Balance]] | None = None,
        outages: burst.Outages = (),
    ) -> None:
        self.outages = tuple(outages)
        self.con, self.plan = con, plan
        self.tables = PlanTables(con, plan)
        self.within = (
            f"r.window_start >= TIMESTAMP '{naive(plan.period.start)}' "
            f"AND r.window_start < TIMESTAMP '{naive(plan.period.end)}'"
        )
        self.balances = dict(balances or {})
        self._seen: dict[str, object] = {}
        self._observed: set[str] = set()
        self._decided = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop the plan's tables."""
        self.tables.drop()

    def observe(self, stream: str, records: str) -> None:
        """Let prices that jump see the use of (a part of) the period before ``rate`` shares it out.

        Args:
            records: SQL of a relation shaped like the lake's kind ``records``; each record once.
        """
        plan = self.tables.streams.get(stream)
        self._observed.add(stream)
        if plan is not None and "counted" in plan.kinds:
            prepare_routes(self.con, self.tables, plan, records, self.within)
            if plan.sponsored:
                prepare_sponsors(self.con, self.tables, plan, records, self.within)
            if plan.bundled or plan.sponsored:
                ordered.observe(self.con, self.tables, plan, records, self.within)
            rounded = dataclasses.replace(
                plan, shaped=plan.rounds_members
            )  # what else is shaped does not jump
            jumping.observe(self.con, self.tables, rounded, use(self.tables, rounded, records, self.within))

    def rate(self, stream: str, records: str) -> Rated:
        """The charges of some records of one stream.

        Args:
            records: SQL of a relation shaped like the lake's kind ``records`` (a table name, ``read_parquet(...)`` or a
                query in parentheses). Records outside the plan's period are passed over.

        Raises:
            RatingError: ``out_of_order`` when a stream with counters is given an earlier partition after a later one;
                ``totals_missing`` when ``observe`` was needed; ``grid_too_coarse`` when a price needs single events.
            AmountOverflow: a charge does not fit 64 bits.
        """
        plan = self.tables.streams.get(stream)
        if plan is None:
            return Rated(
                uncharged.no_charges(),
                uncharged.everything(self.tables, stream, records, self.within),
                _order(()),
            )
        self._check(plan, records)
        prepare_routes(self.con, self.tables, plan, records, self.within)
        if plan.sponsored:
            prepare_sponsors(self.con, self.tables, plan, records, self.within)
        if not self._decided:
            self._decided = True
            ordered.decide(self.con, self.tables, self.plan.offers)
        parts = linear_charges(self.tables, plan, records, self.within)
        if "counted" in plan.kinds:
            try:
                parts += self._counted(plan, records)
            except EngineOverflow as error:
                raise overflow(stream, error) from None
        if plan.sponsored:
            parts.append(zero_charges(self.tables, plan, records, self.within))
        if "folded" in plan.kinds:
            parts += folded.collect(self.con, self.tables, plan, records, self.within)
        if "bursts" in plan.kinds:
            parts += burst.collect(self.con, self.tables, plan, records, self.within)
        charges = " UNION ALL ".join(parts) if parts else uncharged.no_charges(plan.dims)
        return Rated(charges, uncharged.of_stream(self.tables, plan, records, self.within), _order(plan.dims))

    def _counted(self, stream: Stream, records: str) -> list[str]:
        """The queries of the charges of prices with a counter."""
        if stream.plain:
            return stretches.charges(self.con, self.tables, stream, records, self.within)
        mixed = first(self.con, f"SELECT 1 FROM {self.tables.schema}.mixed LIMIT 1") is not None
        if mixed:
            jumping.check_members(self.con, self.tables, stream.name)
        source = use(self.tables, stream, records, self.within, mixed=mixed)
        if stream.shaped:
            source = shaped.measure(self.con, self.tables, stream, source)
        return counted.charges(self.con, self.tables, stream, source)

    def steady(self, stream: str) -> bool:
        """Whether each counter of a stream's prices only ever adds up, so that ``more`` may charge what came late."""
        parts = [c for offer in self.plan.offers for c in offer.components if stream in c.meters]
        return not self.plan.needs_totals(stream) and not any(
            c.shape or c.bursts or c.closes or c.sponsored for c in parts
        )

    def more(self, stream: str, records: str) -> Rated:
        """The charges of further use of a ``steady`` stream, in whatever order it comes.

        A charge is ``C(before + units) - C(before)``, so the sum of all charges of a counter is the same in any order;
        how the sum is divided over records and steps is not. Good for balances, not for the lake.

        Args:
            records: as for ``rate``; a record may come several times, each time with the units that came since.
        """
        assert self.steady(stream), f"{stream} is not steady"
        self._seen.pop(stream, None)
        return self.rate(stream, records)

    def recurring(self) -> str:
        """SQL of the charges that no single record makes, shaped like ``Rated.charges`` without dimensions: recurring
        and one-off fees, flat fees due without use, and percentile prices. Call it when all records were rated.

        A fee per day has a row per device and day; a fee per period one row, at the first day covered, whose units are
        the days. Fees per account have no device. Write with ``order_by=("line_no", "device_key", "window_start")``.
        """
        parts = [fees.charges(self.tables)]
        if any("bursts" in stream.kinds for stream in self.tables.streams.values()):
            parts.append(burst.charges(self.tables, self.outages))
        if any("folded" in stream.kinds for stream in self.tables.streams.values()):
            folded.check(self.con, self.tables)
            parts.append(folded.charges(self.tables, self.plan.period))
        return " UNION ALL ".join(f"SELECT * FROM ({part})" for part in parts)

    @property
    def adjusts(self) -> bool:
        """Whether some offer in force has adjustments that ``closing`` works out."""
        credited = {offer.id for offer in self.plan.catalogue.offers if offer.credits}
        return any(offer.adjustments or offer.offer_id in credited for offer in self.plan.offers)

    def closing(self, charges: str) -> str:
        """SQL of the true-ups and adjustments of the period: fixed discounts, maximum, commitment, promotional credits.

        Call it once, last, when all other charges are known; ``balances`` then holds what is left of the credits.

        Args:
            charges: SQL of a relation with every charge of ``rate`` and ``recurring`` (line_no, device_key,
                window_start, amount).
        """
        found, self.balances = closing.closing(self.con, self.tables, self.plan, charges, self.balances)
        self.con.register(f"closing_{self.tables.schema}", found)
        return f"SELECT * FROM closing_{self.tables.schema}"

    def stock(self) -> list[Stock]:
        """Free units that live on, for the next ``compile_plan(stock=...)``; when all records were rated."""
        return rollover.remaining(self.con, self.tables, self.plan)

    def _check(self, stream: Stream, records: str) -> None:
        if not stream.ordered and not stream.bounded:
            return
        events = "coalesce(max(n_events), 0)" if stream.bounded else "0"
        row = first(
            self.con,
            f"SELECT min(window_start), max(window_start), {events} FROM {records} r WHERE {self.within}",
        )
        assert row is not None  # sums over no rows are a row, too
        begins, ends, most = row
        if most > 1:
            raise RatingError(
                f"A price on '{stream.name}' looks at single events, but a record holds {most} events.",
                where=stream.name,
                code="grid_too_coarse",
                cure="Aggregate this stream with the grid `event`.",
            )
        if not stream.ordered or begins is None:
            return
        if stream.name in self._seen and begins <= self._seen[stream.name]:
            raise RatingError(
                f"Records of '{stream.name}' from {begins} came after those of {self._seen[stream.name]}.",
                where=stream.name,
                code="out_of_order",
                cure="Rate the partitions of a stream with counters in time order.",
            )
        self._seen[stream.name] = ends
        if self.plan.needs_totals(stream.name) and stream.name not in self._observed:
            raise RatingError(
                f"A price on '{stream.name}' depends on the period's total, which is not known.",
                where=stream.name,
                code="totals_missing",
                cure="Call `observe` with the period's records first.",
            )


def _order(dims: tuple[str, ...]) -> tuple[str, ...]:
    return ("line_no", "device_key", "window_start", "step", *dims)


def overflow(stream: str, error: Exception) -> AmountOverflow:
    """DuckDB's refusal to wrap an integer, as ours."""
    return AmountOverflow(
        f"A charge on '{stream}' does not fit 64 bits.",
        where=stream,
        cure=f"Use fewer digits in the price, or smaller records. ({str(error).splitlines()[0][:120]})",
    )
