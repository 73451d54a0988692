"""The whole path's opinion: a lake with the case's records, rated, closed, invoiced and shared by the real
rooms.

Cases of a file that have the same periods become customers of one lake, as in ``engine``.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from tests.golden.case import Case
from tests.golden.engine import NotPriced, marked_case, number_of, refuse_unpriced
from tests.golden.outcome import Outcome
from workbench.billing import name_of, plan_of, rate_period, settle_period
from workbench.lake import devices, parties
from workbench.lake.lake import Lake
from workbench.mediation.stream import Stream
from workbench.model.ids import device_key
from workbench.model.offer import Catalogue
from workbench.model.plan import Period
from workbench.reference.results import Use
from workbench.settlement.paid import settled_nano

Told = TypeVar("Told")
Spans = tuple[tuple[datetime, datetime], ...]
NOW = datetime.fromisoformat("2030-01-01T00:00:00+00:00")
ASKED = ("rounded", "invoice", "invoices", "shares", "statements")


def asks_for_books(case: Case) -> bool:
    """Whether a case expects anything that only a close can say."""
    return any(name in expect for expect in case.expect for name in ASKED)


def by_books(cases: list[Case]) -> dict[str, list[Outcome] | NotPriced]:
    """Close the books of many cases: case id -> outcomes by period."""
    found: dict[str, list[Outcome] | NotPriced] = {}
    groups: dict[Spans, list[Case]] = defaultdict(list)
    for case in cases:
        try:
            refuse_unpriced(case)
            groups[case.periods].append(case)
        except NotPriced as error:
            found[case.id] = error
    for spans, together in groups.items():
        with tempfile.TemporaryDirectory() as folder:
            outcomes = close_together(Path(folder), together, spans, read_books)
        for number, case in enumerate(together):
            found[case.id] = [period[number] for period in outcomes]
    return found


def close_together(
    folder: Path, cases: list[Case], spans: Spans, read: Callable[[Lake, str, int], list[Told]]
) -> list[list[Told]]:
    """What ``read`` finds in the closed books, by period and case."""
    marked = [marked_case(case, f"c{number}-") for number, case in enumerate(cases)]
    catalogue = Catalogue(
        meters=cases[0].catalogue.meters,
        partners=cases[0].catalogue.partners,
        holidays=cases[0].catalogue.holidays,
        offers=tuple(offer for case in marked for offer in case.catalogue.offers),
    )
    found = []
    with Lake.open(folder / "lake", create=True) as lake, lake.writer():
        parties.replace(lake, party_tables(marked, catalogue), {"stage": "parties"})
        ids = [device.device_id for case in marked for device in case.parties.devices]
        _, registered = devices.register(lake, ids, "golden")
        lake.commit({"stage": "devices"}, add=[registered] if registered else [])
        for span in spans:
            uses = [use for case in marked for use in case.uses if span[0] <= use.at < span[1]]
            lake.commit({"stage": "mediate"}, add=records(lake, catalogue, uses), facts=streams(catalogue))
            plan = plan_of(lake, catalogue, Period(*span))
            rated = rate_period(lake, plan)
            lake.commit({"stage": "rate"}, add=rated.add, remove=rated.remove, facts=rated.facts)
            settle_period(lake, plan, NOW)
            found.append(read(lake, name_of(plan.period), len(cases)))
    return found


def close_then_hear_late(folder: Path, case: Case, late: int) -> Outcome:
    """Close a period without its last uses, then hear them: what closed documents and adjustments come to together."""
    marked = marked_case(case, "c0-")
    span = case.periods[0]
    uses = [use for use in marked.uses if span[0] <= use.at < span[1]]
    with Lake.open(folder / "lake", create=True) as lake, lake.writer():
        parties.replace(lake, party_tables([marked], marked.catalogue), {"stage": "parties"})
        ids = [device.device_id for device in marked.parties.devices]
        _, registered = devices.register(lake, ids, "golden")
        lake.commit({"stage": "devices"}, add=[registered] if registered else [])
        for heard in (uses[:-late], uses):
            before = lake.segments("records")
            now = records(lake, marked.catalogue, heard)
            same = {segment.id for segment in before} & {segment.id for segment in now}
            lake.commit(
                {"stage": "mediate"},
                add=[segment for segment in now if segment.id not in same],
                remove=[segment for segment in before if segment.id not in same],
            )
            plan = plan_of(lake, marked.catalogue, Period(*span))
            rated = rate_period(lake, plan)
            lake.commit({"stage": "rate"}, add=rated.add, remove=rated.remove, facts=rated.facts)
            settle_period(lake, plan, NOW)
        return read_books(lake, name_of(plan.period), 1)[0]


def party_tables(cases: list[Case], catalogue: Catalogue) -> dict[str, pa.Table]:
    """The parties of all cases as the tables of a lake."""
    accounts = [account for case in cases for account in case.parties.accounts]
    owned = [device for case in cases for device in case.parties.devices]
    rows = [row for case in cases for row in case.parties.subscriptions]
    return {
        "accounts": pa.table(
            {
                "account_id": [account.account_id for account in accounts],
                "currency": [account.currency for account in accounts],
                "zone": [account.zone for account in accounts],
                "billing_anchor_day": [account.billing_anchor_day for account in accounts],
            }
        ),
        "partners": pa.table({"partner_id": [partner.id for partner in catalogue.partners]}),
        "devices_info": pa.table(
            {
                "device_id": pa.array([device.device_id for device in owned], pa.string()),
                "group_id": pa.array([device.group_id or None for device in owned], pa.string()),
            }
        ),
        "subscriptions": pa.table(
            {
                "subscription_id": pa.array([row.subscription_id for row in rows], pa.string()),
                "account_id": pa.array([row.account_id for row in rows], pa.string()),
                "offer_id": pa.array([row.offer_id for row in rows], pa.string()),
                "device_id": pa.array([row.device_id or None for row in rows], pa.string()),
                "group_id": pa.array([row.group_id or None for row in rows], pa.string()),
                "starts_at": pa.array([row.starts_at for row in rows], pa.timestamp("us", "UTC")),
                "ends_at": pa.array([row.ends_at for row in rows], pa.timestamp("us", "UTC")),
                "sim_state": pa.array([row.sim_state for row in rows], pa.string()),
                "overrides": pa.array([row.overrides for row in rows], pa.string()),
            }
        ),
    }


def streams(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """The facts of a lake about its streams: ``verify`` looks for records under these names."""
    each = (
        Stream(meter.id, grid_seconds=60, dimensions=dict.fromkeys(meter.dimensions, "VARCHAR"))
        for meter in catalogue.meters
    )
    return {"stream": {stream.name: stream.to_json() for stream in each}}


def records(lake: Lake, catalogue: Catalogue, uses: list[Use]) -> list:  # type: ignore[type-arg]
    """One records segment per stream and day, on a grid of a minute."""
    days: dict[tuple[str, str], list[Use]] = defaultdict(list)
    for use in uses:
        days[(use.meter, f"{use.at:%Y-%m-%d}")].append(use)
    dimensions = {meter.id: meter.dimensions for meter in catalogue.meters}
    segments = []
    for (stream, day), listed in sorted(days.items()):
        at = pa.array([use.at.replace(tzinfo=None) for use in listed], pa.timestamp("us"))
        columns = {
            "device_key": pa.array([device_key("main", use.device_id) for use in listed], pa.int64()),
            "window_start": at,
            "units": pa.array([use.units for use in listed], pa.int64()),
            "n_events": pa.array([use.events for use in listed], pa.int32()),
            "n_duplicates": pa.array([0] * len(listed), pa.int32()),
            "first_at": at,
            "last_at": at,
            "fingerprint": pa.array(range(len(listed)), pa.uint64()),
            "flags": pa.array([0] * len(listed), pa.int16()),
        }
        for dim in dimensions[stream]:
            columns[dim] = pa.array([dict(use.dims).get(dim) for use in listed], pa.string())
        order = ("device_key", "window_start", "fingerprint")
        segments.append(
            lake.write(
                "records",
                pa.table(columns),
                stream=stream,
                partition=day,
                order_by=order,
                controls={"units": "sum(units)"},
                meta={"grid_seconds": "60"},
            )
        )
    return segments


def read_books(lake: Lake, period: str, count: int) -> list[Outcome]:
    """What the closed period says about each case; what was adjusted later counts with the line it adjusts."""
    outcomes = [Outcome(rounded={}, shares={}, statements={}, invoices={}) for _ in range(count)]
    for offer_id, account, component, kind, amount, den, net in select(
        lake,
        "invoice_lines",
        period,
        "offer_id, account_id, component_id, CASE kind WHEN 'adjustment' THEN of_kind ELSE kind END, amount, "
        "price_denominator, net_nano",
    ):
        outcome = outcomes[number_of(offer_id)]
        name = (account.partition("-")[2], component, kind)
        outcome.lines[name] = outcome.lines.get(name, Fraction(0)) + Fraction(int(amount), int(den))
        assert outcome.rounded is not None
        outcome.rounded[name] = outcome.rounded.get(name, 0) + int(net)
    for account, state, net, tax, gross, number in select(
        lake, "invoices", period, "account_id, state, net_nano, tax_nano, gross_nano, invoice_no"
    ):
        invoices = outcomes[number_of(account)].invoices
        assert invoices is not None
        totals = invoices.setdefault(
            account.partition("-")[2], {"net": 0, "tax": 0, "gross": 0, "payable": 0, "deferred": 0}
        )
        for total, value in (("net", net), ("tax", tax), ("gross", gross)):
            totals[total] += int(value)
        settled = settled_nano(lake, number)
        totals["settled"] = totals.get("settled", 0) + settled
        totals["deferred" if state == "deferred" else "payable"] += int(gross) - settled
    for partner, offer_id, top, bottom, statement in select(
        lake, "statements", period, "partner_id, offer_id, share_numerator, share_denominator, statement_nano"
    ):
        outcome = outcomes[number_of(offer_id)]
        assert outcome.shares is not None
        assert outcome.statements is not None
        outcome.shares[partner] = outcome.shares.get(partner, Fraction(0)) + Fraction(int(top), int(bottom))
        outcome.statements[partner] = outcome.statements.get(partner, 0) + int(statement)
    return outcomes


def select(lake: Lake, kind: str, period: str, columns: str) -> list[tuple]:  # type: ignore[type-arg]
    """Rows of one kind of segment of one period."""
    segments = lake.segments(kind, period=period)
    if not segments:
        return []
    return lake.con.execute(f"SELECT {columns} FROM {lake.scan(kind, segments=segments)}").fetchall()
