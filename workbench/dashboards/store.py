"""What the pages know of a lake: one read-only door, small tables loaded once, everything else asked when needed.

A store belongs to the process, not to a session (a session's own variables die with it). Money stays integers over
denominators (``Fraction``); floats exist only for coordinates and for what a chart draws.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.lake.engine import arrow
from workbench.lake.lake import Lake

_LAMPS = "lamps.energy"


@dataclass(frozen=True, slots=True)
class Totals:
    """The lake's counts, all rows of all streams."""

    delivered: int
    events: int
    duplicates: int
    rejects: int
    quarantined: int
    records: int

    @property
    def reduction_tenths(self) -> int:
        """By how much aggregation shrank what was delivered, in tenths of a percent."""
        return 1000 - 1000 * self.records // self.delivered if self.delivered else 0


class Store:
    """One version of one tenant's lake, for any number of sessions."""

    def __init__(self, path: Path, tenant: str = "main") -> None:
        self.lake = Lake.open(path, tenant)
        self._lock = threading.Lock()

    def rows(self, sql: str, params: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """A small result as Python values."""
        with self._lock:
            cursor = self.lake.con.cursor()
            try:
                return cursor.execute(sql, params or {}).fetchall()
            finally:
                cursor.close()

    def table(self, sql: str) -> pa.Table:
        """A larger result as Arrow."""
        with self._lock:
            cursor = self.lake.con.cursor()
            try:
                return arrow(cursor, sql)
            finally:
                cursor.close()

    # -- what it holds ---------------------------------------------------------------------------------------

    @cached_property
    def period(self) -> str:
        """The newest rated billing period; empty when none was."""
        return max((s.period for s in self.lake.segments("lines") if "#" not in s.period), default="")

    @cached_property
    def streams(self) -> list[str]:
        """Names of all streams with records."""
        return sorted({segment.stream for segment in self.lake.segments("records")})

    @cached_property
    def currency(self) -> str:
        """The period's currency; several are joined by a slash."""
        found = self.rows(
            f"SELECT DISTINCT currency FROM {self.lake.scan('lines', period=self.period)} ORDER BY 1"
        )
        return "/".join(row[0] for row in found)

    @cached_property
    def totals(self) -> Totals:
        """Counts from the deliveries' accounts and the segments' control totals; no file is read."""
        records = self.lake.segments("records")
        accounts = [
            part for fact in self.lake.facts("delivery").values() for part in fact["streams"].values()
        ]
        return Totals(
            delivered=sum(part["rows"] for part in accounts),
            events=sum(segment.controls.get("events", 0) for segment in records),
            duplicates=sum(segment.controls.get("duplicates", 0) for segment in records),
            rejects=sum(part["rejected"] for part in accounts),
            quarantined=sum(segment.rows for segment in self.lake.segments("quarantine")),
            records=sum(segment.rows for segment in records),
        )

    # -- the day, window by window ---------------------------------------------------------------------------

    @cached_property
    def windows(self) -> list[tuple[datetime, str, int, int, int, int]]:
        """(quarter of an hour, stream, events, duplicates, units, records), in time order."""
        parts = [
            f"SELECT window_start, '{stream}' AS stream, n_events, n_duplicates, units FROM "
            f"{self.lake.scan('records', stream=stream)}"
            for stream in self.streams
        ]
        if not parts:
            return []
        return self.rows(
            "SELECT time_bucket(INTERVAL 15 MINUTE, window_start) AS at, stream, sum(n_events)::BIGINT, "
            f"sum(n_duplicates)::BIGINT, sum(units)::HUGEINT, count(*) FROM ({' UNION ALL '.join(parts)}) "
            "GROUP BY ALL ORDER BY ALL"
        )

    @cached_property
    def takings(self) -> list[tuple[datetime, str, Fraction]]:
        """(quarter of an hour, offer, exact nano) of what was sold, in time order; one row for each denominator."""
        if not self.period:
            return []
        found = self.rows(
            "SELECT time_bucket(INTERVAL 15 MINUTE, window_start) AS at, offer_id, price_denominator::HUGEINT, "
            f"sum(amount)::HUGEINT FROM {self.lake.scan('charges', period=self.period)} c "
            f"JOIN {self.lake.scan('lines', period=self.period)} l USING (line_no) "
            "WHERE side = 'sell' GROUP BY ALL ORDER BY ALL"
        )
        return [(at, offer, Fraction(amount, denominator)) for at, offer, denominator, amount in found]

    @cached_property
    def partner_shares(self) -> dict[str, Fraction]:
        """Partner to exact nano of the period."""
        shares: dict[str, Fraction] = {}
        for partner, top, bottom in self.rows(
            "SELECT partner_id, share_numerator, share_denominator FROM "
            f"{self.lake.scan('statements', period=self.period)}"
        ):
            shares[partner] = shares.get(partner, Fraction(0)) + Fraction(int(top), int(bottom))
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    @cached_property
    def names(self) -> dict[str, str]:
        """Partner and account ids to the names people know."""
        found = self.rows(f"SELECT partner_id, name FROM {self.lake.scan('partners')}")
        return dict(found) | dict(self.rows(f"SELECT account_id, name FROM {self.lake.scan('accounts')}"))

    # -- the map ---------------------------------------------------------------------------------------------

    @cached_property
    def lamps(self) -> pa.Table:
        """Every lamp with a place: device_key, device_id, site, lat, lon; sorted by key."""
        return self.table(
            "SELECT d.device_key, d.device_id, i.site, i.lat, i.lon FROM "
            f"{self.lake.scan('devices')} d JOIN {self.lake.scan('devices_info')} i USING (device_id) "
            "WHERE i.kind = 'streetlight' AND i.lat IS NOT NULL ORDER BY d.device_key"
        )

    def lamp_hour(self, hour: datetime) -> dict[str, Any]:
        """Energy [mWh] and events of each of ``lamps`` in one hour, as numpy arrays; silent lamps have 0 events."""
        partition = [
            segment
            for segment in self.lake.segments("records", stream=_LAMPS)
            if f"{hour:%Y-%m-%dT%H}".startswith(segment.partition)
        ]
        use = (
            "SELECT device_key, sum(units)::BIGINT AS units, sum(n_events)::BIGINT AS n FROM "
            f"{self.lake.scan('records', segments=partition)} WHERE date_trunc('hour', window_start) = "
            f"TIMESTAMP '{hour:%Y-%m-%d %H:00:00}' GROUP BY 1"
        )
        keys = self.lamps.select(["device_key"])
        with self._lock:
            cursor = self.lake.con.cursor()
            try:
                cursor.register("lamp_keys", keys)
                return cursor.execute(
                    f"SELECT coalesce(u.units, 0) AS units, coalesce(u.n, 0) AS events FROM lamp_keys k "
                    f"LEFT JOIN ({use}) u USING (device_key) ORDER BY k.device_key"
                ).fetchnumpy()
            finally:
                cursor.close()
