"""What a board remembers of a period: the use in every counter by device, fees in units of their amount, and members.

Read once from the records, by the relations that rating itself makes of a plan (``rating.tables``, ``rating.use``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.rating.batch import Rater
from workbench.rating.use import held, prepare_routes
from workbench.tariff.plan import Plan
from workbench.tariff.tables import naive

CounterKey = tuple[int, int, int, Any]
"""Account number, holder, counter number, start of its life."""


@dataclass(frozen=True, slots=True)
class Counter:
    """One counter over the whole period under one rate.

    Attributes:
        place: (offer, component, rate) as positions in ``Plan.offers``.
        account: who pays. key: with its number, names the counter among the plan's grants.
        units, events: of each device that brought some in.
    """

    place: tuple[int, int, int]
    account: str
    key: CounterKey
    units: tuple[int, ...]
    events: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fees:
    """What an account was charged for one fee: ``amount`` over the line's denominator."""

    place: tuple[int, int]
    account: str
    amount: int


@dataclass(frozen=True, slots=True)
class Held:
    """Everything a board knows.

    Attributes:
        left_over: counter key and version -> free units from earlier periods.
        members: (offer position, account number, holder) -> (covered days, days of the period) of each member.
    """

    offers: tuple[Any, ...]
    counters: tuple[Counter, ...]
    left_over: dict[tuple[int, int, int, int], int]
    fees: tuple[Fees, ...] = ()
    members: dict[tuple[int, int, int], tuple[tuple[int, int], ...]] = field(default_factory=dict)


def held_totals(lake: Lake, plan: Plan, records: Sequence[Segment]) -> Held:
    """The counters of a plan after all records."""
    accounts = {row["account_no"]: row["account_id"] for row in plan.tables["accounts"].to_pylist()}
    places = _places(plan)
    found: list[Counter] = []
    within = f"r.window_start >= TIMESTAMP '{naive(plan.period.start)}' AND r.window_start < TIMESTAMP '{naive(plan.period.end)}'"
    with Rater(lake.con, plan) as rater:
        for stream in sorted({segment.stream for segment in records}):
            of_stream = rater.tables.streams.get(stream)
            if of_stream is None:
                continue
            scan = lake.scan("records", segments=[s for s in records if s.stream == stream])
            prepare_routes(lake.con, rater.tables, of_stream, scan, within)
            rows = lake.con.execute(
                "SELECT rate_no, account_no, holder, counter_no, life, list(units ORDER BY device_key), "
                f"list(events ORDER BY device_key) FROM ({held(rater.tables, of_stream, scan, within)}) GROUP BY ALL ORDER BY ALL"
            ).fetchall()
            for rate_no, account_no, holder, counter_no, life, units, events in rows:
                key = (account_no, holder, counter_no, life)
                found.append(Counter(places[rate_no], accounts[account_no], key, tuple(units), tuple(events)))
    grants = plan.tables["grants"].to_pylist()
    left = {
        (row["account_no"], row["holder"], row["counter_no"], row["version"]): row["free_units"]
        - row["own_units"]
        for row in grants
    }
    return Held(plan.offers, tuple(found), left)


def _places(plan: Plan) -> dict[int, tuple[int, int, int]]:
    """Rate number to positions; the compiler numbers rates in that order."""
    found = {}
    number = 0
    for offer_at, offer in enumerate(plan.offers):
        for part_at, part in enumerate(offer.components):
            for rate_at in range(len(part.rates)):
                number += 1
                found[number] = (offer_at, part_at, rate_at)
    return found


def fee_totals(lake: Lake, plan: Plan) -> tuple[Fees, ...]:
    """What each account owes of each fee of each variant."""
    accounts = {row["account_no"]: row["account_id"] for row in plan.tables["accounts"].to_pylist()}
    parts = {
        (number, fee.id): at
        for number, offer in enumerate(plan.offers, 1)
        for at, fee in enumerate(offer.fees)
    }
    lines: dict[int, list[tuple[int, int, str]]] = {}
    for row in plan.tables["line_keys"].to_pylist():
        if row["kind"] != "usage" and (row["offer_no"], row["part_id"]) in parts:
            lines.setdefault(row["line_no"], []).append((row["offer_no"], row["account_no"], row["part_id"]))
    with Rater(lake.con, plan) as rater:
        rows = lake.con.execute(
            f"SELECT line_no, sum(amount)::HUGEINT FROM ({rater.recurring()}) GROUP BY 1 ORDER BY 1"
        ).fetchall()
    found = []
    for line_no, amount in rows:
        for offer_no, account_no, part in lines.get(line_no, [])[:1]:
            found.append(Fees((offer_no - 1, parts[offer_no, part]), accounts[account_no], int(amount)))
    return tuple(found)


def members(lake: Lake, plan: Plan) -> dict[tuple[int, int, int], tuple[tuple[int, int], ...]]:
    """Who brings free units into a counter: covered days of each device while its SIM is test or active."""
    with Rater(lake.con, plan) as rater:
        s = rater.tables.schema
        rows = lake.con.execute(
            "SELECT a.offer_no, a.account_no, CASE o.scope WHEN 'device' THEN a.device_key WHEN 'sim_group' THEN "
            "a.group_no ELSE 0 END AS holder, a.device_key, count(DISTINCT d.day_no), max(d.days) "
            f"FROM {s}.assignments a JOIN (SELECT DISTINCT offer_no, scope FROM {s}.components) o USING (offer_no) "
            f"JOIN {s}.offers f USING (offer_no) JOIN {s}.days d ON d.zone = f.zone AND a.from_at < d.day_end "
            "AND d.day_end <= a.until_at WHERE a.sim_state IN ('test', 'active') GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    found: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
    for offer_no, account_no, holder, _, covered, days in rows:
        found.setdefault((offer_no - 1, account_no, holder), []).append((covered, days))
    return {key: tuple(value) for key, value in found.items()}
