"""Traffic of a what-if, made from records that are there: chosen, grown, scaled, and folded where prices allow it.

    subscriptions of the chosen accounts and devices, clones of devices and accounts     parties
    records of every stream, and copies of them for the clones                           grown
    use times a factor per device, so that floor(factor * total) holds at every instant  scaled
    records of a device between two instants at which any price changes, as one          folded

Everything is SQL over segments of the lake; no event is mediated again. Scaling and folding commute, because scaled use
is a difference of two cumulative values: the total of a counter does not depend on how finely it was recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction

import pyarrow as pa

from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.model.ids import device_key
from workbench.tariff.plan import Plan
from workbench.twin.scenario import Growth, Who

CUTS_MAX = 4000
"""With more instants than this folding saves nothing."""

KEPT = (
    "device_key",
    "window_start",
    "units",
    "n_events",
    "n_duplicates",
    "first_at",
    "last_at",
    "fingerprint",
    "flags",
)
"""Columns that records of every stream have; the others are dimensions."""


def _globs(column: str, patterns: Sequence[str]) -> str:
    if not patterns:
        return "true"
    return "(" + " OR ".join(f"{column} GLOB {quote(pattern)}" for pattern in patterns) + ")"


def chosen(lake: Lake, who: Who, relation: str = "") -> str:
    """SQL of the subscriptions of ``who``, rows as they are."""
    source = relation or lake.scan("subscriptions")
    if who.everybody:
        return f"(SELECT * FROM {source})"
    reached = f"SELECT device_id, kind, group_id FROM {lake.scan('devices_info')}"
    tests = [_globs("s.account_id", who.accounts), _globs("s.offer_id", who.offers)]
    if who.devices or who.kinds:
        fits = f"{_globs('i.device_id', who.devices)} AND {_globs('i.kind', who.kinds)}"
        direct = _globs("s.device_id", who.devices) if who.devices and not who.kinds else "false"
        tests.append(
            f"({direct} OR EXISTS (FROM ({reached}) i WHERE {fits} AND (i.device_id = s.device_id "
            "OR (s.group_id <> '' AND i.group_id = s.group_id))))"
        )
    return f"(SELECT s.* FROM {source} s WHERE {' AND '.join(tests)})"


def use_factors(lake: Lake, growth: Iterable[Growth], subscriptions: str) -> pa.Table:
    """device_id, numerator, denominator: the product of the usage factors of every segment a device is in."""
    factors: dict[str, Fraction] = {}
    for part in growth:
        if part.usage != 1:
            for device in devices_of(lake, part.who, subscriptions):
                factors[device] = factors.get(device, Fraction(1)) * part.usage
    return factor_table(factors)


def factor_table(factors: dict[str, Fraction]) -> pa.Table:
    """Factors by device id as a table."""
    return pa.table(
        {
            "device_id": pa.array(list(factors), pa.string()),
            "numerator": pa.array([f.numerator for f in factors.values()], pa.int64()),
            "denominator": pa.array([f.denominator for f in factors.values()], pa.int64()),
        }
    )


def devices_of(lake: Lake, who: Who, subscriptions: str) -> list[str]:
    """Ids of the devices that a segment's subscriptions reach, in order."""
    wanted = chosen(lake, who, subscriptions)
    rows = lake.con.execute(
        f"SELECT device_id FROM {wanted} WHERE coalesce(device_id, '') <> '' UNION SELECT i.device_id FROM "
        f"{lake.scan('devices_info')} i JOIN {wanted} s ON i.group_id = s.group_id AND coalesce(s.group_id, '') <> '' "
        "ORDER BY 1"
    ).fetchall()
    return [device for (device,) in rows]


def clones(lake: Lake, growth: Iterable[Growth], subscriptions: str, seed: int) -> pa.Table:
    """Devices that the growth adds: device_id, device_key, like_id, like_key, account_id (empty: the one of its like).

    Who is cloned follows from the seed alone: the devices (accounts) of a segment in the order of their hash with it.
    """
    rows: list[tuple[str, str, str]] = []
    for number, part in enumerate(growth, 1):
        if part.devices > 1:
            for place, device in _multiplied(
                devices_of(lake, part.who, subscriptions), part.devices, seed, lake
            ):
                rows.append((f"{device}~twin{number}.{place}", device, ""))
        if part.customers > 1:
            accounts = _accounts(lake, part.who, subscriptions)
            for place, account in _multiplied(sorted(accounts), part.customers, seed, lake):
                for device in accounts[account]:
                    rows.append((f"{device}~new{number}.{place}", device, f"{account}~new{number}.{place}"))
    return pa.table(
        {
            "device_id": pa.array([row[0] for row in rows], pa.string()),
            "device_key": pa.array([device_key(lake.tenant, row[0]) for row in rows], pa.int64()),
            "like_id": pa.array([row[1] for row in rows], pa.string()),
            "like_key": pa.array([device_key(lake.tenant, row[1]) for row in rows], pa.int64()),
            "account_id": pa.array([row[2] for row in rows], pa.string()),
        }
    )


def shrunk(lake: Lake, growth: Iterable[Growth], subscriptions: str, seed: int) -> list[str]:
    """Devices that leave where a segment shrinks, chosen like clones are."""
    gone: set[str] = set()
    for part in growth:
        if part.devices < 1:
            ids = _shuffled(devices_of(lake, part.who, subscriptions), seed, lake)
            gone.update(ids[: int(len(ids) * (1 - part.devices))])
        if part.customers < 1:
            accounts = _accounts(lake, part.who, subscriptions)
            names = _shuffled(sorted(accounts), seed, lake)
            for name in names[: int(len(names) * (1 - part.customers))]:
                gone.update(accounts[name])
    return sorted(gone)


