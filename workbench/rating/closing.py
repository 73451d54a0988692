"""What only the whole period decides about an account: fixed discounts, maximum, commitment, promotional credits.

In this order (pricing.md), each on what the steps before left. The sums of an account and offer version come from one
query; the arithmetic is exact fractions in plain Python, as there are as many of them as accounts, not as records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from workbench.errors import AmountOverflow
from workbench.model.money import NANO
from workbench.model.offer import Offer
from workbench.rating.tables import PlanTables
from workbench.rating.wallet import Balance, granted, take
from workbench.tariff.compile import INT64, exchange
from workbench.tariff.plan import Plan
from workbench.tariff.sql import run
from workbench.tariff.tables import naive

if TYPE_CHECKING:
    import duckdb

SCHEMA = pa.schema(
    [("line_no", pa.int32()), ("device_key", pa.int64()), ("window_start", pa.timestamp("us")),
     ("units", pa.int64()), ("amount", pa.int64()), ("step", pa.int16())]
)  # fmt: skip
GroupKey = tuple[int, str, int]
"""(account number, offer id, offer version)."""


@dataclass(slots=True)
class Group:
    """One account under one offer version: exact nano by part and device, and what adjusts it."""

    account_no: int
    offer: Offer
    factor: Fraction
    lines: dict[str, tuple[int, int]] = field(default_factory=dict)
    sums: dict[tuple[str, int | None], Fraction] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)
    covered: dict[int | None, int] = field(default_factory=dict)
    days: int = 1
    added: list[tuple[str, int | None, Fraction]] = field(default_factory=list)
    rules: dict[tuple[str, int | None], dict[str, Any]] = field(default_factory=dict)
    """What each adjustment was reckoned from, for whoever asks why (``tariff.explain.by_rule``)."""

    def total(self, parts: tuple[str, ...] = (), device: int | None = None, *, one: bool = False) -> Fraction:
        """What the counted parts come to so far, adjustments included; of one device when ``one``."""
        rows = [(part, key, amount) for (part, key), amount in self.sums.items()]
        return sum(
            (
                amount
                for part, key, amount in [*rows, *self.added]
                if (not parts or part in parts) and (not one or key == device)
            ),
            Fraction(0),
        )

    def add(
        self, part: str, amount: Fraction, device: int | None = None, rule: Mapping[str, object] | None = None
    ) -> None:
        """Note an adjustment in nano of the account's currency, and what it was reckoned from."""
        if amount:
            self.added.append((part, device, amount))
            if rule:
                self.rules[part, device] = {name: str(value) for name, value in rule.items()}


def closing(
    con: duckdb.DuckDBPyConnection,
    tables: PlanTables,
    plan: Plan,
    charges: str,
    balances: Mapping[tuple[str, str], list[Balance]],
) -> tuple[pa.Table, dict[tuple[str, str], list[Balance]]]:
    """The true-ups and adjustments of the period.

    Args:
        charges: SQL of a relation with every other charge of the period (line_no, device_key, window_start, amount).
        balances: promotional credits left from earlier periods, per (account id, offer id).

    Returns: charges shaped like ``Rated.charges`` without dimensions, and the balances left for the next period.
    """
    groups = _groups(con, tables, plan, charges)
    left: dict[tuple[str, str], list[Balance]] = {key: list(value) for key, value in balances.items()}
    names = {row["account_no"]: row["account_id"] for row in plan.tables["accounts"].to_pylist()}
    rows: list[tuple[object, ...]] = []
    for key in sorted(groups):
        group = groups[key]
        given = bool(group.offer.credits)
        wallet = left.setdefault((names[group.account_no], group.offer.id), []) if given else []
        _adjust(con, tables, plan, charges, group, wallet)
        rows += _rows(group, plan)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(SCHEMA)
    arrays = [pa.array(list(column), kind.type) for column, kind in zip(columns, SCHEMA, strict=True)]
    return pa.table(arrays, schema=SCHEMA), left


