"""The bill, read from the lake: by period, device and price what was used and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from workbench.billing import name_of
from workbench.lake.lake import Lake
from workbench.model.plan import Period
from workbench.shadowbill.bill import Line, ShadowBill

if TYPE_CHECKING:
    from workbench.shadowbill.run import Prepared


def bill(
    lake: Lake,
    prepared: Prepared,
    periods: Sequence[Period],
    counts: Mapping[str, int],
    seconds: Mapping[str, float],
) -> ShadowBill:
    """Everything a ``ShadowBill`` shows. Amounts are exact; nothing is rounded but the invoices, which were."""
    names = [name_of(period) for period in periods]
    net, tax, gross = _invoiced(lake, names)
    records = lake.segments("records")
    units = {meter.id: meter.unit for meter in prepared.catalogue.meters}
    return ShadowBill(
        file=prepared.file.name,
        offer=prepared.offer.title or prepared.offer.id,
        currency=prepared.offer.currency,
        periods=tuple(names),
        rows=counts.get("delivered", 0),
        events=sum(int(segment.controls.get("events", 0)) for segment in records),
        duplicates=sum(int(segment.controls.get("duplicates", 0)) for segment in records),
        rejects=_reasons(lake, "rejects"),
        quarantined=_reasons(lake, "quarantine"),
        uncharged=_reasons(lake, "uncharged"),
        lines=tuple(line for name in names for line in _lines(lake, name, units)),
        net_nano=net,
        tax_nano=tax,
        gross_nano=gross,
        mapping=prepared.mapping.text,
        notes=prepared.proposal.notes if prepared.proposal else (),
        wall_seconds=dict(seconds),
    )


def _lines(lake: Lake, period: str, unit_of: Mapping[str, str]) -> list[Line]:
    """One line per account, device and price of a period, with the events behind it."""
    begins, ends = (f"TIMESTAMP '{day}'" for day in period.split("/"))
    used = (
        "SELECT device_key, '{stream}' AS meter, sum(n_events)::BIGINT AS events, sum(n_duplicates)::BIGINT AS copies, "
        "min(first_at) AS first_at, max(last_at) AS last_at FROM {scan} "
        f"WHERE window_start >= {begins} AND window_start < {ends} GROUP BY 1"
    )
    streams = sorted({segment.stream for segment in lake.segments("records")})
    behind = " UNION ALL ".join(
        used.format(stream=stream.replace("'", "''"), scan=lake.scan("records", stream=stream))
        for stream in streams
    )
    rows = lake.con.execute(
        "SELECT l.account_id, coalesce(d.device_id, ''), l.component_id, l.kind, coalesce(l.meter, ''), "
        "sum(c.units)::BIGINT, sum(c.amount)::HUGEINT, l.price_denominator::HUGEINT, any_value(u.events), "
        "any_value(u.copies), any_value(u.first_at), any_value(u.last_at) "
        f"FROM {lake.scan('charges', period=period)} c JOIN {lake.scan('lines', period=period)} l USING (line_no) "
        f"LEFT JOIN {lake.scan('devices')} d USING (device_key) "
        f"LEFT JOIN ({behind}) u ON u.device_key = c.device_key AND u.meter = l.meter "
        "GROUP BY ALL ORDER BY 1, 2, 4 DESC, 3"
    ).fetchall()
    return [
        Line(
            period=period,
            account=account,
            device=device,
            component=component,
            kind=kind,
            meter=meter,
            unit=unit_of.get(meter, ""),
            units=int(units),
            amount=Fraction(int(amount), int(denominator) * 10**9),
            events=int(events or 0),
            duplicates=int(copies or 0),
            first_at=first,
            last_at=last,
        )
        for account, device, component, kind, meter, units, amount, denominator, events, copies, first, last in rows
    ]


def _reasons(lake: Lake, kind: str) -> dict[str, int]:
    if not lake.segments(kind):
        return {}
    rows = lake.con.execute(
        f"SELECT reason, count(*) FROM {lake.scan(kind)} GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    return {reason: int(count) for reason, count in rows}


def _invoiced(lake: Lake, periods: Sequence[str]) -> tuple[int, int, int]:
    found = [0, 0, 0]
    for period in periods:
        if lake.segments("invoices", period=period):
            row = lake.con.execute(
                f"SELECT sum(net_nano), sum(tax_nano), sum(gross_nano) FROM {lake.scan('invoices', period=period)}"
            ).fetchall()[0]
            found = [total + int(part or 0) for total, part in zip(found, row, strict=True)]
    return found[0], found[1], found[2]
