"""Cases from findings: one per device or cluster, reason and period, and a few devices drawn at random besides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from workbench.casework.case import RANDOM_CHECK, Case
from workbench.casework.money import Risk, risks
from workbench.insight.finding import Finding, Findings
from workbench.lake.lake import Lake
from workbench.lake.sql import name, quote
from workbench.model.ids import short_hash

CLUSTER_LEAST = 5
"""So many devices of one group with the same reason at the same time are one case."""
SLICE = 10
"""One random check for every so many cases that a detector raised."""


@dataclass(frozen=True, slots=True)
class Where:
    """What the party tables say of a device."""

    account: str = ""
    account_name: str = ""
    group: str = ""
    place: tuple[float, float] | None = None


def cases_of(lake: Lake, findings: Findings) -> list[Case]:
    """The cases of a lake's findings; the same lake gives the same cases with the same ids."""
    money = risks(lake, findings)
    devices = {device for one in findings for device in (one.device_id, *one.members)}
    known = where_of(lake, devices)
    periods = _periods(lake)
    grouped: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for one in findings:
        grouped[(one.device_id, one.kind, _period(periods, one.since))].append(one)
    cases = [
        _case(lake, subject, kind, period, found, money, known)
        for (subject, kind, period), found in grouped.items()
    ]
    clustered = _clusters(lake, cases, known)
    return [*clustered, *_random_checks(lake, findings, len(clustered), periods)]


def where_of(lake: Lake, devices: Iterable[str]) -> dict[str, Where]:
    """Account, group and place of devices."""
    listed = ", ".join(quote(device) for device in sorted(devices))
    if not listed:
        return {}
    rows = lake.con.execute(
        f"WITH asked AS (SELECT unnest([{listed}]) AS device_id), owners AS (SELECT device_id, max(account_id) AS account_id "
        f"FROM {lake.scan('subscriptions')} WHERE device_id IS NOT NULL GROUP BY 1) "
        "SELECT device_id, coalesce(o.account_id, ''), coalesce(a.name, o.account_id, ''), coalesce(i.group_id, i.site, ''), "
        f"i.lat, i.lon FROM asked LEFT JOIN owners o USING (device_id) LEFT JOIN {lake.scan('accounts')} a USING (account_id) "
        f"LEFT JOIN {lake.scan('devices_info')} i USING (device_id)"
    ).fetchall()
    return {
        device: Where(account, owner, group, None if lat is None or lon is None else (lat, lon))
        for device, account, owner, group, lat, lon in rows
    }


def _case(
    lake: Lake,
    subject: str,
    kind: str,
    period: str,
    found: Sequence[Finding],
    money: Mapping[str, Risk],
    known: Mapping[str, Where],
) -> Case:
    first = max(found, key=lambda one: (one.reasons[0].surprise, one.finding_id))
    members = tuple(dict.fromkeys(device for one in found for device in one.members))
    about = known.get(members[0] if members else subject, Where())
    priced = [money[one.finding_id] for one in found if one.finding_id in money]
    same = [risk for risk in priced if risk.currency == priced[0].currency]
    largest = max(same, key=lambda risk: risk.at_risk, default=None)
    return Case(
        short_hash(lake.tenant, subject, kind, period), subject, kind, period, first.stream, about.account,
        about.account_name, members, min(one.since for one in found), max(one.until for one in found),
        largest.at_risk if largest else None, largest.billed if largest else None,
        largest.expected if largest else None, largest.currency if largest else "",
        largest.priced_by if largest else "", first.reasons[0].surprise, _words(first), first.clears, first.query,
        tuple(vars_of(one) for one in first.reasons), tuple(sorted(one.finding_id for one in found)),
        learning=first.state == "learning", place=about.place,
    )  # fmt: skip


def vars_of(reason: object) -> dict[str, object]:
    """A reason as plain values; what is unknown (NaN) as None, since JSON has no word for it."""
    found = {}
    for field in ("rule", "column", "surprise", "observed", "expected", "peers", "unit"):
        value = getattr(reason, field)
        found[field] = None if value != value else value
    return found


def _words(one: Finding) -> str:
    """The finding's sentence without its own estimate of money: the case says what the kernel says."""
    return one.priced(None).sentence()


