"""What an analyst looks at before a verdict: the series, what was expected, what the peers did, and the query behind it.

The expected band is the peers' (10 to 90 %) at the same instant, moved to the device's own level outside the episode: a device
that always uses twice as much as its peers is expected to use twice as much. Where there are no peers there is no band.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from workbench.casework.case import Case
from workbench.lake.engine import arrow
from workbench.lake.lake import Lake
from workbench.lake.sql import name, quote
from workbench.model.ids import device_key

PEERS_MAX = 200
_BUCKET = timedelta(minutes=15)
_POINTS_MAX = 2_000
_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")


@dataclass(frozen=True)
class Evidence:
    """The series of one device about one case.

    Attributes:
        device: whose. column, unit: what is drawn.
        series: ``at``, ``value``, ``low``, ``middle``, ``high`` (expected), ``peers`` (their median), ``inside`` (the episode).
        peers: how many devices the band is made of.
        query: SQL that gives the series; ``open_lake(path).sql(query)`` runs it.
    """

    device: str
    column: str
    unit: str
    series: pd.DataFrame
    peers: int
    query: str

    @property
    def outside_band(self) -> int:
        """Points of the episode that lie outside what was expected."""
        rows = self.series[self.series["inside"]]
        return int(((rows["value"] < rows["low"]) | (rows["value"] > rows["high"])).sum())


def evidence(lake: Lake, case: Case, device: str = "") -> Evidence:
    """The evidence of a case about one of its devices (the first when left out)."""
    chosen = device or case.devices[0]
    column = str(case.reasons[0].get("column") or "") if case.reasons else ""
    source, field, unit = _source(lake, case.stream, column)
    empty = pd.DataFrame(columns=["at", "value", "low", "middle", "high", "peers", "inside"])
    if not source:
        return Evidence(chosen, column, "", empty, 0, case.query)
    begin, end = _span(lake, case)
    step = _step(begin, end)
    bucket = f"time_bucket(INTERVAL {int(step.total_seconds())} SECOND, moment)"
    rows = (
        f"SELECT device_key, {bucket} AS spot, {field} AS value FROM (SELECT device_key, {_at(source)} AS moment, * "
        f"FROM {source}) WHERE moment >= TIMESTAMP {quote(str(begin))} AND moment < TIMESTAMP {quote(str(end))}"
    )
    key = device_key(lake.tenant, chosen)
    own = arrow(lake.con, f"{rows} AND device_key = {key} GROUP BY ALL ORDER BY spot").to_pandas()
    peers = arrow(
        lake.con,
        f"WITH peers AS ({_peers(lake, chosen, key, source)}), seen AS ({rows} AND device_key IN (SELECT device_key FROM peers) "
        "GROUP BY ALL) SELECT spot, quantile_cont(value::DOUBLE, 0.1) AS p10, quantile_cont(value::DOUBLE, 0.5) AS p50, "
        "quantile_cont(value::DOUBLE, 0.9) AS p90, count(*) AS n FROM seen GROUP BY spot ORDER BY spot",
    ).to_pandas()
    frame = _banded(own.rename(columns={"spot": "at"}), peers.rename(columns={"spot": "at"}), case)
    count = int(peers["n"].max()) if len(peers) else 0
    return Evidence(chosen, unit, unit, frame, count, case.query)


def _source(lake: Lake, stream: str, column: str) -> tuple[str, str, str]:
    """Relation, aggregate and unit: the watched column of landed rows, else the units of the records."""
    if stream and column and lake.segments("landed", stream=stream):
        landed = lake.scan("landed", stream=stream)
        types = {
            row[0]: row[1] for row in lake.con.execute(f"DESCRIBE SELECT * FROM {landed} LIMIT 0").fetchall()
        }
        if column not in ("units", "reading") and types.get(column, "").startswith(_NUMERIC):
            return landed, f"avg({name(column)})::DOUBLE", column
    if stream and lake.segments("records", stream=stream):
        return lake.scan("records", stream=stream), "sum(units)::DOUBLE", "units"
    return "", "", ""


def _at(source: str) -> str:
    return "ends_at" if "/landed/" in source else "window_start"


def _span(lake: Lake, case: Case) -> tuple[datetime, datetime]:
    """The episode with as much before and after it, at least six hours each."""
    around = max((case.until - case.since) / 2, timedelta(hours=6))
    return (case.since - around).replace(microsecond=0), (case.until + around + _BUCKET).replace(
        microsecond=0
    )


def _step(begin: datetime, end: datetime) -> timedelta:
    """A quarter of an hour, or as many of them as keep the chart drawable."""
    times = int((end - begin) / _BUCKET / _POINTS_MAX) + 1
    return _BUCKET * times


def _peers(lake: Lake, device: str, key: int, source: str) -> str:
    """SQL of up to ``PEERS_MAX`` device keys of the same kind on the same stream, those of the same group first."""
    if not lake.segments("devices_info"):
        return (
            f"SELECT DISTINCT device_key FROM {source} WHERE device_key <> {key} ORDER BY 1 LIMIT {PEERS_MAX}"
        )
    info = lake.scan("devices_info")
    return (
        f"WITH me AS (SELECT kind, group_id FROM {info} WHERE device_id = {quote(device)}) "
        f"SELECT d.device_key FROM {lake.scan('devices')} d JOIN {info} i USING (device_id) "
        f"JOIN (SELECT DISTINCT device_key FROM {source}) USING (device_key) CROSS JOIN me "
        f"WHERE i.kind IS NOT DISTINCT FROM me.kind AND d.device_key <> {key} "
        f"ORDER BY i.group_id IS DISTINCT FROM me.group_id, d.device_key LIMIT {PEERS_MAX}"
    )


def _banded(own: pd.DataFrame, peers: pd.DataFrame, case: Case) -> pd.DataFrame:
    """Own series beside the peers' band, moved to the device's own level; instants without a word are gaps, not zeros."""
    grid = pd.DataFrame({"at": sorted(set(own["at"]) | set(peers["at"]))})
    frame = grid.merge(own[["at", "value"]], on="at", how="left").merge(peers, on="at", how="left")
    inside = (frame["at"] >= case.since - _BUCKET) & (frame["at"] <= case.until)
    calm = ~inside & frame["value"].notna() & (frame["p50"].abs() > 0)
    ratio = float(np.median(frame.loc[calm, "value"] / frame.loc[calm, "p50"])) if calm.any() else 1.0
    ratio = ratio if np.isfinite(ratio) and ratio > 0 else 1.0
    return pd.DataFrame(
        {
            "at": frame["at"], "value": frame["value"], "low": frame["p10"] * ratio, "middle": frame["p50"] * ratio,
            "high": frame["p90"] * ratio, "peers": frame["p50"], "inside": inside,
        }
    )  # fmt: skip


def timeline(lake: Lake, device: str, cases: list[Case]) -> dict[str, Any]:
    """The life of one device or SIM: its use by the hour, its names on networks, who paid, and its cases."""
    key = device_key(lake.tenant, device)
    use = [
        arrow(
            lake.con,
            f"SELECT {quote(stream)} AS stream, date_trunc('hour', window_start) AS spot, sum(units)::DOUBLE AS units, "
            f"sum(n_events)::BIGINT AS events "
            f"FROM {lake.scan('records', stream=stream)} WHERE device_key = {key} GROUP BY ALL ORDER BY spot",
        )
        .to_pandas()
        .rename(columns={"spot": "at"})
        for stream in sorted({segment.stream for segment in lake.segments("records")})
    ]
    spoken = [frame for frame in use if len(frame)]
    names = _listed(lake, "identities", "kind, value, starts_at, ends_at", device)
    paid = _listed(lake, "subscriptions", "account_id, offer_id, sim_state, starts_at, ends_at", device)
    return {
        "device": device, "identities": names, "subscriptions": paid,
        "use": pd.concat(spoken) if spoken else pd.DataFrame(columns=["stream", "at", "units", "events"]),
        "cases": [case for case in cases if device in case.devices],
    }  # fmt: skip


def _listed(lake: Lake, kind: str, columns: str, device: str) -> list[tuple[Any, ...]]:
    if not lake.segments(kind):
        return []
    return lake.con.execute(
        f"SELECT {columns} FROM {lake.scan(kind)} WHERE device_id = {quote(device)} ORDER BY ALL"
    ).fetchall()
