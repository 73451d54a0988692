"""Rating and settling one billing period of a lake: what is done again, what is kept, what is adjusted.

Charges of an open period are derived: they are replaced when their records or the plan change, and kept where neither
did. A closed period's charges are facts: events that came too late for it are rated in a second set beside them
(period name with ``#rerated``), and settlement bills the difference as an adjustment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from workbench.errors import RatingError
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.work import Progress
from workbench.model.offer import Catalogue
from workbench.model.plan import Period
from workbench.rating import node
from workbench.rating.batch import Rater
from workbench.rating.carry import counted_over, credits_from, credits_table, stock_from, stock_table
from workbench.rating.wallet import Balance
from workbench.settlement import adjust, close
from workbench.settlement.holds import Hold, waiting
from workbench.settlement.work import rated_of
from workbench.tariff.desk import Desk
from workbench.tariff.plan import Plan, compile_plan
from workbench.tariff.restore import rows

RERATED = "#rerated"
_RATED = ("charges", "uncharged")
_MADE = ("charges", "uncharged", "lines", "catalog", "stock", "credits")
_PARTIES = ("accounts", "subscriptions", "devices_info", "devices")
_TOTALS = {"amount": "sum(amount)", "units": "sum(units)"}


@dataclass(slots=True)
class RatedPeriod:
    """What rating a period changed.

    Attributes:
        add, remove: segments for one commit; both empty when the charges were up to date.
        facts: what the charges were made from, for the same commit.
        charges, uncharged: rows in force now.
        rated: partitions rated in this run; kept: partitions whose charges still held.
    """

    name: str
    add: list[Segment] = field(default_factory=list)
    remove: list[Segment] = field(default_factory=list)
    facts: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    charges: int = 0
    uncharged: int = 0
    rated: int = 0
    kept: int = 0

    @property
    def closed(self) -> str:
        """The period's own name where this is the second rating of a closed one, else nothing."""
        return self.name.removesuffix(RERATED) if self.name.endswith(RERATED) else ""


def name_of(period: Period) -> str:
    """A period's name in the lake: ``start/end``, as dates where both are midnights, UTC."""
    midnights = all(
        (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0) for at in (period.start, period.end)
    )
    form = "%Y-%m-%d" if midnights else "%Y-%m-%dT%H%M%S"
    return f"{period.start:{form}}/{period.end:{form}}"


def plan_of(
    lake: Lake,
    catalogue: Catalogue,
    period: Period,
    billing: Period | None = None,
    desk: Desk | None = None,
) -> Plan:
    """The catalogue and the lake's own parties, compiled for a period, on the grids its records have.

    Args:
        desk: on a cursor of the lake's connection, when several catalogues are compiled for the same parties.
    """
    grids = {segment.stream: int(segment.meta["grid_seconds"]) for segment in lake.segments("records")}
    return compile_plan(
        catalogue,
        {kind: lake.scan(kind) for kind in _PARTIES},
        period,
        con=lake.con,
        billing=billing,
        tenant=lake.tenant,
        grids=grids,
        stock=stock_from(_handed_over(lake, "stock", period)),
        held=counted_over(credits_before(lake, period)),
        desk=desk,
    )


def _handed_over(lake: Lake, kind: str, period: Period) -> pa.Table:
    """What the period that ended where this one begins left behind (``stock``, ``credits``); its last rating counts."""
    begins = name_of(Period(period.start, period.start)).partition("/")[0]
    before = [
        segment
        for segment in lake.segments(kind)
        if segment.period.removesuffix(RERATED).partition("/")[2] == begins
    ]
    last = [segment for segment in before if segment.period.endswith(RERATED)] or before
    return lake.con.sql(f"SELECT * FROM {lake.scan(kind, segments=last)}").to_arrow_table()


def credits_before(lake: Lake, period: Period) -> dict[tuple[str, str], list[Balance]]:
    """The credits with which a period begins, per (account id, offer id)."""
    return credits_from(_handed_over(lake, "credits", period))


