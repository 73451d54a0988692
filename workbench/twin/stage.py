"""The stage of a simulation: a branch of the lake, its period opened again, its parties and records as a scenario wants.

A branch never writes into production. Before anything is rated on it, what production made of the period is taken off
the branch (charges, invoices, the close), so that the production path runs there as if for the first time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from workbench.billing import bounds
from workbench.errors import ScenarioError
from workbench.lake.lake import Lake
from workbench.lake.parties import TABLES as PARTIES
from workbench.lake.segment import Segment
from workbench.lake.sql import quote
from workbench.model.plan import Period
from workbench.tariff.plan import Plan
from workbench.tariff.tables import naive
from workbench.twin import traffic
from workbench.twin.scenario import Scenario

PARTY_KINDS = (*PARTIES, "devices")
"""Kinds of segments that say who is there."""

_COUNT = iter(range(1, 1_000_000))
_LOCK = threading.Lock()
NO_FACTORS = pa.schema(
    [("device_key", pa.int64()), ("numerator", pa.int64()), ("denominator", pa.int64())]
).empty_table()
"""Factors of a reaction that does not happen."""

_MADE = ("charges", "uncharged", "lines", "catalog", "stock", "credits", "invoices", "invoice_lines", "statements",
         "unbilled", "ledger")  # fmt: skip


def branch_name() -> str:
    """A name for a passing branch that no other simulation of this machine uses."""
    with _LOCK:
        return f"twin-{os.getpid()}-{next(_COUNT)}"


def reopen(lake: Lake, name: str) -> None:
    """Take what production made of a period off the branch; must run inside ``lake.writer()``."""
    gone = [s for kind in _MADE for s in lake.segments(kind) if s.period.partition("#")[0] == name]
    facts = {
        kind: dict.fromkeys(each for each in lake.facts(kind) if each.partition("#")[0] == name)
        for kind in ("rated", "close")
    }
    lake.commit({"stage": "twin", "step": "reopen", "period": name}, remove=gone, facts=facts)


@dataclass(frozen=True, slots=True)
class Crowd:
    """The parties of one traffic on the branch.

    Attributes:
        factors: device_id, numerator, denominator: how use is scaled; empty when it is not.
        clones: devices that were added; see ``traffic.clones``.
        subscriptions, devices: how many there are now. new_accounts: ids of cloned accounts.
    """

    factors: pa.Table
    clones: pa.Table
    subscriptions: int
    devices: int

    @property
    def as_is(self) -> bool:
        """Whether the records of the lake are the traffic."""
        return not (self.factors.num_rows or self.clones.num_rows)


def populate(lake: Lake, scenario: Scenario, original: Sequence[Segment]) -> Crowd:
    """Write the party tables of a scenario's traffic in one commit.

    Args:
        original: the party segments of production.

    Raises:
        ScenarioError: ``traffic_empty``.
    """
    base = {kind: [s for s in original if s.kind == kind] for kind in PARTY_KINDS}
    everyone = lake.scan("subscriptions", segments=base["subscriptions"])
    _restore(lake, base)
    wanted = traffic.chosen(lake, scenario.who, everyone)
    count = _count(lake, wanted)
    if not count:
        raise ScenarioError(
            "The scenario's traffic is empty: no subscription fits it.",
            where=f"scenario {scenario.name}",
            cure="Widen its accounts, devices, kinds or offers; `workbench status` shows what there is.",
            code="traffic_empty",
        )
    added = traffic.clones(lake, scenario.growth, wanted, scenario.seed)
    gone = traffic.shrunk(lake, scenario.growth, wanted, scenario.seed)
    if not scenario.who.everybody or added.num_rows or gone:
        _write(lake, wanted, added, gone)
        count = _count(lake, lake.scan("subscriptions"))
    grown = _with_growth(added, traffic.use_factors(lake, scenario.growth, wanted))
    return Crowd(grown, added, count, _devices(lake))


def _count(lake: Lake, relation: str) -> int:
    return int(lake.con.execute(f"SELECT count(*) FROM {relation}").fetchall()[0][0])


def _devices(lake: Lake) -> int:
    return len(traffic.devices_of(lake, traffic.Who(), lake.scan("subscriptions")))


def _restore(lake: Lake, base: dict[str, list[Segment]]) -> None:
    """Production's own parties, whatever the scenario before left here."""
    wanted = [s for segments in base.values() for s in segments]
    held = [s for kind in base for s in lake.segments(kind)]
    known, now = {s.id for s in wanted}, {s.id for s in held}
    if known != now:
        lake.commit(
            {"stage": "twin", "step": "parties"},
            add=[s for s in wanted if s.id not in now],
            remove=[s for s in held if s.id not in known],
        )


