"""A plan's tables inside DuckDB, shaped for one stream at a time.

Every name in SQL here is the program's own: a numbered schema, numbered tables, and dimension columns that were
checked against ``[a-z][a-z0-9_]*`` when the catalogue was read. Catalogue text is only ever joined as data.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import RatingError
from workbench.model.plan import PlanComponent
from workbench.tariff.fields import NAME
from workbench.tariff.plan import Plan
from workbench.tariff.sql import first, run

if TYPE_CHECKING:
    import duckdb

FEW_STEPS = 8
KINDS = ("simple", "routed", "counted", "bursts", "folded")
_NUMBERS = itertools.count()
_PLAN = (
    "offers",
    "components",
    "rates",
    "steps",
    "matches",
    "windows",
    "lives",
    "buckets",
    "bursts",
    "heard",
    "assignments",
    "formerly",
    "line_keys",
    "lines",
    "fees",
    "fee_days",
    "days",
    "terms",
    "turns",
    "grants",
    "members",
    "accounts",
    "bundles",
    "credits",
    "sponsors",
    "sponsor_matches",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stream:
    """What the plan does with one stream.

    Attributes:
        number: its place among the plan's streams; table names end in it.
        dims: dimensions that prices look at, in a fixed order.
        timed: some rate has time windows.
        kinds: which of the three ways of charging occur: ``simple`` (linear, one rate), ``routed`` (linear, several
            rates), ``counted`` (needs counters), ``bursts`` (a percentile of its slots), ``folded`` (an average or
            percentile of its values).
        sponsored: somebody else may pay for some use. bundled: some use is paid with credits of a bundle.
        shaped: some price counts not units but the difference they make (see ``shaped.py``).
        bounded: some price looks at single events (a floor, a cap, the scope event): a record must be one event.
        jumps: some price depends on units already charged (volume, stair-step).
        rounds_members: some such price rounds each member of a pool or group before it adds them up.
        plain: every price with a counter has one row and a counter of the whole period (see ``stretches.py``).
        pooled: no counter is a single device's.
        counts: some price counts events instead of units. few_steps: no rate has more than ``FEW_STEPS``.
    """

    number: int
    name: str
    dims: tuple[str, ...]
    timed: bool
    kinds: frozenset[str]
    bounded: bool
    shaped: bool
    sponsored: bool
    bundled: bool
    jumps: bool
    rounds_members: bool
    plain: bool
    pooled: bool
    counts: bool
    few_steps: bool

    @property
    def ordered(self) -> bool:
        """Whether its partitions must be rated in the order of time."""
        return "counted" in self.kinds or "folded" in self.kinds


class PlanTables:
    """The tables, and what each stream needs of them. Dropped with ``drop``."""

    def __init__(self, con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
        self.con = con
        self.schema = f"rater_{next(_NUMBERS)}"
        run(con, f"CREATE SCHEMA {self.schema}")
        for name in _PLAN:
            con.register("rater_in", plan.tables[name])
            run(con, f"CREATE TABLE {self.schema}.{name} AS SELECT * FROM rater_in")
            con.unregister("rater_in")
        run(
            con,
            f"CREATE OR REPLACE TABLE {self.schema}.steps AS SELECT *, lead(from_units) OVER (PARTITION BY rate_no "
            f"ORDER BY from_units) AS until_units FROM {self.schema}.steps",
        )
        run(
            con,
            f"CREATE TABLE {self.schema}.counters (account_no INTEGER, holder BIGINT, counter_no INTEGER, "
            "life TIMESTAMP, used BIGINT)",
        )
        run(
            con,
            f"CREATE TABLE {self.schema}.passed AS SELECT *, NULL::BIGINT AS share_device FROM {self.schema}.counters",
        )
        run(
            con,
            f"CREATE TABLE {self.schema}.totals (account_no INTEGER, holder BIGINT, counter_no INTEGER, "
            "life TIMESTAMP, "
            "rate_no INTEGER, device_key BIGINT, rounded_device BIGINT, used BIGINT)",
        )
        run(
            con,
            f"CREATE TABLE {self.schema}.beside AS SELECT * EXCLUDE (device_key, rounded_device, used) FROM "
            f"{self.schema}.totals; CREATE VIEW {self.schema}.mixed AS SELECT account_no, holder, counter_no, life FROM "
            f"(FROM {self.schema}.totals UNION ALL BY NAME FROM {self.schema}.beside) "
            "GROUP BY ALL HAVING min(rate_no) < max(rate_no)",
        )
        run(
            con,
            f"CREATE TABLE {self.schema}.slots (account_no INTEGER, holder BIGINT, comp_no INTEGER, line_no INTEGER, "
            "slot TIMESTAMP, outward BOOLEAN, units HUGEINT)",
        )
        run(
            con,
            f"CREATE TABLE {self.schema}.marks (account_no INTEGER, holder BIGINT, counter_no INTEGER, life TIMESTAMP, "
            "bucket TIMESTAMP, bucket_device BIGINT, mark VARCHAR, used BIGINT)",
        )
        run(
            con,
            f"CREATE TABLE {self.schema}.demands (stream_no INTEGER, line_no INTEGER, comp_no INTEGER, "
            "device_key BIGINT, "
            "window_start TIMESTAMP, dims VARCHAR, account_no INTEGER, holder BIGINT, bundle_no INTEGER, "
            "weight BIGINT, sponsor_no INTEGER, sponsor_account INTEGER, slope HUGEINT, units BIGINT)",
        )
        counter = (
            "account_no INTEGER, holder BIGINT, counter_no INTEGER, life TIMESTAMP, comp_no INTEGER, line_no INTEGER, "
            "rate_no INTEGER, price_no INTEGER"
        )
        run(con, f"CREATE TABLE {self.schema}.seen ({counter}, units BIGINT, n BIGINT)")
        run(
            con,
            f"CREATE TABLE {self.schema}.kept ({counter}, device_key BIGINT, held HUGEINT, latest_at TIMESTAMP, "
            "latest BIGINT)",
        )
        run(
            con,
            f"CREATE TABLE {self.schema}.decided (stream_no INTEGER, comp_no INTEGER, device_key BIGINT, "
            "window_start TIMESTAMP, dims VARCHAR, units BIGINT)",
        )
        self._routing()
        self.streams = {name: self._stream(number, name, plan) for number, name in enumerate(plan.streams)}

    def drop(self) -> None:
        """Forget the tables."""
        run(self.con, f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")

    def _routing(self) -> None:
        """``comps``: each component with its only rate, when it has one that always holds."""
        s = self.schema
        run(
            self.con,
            f"CREATE TABLE {s}.comps AS WITH open AS (SELECT comp_no, count(*) AS n, min(rate_no) AS rate_no, "
            f"bool_or(rate_no IN (SELECT rate_no FROM {s}.windows) OR rate_no IN (SELECT rate_no FROM {s}.matches)) "
            f"AS special FROM {s}.rates GROUP BY 1) "
            "SELECT c.*, CASE WHEN o.n = 1 AND NOT o.special THEN o.rate_no END AS only_rate "
            f"FROM {s}.components c JOIN open o USING (comp_no)",
        )

    def _stream(self, number: int, name: str, plan: Plan) -> Stream:
        """Make ``priced_<n>``: each device under each price of the stream, with line, holder and simple price."""
        s = self.schema
        run(
            self.con,
            f"CREATE TABLE {s}.priced_{number} AS SELECT a.device_key, a.from_at, a.until_at, c.comp_no, k.line_no, "
            "a.account_no, CASE c.scope WHEN 'device' THEN a.device_key WHEN 'sim_group' THEN a.group_no ELSE 0 END "
            "AS holder, c.linear, c.sell, c.scope = 'event' AS alone, c.fold = 'count' AS counts, c.short, "
            f"c.scope = 'pool' AS pooled, c.sponsored, c.bundle_no, c.weight, "
            f"c.comp_no IN (SELECT comp_no FROM {s}.bursts) AS bursts, c.closes, c.fold, c.shape, c.unique_of, "
            "c.increment_units, c.increment_add, c.by_device, "
            "c.only_rate, c.only_rate IS NOT NULL OR NOT c.may_miss AS sure, r.slope, r.fee, r.floor, r.cap "
            f"FROM {s}.assignments a JOIN {s}.comps c USING (offer_no) "
            f"JOIN {s}.line_keys k ON k.account_no = a.account_no AND k.offer_no = a.offer_no "
            "AND k.part_id = c.component_id AND k.kind = 'usage' "
            f"LEFT JOIN {s}.rates r ON r.rate_no = c.only_rate "
            f"WHERE c.comp_no IN (SELECT comp_no FROM {s}.heard WHERE meter = $1) AND NOT c.online AND "
            "NOT a.trial AND a.sim_state NOT IN ('inventory', 'terminated') "
            "ORDER BY ALL",
            [name],
        )
        self._cover(number)
        row = first(
            self.con,
            "SELECT coalesce(bool_or(linear AND only_rate IS NOT NULL), false), "
            "coalesce(bool_or(linear AND only_rate IS NULL), false), coalesce(bool_or(NOT linear AND NOT "
            "bursts AND NOT closes), false), coalesce(bool_or(bursts), false), coalesce(bool_or(closes), false) "
            f"FROM {s}.priced_{number}",
        )
        assert row is not None
        kinds = frozenset(kind for kind, there in zip(KINDS, row, strict=True) if there)
        components = [c for offer in plan.offers for c in offer.components if name in c.meters]
        conversions = [rate.conversion for c in components for rate in c.rates if rate.conversion]
        dims = plan.dimensions(name)
        for dim in dims:
            if not NAME.match(dim):
                raise RatingError(f"A dimension is called {dim[:40]!r}.", where=name, code="dimension_name")
        return Stream(
            number=number,
            name=name,
            dims=dims,
            timed=any(rate.windows for c in components for rate in c.rates),
            kinds=kinds,
            bounded=any(c.floor is not None or c.cap is not None for c in conversions)
            or any((c.scope == "event" and not c.linear) or c.shape == "event" for c in components),
            shaped=any(c.shape for c in components),
            sponsored=any(c.sponsored for c in components),
            bundled=any(c.bundle for c in components),
            jumps=any(rate.jumps for c in components for rate in c.rates),
            rounds_members=any(c.shape == "bucket" and rate.jumps for c in components for rate in c.rates),
            plain=all(_plain(c) for c in components),
            pooled=all(c.linear or c.scope != "device" for c in components),
            counts=any(c.fold == "count" for c in components),
            few_steps=all(len(rate.steps) <= FEW_STEPS for c in components for rate in c.rates),
        )

    def _cover(self, number: int) -> None:
        """``cover_<n>``: the time each device is surely charged in; ``holes`` when that is not one stretch."""
        s = self.schema
        run(
            self.con,
            f"CREATE TABLE {s}.cover_{number} AS WITH sure AS (SELECT device_key, from_at, until_at, "
            "max(until_at) OVER ("
            "PARTITION BY device_key ORDER BY from_at, until_at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 "
            "PRECEDING) AS before "
            f"FROM {s}.priced_{number} WHERE sell AND sure) "
            "SELECT device_key, min(from_at) AS from_at, max(until_at) AS until_at, "
            "coalesce(bool_or(from_at > before), false) AS holes FROM sure GROUP BY 1 ORDER BY 1",
        )


def _plain(component: PlanComponent) -> bool:
    """Whether a price needs no counter, or one of the whole period that counts units as they are, under one rate."""
    only = component.rates[0]
    simple = len(component.rates) == 1 and not only.match and not only.windows and not only.jumps
    special = (
        component.shape or component.bundle or component.sponsored or component.bursts or component.closes
    )
    return component.linear or (
        simple and not special and component.counter_period == "billing" and component.scope != "event"
    )