def rate_period(lake: Lake, plan: Plan, progress: Progress | None = None) -> RatedPeriod:
    """Bring a period's charges up to date with its records.

    Args:
        progress: told the number of records after each partition.

    Returns: segments and facts for one ``lake.commit``.

    Raises:
        RatingError, AmountOverflow: a record cannot be priced; nothing becomes visible.
    """
    name = name_of(plan.period)
    records = records_within(lake, plan.period)
    made_from = {"plan": plan.sha256, "records": ",".join(sorted(segment.id for segment in records))}
    if online := node.mark(lake, plan.period):
        made_from["online"] = online
    if name in lake.facts("close") and lake.facts("rated").get(name) != made_from:
        name += RERATED
    done = RatedPeriod(name)
    held = {kind: lake.segments(kind, period=name) for kind in _MADE}
    closed = {kind: lake.segments(kind, period=done.closed) for kind in _RATED} if done.closed else {}
    if lake.facts("rated").get(name) == made_from and held["lines"]:
        done.charges, done.uncharged = (sum(s.rows for s in held[kind]) for kind in ("charges", "uncharged"))
        return done
    streams = {segment.stream: [s for s in records if s.stream == segment.stream] for segment in records}
    for stream, of_stream in sorted(streams.items()):
        _hold_dimensions(lake, plan, stream, of_stream)
    with Rater(lake.con, plan, credits_before(lake, plan.period)) as rater:
        for stream, of_stream in sorted(streams.items()):
            if plan.needs_totals(stream):
                rater.observe(stream, lake.scan("records", segments=of_stream))
        for stream, of_stream in sorted(streams.items()):
            _rate_stream(lake, rater, stream, of_stream, (held, closed), done, progress)
        order = ("line_no", "device_key", "window_start")
        done.add.append(
            lake.write(
                "charges",
                rater.recurring(),
                period=name,
                order_by=order,
                controls=_TOTALS,
                meta={"plan": plan.sha256},
            )
        )
        if online:
            done.add.append(_online(lake, plan, name))
        done.add += _closing(lake, rater, done)
    done.add.append(lake.write("lines", plan.lines, period=name, order_by=("line_no",)))
    # The prices stay with the charges they made, so that anyone can rate them again (I28).
    done.add.append(
        lake.write("catalog", rows(plan.catalogue), period=name, order_by=("offer_id", "version"))
    )
    kept = {segment.id for segment in done.add}
    done.remove = [segment for segments in held.values() for segment in segments if segment.id not in kept]
    done.facts = {"rated": {name: made_from}}
    done.charges, done.uncharged = (
        sum(segment.rows for segment in done.add if segment.kind == kind) for kind in ("charges", "uncharged")
    )
    present = set(lake.state.segments)
    done.add = [segment for segment in done.add if segment.id not in present]
    return done


def _hold_dimensions(lake: Lake, plan: Plan, stream: str, records: Sequence[Segment]) -> None:
    """Refuse records that were not kept apart by what their prices look at; no price could be told from another.

    Raises:
        RatingError: ``dimension_not_kept``.
    """
    if not (wanted := plan.dimensions(stream)):
        return
    kept = lake.con.sql(f"SELECT * FROM {lake.scan('records', segments=records)} LIMIT 0").columns
    if missing := [name for name in wanted if name not in kept]:
        raise RatingError(
            f"A price of '{stream}' looks at {', '.join(missing)}, by which its usage records are not kept apart.",
            where=stream,
            cure=f"Say `dimensions: [{', '.join(wanted)}]` in a policy file, and bring the usage into a new lake with "
            "`workbench ingest FILE --policy POLICY`.",
            code="dimension_not_kept",
        )


def _online(lake: Lake, plan: Plan, name: str) -> Segment:
    """What a charging node charged in the period, on the plan's lines: it is billed with everything else."""
    with lake.con.cursor() as con:
        con.register("plan_lines_of_node", plan.lines)
        table = con.sql(node.charges(lake, plan.period, "plan_lines_of_node")).to_arrow_table()
    order = ("line_no", "device_key", "window_start")
    where: dict[str, Any] = {"partition": "node", "period": name, "meta": {"plan": plan.sha256}}
    return lake.write("charges", table, order_by=order, controls=_TOTALS, **where)