def _with_growth(clones: pa.Table, factors: pa.Table) -> pa.Table:
    """Clones use as much as the device they are like."""
    known = dict(zip(factors["device_id"].to_pylist(), range(factors.num_rows), strict=True))
    rows = factors.to_pylist()
    more = [
        {**rows[known[like]], "device_id": device}
        for device, like in zip(clones["device_id"].to_pylist(), clones["like_id"].to_pylist(), strict=True)
        if like in known
    ]
    return pa.concat_tables([factors, pa.Table.from_pylist(more, factors.schema)]) if more else factors


def _write(lake: Lake, wanted: str, added: pa.Table, gone: list[str]) -> None:
    """Subscriptions, and what clones need beside them: devices, accounts, registry rows."""
    lake.con.register("twin_clones", added)
    lake.con.register("twin_gone", pa.table({"device_id": pa.array(gone, pa.string())}))
    try:
        stays = (
            f"SELECT s.* FROM {wanted} s WHERE NOT EXISTS (FROM twin_gone g WHERE g.device_id = s.device_id)"
        )
        queries = {
            "subscriptions": f"{stays} UNION ALL BY NAME SELECT s.* REPLACE (s.subscription_id || substr(c.device_id, "
            "length(c.like_id) + 1) AS subscription_id, c.device_id AS device_id, coalesce(nullif(c.account_id, ''), "
            f"s.account_id) AS account_id) FROM ({stays}) s JOIN twin_clones c ON c.like_id = s.device_id"
        }
        if added.num_rows:
            info, accounts = lake.scan("devices_info"), lake.scan("accounts")
            queries["devices_info"] = (
                f"SELECT * FROM {info} UNION ALL BY NAME SELECT i.* REPLACE (c.device_id AS device_id) FROM {info} i "
                "JOIN twin_clones c ON c.like_id = i.device_id"
            )
            queries["accounts"] = (
                f"SELECT * FROM {accounts} UNION ALL BY NAME SELECT a.* REPLACE (c.account_id AS account_id) FROM "
                "(SELECT DISTINCT account_id, regexp_replace(account_id, '~new[0-9]+\\.[0-9]+$', '') AS like_id "
                f"FROM twin_clones WHERE account_id <> '') c JOIN {accounts} a ON a.account_id = c.like_id"
            )
            queries["devices"] = (
                f"SELECT * FROM {lake.scan('devices')} UNION ALL BY NAME SELECT device_key, device_id, "
                "'twin' AS source FROM twin_clones"
            )
        order = {**PARTIES, "devices": ("device_id",)}
        add = [lake.write(kind, query, order_by=order[kind]) for kind, query in queries.items()]
        remove = [s for kind in queries for s in lake.segments(kind)]
        lake.commit({"stage": "twin", "step": "crowd"}, add=add, remove=remove)
    finally:
        lake.con.unregister("twin_clones")
        lake.con.unregister("twin_gone")


def move(lake: Lake, moves: Iterable[tuple[str, str]], offers: Sequence[str] | None) -> None:
    """Keep the subscriptions of some offers (None: of all), and let those of one offer go to another."""
    case = " ".join(f"WHEN {quote(old)} THEN {quote(new)}" for old, new in moves)
    column = f"CASE offer_id {case} ELSE offer_id END" if case else "offer_id"
    some = f" WHERE offer_id IN ({', '.join(map(quote, offers))})" if offers is not None else ""
    if not case and not some:
        return
    query = f"SELECT * REPLACE ({column} AS offer_id) FROM {lake.scan('subscriptions')}{some}"
    put_back(lake, "subscriptions", [lake.write("subscriptions", query, order_by=PARTIES["subscriptions"])])


def put_back(lake: Lake, kind: str, wanted: Sequence[Segment]) -> None:
    """Let the segments of one kind be these again."""
    now = lake.segments(kind)
    known = {s.id for s in now}
    if known != {s.id for s in wanted}:
        run = {"stage": "twin", "step": kind}
        lake.commit(
            run, add=[s for s in wanted if s.id not in known], remove=[s for s in now if s not in wanted]
        )


