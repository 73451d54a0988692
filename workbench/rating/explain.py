"""A batch charge explained: the record found again, its price, and what its counter held before it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workbench.errors import RatingError
from workbench.model.plan import PlanComponent, PlanOffer, PlanRate
from workbench.rating.tables import Stream
from workbench.rating.use import columns, prepare_routes, use
from workbench.tariff.calendar import expand
from workbench.tariff.explain import Explanation, explain
from workbench.tariff.lookup import rate_at
from workbench.tariff.sql import run

if TYPE_CHECKING:
    from workbench.rating.batch import Rater


def explain_charge(
    rater: Rater,
    stream: str,
    records: str,
    line_no: int,
    device_key: int,
    window_start: datetime,
    dimensions: Mapping[str, object] | None = None,
) -> Explanation:
    """Explain the usage charge of one record.

    Args:
        rater: a rater of the plan that made the charge; it may be fresh.
        records: SQL of the stream's records of the whole period (a counter may have begun on its first day).
        window_start: of the record, UTC (naive as in the lake, or aware).
        dimensions: of the record, those that prices look at.

    Raises:
        RatingError: ``charge_unknown`` when there is no such record under that line; ``not_explained`` for charges
            that a close makes (percentiles, bundles, sponsors, folds).
    """
    plan = rater.tables.streams.get(stream)
    at = window_start.astimezone(UTC).replace(tzinfo=None) if window_start.tzinfo else window_start
    if plan is None:
        raise _unknown(stream, at)
    given = {name: (dimensions or {}).get(name) for name in plan.dims}
    own = " AND ".join(["r.device_key = $1", "r.window_start = $2", *(f"r.{name} IS NOT DISTINCT FROM ${place}"
                        for place, name in enumerate(given, 3))])  # fmt: skip
    found = run(
        rater.con,
        f"SELECT r.units, r.n_events FROM {records} r WHERE {own} ORDER BY ALL LIMIT 1",
        [device_key, at, *given.values()],
    )
    offer, component = _price(rater, line_no, device_key, at, stream)
    if not found or component is None or offer is None:
        raise _unknown(stream, at)
    if component.bundle or component.sponsored or component.bursts or component.shape:
        raise RatingError(
            f"The price '{component.id}' is decided over the whole period; single records carry no amount "
            "of their own.",
            where=stream,
            code="not_explained",
            cure="Explain its line instead.",
        )
    units, events = found[0]
    if component.fold == "count":
        units = events
    rate = _rate(rater, component, at, given)
    if component.linear:
        return explain(offer, component, rate, units, events=events)
    before, free, total = _counter(rater, plan, records, line_no, device_key, at, given)
    return explain(offer, component, rate, units, before=before, free_units=free, events=events,
                   total=total if rate.jumps else None)  # fmt: skip


def _price(
    rater: Rater, line_no: int, device_key: int, at: datetime, stream: str
) -> tuple[PlanOffer | None, PlanComponent | None]:
    """The compiled variant and component under which a device's use at that time went to that line."""
    s = rater.tables.schema
    rows = run(
        rater.con,
        f"SELECT a.offer_no, l.component_id FROM {s}.assignments a JOIN {s}.line_keys k ON k.account_no = a.account_no "
        f"AND k.offer_no = a.offer_no JOIN {s}.lines l ON l.line_no = k.line_no WHERE k.line_no = $1 "
        "AND a.device_key = $2 AND a.from_at <= $3 AND $3 < a.until_at LIMIT 1",
        [line_no, device_key, at],
    )
    for offer_no, component_id in rows:
        offer = rater.plan.offers[offer_no - 1]
        for component in offer.components:
            if component.id == component_id and component.meter == stream:
                return offer, component
    return None, None


def _rate(rater: Rater, component: PlanComponent, at: datetime, given: Mapping[str, object]) -> PlanRate:
    calendars = {calendar.id: calendar for calendar in rater.plan.catalogue.holidays}
    windows = {r.id: expand(r.windows, rater.plan.period, calendars) for r in component.rates if r.windows}
    index = rate_at(component, at.replace(tzinfo=UTC), given, windows)
    if index is None:
        raise _unknown(component.meter, at)
    return component.rates[index]


def _counter(
    rater: Rater,
    stream: Stream,
    records: str,
    line_no: int,
    device_key: int,
    at: datetime,
    given: Mapping[str, Any],
) -> tuple[int, int, int]:
    """What the record's counter held before it, its free units, and its total, in attribution order."""
    s = rater.tables.schema
    prepare_routes(rater.con, rater.tables, stream, records, rater.within)
    source = use(rater.tables, stream, records, rater.within)
    order = "u.window_start, u.device_key, u.line_no" + columns(stream.dims, "u.")
    own = "".join(f" AND x.{name} IS NOT DISTINCT FROM ${place}" for place, name in enumerate(given, 4))
    rows = run(
        rater.con,
        f"WITH u AS (SELECT * FROM {source}), me AS (SELECT DISTINCT account_no, holder, counter_no, "
        "life, rate_no FROM u x "
        f"WHERE x.line_no = $1 AND x.device_key = $2 AND x.window_start = $3{own}), "
        "mine AS (SELECT u.* FROM u JOIN me ON u.account_no = me.account_no AND u.holder = me.holder "
        "AND u.counter_no = me.counter_no AND u.life IS NOT DISTINCT FROM me.life), "
        f"ran AS (SELECT u.*, sum(u.measured) OVER (ORDER BY {order} ROWS UNBOUNDED PRECEDING) AS run, "
        "sum(u.measured) OVER () AS total FROM mine u) "
        "SELECT x.run - x.measured, coalesce(g.free_units, 0), x.total, x.alone, x.measured FROM ran x "
        f"JOIN {s}.rates r ON r.rate_no = x.rate_no LEFT JOIN {s}.grants g ON g.account_no = x.account_no "
        "AND g.holder = x.holder AND g.counter_no = x.counter_no AND g.version = r.version "
        f"WHERE x.line_no = $1 AND x.device_key = $2 AND x.window_start = $3{own} ORDER BY x.run LIMIT 1",
        [line_no, device_key, at, *given.values()],
    )
    if not rows:
        raise _unknown(stream.name, at)
    before, free, total, alone, measured = rows[0]
    return (0, 0, int(measured)) if alone else (int(before), int(free), int(total))


def _unknown(stream: str, at: datetime) -> RatingError:
    return RatingError(
        f"There is no charge of '{stream}' at {at} to explain.",
        where=stream,
        code="charge_unknown",
        cure="Look it up in the charges of the period.",
    )
