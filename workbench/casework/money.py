"""Money at risk: what the period costs as recorded, less what it would cost without the anomaly, by the rating kernel.

The what-if changes nothing but the episode: each device's use in it is replaced by what is usual for that device in as many
windows, and both totals are priced by the offer it is subscribed to, rate by rate, so that tiers and free units count. Both
amounts are exact. Where nothing was rated, or the episode is about something that is not billed, there is no figure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from fractions import Fraction

import pyarrow as pa

from workbench.errors import WorkbenchError
from workbench.insight.finding import Finding
from workbench.lake.lake import Lake
from workbench.lake.sql import name, quote
from workbench.model.money import NANO
from workbench.model.offer import Catalogue, Component, Offer
from workbench.tariff.quote import price
from workbench.tariff.restore import catalogue as restored

_COUNTED = ("", "units", "reading", "bytes")
_CHARGED = ("zombie", "billed_while_suspended")
"""Reasons whose money needs no what-if: everything that was charged to the device in the period."""
_NOT_USE = ("reordered", "late", "conflict", "reconnect_storm", "imei_lock_breach")
_QUARTER = "INTERVAL 15 MINUTE"


@dataclass(frozen=True, slots=True)
class Risk:
    """What the period costs as recorded (``billed``) and without the anomaly (``expected``), main unit, exact."""

    billed: Fraction
    expected: Fraction
    currency: str
    priced_by: str

    @property
    def at_risk(self) -> Fraction:
        """Wrongly billed or not billed."""
        return abs(self.billed - self.expected)


def catalogue_of(lake: Lake, period: str = "") -> Catalogue | None:
    """The price list a period was rated by; the newest rated one when left out; None where none was."""
    rated = sorted({segment.period for segment in lake.segments("catalog")})
    if not rated:
        return None
    chosen = period if period in rated else rated[-1]
    rows = lake.con.execute(
        f"SELECT DISTINCT offer_id, version, sha256, text FROM {lake.scan('catalog', period=chosen)}"
    ).fetchall()
    try:
        return restored(rows)
    except WorkbenchError:
        return None  # stored by a version that cannot be read any more: no price to ask


def risks(lake: Lake, findings: Sequence[Finding]) -> dict[str, Risk]:
    """Finding id to its money; findings without any are left out."""
    known = catalogue_of(lake)
    if known is None or not lake.segments("subscriptions"):
        return {}
    subscribed = dict(
        lake.con.execute(
            f"SELECT device_id, max(offer_id) FROM {lake.scan('subscriptions')} WHERE device_id IS NOT NULL GROUP BY 1"
        ).fetchall()
    )
    found = _charged(lake, [one for one in findings if one.kind in _CHARGED])
    by_stream: dict[str, list[tuple[Finding, str]]] = defaultdict(list)
    for one in findings:
        usable = one.kind not in (*_CHARGED, *_NOT_USE) and one.stream
        if usable and (one.kind == "compromised" or one.reasons[0].column in _COUNTED):
            by_stream[one.stream] += [(one, device) for device in one.members or (one.device_id,)]
    for stream, wanted in by_stream.items():
        found |= _of_stream(lake, stream, wanted, known, subscribed)
    return found


def _of_stream(
    lake: Lake,
    stream: str,
    wanted: Sequence[tuple[Finding, str]],
    known: Catalogue,
    subscribed: Mapping[str, str],
) -> dict[str, Risk]:
    parts: dict[str, tuple[Offer, Component]] = {}
    for _, device in wanted:
        priced_by = _priced_by(known, subscribed.get(device, ""), stream)
        if priced_by is not None:
            parts[device] = priced_by
    priced = [(one, device) for one, device in wanted if device in parts]
    if not priced or not lake.segments("records", stream=stream):
        return {}
    dims = sorted({key for _, part in parts.values() for rate in part.rates for key, _ in rate.match})
    sums: dict[str, Risk] = {}
    uses = _uses(lake, stream, priced, dims)
    for place, (one, device) in enumerate(priced):
        offer, part = parts[device]
        try:
            billed, expected = _both(offer, part, known, uses.get(place, []), one)
        except WorkbenchError:
            continue  # this price needs what a record does not say
        before = sums.get(
            one.finding_id, Risk(Fraction(0), Fraction(0), offer.currency, f"{offer.id} v{offer.version}")
        )
        if before.currency == offer.currency:
            sums[one.finding_id] = Risk(
                before.billed + billed, before.expected + expected, before.currency, before.priced_by
            )
    return sums


def _priced_by(known: Catalogue, offer_id: str, stream: str) -> tuple[Offer, Component] | None:
    try:
        offer = known.offer(offer_id)
    except KeyError:
        return None
    part = next((part for part in offer.components if part.meter == stream), None)
    return None if part is None else (offer, part)


_Use = tuple[dict[str, str], int, int]
"""Dimensions, units as recorded in the period, and units without the anomaly."""


def _uses(
    lake: Lake, stream: str, wanted: Sequence[tuple[Finding, str]], dims: Sequence[str]
) -> dict[int, list[_Use]]:
    """The use of each wanted device in the period, by dimensions."""
    table = pa.table(
        {
            "n": list(range(len(wanted))),
            "device_id": [device for _, device in wanted],
            "since": pa.array([one.since for one, _ in wanted], pa.timestamp("us")),
            "until": pa.array([one.until for one, _ in wanted], pa.timestamp("us")),
        }
    )
    records = lake.scan("records", stream=stream)
    by = "".join(f", {name(dim)}" for dim in dims)
    cursor = lake.con.cursor()
    try:
        cursor.register("episodes", table)
        rows = cursor.execute(
            f"WITH grid AS (SELECT DISTINCT window_start FROM {records}), "
            f"slots AS (SELECT n, count(*) AS inside FROM episodes JOIN grid ON window_start BETWEEN since - {_QUARTER} AND until "
            f"GROUP BY n), mine AS (SELECT n, units, window_start, window_start BETWEEN since - {_QUARTER} AND until AS hit{by} "
            f"FROM episodes JOIN {lake.scan('devices')} USING (device_id) JOIN {records} r USING (device_key)), "
            "own AS (SELECT n, count(DISTINCT window_start) AS slots FROM mine WHERE NOT hit GROUP BY n) "
            "SELECT n, coalesce(sum(units) FILTER (hit), 0)::HUGEINT, coalesce(sum(units) FILTER (NOT hit), 0)::HUGEINT, "
            f"any_value(own.slots), any_value(slots.inside){by} FROM mine LEFT JOIN own USING (n) LEFT JOIN slots USING (n) "
            f"GROUP BY n{by} ORDER BY n{by}"
        ).fetchall()
    finally:
        cursor.close()
    found: dict[int, list[_Use]] = defaultdict(list)
    for n, hit, rest, others, inside, *values in rows:
        usual = int(rest) * int(inside or 0) // int(others) if others else int(hit)
        said = {dim: str(value) for dim, value in zip(dims, values, strict=True) if value is not None}
        found[n].append((said, max(int(hit) + int(rest), 0), max(int(rest) + usual, 0)))
    return found


def _both(
    offer: Offer, part: Component, known: Catalogue, uses: Iterable[_Use], one: Finding
) -> tuple[Fraction, Fraction]:
    """Both totals, priced rate by rate: units of one rate share a counter."""
    sums: dict[str, tuple[dict[str, str], int, int]] = {}
    at = one.since.replace(tzinfo=UTC)
    for dims, billed, expected in uses:
        rate = price(offer, 0, component=part.id, catalogue=known, dimensions=dims, at=at).rate_id
        _, b, e = sums.get(rate, (dims, 0, 0))
        sums[rate] = (dims, b + billed, e + expected)
    totals = [Fraction(0), Fraction(0)]
    for dims, *units in sums.values():
        for place, quantity in enumerate(units):
            asked = price(offer, quantity, component=part.id, catalogue=known, dimensions=dims, at=at)
            totals[place] += Fraction(asked.amount)
    return totals[0], totals[1]


def _charged(lake: Lake, findings: Sequence[Finding]) -> dict[str, Risk]:
    """What was charged to a device that should not have been: from the charges themselves."""
    period = max((s.period for s in lake.segments("lines") if "#" not in s.period), default="")
    if not findings or not period:
        return {}
    listed = ", ".join(quote(one.device_id) for one in findings)
    rows = lake.con.execute(
        "SELECT d.device_id, l.offer_id, l.offer_version, l.currency, l.price_denominator, sum(c.amount)::HUGEINT "
        f"FROM {lake.scan('charges', period=period)} c JOIN {lake.scan('lines', period=period)} l USING (line_no) "
        f"JOIN {lake.scan('devices')} d USING (device_key) WHERE l.side = 'sell' AND d.device_id IN ({listed}) GROUP BY ALL"
    ).fetchall()
    amounts: dict[str, Risk] = {}
    for device, offer, version, currency, denominator, amount in rows:
        now = amounts.get(device, Risk(Fraction(0), Fraction(0), currency, f"{offer} v{version}"))
        billed = now.billed + Fraction(int(amount), int(denominator) * NANO)
        amounts[device] = Risk(billed, Fraction(0), now.currency, now.priced_by)
    return {one.finding_id: amounts[one.device_id] for one in findings if one.device_id in amounts}