@contextmanager
def _factors(lake: Lake, crowd: Crowd, more: pa.Table | None) -> Iterator[tuple[str, str]]:
    """Relations by device key: clones, and factors (of growth, times those of a reaction)."""
    tables = {
        "twin_c": crowd.clones,
        "twin_f": crowd.factors,
        "twin_g": more if more is not None else NO_FACTORS,
    }
    for name, table in tables.items():
        lake.con.register(name, table)
    try:
        lake.con.execute(
            "CREATE OR REPLACE TEMP TABLE twin_factors AS SELECT device_key, coalesce(f.numerator, 1) * "
            "coalesce(g.numerator, 1) AS numerator, coalesce(f.denominator, 1) * coalesce(g.denominator, 1) AS "
            f"denominator FROM (SELECT d.device_key, f.* FROM twin_f f JOIN {lake.scan('devices')} d USING (device_id)) f "
            "FULL JOIN twin_g g USING (device_key)"
        )
        yield "twin_c", "twin_factors"
    finally:
        lake.con.execute("DROP TABLE IF EXISTS twin_factors")
        for name in tables:
            lake.con.unregister(name)


def lay_records(
    lake: Lake,
    crowd: Crowd,
    original: Sequence[Segment],
    period: Period,
    plans: Sequence[Plan],
    *,
    fold: bool,
    more: pa.Table | None = None,
) -> list[Segment]:
    """Write a traffic's records; ``use_records`` puts them on the branch.

    Args:
        original: the records segments of production.
        plans: every plan these records will be rated by.
        fold: merge records between instants at which prices change, where every price allows it.
        more: factors of a reaction by device_key, on top of the crowd's own.
    """
    touched = not crowd.as_is or (more is not None and more.num_rows > 0)
    instants = traffic.cuts(plans) if fold else None
    keep: list[Segment] = []
    add: list[Segment] = []
    with _factors(lake, crowd, more) as (clones, factors):
        for stream in sorted({segment.stream for segment in original}):
            mine = [s for s in original if s.stream == stream]
            folds = instants is not None and traffic.foldable(plans, stream)
            if not (touched or folds):
                keep += mine
                continue
            extra = _dimensions(lake, mine)
            if crowd.clones.num_rows:
                source = traffic.grown(lake.scan("records", segments=mine), clones)
            else:
                source = lake.scan("records", segments=mine)
            if folds and instants is not None:
                add.append(_folded(lake, source, factors, mine, period, instants, extra, touched))
            else:
                add += _partitions(lake, source, factors, mine, extra)
    return [*keep, *add]


def use_records(lake: Lake, wanted: Sequence[Segment]) -> None:
    """Let the branch's records be these segments, in one commit."""
    held = lake.segments("records")
    known, now = {s.id for s in wanted}, {s.id for s in held}
    if known != now:
        add = [s for s in wanted if s.id not in now]
        lake.commit(
            {"stage": "twin", "step": "records"}, add=add, remove=[s for s in held if s.id not in known]
        )


def _dimensions(lake: Lake, segments: Sequence[Segment]) -> list[str]:
    names = lake.con.sql(f"SELECT * FROM {lake.scan('records', segments=segments)} LIMIT 0").columns
    return [name for name in names if name not in traffic.KEPT]


def _folded(
    lake: Lake, source: str, factors: str, mine: Sequence[Segment], period: Period, instants: Sequence[Any],
    extra: Sequence[str], touched: bool,
) -> Segment:  # fmt: skip
    within = f"r.window_start >= TIMESTAMP '{naive(period.start)}' AND r.window_start < TIMESTAMP '{naive(period.end)}'"
    query = traffic.folded(source, instants, within, extra)
    if touched:
        query = traffic.scaled(query, factors, extra)
    return _record_segment(lake, query, mine[0], f"{period.start:%Y-%m-%d}", extra)


def _partitions(
    lake: Lake, source: str, factors: str, mine: Sequence[Segment], extra: Sequence[str]
) -> list[Segment]:
    """The same partitions as before, with other rows."""
    lake.con.execute(
        f"CREATE OR REPLACE TEMP TABLE twin_records AS FROM {traffic.scaled(source, factors, extra)}"
    )
    try:
        made = []
        for segment in mine:
            begin, end = bounds(segment)
            query = f"(SELECT * FROM twin_records WHERE window_start >= '{begin}' AND window_start < '{end}')"
            made.append(_record_segment(lake, query, segment, segment.partition, extra))
        return made
    finally:
        lake.con.execute("DROP TABLE twin_records")


def _record_segment(lake: Lake, query: str, like: Segment, partition: str, extra: Sequence[str]) -> Segment:
    return lake.write(
        "records",
        f"SELECT * FROM {query}",
        stream=like.stream,
        partition=partition,
        order_by=("device_key", "window_start", *extra),
        meta={"grid_seconds": like.meta["grid_seconds"]},
    )
