"""What customer care looks at, in memory: usage and bill so far, by account and by device, of the current period.

Everything here can be made again from the lake, and is, when the process starts. Plain dictionaries: a question costs
microseconds while batches come in. Amounts are exact: integers over the denominator of their line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from workbench.billing import name_of, plan_of
from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.live.changes import Change, difference_sql
from workbench.mediation.stream import Stream
from workbench.model.ids import device_key
from workbench.model.offer import Catalogue
from workbench.model.plan import Period
from workbench.rating.batch import Rater
from workbench.tariff.plan import Plan

if TYPE_CHECKING:
    import duckdb

_PARTIES = ("accounts", "subscriptions", "devices_info", "devices")


@dataclass(slots=True)
class Use:
    """What a device used of one stream in the period, and when it last did (naive UTC)."""

    units: int = 0
    events: int = 0
    last_at: datetime | None = None


@dataclass(slots=True)
class Standing:
    """The period so far.

    Attributes:
        period: its name; ``period_start`` and ``period_end`` are instants.
        usage: device key -> stream -> use.
        charges: line number -> amount, over the line's denominator; fees of the whole period among them.
        device_charges: device key -> line number -> amount.
        lines: line number -> account, offer, component, meter, currency, denominator, title.
        accounts: account id -> name, currency, zone.
        devices: account id -> its device keys.
        account_of: device key -> account ids.
        names: device key -> device id.
        updated_ns: receipt of the newest message that is in here.
        priced_ns: the same for the amounts of prices that are worked out anew as a whole.
        version: the lake's version this stands at.
    """

    period: str = ""
    usage: dict[int, dict[str, Use]] = field(default_factory=dict)
    charges: dict[int, int] = field(default_factory=dict)
    device_charges: dict[int, dict[int, int]] = field(default_factory=dict)
    lines: dict[int, dict[str, Any]] = field(default_factory=dict)
    account_lines: dict[str, list[int]] = field(default_factory=dict)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    devices: dict[str, list[int]] = field(default_factory=dict)
    account_of: dict[int, set[str]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    updated_ns: int = 0
    priced_ns: int = 0
    version: int = 0


class Care:
    """Keeps a ``Standing`` up to date with a lake; used by the one thread that writes to the lake.

    Args:
        lake: a frozen one (``lake.frozen``), whose connection becomes this memory's own; ``lake`` may be set later to
            the one that moves on.
    """

    def __init__(self, lake: Lake, catalogue: Catalogue | None, period: Period) -> None:
        self.lake, self.catalogue, self.period = lake, catalogue, period
        self.standing = Standing()
        self._con: duckdb.DuckDBPyConnection = lake.con
        self._rater: Rater | None = None
        self._made_from: frozenset[str] = frozenset()
        self.stale = True

    def close(self) -> None:
        """Let go of the plan's tables."""
        if self._rater is not None:
            self._rater.close()
        self._con.close()

    def plan_outdated(self) -> bool:
        """Whether parties, devices or streams came that the plan does not know."""
        return self._parties() != self._made_from

    def _parties(self) -> frozenset[str]:
        found = {segment.id for kind in _PARTIES for segment in self.lake.segments(kind)}
        return frozenset(found | {segment.stream for segment in self.lake.segments("records")})

    def rebuild(self, updated_ns: int) -> None:
        """Make everything anew from the lake: at the start, when parties changed, and for prices that ``more`` cannot do."""
        lake, made_from = self.lake, self._parties()
        begins = self.period
        standing = Standing(period=name_of(begins), updated_ns=updated_ns, priced_ns=updated_ns)
        for stream in self._streams():
            for segment in self._records(stream.name):
                self._count(
                    standing, stream.name, f"(SELECT * FROM {lake.scan('records', segments=[segment])})"
                )
        standing.names = dict(_pairs(self._con, f"SELECT device_key, device_id FROM {lake.scan('devices')}"))
        standing.accounts = {
            row[0]: {"name": row[1], "currency": row[2], "zone": row[3]}
            for row in self._con.execute(
                f"SELECT account_id, name, currency, zone FROM {lake.scan('accounts')}"
            ).fetchall()
        }
        if self.catalogue is not None and standing.accounts:
            self._price(standing, plan_of(lake, self.catalogue, self.period))
        standing.version = lake.state.version
        self.standing, self._made_from, self.stale = standing, made_from, False

    def apply(self, changes: Iterable[Change], updated_ns: int) -> None:
        """Add what a batch changed. Afterwards ``stale`` says whether some prices wait for ``rebuild``."""
        standing, streams = self.standing, {stream.name: stream for stream in self._streams()}
        for change in changes:
            stream = streams[change.stream]
            self._con.execute(
                f"CREATE OR REPLACE TEMP TABLE came AS SELECT * FROM {difference_sql(self.lake, change, stream)}"
            )
            self._count(standing, stream.name, "came")
            fewer = self._con.execute("SELECT count(*) FROM came WHERE units < 0").fetchall()[0][0]
            rater = self._rater
            if rater is None:
                continue
            if stream.name not in rater.plan.streams:
                continue
            if fewer or not rater.steady(stream.name):
                self.stale = True
            else:
                self._charge(standing, rater.more(stream.name, "came").charges)
        standing.updated_ns = max(standing.updated_ns, updated_ns)
        standing.version = self.lake.state.version

    # -- parts -------------------------------------------------------------------------------------------------

    def _streams(self) -> list[Stream]:
        return [Stream.from_json(data) for _, data in sorted(self.lake.facts("stream").items())]

    def _records(self, stream: str) -> list[Any]:
        first, last = (f"{at:%Y-%m-%dT%H}" for at in (self.period.start, self.period.end))
        found = self.lake.segments("records", stream=stream)
        return [s for s in found if first[: len(s.partition)] <= s.partition <= last]

    def _within(self) -> str:
        start, end = (f"{at:%Y-%m-%d %H:%M:%S}" for at in (self.period.start, self.period.end))
        return f"window_start >= TIMESTAMP {quote(start)} AND window_start < TIMESTAMP {quote(end)}"

    def _count(self, standing: Standing, stream: str, records: str) -> None:
        rows = self._con.execute(
            "SELECT device_key, sum(units)::BIGINT, sum(n_events)::BIGINT, max(last_at) "
            f"FROM {records} WHERE {self._within()} GROUP BY device_key"
        ).fetchall()
        usage = standing.usage
        for key, units, events, last_at in rows:
            use = usage.setdefault(key, {}).setdefault(stream, Use())
            use.units += units
            use.events += events
            if last_at is not None and (use.last_at is None or last_at > use.last_at):
                use.last_at = last_at

    def _price(self, standing: Standing, plan: Plan) -> None:
        if self._rater is not None:
            self._rater.close()
        rater = self._rater = Rater(self._con, plan)
        for row in plan.lines.to_pylist():
            standing.lines[row["line_no"]] = row
            standing.account_lines.setdefault(row["account_id"], []).append(row["line_no"])
        numbers = {row["account_no"]: row["account_id"] for row in plan.tables["accounts"].to_pylist()}
        held = (
            plan.tables["assignments"]
            .select(["device_key", "account_no"])
            .group_by(["device_key", "account_no"])
        )
        for row in held.aggregate([]).to_pylist():
            account = numbers[row["account_no"]]
            standing.devices.setdefault(account, []).append(row["device_key"])
            standing.account_of.setdefault(row["device_key"], set()).add(account)
        for stream in plan.streams:
            if plan.needs_totals(stream):
                rater.observe(stream, self.lake.scan("records", segments=self._records(stream)))
        for stream in plan.streams:
            for segment in self._records(stream):
                self._charge(
                    standing, rater.rate(stream, self.lake.scan("records", segments=[segment])).charges
                )
        self._charge(standing, rater.recurring())

    def _charge(self, standing: Standing, charges: str) -> None:
        rows = self._con.execute(
            f"SELECT line_no, device_key, sum(amount)::HUGEINT FROM ({charges}) GROUP BY line_no, device_key"
        ).fetchall()
        lines, devices = standing.charges, standing.device_charges
        for line, key, amount in rows:
            lines[line] = lines.get(line, 0) + amount
            if key is not None:
                mine = devices.setdefault(key, {})
                mine[line] = mine.get(line, 0) + amount


