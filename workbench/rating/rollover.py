"""Free units at the end of a period: what is left of each grant, and what lives on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from workbench.model.plan import PlanRollover, Stock
from workbench.rating.tables import PlanTables
from workbench.tariff.amount import rounded
from workbench.tariff.plan import Plan
from workbench.tariff.sql import run

if TYPE_CHECKING:
    import duckdb

Holder = tuple[str, int, str, str, str]
"""(account id, holder, offer id, part id, rate id)."""


def remaining(con: duckdb.DuckDBPyConnection, tables: PlanTables, plan: Plan) -> list[Stock]:
    """The stock with which the next period begins.

    Holders without a subscription beyond the period forfeit theirs. Call it when all records were rated.
    """
    rules = _rules(plan)
    before: dict[Holder, list[Stock]] = defaultdict(list)
    for row in plan.stock:
        before[row.account_id, row.holder, row.offer_id, row.part_id, row.rate_id].append(row)
    found: list[Stock] = []
    for key, version, own, used in [*_used(con, tables), *_spent(con, tables)]:
        rule, increment = rules[key[2], version, key[3]]
        if rule is not None:
            found += roll(key, before[key], own, rounded(used, *increment), rule)
    return sorted(found)


def _rules(plan: Plan) -> dict[tuple[str, int, str], tuple[PlanRollover | None, tuple[int, int]]]:
    return {
        (offer.offer_id, offer.version, c.id): (
            c.rollover,
            (1, 0) if c.shape in ("event", "bucket") else (c.increment_units, c.increment_add),
        )
        for offer in plan.offers
        for c in offer.components
    } | {
        (offer.offer_id, offer.version, b.id): (b.rollover, (1, 0))
        for offer in plan.offers
        for b in offer.bundles
    }


def _used(con: duckdb.DuckDBPyConnection, tables: PlanTables) -> Iterable[tuple[Holder, int, int, int]]:
    """Counters that live on: holder, the last version, its own grant, the units that drew on free units."""
    s = tables.schema
    for account, holder, offer, part, rate, version, own, used in run(
        con,
        "WITH named AS (SELECT DISTINCT r.counter_no, o.offer_id, c.component_id, r.rate_id "
        f"FROM {s}.rates r JOIN {s}.comps c USING (comp_no) JOIN {s}.offers o USING (offer_no)), "
        f"beyond AS (SELECT t.account_no, t.holder, t.counter_no, "
        f"-greatest(sum(used) - any_value(r.pool_cap), 0) AS used FROM {s}.totals t JOIN {s}.rates r USING (rate_no) "
        "WHERE r.pool_cap IS NOT NULL GROUP BY t.account_no, t.holder, t.counter_no, t.device_key), "
        "used AS (SELECT account_no, holder, counter_no, sum(used) AS used FROM ("
        f"SELECT account_no, holder, counter_no, used FROM {s}.counters UNION ALL "
        f"SELECT account_no, holder, counter_no, used FROM {s}.passed UNION ALL SELECT * FROM beyond) GROUP BY ALL), "
        "last AS (SELECT account_no, holder, counter_no, max(version) AS version, arg_max(own_units, version) AS own, "
        f"bool_or(lasts) AS lasts FROM {s}.grants GROUP BY ALL) "
        "SELECT a.account_id, l.holder, n.offer_id, n.component_id, n.rate_id, l.version, l.own, coalesce(u.used, 0) "
        f"FROM last l JOIN named n USING (counter_no) JOIN {s}.accounts a USING (account_no) "
        "LEFT JOIN used u USING (account_no, holder, counter_no) WHERE l.lasts ORDER BY ALL",
    ):
        yield (account, holder, offer, part, rate), version, int(own), int(used)


def _spent(con: duckdb.DuckDBPyConnection, tables: PlanTables) -> Iterable[tuple[Holder, int, int, int]]:
    """Bundles that live on: holder, the last version, its own grant, the credits spent."""
    s = tables.schema
    for account, holder, offer, bundle, version, own, spent in run(
        con,
        f"WITH named AS (SELECT DISTINCT b.bundle_no, o.offer_id, b.bundle_id FROM {s}.bundles b "
        f"JOIN {s}.offers o USING (offer_no)), "
        "spent AS (SELECT d.account_no, d.holder, d.bundle_no, sum(x.units::HUGEINT * d.weight) AS spent "
        f"FROM {s}.demands d JOIN {s}.decided x USING (stream_no, comp_no, device_key, window_start, dims) "
        "WHERE d.bundle_no > 0 GROUP BY ALL), "
        "last AS (SELECT account_no, holder, counter_no AS bundle_no, max(version) AS version, "
        f"arg_max(own_units, version) AS own, bool_or(lasts) AS lasts FROM {s}.credits GROUP BY ALL) "
        "SELECT a.account_id, l.holder, n.offer_id, n.bundle_id, l.version, l.own, coalesce(u.spent, 0) "
        f"FROM last l JOIN named n USING (bundle_no) JOIN {s}.accounts a USING (account_no) "
        "LEFT JOIN spent u USING (account_no, holder, bundle_no) WHERE l.lasts ORDER BY ALL",
    ):
        yield (account, holder, offer, bundle, ""), version, int(own), int(spent)


def roll(key: Holder, stock: Sequence[Stock], own: int, used: int, rule: PlanRollover) -> list[Stock]:
    """What is left of this period's grant and of older ones after ``used`` units, one period older.

    Own units are used first or last, as the rule says, older ones oldest first. A grant may be ``rule.periods``
    periods old; what exceeds the cap is taken from the oldest.
    """
    mine = Stock(*key, 0, own)
    older = sorted(stock, key=lambda row: -row.age)
    left: list[tuple[int, int]] = []
    for row in [mine, *older] if rule.own_first else [*older, mine]:
        spent = min(row.units, used)
        used -= spent
        if row.units > spent and row.age < rule.periods:
            left.append((row.age + 1, row.units - spent))
    left.sort(reverse=True)
    if rule.cap is not None:
        excess = sum(units for _, units in left) - rule.cap
        for place, (age, units) in enumerate(left):
            taken = min(max(excess, 0), units)
            excess -= taken
            left[place] = (age, units - taken)
    return [Stock(*key, age, units) for age, units in left if units]
