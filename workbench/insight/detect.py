"""``wb.detect(lake)``: all detectors over all streams of a lake, and the leaks of its SIM estate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from workbench.errors import UsageError
from workbench.insight import arbitrage, estate, money, outages, reading
from workbench.insight.finding import Finding, Findings, Reason
from workbench.insight.fleet.usage import of_use
from workbench.insight.fleet.watch import Columns, Suspicion, Watch
from workbench.lake.lake import Lake
from workbench.lake.sql import name, quote
from workbench.model.ids import short_hash

OUTAGE_SHARE = 0.2
"""When more than this share of a group goes quiet together it is one outage, not many silences."""

_OUTAGE_LEAST = 4
_CLEARS = {
    "stuck": "it had moved within {expected:.0f} readings",
    "silent": "a message had come within {expected:.2g} hours",
    "spike": "the reading had stayed near {expected:.4g}",
    "sentinel": "it had said a measurement instead of a code for no data",
    "drift": "it had stayed with its peers",
    "counter_reset": "the register had gone on from {expected:.0f}",
    "duplicate": "it had sent no more than {expected:.2g} copies in six hours",
    "reordered": "its messages had arrived in order",
    "late": "its messages had arrived one by one",
    "conflict": "both deliveries of an instant had said the same",
    "zero_usage": "it had measured nothing for no longer than {expected:.2g} days",
    "theft": "its use had gone on at {expected:.4g} a day, as its peers' did",
    "arbitrage": "it had kept the hours of use it had before ({expected:.4g} a day)",
    "consumption": "the day had come to {expected:.4g} units",
    "failing": "its counters and its battery had moved as its peers' ({expected:.3g})",
    "compromised": "it had kept to the company, handset, volume and hours of its peers",
}


class Opened(Protocol):
    """A lake opened for notebooks."""

    @property
    def inner(self) -> Lake:
        """The lake behind the door."""


def detect(
    lake: Lake | Opened,
    stream: str = "",
    *,
    since: datetime | None = None,
    priced: bool = True,
    progress: Callable[[str], None] = lambda _: None,
) -> Findings:
    """Look at every device of a lake.

    Args:
        lake: a lake, or what ``open_lake`` returned; nothing is written.
        stream: only this one; all streams and the SIM estate when left out.
        since: only readings from this instant on (UTC).
        priced: ask rating what money hangs on each finding.
        progress: told the name of each stream.

    Returns: findings, the most surprising first; ``learning`` names devices that were seen too little.

    Raises:
        UsageError: there is no such stream.
    """
    inner = lake if isinstance(lake, Lake) else lake.inner
    streams = sorted({segment.stream for segment in inner.segments("landed")})
    if stream and stream not in streams:
        raise UsageError(
            f"This lake has no stream {stream!r}.",
            cure=f"Its streams are {', '.join(streams) or 'none yet'}.",
        )
    found: list[Finding] = []
    judged: dict[str, int] = {}
    learning: dict[str, list[str]] = {}
    for one in [stream] if stream else streams:
        progress(one)
        fleet = reading.fleet_of(inner, one)
        watch = Watch(fleet.columns, len(fleet.keys), fleet.cohort)
        for batch in reading.batches(inner, one, fleet, since):
            watch.update(batch)
        known = watch.states()
        judged[one] = int(known.sum())
        learning[one] = [fleet.ids[code] for code in np.flatnonzero(~known)]
        mine = _grouped(inner, one, fleet, watch)
        found += [outages.told_apart(inner, fleet, finding) for finding in mine]
        found += _of_use(inner, one, fleet, since, {finding.device_id for finding in mine})
        found += arbitrage.of_stream(inner, one)
    if not stream:
        progress("SIM estate")
        found += _once(estate.leaks(inner), found) + arbitrage.of_estate(inner)
    if priced:
        found = money.priced(inner, found)
    found.sort(key=lambda one: (-one.reasons[0].surprise, one.device_id, one.kind))
    return Findings(found, judged, learning)


def _of_use(
    lake: Lake, stream: str, fleet: reading.Fleet, since: datetime | None, known: set[str]
) -> list[Finding]:
    """What billed use says of devices whose messages raised nothing: theft, arbitrage, zero use, odd consumption."""
    if not lake.segments("records", stream=stream):
        return []
    watch = Watch(Columns(()), len(fleet.keys), fleet.cohort, list(of_use("units", len(fleet.keys))))
    for batch in reading.use(lake, stream, fleet, since):
        watch.update(batch)
    found = [one for one in watch.suspicions() if fleet.ids[one.device] not in known]
    return [_finding(lake, stream, fleet, one, "records") for one in found]


def _once(leaks: list[Finding], found: list[Finding]) -> list[Finding]:
    """Leaks that were not found already, with a date, by looking at use hour by hour."""
    known = {(one.kind, one.stream, one.device_id) for one in found}
    return [one for one in leaks if (one.kind, one.stream, one.device_id) not in known]


def _grouped(lake: Lake, stream: str, fleet: reading.Fleet, watch: Watch) -> list[Finding]:
    """Findings of a stream; silences of one group at the same time become one outage."""
    suspicions = watch.suspicions()
    quiet: dict[str, list[Suspicion]] = defaultdict(list)
    for one in suspicions:
        if one.detector.kind == "silent" and fleet.groups[one.device]:
            quiet[fleet.groups[one.device]].append(one)
    sizes: dict[str, int] = defaultdict(int)
    for group in fleet.groups:
        sizes[group] += 1
    taken: set[int] = set()
    outages = []
    for group, silences in quiet.items():
        together = _together(silences)
        if len(together) >= max(_OUTAGE_LEAST, OUTAGE_SHARE * sizes[group]):
            taken |= {one.device for one in together}
            outages.append(_outage(lake, stream, fleet, group, together))
    singles = [_finding(lake, stream, fleet, one) for one in suspicions if one.device not in taken]
    return outages + singles


def _together(silences: list[Suspicion]) -> list[Suspicion]:
    """The largest set of silences that share an instant."""
    best: list[Suspicion] = []
    for one in silences:
        at = one.since_ms + 1
        sharing = [other for other in silences if other.since_ms <= at <= other.until_ms]
        best = max(best, sharing, key=len)
    return best


def _outage(lake: Lake, stream: str, fleet: reading.Fleet, group: str, together: list[Suspicion]) -> Finding:
    first = max(together, key=lambda one: one.surprise)
    since, until = min(one.since_ms for one in together), max(one.until_ms for one in together)
    members = tuple(sorted(fleet.ids[one.device] for one in together))
    keys = ", ".join(str(fleet.keys[one.device]) for one in together[:200])
    query = _query(stream, (), f"e.device_key IN ({keys})", since, until)
    reason = Reason("outage.group", "", first.surprise + float(np.log10(len(together))), float(len(together)), 0.0, 0.0,
                    "devices quiet together")  # fmt: skip
    share = OUTAGE_SHARE * 100
    return Finding(
        short_hash(lake.tenant, stream, group, "outage", since), "outage", stream, group, (reason, _reason(first)),
        _at(since), _at(until), query, f"fewer than {share:.0f} % of the group had gone quiet together",
        10.0**-reason.surprise, members,
    )  # fmt: skip


def _finding(lake: Lake, stream: str, fleet: reading.Fleet, one: Suspicion, table: str = "landed") -> Finding:
    device_id, kind = fleet.ids[one.device], one.detector.kind
    columns = tuple(
        dict.fromkeys(other.detector.column for other in (one, *one.also) if other.detector.column)
    )
    where = f"e.device_key = {fleet.keys[one.device]}"
    query = (
        _query(stream, columns, where, one.since_ms, one.until_ms)
        if table == "landed"
        else _query_use(stream, where, one.since_ms, one.until_ms)
    )
    clears = "it would not be raised if " + _CLEARS[kind].format(expected=one.expected)
    return Finding(
        short_hash(lake.tenant, stream, device_id, kind, one.detector.rule, one.detector.column, one.since_ms),
        kind, stream, device_id, tuple(_reason(part) for part in (one, *one.also)),
        _at(one.since_ms), _at(max(one.until_ms, one.since_ms)), query, clears, 10.0**-one.surprise,
    )  # fmt: skip


def _reason(one: Suspicion) -> Reason:
    return Reason(
        one.detector.rule, one.detector.column, round(one.surprise, 3), one.observed, one.expected, one.peers,
        one.detector.unit,
    )  # fmt: skip


def _query(stream: str, columns: tuple[str, ...], which: str, since_ms: int, until_ms: int) -> str:
    """SQL over the opened lake's tables: the episode and a day before it."""
    table = name(f"landed_{stream}".replace(".", "_").replace("-", "_"))
    chosen = ", ".join(
        ["devices.device_id", "e.ends_at", "e.received_at", *(f"e.{name(c)}" for c in columns)]
    )
    begin, end = _at(max(since_ms - 86_400_000, 0)), _at(max(until_ms, since_ms))
    return (
        f"SELECT {chosen} FROM {table} e LEFT JOIN devices USING (device_key) WHERE {which} "
        f"AND e.ends_at BETWEEN TIMESTAMP {quote(begin.isoformat(sep=' '))} AND TIMESTAMP {quote(end.isoformat(sep=' '))} "
        "ORDER BY e.ends_at, e.received_at"
    )


def _query_use(stream: str, which: str, since_ms: int, until_ms: int) -> str:
    """SQL over the opened lake's records: the episode and four weeks before it."""
    begin, end = _at(max(since_ms - 28 * 86_400_000, 0)), _at(max(until_ms, since_ms))
    return (
        "SELECT devices.device_id, e.window_start, e.units, e.n_events, e.n_duplicates FROM records e LEFT JOIN devices "
        f"USING (device_key) WHERE {which} AND e.stream = {quote(stream)} AND e.window_start BETWEEN "
        f"TIMESTAMP {quote(begin.isoformat(sep=' '))} AND TIMESTAMP {quote(end.isoformat(sep=' '))} ORDER BY e.window_start"
    )


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC).replace(tzinfo=None)
