"""A batch charge explained: the record found again, its price, and what its counter held before it.

What only the whole period decides (percentiles, folds, rounding by day, bundles, sponsors, pools) is worked out once more
by a rater of its own, from the records of the whole period.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workbench.errors import RatingError
from workbench.model.plan import PlanComponent, PlanOffer, PlanRate
from workbench.rating import burst, fees, folded
from workbench.rating.tables import Stream
from workbench.rating.use import columns, prepare_routes, use
from workbench.tariff.calendar import expand
from workbench.tariff.explain import (
    Explanation,
    explain,
    explain_due,
    explain_nothing,
    explain_slots,
    with_due,
)
from workbench.tariff.lookup import rate_at
from workbench.tariff.sql import first, run

if TYPE_CHECKING:
    from workbench.rating.batch import Rater


def explain_charge(
    rater: Rater,
    stream: str,
    records: str,
    line_no: int,
    device_key: int | None,
    window_start: datetime,
    dimensions: Mapping[str, object] | None = None,
    others: Mapping[str, str] | None = None,
) -> Explanation:
    """Explain one usage charge: of a record, or the one that a close made of many.

    Args:
        rater: a rater of the plan that made the charge; it may be fresh, and is left as it is.
        records: SQL of the stream's records of the whole period (a counter may have begun on its first day).
        device_key: of the charge; ``None`` for a close's charge of a pool or group.
        window_start: of the record (or of the close's charge), UTC (naive as in the lake, or aware).
        dimensions: of the record, those that prices look at.
        others: records of the plan's other streams: what a bundle or a sponsor's budget covers is decided across meters.

    Raises:
        RatingError: ``charge_unknown`` when there is no such record or charge under that line.
    """
    plan = rater.tables.streams.get(stream)
    at = window_start.astimezone(UTC).replace(tzinfo=None) if window_start.tzinfo else window_start
    if plan is None:
        raise _unknown(stream, at)
    given = {name: (dimensions or {}).get(name) for name in plan.dims}
    due = [] if any(value is not None for value in given.values()) else _due(rater, line_no, device_key, at)
    try:
        found = _of_use(rater, stream, plan, records, line_no, device_key, at, given, others)
    except RatingError as error:
        if not due or error.code != "charge_unknown":
            raise
        offer, component = _price(rater, line_no, None, stream, at)
        if component is None or offer is None:
            raise
        return explain_due(offer, component, due)
    return with_due(found, due) if due else found


def _due(rater: Rater, line_no: int, device_key: int | None, at: datetime) -> list[int]:
    """The flat fees that a line owes without use, of a counter whose first covered day begins then."""
    rows = run(
        rater.con,
        f"SELECT amount FROM ({fees.at_zero(rater.tables.schema)}) d(line_no, device_key, since, units, amount, step) "
        "WHERE line_no = $1 AND device_key IS NOT DISTINCT FROM $2 AND since = $3 ORDER BY 1",
        [line_no, device_key, at],
    )
    return [int(amount) for (amount,) in rows]


def _of_use(
    rater: Rater,
    stream: str,
    plan: Stream,
    records: str,
    line_no: int,
    device_key: int | None,
    at: datetime,
    given: Mapping[str, object],
    others: Mapping[str, str] | None,
) -> Explanation:
    """The charge of a record, or of a close."""
    offer, component = _price(rater, line_no, device_key, stream, at)
    if component is None or offer is None:
        raise _unknown(stream, at)
    if component.bursts or component.closes:
        made = _at_close(
            rater, {**(others or {}), stream: records}, component, offer, line_no, device_key, at
        )
        if made is not None:
            return made
    if device_key is None:
        raise _unknown(stream, at)
    units, events = _record(rater, stream, records, device_key, at, given)
    if component.bursts or component.closes:
        return explain_nothing(offer, component, units, "its amount comes at close, with the whole period's")
    if component.fold == "count":
        units = events
    if not component.linear or component.shape or component.sponsored:
        return _counted(rater, stream, {**(others or {}), stream: records}, (offer, component), line_no, device_key,
                        at, given, units, events)  # fmt: skip
    return explain(offer, component, _rate(rater, component, at, given), units, events=events)


def _record(
    rater: Rater, stream: str, records: str, device_key: int, at: datetime, given: Mapping[str, object]
) -> tuple[int, int]:
    own = " AND ".join(["r.device_key = $1", "r.window_start = $2", *(f"r.{name} IS NOT DISTINCT FROM ${place}"
                        for place, name in enumerate(given, 3))])  # fmt: skip
    row = first(
        rater.con,
        f"SELECT r.units, r.n_events FROM {records} r WHERE {own} ORDER BY ALL LIMIT 1",
        [device_key, at, *given.values()],
    )
    if row is None:
        raise _unknown(stream, at)
    return int(row[0]), int(row[1])


def _counted(
    rater: Rater,
    stream: str,
    records: Mapping[str, str],
    price: tuple[PlanOffer, PlanComponent],
    line_no: int,
    device_key: int,
    at: datetime,
    given: Mapping[str, Any],
    units: int,
    events: int,
) -> Explanation:
    """A record of a counter: the period is rated once more where its share depends on more than its own counter."""
    offer, component = price
    kind = rater.tables.streams[
        stream
    ]  # also when it is another price of this meter that has a shape or a sponsor
    again = kind.shaped or kind.sponsored
    rate = _rate(rater, component, at, given)
    with _fresh(rater) as fresh:
        plan = fresh.tables.streams[stream]
        if again or rate.jumps:
            _observe(fresh, records)
        if again:
            fresh.rate(stream, records[stream])
        else:
            prepare_routes(fresh.con, fresh.tables, plan, records[stream], fresh.within)
        source = use(fresh.tables, plan, records[stream], fresh.within)
        if kind.shaped:
            source = f"{fresh.tables.schema}.use_{plan.number}"
        found = _counter(fresh, plan, source, line_no, device_key, at, given)
        if found is None:
            return explain_nothing(offer, component, units, "a sponsor pays for it, or nobody does")
        before, free, measured, total, alone = found
        shared = _member_part(fresh, plan, line_no, device_key) if component.shared else None
    if alone:
        before, free = 0, 0
    if shared is not None:
        part, used = shared
        own_before = (
            before if not component.by_excess else _own_before(rater, stream, records[stream], device_key, at)
        )
        return explain(offer, component, rate, units, before=own_before, measured=measured, free_units=free,
                       events=events, total=used, whole=part)  # fmt: skip
    return explain(offer, component, rate, units, before=before, measured=measured, free_units=free, events=events,
                   total=total if rate.jumps else None)  # fmt: skip


def _fresh(rater: Rater) -> Rater:
    from workbench.rating.batch import Rater as Again

    return Again(rater.con, rater.plan, rater.balances, rater.outages)


def _observe(rater: Rater, records: Mapping[str, str]) -> None:
    """Show a fresh rater the period's totals, of the meters of which some price wants them."""
    for name, source in records.items():
        if rater.plan.needs_totals(name):
            rater.observe(name, source)


def _member_part(rater: Rater, stream: Stream, line_no: int, device_key: int) -> tuple[int, int] | None:
    """What a pool's counter (by excess: the device's part of it) comes to, and the use it is shared by."""
    from workbench.rating import jumping

    jumping.totals(rater.con, rater.tables.schema, stream.number)
    s = rater.tables.schema
    row = first(
        rater.con,
        f"SELECT j.total, j.used FROM {s}.jumping_{stream.number} j JOIN {s}.priced_{stream.number} p ON "
        "p.account_no = j.account_no AND p.holder = j.holder WHERE p.line_no = $1 AND p.device_key = $2 "
        f"AND j.rate_no IN (SELECT price_no FROM {s}.rates r WHERE r.comp_no = p.comp_no) "
        "AND coalesce(j.share_device, $2) = $2 LIMIT 1",
        [line_no, device_key],
    )
    return (int(row[0]), int(row[1])) if row else None


def _own_before(rater: Rater, stream: str, records: str, device_key: int, at: datetime) -> int:
    """What a device itself used before: its part of a pool's overage is shared by its own use."""
    ((units,),) = run(
        rater.con,
        f"SELECT coalesce(sum(r.units), 0) FROM {records} r WHERE {rater.within} AND r.device_key = $1 "
        "AND r.window_start < $2",
        [device_key, at],
    )
    return int(units)


def _at_close(
    rater: Rater,
    records: Mapping[str, str],
    component: PlanComponent,
    offer: PlanOffer,
    line_no: int,
    device_key: int | None,
    at: datetime,
) -> Explanation | None:
    """The charge that a close made of a counter's values; ``None`` when the charge asked for is a record's."""
    with _fresh(rater) as fresh:
        s = fresh.tables.schema
        _observe(fresh, records)
        for meter in component.meters:
            if meter in records:
                fresh.rate(meter, records[meter])
        holder = device_key if component.scope == "device" else None
        if component.bursts:
            rows = run(
                fresh.con,
                f"{burst.ranked(fresh.tables, rater.outages)} SELECT r.slot, r.units, r.n, r.n * r.drop_numerator // "
                f"r.drop_denominator FROM ranked r WHERE r.line_no = $1 AND ($2 IS NULL OR r.holder = $2) "
                "AND r.from_at = $3 AND r.place <= r.n * r.drop_numerator // r.drop_denominator + 1 ORDER BY r.place",
                [line_no, holder, at],
            )
            if not rows or len(rows) <= rows[0][3]:
                return None
            slots = [(f"{slot:%Y-%m-%dT%H:%M:%SZ}", int(units)) for slot, units, _, _ in rows]
            return explain_slots(offer, component, component.rates[0], slots, int(rows[0][2]))
        row = first(
            fresh.con,
            f"SELECT v.units, coalesce(g.free_units, 0) FROM {folded.quantities(fresh.tables, fresh.plan.period)} v "
            f"JOIN {s}.rates r USING (rate_no) LEFT JOIN {s}.grants g ON g.account_no = v.account_no "
            "AND g.holder = v.holder AND g.counter_no = v.counter_no AND g.version = r.version "
            "WHERE v.line_no = $1 AND ($2 IS NULL OR v.holder = $2) AND coalesce(v.life, $3) = $3 "
            "AND coalesce(v.life, $4) = $3 LIMIT 1",
            [line_no, holder, at, fresh.plan.period.start.replace(tzinfo=None)],
        )
    if row is None or (component.scope == "device") != (device_key is not None):
        return None
    return explain(
        offer, component, component.rates[0], int(row[0]), free_units=int(row[1]), folded=component.fold
    )


def _price(
    rater: Rater, line_no: int, device_key: int | None, stream: str, at: datetime
) -> tuple[PlanOffer | None, PlanComponent | None]:
    """The compiled variant and component under which a device's use at that time went to that line."""
    s = rater.tables.schema
    rows = run(
        rater.con,
        f"SELECT a.offer_no, l.component_id FROM {s}.lines l JOIN {s}.offers o ON o.offer_id = l.offer_id "
        f"AND o.version = l.offer_version JOIN {s}.assignments a ON a.offer_no = o.offer_no WHERE l.line_no = $1 "
        "AND ($2 IS NULL OR (a.device_key = $2 AND a.from_at <= $3 AND $3 < a.until_at)) ORDER BY ALL LIMIT 1",
        [line_no, device_key, at],
    )
    for offer_no, component_id in rows:
        offer = rater.plan.offers[offer_no - 1]
        for component in offer.components:
            if component.id == component_id and stream in component.meters:
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
    source: str,
    line_no: int,
    device_key: int,
    at: datetime,
    given: Mapping[str, Any],
) -> tuple[int, int, int, int, bool] | None:
    """Of the record's counter, in attribution order: what it held before, its free units, how far the record moves it,
    its total, and whether the event is a counter of its own; ``None`` when the line has no such use.
    """
    s = rater.tables.schema
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
        "SELECT x.run - x.measured, coalesce(g.free_units, 0), x.measured, x.total, x.alone FROM ran x "
        f"JOIN {s}.rates r ON r.rate_no = x.rate_no LEFT JOIN {s}.grants g ON g.account_no = x.account_no "
        "AND g.holder = x.holder AND g.counter_no = x.counter_no AND g.version = r.version "
        f"WHERE x.line_no = $1 AND x.device_key = $2 AND x.window_start = $3{own} ORDER BY x.run LIMIT 1",
        [line_no, device_key, at, *given.values()],
    )
    if not rows:
        return None
    before, free, measured, total, alone = rows[0]
    return int(before), int(free), int(measured), int(measured if alone else total), bool(alone)


def _unknown(stream: str, at: datetime) -> RatingError:
    return RatingError(
        f"There is no charge of '{stream}' at {at} to explain.",
        where=stream,
        code="charge_unknown",
        cure="Look it up in the charges of the period.",
    )
