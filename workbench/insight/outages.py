"""A silent meter: was nothing used, or was it only not read? The register says it when the meter comes back."""

from __future__ import annotations

from dataclasses import replace

from workbench.insight.finding import Finding, Reason
from workbench.insight.reading import Fleet
from workbench.lake.lake import Lake
from workbench.lake.sql import name, quote

_WENT_ON = 0.3
"""Share of the usual use from which the register is said to have gone on during the silence."""


def told_apart(lake: Lake, fleet: Fleet, one: Finding) -> Finding:
    """A silence with what the register says of it; one that went on is a metering outage, not a device that rested."""
    if one.kind != "silent" or not fleet.columns.registers:
        return one
    column = fleet.columns.registers[0]
    said = _meanwhile(lake, one, column)
    if said is None:
        return one  # it has not come back yet: nobody knows
    added, usual = said
    peers = one.reasons[0].peers
    reason = Reason("usage.meanwhile", column, 0.0, added, usual, peers, "added during the silence")
    if added < _WENT_ON * usual:
        return replace(one, reasons=(*one.reasons, reason))
    return replace(
        one, kind="metering_outage", reasons=(*one.reasons, reason),
        clears=f"{one.clears}; what was used meanwhile is in the register, only its hours are unknown",
    )  # fmt: skip


def _meanwhile(lake: Lake, one: Finding, column: str) -> tuple[float, float] | None:
    """What the register added over the silence, and what it adds in as long a time else; None while it is silent."""
    field = name(column)
    since, until = (f"TIMESTAMP {quote(instant.isoformat(sep=' '))}" for instant in (one.since, one.until))
    row = lake.con.execute(
        f"WITH mine AS (SELECT e.ends_at AS t, e.{field} AS v FROM {lake.scan('landed', stream=one.stream)} e "
        f"JOIN {lake.scan('devices')} d USING (device_key) WHERE d.device_id = {quote(one.device_id)} AND e.{field} >= 0) "
        f"SELECT arg_max(v, t) FILTER (t <= {since}), arg_min(v, t) FILTER (t >= {until}), "
        f"max(t) FILTER (t <= {since}), min(t) FILTER (t >= {until}), "
        f"arg_max(v, t) - arg_min(v, t), epoch(max(t) - min(t)) FROM mine"
    ).fetchall()[0]
    low, high, begun, ended, total, seconds = row
    if low is None or high is None or ended <= begun or not seconds:
        return None
    silent = (ended - begun).total_seconds()
    added = float(high - low)
    rest = max(float(seconds) - silent, 1.0)
    return added, max(float(total) - added, 0.0) / rest * silent