def reckoned(
    con: duckdb.DuckDBPyConnection,
    tables: PlanTables,
    plan: Plan,
    charges: str,
    balances: Mapping[tuple[str, str], list[Balance]],
    line_no: int,
    device_key: int | None,
) -> dict[str, Any] | None:
    """What the adjustment on a line was reckoned from, worked out again; ``None`` when nothing gives one.

    Args:
        charges: every charge of the period that is no adjustment. balances: as the period began.
    """
    names = {row["account_no"]: row["account_id"] for row in plan.tables["accounts"].to_pylist()}
    groups = _groups(con, tables, plan, charges)
    for (account_no, offer_id, version), group in groups.items():
        parts = {part for part, (line, _) in group.lines.items() if line == line_no}
        if parts:
            wallet = [replace(balance) for balance in balances.get((names[account_no], offer_id), ())]
            for earlier in sorted(
                v for no, name, v in groups if (no, name) == (account_no, offer_id) and v < version
            ):
                _adjust(con, tables, plan, charges, groups[account_no, offer_id, earlier], wallet)
            _adjust(con, tables, plan, charges, group, wallet)
            return group.rules.get((parts.pop(), device_key))
    return None


def _adjust(
    con: duckdb.DuckDBPyConnection,
    tables: PlanTables,
    plan: Plan,
    charges: str,
    group: Group,
    wallet: list[Balance],
) -> None:
    """All adjustments of one account and version, in their order."""
    _fixed_discounts(group)
    _maximum(group)
    _commitment(group)
    if group.offer.credits:
        _credits(con, tables, plan, charges, group, wallet)


def adjusts(offer: Offer) -> bool:
    """Whether an offer says anything that is decided here."""
    return bool(
        offer.maximum or offer.commitment or offer.credits or any(d.kind == "fixed" for d in offer.discounts)
    )


def _groups(
    con: duckdb.DuckDBPyConnection, tables: PlanTables, plan: Plan, charges: str
) -> dict[GroupKey, Group]:
    """Every account under an offer version that adjusts, with its sums, days and discounts.

    An account that only sponsors use of an offer is not under it: no rule of the offer adjusts what it pays.
    """
    s = tables.schema
    wanted = {(o.id, o.version): o for o in plan.catalogue.offers if adjusts(o)}
    groups: dict[GroupKey, Group] = {}
    offers = dict(enumerate(plan.offers, 1))
    numbers = [n for n, o in offers.items() if (o.offer_id, o.version) in wanted]
    if not numbers:
        return groups
    inside = f"({', '.join(map(str, numbers))})"
    for account_no, offer_no, part, line_no, denominator in run(
        con,
        "SELECT k.account_no, k.offer_no, k.part_id, k.line_no, l.price_denominator "
        f"FROM {s}.line_keys k JOIN {s}.lines l USING (line_no) JOIN {s}.offers o USING (offer_no) "
        f"WHERE k.offer_no IN {inside} AND EXISTS (SELECT 1 FROM {s}.terms t JOIN {s}.offers own USING (offer_no) "
        "WHERE t.account_no = k.account_no AND own.offer_id = o.offer_id AND own.version = o.version)",
    ):
        variant = offers[offer_no]
        offer = wanted[variant.offer_id, variant.version]
        group = groups.setdefault(
            (account_no, offer.id, offer.version), Group(account_no, offer, exchange(offer, variant.currency))
        )
        group.lines[part] = (line_no, int(denominator))
        group.fixed |= set(variant.fixed_discounts)
    _add_sums(con, s, charges, groups)
    _add_days(con, s, inside, offers, groups)
    return groups