def _closing(lake: Lake, rater: Rater, done: RatedPeriod) -> list[Segment]:
    """True-ups and adjustments of all charges written so far, and what the next period begins with."""
    made = [segment for segment in done.add if segment.kind == "charges"]
    meta = {"plan": rater.plan.sha256}
    order = ("line_no", "device_key", "window_start")
    # A partition of its own: beside the fees of a period without either, both files would be called the same.
    found = []
    if rater.adjusts:
        query = rater.closing(lake.scan("charges", segments=made))
        where: dict[str, Any] = {"partition": "close", "period": done.name, "meta": meta}
        found.append(lake.write("charges", query, order_by=order, controls=_TOTALS, **where))
    handed = {"stock": stock_table(rater.stock()), "credits": credits_table(rater.balances)}
    for kind, table in handed.items():
        if table.num_rows:
            found.append(lake.write(kind, table, period=done.name, meta=meta))
    return found


def _rate_stream(
    lake: Lake,
    rater: Rater,
    stream: str,
    records: Sequence[Segment],
    before: Sequence[dict[str, list[Segment]]],
    done: RatedPeriod,
    progress: Progress | None,
) -> None:
    """One stream's partitions in time order; without counters, unchanged partitions keep their charges.

    Args:
        before: what was rated for this name before, and what was rated when the period was closed.
    """
    plan = rater.plan
    apart = plan.order_free(stream)
    for segment in records:
        still = [_still_true(held, plan, segment) for held in before if apart]
        old = next(filter(None, still), [])
        if old:
            done.add += [s if s.period == done.name else lake.share(s, period=done.name) for s in old]
            done.kept += 1
        else:
            done.add += _rate_partition(lake, rater, stream, segment, done.name)
            done.rated += 1
        if progress:
            progress(segment.rows)


def _still_true(held: dict[str, list[Segment]], plan: Plan, records: Segment) -> list[Segment]:
    """What was made of a records segment before, when all of it still holds; else nothing."""
    old = [s for kind in _RATED for s in held.get(kind, ())
           if s.stream == records.stream and s.partition == records.partition]  # fmt: skip
    same = all(s.meta.get("plan") == plan.sha256 and s.parents == (records.id,) for s in old)
    return old if same else []


def _rate_partition(lake: Lake, rater: Rater, stream: str, records: Segment, name: str) -> list[Segment]:
    rated = rater.rate(stream, lake.scan("records", segments=[records]))
    where: dict[str, Any] = {
        "stream": stream,
        "partition": records.partition,
        "period": name,
        "parents": (records,),
    }
    meta = {"plan": rater.plan.sha256}
    charges = lake.write("charges", rated.charges, order_by=rated.order, controls=_TOTALS, meta=meta, **where)
    order = ("device_key", "window_start", "reason", "units")
    uncharged = lake.write("uncharged", rated.uncharged, order_by=order, meta=meta, **where)
    return [charges, *([uncharged] if uncharged.rows else [])]


def records_within(lake: Lake, period: Period) -> list[Segment]:
    """Records segments whose partition overlaps the period, by stream and time."""
    return [
        s
        for s in lake.segments("records")
        if bounds(s)[0] < _naive(period.end) and bounds(s)[1] > _naive(period.start)
    ]


def bounds(segment: Segment) -> tuple[datetime, datetime]:
    """When a partition (``2026-03``, ``2026-03-02`` or ``2026-03-02T13``) begins and ends, UTC without a zone."""
    if len(segment.partition) == len("2026-03"):
        start = datetime.fromisoformat(segment.partition + "-01")
        return start, start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    start = datetime.fromisoformat(segment.partition)
    return start, start + timedelta(hours=24 if len(segment.partition) == 10 else 1)


def _naive(at: datetime) -> datetime:
    return at.replace(tzinfo=None)


def settle_period(
    lake: Lake,
    plan: Plan,
    now: datetime,
    checks: Sequence[close.Check] = (),
    holds: Sequence[Hold] | None = None,
) -> close.CloseResult | adjust.AdjustResult:
    """Close a rated period; or, when it is closed, bill what came since: late usage, and held lines whose case was decided.

    Args:
        holds: what is held at this moment; None where nobody asked: then what a close held stays held.

    Raises:
        SettlementError: a check failed, or there is nothing to close.
    """
    name = name_of(plan.period)
    result = close.close(lake, plan, name, now, checks, holds=holds or ())
    if not result.already_closed:
        return result
    still = {hold.case_id for hold in holds or ()}
    release = {hold.case_id for hold in waiting(lake, name)} - still if holds is not None else set()
    again = name + RERATED if lake.segments("lines", period=name + RERATED) else name
    if again == name and not release:
        return result
    return adjust.adjust(lake, plan, name, rated_of(lake, again), now, release=release)
