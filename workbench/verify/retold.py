"""What the reference is given, and what the engine made of it: the lake's rows as nouns and exact fractions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from workbench.lake.sql import quote
from workbench.model.offer import Catalogue
from workbench.model.party import Account, Device, Parties, Partner, Subscription
from workbench.reference.results import Use
from workbench.verify.context import Context

Line = tuple[str, str, int, str, str, str]
"""Account, offer, version, component, kind, tax category."""
Place = tuple[Line, str, datetime]
"""A line, a device's name, a window's start."""


@dataclass
class Rated:
    """What the engine made of the accounts looked at: exact nano and units by line and by charge."""

    lines: dict[Line, tuple[Fraction, int]] = field(default_factory=dict)
    charges: dict[Place, Fraction] = field(default_factory=dict)


def _utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC)


def spans(context: Context, period: str, catalogue: Catalogue) -> list[tuple[datetime, datetime]]:
    """The period, and before it the earlier ones that something is carried over from."""
    every = {other: context.span(other) for other in context.periods}
    carried = any(
        offer.credits
        or any(c.allowance and c.allowance.rollover for c in offer.components)
        or any(bundle.rollover for bundle in offer.bundles)
        for offer in catalogue.offers
    )
    earlier = {span for span in every.values() if span[1] <= every[period][0]} if carried else set()
    return [*sorted(earlier), every[period]]


def parties_of(context: Context, accounts: list[str], sponsors: Collection[str] = ()) -> Parties:
    """The accounts with everything that belongs to them, as nouns; of sponsors who are not among them the account alone."""
    lake = context.lake
    listed = ", ".join(quote(account) for account in accounts)
    named = ", ".join(quote(account) for account in sorted({*accounts, *sponsors}))
    mine = f"WHERE account_id IN ({listed})"
    terms = context.rows(
        "SELECT subscription_id, account_id, offer_id, starts_at, ends_at, coalesce(device_id, ''), "
        f"coalesce(group_id, ''), sim_state, overrides FROM {lake.scan('subscriptions')} {mine} "
        "ORDER BY subscription_id, starts_at"
    )
    devices = context.rows(
        "SELECT DISTINCT device_id, kind, site, coalesce(group_id, '') FROM "
        f"{lake.scan('devices_info')} d SEMI JOIN (SELECT * FROM {lake.scan('subscriptions')} {mine}) s "
        "ON d.device_id = s.device_id OR d.group_id = s.group_id ORDER BY device_id"
    )
    rows = context.rows(
        "SELECT account_id, name, currency, zone, billing_anchor_day, tax_region, credit_limit_nano::HUGEINT, owner "
        f"FROM {lake.scan('accounts')} WHERE account_id IN ({named}) ORDER BY account_id"
    )
    partners = context.rows(f"SELECT partner_id, name FROM {lake.scan('partners')} ORDER BY partner_id")
    return Parties(
        accounts=tuple(Account(*row) for row in rows),
        partners=tuple(Partner(*row) for row in partners),
        devices=tuple(Device(*row) for row in devices),
        subscriptions=tuple(
            Subscription(row[0], row[1], row[2], _utc(row[3]), _utc(row[4]) if row[4] else None, *row[5:9])
            for row in terms
        ),
    )


def uses_of(context: Context, parties: Parties, start: datetime, end: datetime) -> list[Use]:
    """Records of the period of every device the accounts hold, as the reference takes them."""
    names = {s.device_id for s in parties.subscriptions if s.device_id} | {
        d.device_id for d in parties.devices
    }
    uses: list[Use] = []
    with context.cursor() as con:
        con.execute("CREATE TEMP TABLE looked_at (device_id VARCHAR)")
        listed = sorted(names)
        for at in range(0, len(listed), 10_000):
            values = ", ".join(f"({quote(name)})" for name in listed[at : at + 10_000])
            con.execute(f"INSERT INTO looked_at VALUES {values}")
        con.execute(
            f"CREATE TEMP TABLE keys AS SELECT DISTINCT device_key, device_id FROM {context.lake.scan('devices')} "
            "SEMI JOIN looked_at USING (device_id)"
        )
        for stream in context.streams:
            if not context.lake.segments("records", stream=stream.name):
                continue  # all that landed is in quarantine, or not folded yet
            dims = list(stream.dimensions)
            columns = "".join(f', r."{dim}"::VARCHAR' for dim in dims)
            rows = con.execute(
                f"SELECT device_id, window_start, units, n_events{columns} FROM "
                f"{context.lake.scan('records', stream=stream.name)} r JOIN keys USING (device_key) "
                "WHERE window_start >= ? AND window_start < ?",
                [start.replace(tzinfo=None), end.replace(tzinfo=None)],
            )
            while batch := rows.fetchmany(50_000):
                uses += [_use(stream.name, dims, row) for row in batch]
    return uses


def _use(stream: str, dims: list[str], row: tuple[Any, ...]) -> Use:
    device, at, units, events, *values = row
    pairs = tuple((dim, value) for dim, value in zip(dims, values, strict=True) if value is not None)
    return Use(device, stream, at.replace(tzinfo=UTC), units, pairs, events=events)


def rated_by_engine(context: Context, period: str, accounts: set[str]) -> Rated:
    """The engine's charges of these accounts, exact."""
    lake = context.lake
    lines = lake.scan("lines", period=period)
    listed = ", ".join(quote(account) for account in sorted(accounts))
    keys = {
        row[0]: (row[1:7], row[7])
        for row in context.rows(
            "SELECT line_no, account_id, offer_id, offer_version, component_id, kind, coalesce(tax_category, ''), "
            f"price_denominator::HUGEINT FROM {lines} WHERE account_id IN ({listed})"
        )
    }
    rated = Rated()
    numbers = f"(SELECT line_no FROM {lines} WHERE account_id IN ({listed}))"
    charges = f"(SELECT * FROM {lake.scan('charges', period=period)} WHERE line_no IN {numbers})"
    for line_no, amount, units in context.rows(
        f"SELECT line_no, sum(amount)::HUGEINT, sum(units)::HUGEINT FROM {charges} GROUP BY 1"
    ):
        key, denominator = keys[line_no]
        before, so_far = rated.lines.get(key, (Fraction(0), 0))
        counted = units if key[4] == "usage" else 0  # a fee's units (its days) are the engine's own
        rated.lines[key] = (before + Fraction(amount, denominator), so_far + counted)
    devices = f"(SELECT DISTINCT device_key, device_id FROM {lake.scan('devices')})"
    with context.cursor() as con:
        rows = con.execute(
            f"SELECT line_no, device_id, window_start, sum(amount)::HUGEINT FROM {charges} JOIN {devices} d "
            "USING (device_key) GROUP BY ALL"
        )
        while batch := rows.fetchmany(50_000):
            for line_no, device, at, amount in batch:
                key, denominator = keys[line_no]
                if key[4] == "usage":
                    rated.charges[key, device, at.replace(tzinfo=UTC)] = Fraction(amount, denominator)
    return rated