def _pairs(con: Any, sql: str) -> Sequence[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = con.execute(sql).fetchall()
    return found


def nano(standing: Standing, amounts: Iterable[tuple[int, int]]) -> dict[str, Fraction]:
    """Exact nano of (line number, amount) pairs, by currency; what is bought counts against what is sold."""
    found: dict[str, Fraction] = {}
    for number, amount in amounts:
        line = standing.lines[number]
        if line.get("side", "sell") != "sell":
            continue
        found[line["currency"]] = found.get(line["currency"], Fraction(0)) + Fraction(
            amount, int(line["price_denominator"])
        )
    return found


def bill_of(standing: Standing, account_id: str) -> list[dict[str, Any]]:
    """The lines of an account's bill so far, before what only the close decides (maximums, commitments, credits, tax)."""
    found = []
    for number in standing.account_lines.get(account_id, ()):
        line, amount = standing.lines[number], standing.charges.get(number, 0)
        if line.get("side", "sell") == "sell":
            found.append(
                {
                    "offer_id": line["offer_id"], "offer_version": line["offer_version"],
                    "component_id": line["component_id"], "kind": line["kind"], "meter": line["meter"],
                    "title": line["title"], "currency": line["currency"],
                    "nano": Fraction(amount, int(line["price_denominator"])),
                }
            )  # fmt: skip
    return found


def usage_of(standing: Standing, keys: Iterable[int]) -> dict[str, Use]:
    """Use by stream, of some devices together."""
    found: dict[str, Use] = {}
    for key in keys:
        for stream, use in list(standing.usage.get(key, {}).items()):
            total = found.setdefault(stream, Use())
            total.units += use.units
            total.events += use.events
            if use.last_at is not None and (total.last_at is None or use.last_at > total.last_at):
                total.last_at = use.last_at
    return found


def key_of(tenant: str, device_id: str) -> int:
    """The key under which a device's figures are found."""
    return device_key(tenant, device_id)