def _clusters(lake: Lake, cases: Sequence[Case], known: Mapping[str, Where]) -> list[Case]:
    """Cases of one group and reason that overlap become one."""
    together: dict[tuple[str, str, str], list[Case]] = defaultdict(list)
    for case in cases:
        group = known.get(case.subject, Where()).group
        if group and not case.members:
            together[(group, case.kind, case.period)].append(case)
    taken: set[str] = set()
    made: list[Case] = []
    for (group, kind, period), members in together.items():
        middle = max(case.since for case in members)
        same = [case for case in members if case.until >= middle]
        if len(same) < CLUSTER_LEAST:
            continue
        taken |= {case.case_id for case in same}
        made.append(_cluster(lake, group, kind, period, same))
    return [*made, *(case for case in cases if case.case_id not in taken)]


def _cluster(lake: Lake, group: str, kind: str, period: str, same: Sequence[Case]) -> Case:
    first = max(same, key=lambda case: (case.surprise, case.case_id))
    devices = tuple(sorted(case.subject for case in same))
    priced = [case for case in same if case.at_risk is not None and case.currency == first.currency]

    def sum_of(name: str) -> Fraction | None:
        return sum((getattr(case, name) for case in priced), Fraction(0)) if priced else None

    return replace(
        first, case_id=short_hash(lake.tenant, group, kind, period), subject=group, members=devices,
        since=min(case.since for case in same), until=max(case.until for case in same),
        sentence=f"{len(devices)} devices of {group} at once, first {first.sentence}",
        findings=tuple(sorted(finding for case in same for finding in case.findings)),
        billed=sum_of("billed"), expected=sum_of("expected"), at_risk=sum_of("at_risk"),
    )  # fmt: skip


def _random_checks(
    lake: Lake, findings: Findings, raised: int, periods: Sequence[tuple[str, datetime, datetime]]
) -> list[Case]:
    """Devices about which nothing was said, drawn by their hash: the same lake draws the same ones."""
    if not raised:
        return []
    wanted = max(1, raised // SLICE)
    flagged = {device for one in findings for device in (one.device_id, *one.members)}
    streams = sorted(findings.judged) or sorted({s.stream for s in lake.segments("records")})
    pool: list[tuple[str, str, datetime, datetime]] = []
    for stream in streams:
        if lake.segments("records", stream=stream):
            pool += [
                (device, stream, since, until)
                for device, since, until in lake.con.execute(
                    f"SELECT device_id, min(window_start), max(window_start) FROM {lake.scan('records', stream=stream)} "
                    f"JOIN {lake.scan('devices')} USING (device_key) GROUP BY 1"
                ).fetchall()
                if device not in flagged
            ]
    pool.sort(key=lambda row: short_hash("slice", lake.tenant, row[0], row[1]))
    known = where_of(lake, {row[0] for row in pool[:wanted]})
    share = wanted / max(len(pool), 1)
    return [
        _random_check(lake, *row, known.get(row[0], Where()), _period(periods, row[2]), share)
        for row in pool[:wanted]
    ]


def _random_check(
    lake: Lake,
    device: str,
    stream: str,
    since: datetime,
    until: datetime,
    about: Where,
    period: str,
    share: float,
) -> Case:
    table = name(f"records_{stream}".replace(".", "_").replace("-", "_"))
    query = (
        f"SELECT d.device_id, r.window_start, r.units, r.n_events FROM {table} r JOIN devices d USING (device_key) "
        f"WHERE d.device_id = {quote(device)} ORDER BY r.window_start"
    )
    return Case(
        short_hash(lake.tenant, device, RANDOM_CHECK, period), device, RANDOM_CHECK, period, stream, about.account,
        about.account_name, (), since, until, None, None, None, "", "", 0.0,
        f"{device}: drawn at random, no rule speaks against it.", "it is drawn by chance, so nothing would", query, (), (),
        place=about.place, sampled=share,
    )  # fmt: skip


def _periods(lake: Lake) -> list[tuple[str, datetime, datetime]]:
    """Rated periods with their first instant and the one after their last."""
    found = []
    for period in sorted({s.period for s in lake.segments("lines") if "#" not in s.period}):
        begin, _, end = period.partition("/")
        found.append((period, _instant(begin), _instant(end)))
    return found


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at


def _period(periods: Sequence[tuple[str, datetime, datetime]], at: datetime) -> str:
    for period, begin, end in periods:
        if begin <= at < end:
            return period
    return f"{at:%Y-%m-%d}/{at + timedelta(days=1):%Y-%m-%d}"
