"""Leaks of a SIM estate: paid for and never used, used and not billed, billed while suspended, storms, stolen handsets.

These are joins of what the lake knows for certain, so they need no statistics; a finding's surprise is fixed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from workbench.insight.finding import Finding, Reason
from workbench.lake.lake import Lake
from workbench.lake.sql import quote
from workbench.model.ids import short_hash

CERTAIN = 9.0
STORM_PER_HOUR = 60.0
"""Records of attach attempts by one device in an hour from which it is a storm."""

_STORM_TIMES = 20.0  # and this many times the peers' usual hour
_LISTED_MAX = 10_000


def leaks(lake: Lake) -> list[Finding]:
    """All leaks that the lake's tables can show."""
    found: list[Finding] = []
    if lake.segments("subscriptions") and lake.segments("records"):
        found += _zombies(lake) + _suspended(lake)
    if lake.segments("uncharged"):
        found += _not_billed(lake)
    if lake.segments("identities"):
        found += _handsets(lake)
    return found + _storms(lake) + _zero_usage(lake)


def _rows(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    return lake.con.execute(f"{sql} LIMIT {_LISTED_MAX}").fetchall()


def _zombies(lake: Lake) -> list[Finding]:
    """Active subscriptions whose device was never heard, while others were for days."""
    records, subscriptions = lake.scan("records"), lake.scan("subscriptions")
    rows = _rows(
        lake,
        f"WITH span AS (SELECT min(window_start) a, max(window_start) b FROM {records}), "
        f"heard AS (SELECT DISTINCT device_id FROM {records} JOIN {lake.scan('devices')} USING (device_key)) "
        f"SELECT s.device_id, span.a, span.b, s.offer_id FROM {subscriptions} s CROSS JOIN span "
        "LEFT JOIN heard ON heard.device_id = s.device_id "
        "WHERE s.device_id IS NOT NULL AND heard.device_id IS NULL AND s.sim_state = 'active' AND s.starts_at <= span.a "
        "AND (s.ends_at IS NULL OR s.ends_at > span.b) AND span.b - span.a >= INTERVAL 6 DAY ORDER BY 1",
    )
    return [
        _finding(lake, "zombie", device, since, until, 0.0, "records",
                 "SELECT * FROM subscriptions WHERE device_id = " + quote(device), "the SIM had been used once, or was not active")
        for device, since, until, _ in rows
    ]  # fmt: skip


def _suspended(lake: Lake) -> list[Finding]:
    """Charges for days on which the SIM was suspended or terminated."""
    if not lake.segments("charges"):
        return []
    rows = _rows(
        lake,
        f"SELECT s.device_id, min(c.window_start), max(c.window_start), count(*), sum(c.units) FROM {lake.scan('charges')} c "
        f"JOIN {lake.scan('devices')} d USING (device_key) JOIN {lake.scan('subscriptions')} s ON s.device_id = d.device_id "
        "WHERE s.sim_state IN ('suspended', 'terminated') AND c.window_start >= s.starts_at "
        "AND (s.ends_at IS NULL OR c.window_start < s.ends_at) AND c.amount > 0 GROUP BY 1 ORDER BY 1",
    )
    return [
        _finding(lake, "billed_while_suspended", device, since, until, float(count), "charges",
                 "SELECT c.* FROM charges c JOIN devices USING (device_key) WHERE device_id = " + quote(device),
                 "the SIM had been active, or nothing had been charged")
        for device, since, until, count, _ in rows
    ]  # fmt: skip


def _not_billed(lake: Lake) -> list[Finding]:
    """Use that no price took, except where that was meant."""
    rows = _rows(
        lake,
        f"SELECT coalesce(d.device_id, u.device_key::VARCHAR), min(u.window_start), max(u.window_start), "
        f"sum(u.units)::BIGINT, min(u.reason), min(u.stream) FROM {lake.scan('uncharged')} u "
        f"LEFT JOIN {lake.scan('devices')} d USING (device_key) "
        "WHERE u.units > 0 AND u.reason NOT IN ('charged_online') GROUP BY 1 ORDER BY 4 DESC, 1",
    )
    return [
        _finding(lake, "used_not_billed", device, since, until, float(units), f"units not billed ({reason})",
                 "SELECT u.* FROM uncharged u JOIN devices USING (device_key) WHERE device_id = " + quote(device),
                 "an offer had priced this use", stream)
        for device, since, until, units, reason, stream in rows
    ]  # fmt: skip


def _handsets(lake: Lake) -> list[Finding]:
    """A SIM locked to a handset that speaks from another one."""
    found = []
    for stream in sorted({segment.stream for segment in lake.segments("landed")}):
        landed = lake.scan("landed", stream=stream)
        columns = {row[0] for row in lake.con.execute(f"DESCRIBE SELECT * FROM {landed}").fetchall()}
        if "imei" not in columns:
            continue
        rows = _rows(
            lake,
            f"SELECT d.device_id, min(e.ends_at), max(e.ends_at), count(*), any_value(e.imei::VARCHAR) FROM {landed} e "
            f"JOIN {lake.scan('devices')} d USING (device_key) JOIN {lake.scan('identities')} i ON i.device_id = d.device_id "
            "AND i.kind = 'imei' AND e.ends_at >= i.starts_at AND (i.ends_at IS NULL OR e.ends_at < i.ends_at) "
            "WHERE e.imei::VARCHAR <> i.value GROUP BY 1 ORDER BY 1",
        )
        found += [
            _finding(lake, "imei_lock_breach", device, since, until, float(count), "messages from another handset",
                     "SELECT * FROM identities WHERE device_id = " + quote(device),
                     "it had spoken from the handset it is locked to", stream)
            for device, since, until, count, _ in rows
        ]  # fmt: skip
    return found


def _storms(lake: Lake) -> list[Finding]:
    """Devices that come back again and again: many times the messages of their peers in one hour."""
    found = []
    for stream in sorted({segment.stream for segment in lake.segments("landed")}):
        rows = _rows(
            lake,
            f"WITH hours AS (SELECT device_key, time_bucket(INTERVAL 1 HOUR, received_at) AS hour, count(*) AS n "
            f"FROM {lake.scan('landed', stream=stream)} GROUP BY 1, 2), usual AS (SELECT quantile_disc(n, 0.99) AS n99 FROM hours) "
            "SELECT coalesce(d.device_id, h.device_key::VARCHAR), min(h.hour), max(h.hour), max(h.n), any_value(n99) "
            "FROM hours h CROSS JOIN usual "
            f"LEFT JOIN {lake.scan('devices')} d USING (device_key) "
            f"WHERE h.n >= {STORM_PER_HOUR} AND h.n >= {_STORM_TIMES} * n99 GROUP BY 1 ORDER BY 4 DESC, 1",
        )
        found += [
            _finding(lake, "reconnect_storm", device, since, until, float(most), "messages in an hour",
                     f"SELECT count(*) FROM landed WHERE stream = {quote(stream)}",
                     f"it had sent fewer than {STORM_PER_HOUR:.0f} messages an hour", stream, float(usual))
            for device, since, until, most, usual in rows
        ]  # fmt: skip
    return found


def _zero_usage(lake: Lake) -> list[Finding]:
    """Devices that report all the time and measured nothing at all, where their peers measured something."""
    found = []
    for stream in sorted({segment.stream for segment in lake.segments("records")}):
        rows = _rows(
            lake,
            f"WITH mine AS (SELECT device_key, sum(units) AS units, sum(n_events) AS events, min(window_start) AS a, "
            f"max(window_start) AS b FROM {lake.scan('records', stream=stream)} GROUP BY 1), "
            "usual AS (SELECT quantile_disc(units, 0.5) AS middle, quantile_disc(events, 0.5) AS often FROM mine) "
            "SELECT coalesce(d.device_id, m.device_key::VARCHAR), m.a, m.b, m.events, middle FROM mine m CROSS JOIN usual "
            f"LEFT JOIN {lake.scan('devices')} d USING (device_key) WHERE m.units = 0 AND middle > 0 AND m.events >= 24 "
            "AND 2 * m.events >= often ORDER BY 1",
        )
        found += [
            _finding(lake, "zero_usage", device, since, until, 0.0, "units",
                     "SELECT r.* FROM records r JOIN devices USING (device_key) WHERE device_id = " + quote(device),
                     "it had measured anything", stream, float(usual))
            for device, since, until, _, usual in rows
        ]  # fmt: skip
    return found


def _finding(
    lake: Lake, kind: str, device: str, since: datetime, until: datetime, observed: float, unit: str,
    query: str, clears: str, stream: str = "", usual: float = 0.0,
) -> Finding:  # fmt: skip
    reason = Reason(f"estate.{kind}", "", CERTAIN, observed, usual, usual, unit)
    return Finding(
        short_hash(lake.tenant, stream, device, kind, since), kind, stream, device, (reason,), since, until, query,
        f"it would not be raised if {clears}", 10.0**-CERTAIN,
    )  # fmt: skip