def _add_sums(con: duckdb.DuckDBPyConnection, s: str, charges: str, groups: dict[GroupKey, Group]) -> None:
    by_line = {
        line_no: (group, part, denominator)
        for group in groups.values()
        for part, (line_no, denominator) in group.lines.items()
    }
    by_device = any(
        limit is not None and limit.scope == "device"
        for group in groups.values()
        for limit in (group.offer.maximum, group.offer.commitment)
    )
    device = "device_key" if by_device else "NULL::BIGINT"
    for line_no, key, amount in run(
        con, f"SELECT line_no, {device}, sum(amount)::HUGEINT FROM {charges} c GROUP BY ALL ORDER BY ALL"
    ):
        if line_no in by_line:
            group, part, denominator = by_line[line_no]
            group.sums[part, key] = Fraction(int(amount), denominator)


def _add_days(
    con: duckdb.DuckDBPyConnection,
    s: str,
    inside: str,
    offers: Mapping[int, Any],
    groups: dict[GroupKey, Group],
) -> None:
    """Covered days of each account (key ``None``) and each device under each version."""
    query = (
        "SELECT {who}, t.account_no, min(t.offer_no), count(DISTINCT d.day_no), max(d.days) "
        f"FROM {s}.{{table}} t JOIN {s}.offers o USING (offer_no) JOIN {s}.days d "
        "ON d.zone = o.zone AND t.from_at < d.day_end AND d.day_end <= t.until_at "
        f"WHERE t.offer_no IN {inside} GROUP BY {{who}}, t.account_no, o.offer_id, o.version"
    )
    for who, table in (("NULL::BIGINT", "terms"), ("t.device_key", "assignments")):
        for key, account_no, offer_no, covered, days in run(con, query.format(who=who, table=table)):
            variant = offers[offer_no]
            group = groups[account_no, variant.offer_id, variant.version]
            group.covered[key], group.days = covered, days


def _fixed_discounts(group: Group) -> None:
    for discount in group.offer.discounts:
        if discount.kind != "fixed" or discount.id not in group.fixed:
            continue
        taken = sum((amount for _, _, amount in group.added), Fraction(0))
        counted = sum(
            (
                a
                for (part, _), a in group.sums.items()
                if not discount.components or part in discount.components
            ),
            Fraction(0),
        )
        most = discount.amount * NANO * group.factor
        off = min(most, max(Fraction(0), counted + taken))
        group.add(discount.id, -off, None, {"is": "discount", "amount": most, "counted": counted + taken})


def _maximum(group: Group) -> None:
    rule = group.offer.maximum
    if rule is None:
        return
    most = rule.amount * NANO * group.factor
    if rule.scope == "account":
        counted = group.total(rule.components)
        over = max(Fraction(0), counted - most)
        group.add("maximum", -over, None, {"is": "maximum", "amount": most, "counted": counted})
        return
    devices = {key for _, key in group.sums if key is not None}  # an account's fee is no device's
    for device in sorted(devices):
        counted = group.total(rule.components, device, one=True)
        over = max(Fraction(0), counted - most)
        group.add("maximum", -over, device, {"is": "maximum", "amount": most, "counted": counted})


def _commitment(group: Group) -> None:
    rule = group.offer.commitment
    if rule is None:
        return
    holders = sorted(key for key in group.covered if key is not None) if rule.scope == "device" else [None]
    for device in holders:
        covered = group.covered.get(device, 0)
        if covered:
            whole = rule.amount * NANO * group.factor
            days, of_days = (covered, group.days) if rule.prorated else (1, 1)
            counted = group.total(rule.components, device, one=rule.scope == "device")
            missing = max(Fraction(0), whole * days / of_days - counted)
            of = {"is": "commitment", "amount": whole, "counted": counted, "days": days, "of_days": of_days}
            group.add("commitment", missing, device, of)


# -- promotional credits -------------------------------------------------------------------------------------