def _accounts(lake: Lake, who: Who, subscriptions: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    rows = lake.con.execute(
        f"SELECT DISTINCT account_id, device_id FROM {chosen(lake, who, subscriptions)} "
        "WHERE coalesce(device_id, '') <> '' ORDER BY ALL"
    ).fetchall()
    for account, device in rows:
        found.setdefault(account, []).append(device)
    return found


def _shuffled(names: list[str], seed: int, lake: Lake) -> list[str]:
    """Names in an order that the seed alone decides."""
    return sorted(names, key=lambda name: (device_key(f"{lake.tenant}\x1ftwin\x1f{seed}", name), name))


def _multiplied(names: list[str], factor: Fraction, seed: int, lake: Lake) -> list[tuple[int, str]]:
    """What is added so that ``len(names)`` becomes ``floor(factor * len(names))``: (round, name)."""
    order = _shuffled(names, seed, lake)
    added = int(len(names) * factor) - len(names)
    return [(1 + index // len(order), order[index % len(order)]) for index in range(added)] if order else []


def grown(records: str, clone_table: str) -> str:
    """SQL of records with copies for clones (``clone_table``: device_key, like_key)."""
    return (
        f"(SELECT * FROM {records} UNION ALL BY NAME SELECT r.* REPLACE (c.device_key AS device_key) "
        f"FROM {records} r JOIN {clone_table} c ON r.device_key = c.like_key)"
    )


def scaled(records: str, factors: str, extra: Sequence[str]) -> str:
    """SQL of records with the use of each device times its factor (``factors``: device_key, numerator, denominator).

    The scaled use of a record is floor(f * S(after)) - floor(f * S(before)), S the device's cumulative use.
    """
    keys = ", ".join(("r.device_key", *(f"r.{name}" for name in extra)))
    window = f"OVER (PARTITION BY {keys} ORDER BY r.window_start ROWS UNBOUNDED PRECEDING)"

    def telescoped(column: str) -> str:
        after = f"sum(r.{column}) {window}"
        times = "coalesce(f.numerator, 1)::HUGEINT"
        by = "coalesce(f.denominator, 1)"
        return f"({after} * {times} // {by} - ({after} - r.{column}) * {times} // {by})"

    return (
        f"(SELECT r.* REPLACE ({telescoped('units')}::BIGINT AS units, {telescoped('n_events')}::INTEGER AS n_events) "
        f"FROM {records} r LEFT JOIN {factors} f ON r.device_key = f.device_key)"
    )


def folded(records: str, cuts: Sequence[datetime], within: str, extra: Sequence[str]) -> str:
    """SQL of records in which a device has one row between two neighbouring cuts (and per dimensions)."""
    dims = "".join(f", r.{name}" for name in extra)
    sums = (
        "r.device_key, min(r.window_start) AS window_start, sum(r.units)::BIGINT AS units, "
        "sum(r.n_events)::INTEGER AS n_events, sum(r.n_duplicates)::INTEGER AS n_duplicates, "
        "min(r.first_at) AS first_at, max(r.last_at) AS last_at, bit_xor(r.fingerprint) AS fingerprint, "
        f"bit_or(r.flags) AS flags{dims}"
    )
    if len(cuts) <= 1:
        return f"(SELECT {sums} FROM {records} r WHERE {within} GROUP BY r.device_key{dims})"
    instants = ", ".join(f"(TIMESTAMP '{at}')" for at in cuts)
    return (
        f"(SELECT {sums} FROM {records} r ASOF JOIN (VALUES {instants}) c(cut_at) ON r.window_start >= c.cut_at "
        f"WHERE {within} GROUP BY r.device_key, c.cut_at{dims})"
    )


def foldable(plans: Sequence[Plan], stream: str) -> bool:
    """Whether every price of a stream depends on totals between cuts alone, so that records may be folded."""
    for plan in plans:
        for offer in plan.offers:
            for part in offer.components:
                if stream not in part.meters:
                    continue
                bounded = any(r.conversion and (r.conversion.floor is not None or r.conversion.cap is not None)
                              for r in part.rates)  # fmt: skip
                budget = any(p.budget is not None and part.id in p.components for p in offer.sponsors)
                single = part.scope == "event" or offer.scope == "event"
                if part.fold not in ("sum", "count") or part.bursts or part.bundle or part.shape == "event":
                    return False
                if bounded or budget or single:
                    return False
    return True


def cuts(plans: Sequence[Plan]) -> list[datetime] | None:
    """Every instant at which some price, counter or subscription changes, sorted; None when there are too many."""
    found: set[datetime] = set()
    for plan in plans:
        start, end = (at.replace(tzinfo=None) for at in (plan.period.start, plan.period.end))
        found.add(start)
        tables = plan.tables
        names = {"windows": ("from_at", "until_at"), "lives": ("from_at",), "buckets": ("from_at",),
                 "assignments": ("from_at", "until_at")}  # fmt: skip
        for name, columns in names.items():
            for column in columns:
                values = tables[name][column].unique().to_pylist()
                if len(values) > CUTS_MAX:
                    return None
                found.update(at for at in values if at is not None and start < at < end)
        if any(offer.adjustments for offer in plan.offers):  # credits begin and end at local midnights
            found.update(at for at in tables["days"]["day_start"].unique().to_pylist() if start < at < end)
    return sorted(found) if len(found) <= CUTS_MAX else None