def _credits(
    con: duckdb.DuckDBPyConnection,
    tables: PlanTables,
    plan: Plan,
    charges: str,
    group: Group,
    wallet: list[Balance],
) -> None:
    """Credits pay charges in the order of their time, each by the grants valid then."""
    wallet += _new_grants(con, tables, plan, group)
    payable = max(Fraction(0), group.total())
    held: dict[str, Fraction] = defaultdict(Fraction)
    paid: dict[str, list[str]] = defaultdict(list)
    for balance in wallet:
        held[balance.id] += balance.left
    edges = sorted({at for b in wallet for at in (b.granted_at, b.expires_at) if at in plan.period})
    for at, amount in _by_stretch(con, tables, plan, charges, group, edges):
        for name, part in take(wallet, min(amount, payable), at):
            payable -= part
            paid[name].append(str(part))
            group.add(name, -part)
            group.rules[name, None] = {"is": "credit", "amount": str(held[name]), "paid": paid[name]}


def _new_grants(
    con: duckdb.DuckDBPyConnection, tables: PlanTables, plan: Plan, group: Group
) -> Iterator[Balance]:
    """What this period gives: once at a subscription's beginning, or every period."""
    rows = run(
        con,
        "SELECT DISTINCT t.sub_no, t.began_at, t.first_row_until FROM (SELECT sub_no, min(began_at) AS began_at, "
        "min(from_at) AS from_at, max(until_at) AS first_row_until, account_no, arg_min(offer_no, from_at) AS offer_no "
        f"FROM {tables.schema}.terms GROUP BY sub_no, account_no) t JOIN {tables.schema}.offers o USING (offer_no) "
        "WHERE t.account_no = $1 AND o.offer_id = $2 AND o.version = $3 ORDER BY t.sub_no",
        [group.account_no, group.offer.id, group.offer.version],
    )
    for _, began, _ in rows:
        yield from granted(group.offer, group.factor, began, plan.period)


def _by_stretch(
    con: duckdb.DuckDBPyConnection,
    tables: PlanTables,
    plan: Plan,
    charges: str,
    group: Group,
    edges: list[datetime],
) -> Iterator[tuple[datetime, Fraction]]:
    """Positive charges summed between the instants at which grants begin or end; fees count at the period's start."""
    lines = dict(group.lines.values())
    begins = [plan.period.start, *(edge for edge in edges if edge != plan.period.start)]
    bounds = ", ".join(f"TIMESTAMP '{naive(edge)}'" for edge in begins)
    at = f"CASE WHEN l.kind = 'usage' THEN c.window_start ELSE TIMESTAMP '{naive(plan.period.start)}' END"
    sums: dict[int, Fraction] = defaultdict(Fraction)
    for stretch, line_no, amount in run(
        con,
        f"SELECT len(list_filter([{bounds}], lambda b: b <= {at})), c.line_no, sum(c.amount)::HUGEINT "
        f"FROM {charges} c JOIN {tables.schema}.lines l USING (line_no) "
        f"WHERE c.amount > 0 AND c.line_no IN ({', '.join(map(str, lines))}) GROUP BY ALL",
    ):
        sums[stretch] += Fraction(int(amount), lines[line_no])
    for part, _, amount in group.added:  # a true-up is a charge of the period's start
        if amount > 0 and part == "commitment":
            sums[1] += amount
    for stretch in sorted(sums):
        yield begins[stretch - 1], sums[stretch]


def _rows(group: Group, plan: Plan) -> Iterable[tuple[object, ...]]:
    sums: dict[tuple[str, int | None], Fraction] = defaultdict(Fraction)
    for part, device, amount in group.added:
        sums[part, device] += amount
    for (part, device), amount in sums.items():
        line_no, denominator = group.lines[part]
        over = amount * denominator
        assert over.denominator == 1, f"{part} does not divide"
        if abs(over.numerator) > INT64:
            raise AmountOverflow(
                f"An adjustment '{part}' of offer '{group.offer.id}' does not fit 64 bits.",
                where=f"line {line_no}",
                cure="Use fewer digits in the offer's prices.",
            )
        yield line_no, device, naive(plan.period.start), 0, over.numerator, 0
