"""An independent rater agrees: the reference, which shares nothing with the engine but the nouns (I20).

Whole accounts are rated again from their records: all devices, all meters, all fees of the period. What is
compared is the exact amount and the units of every line, and of every single charge where the price leaves no
freedom to attribute (prices per unit, without free units).
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from workbench.lake.sql import quote
from workbench.model.offer import Catalogue, Component
from workbench.model.party import Account, Device, Parties, Partner, Subscription
from workbench.model.price import PerUnit
from workbench.reference.rater import rate
from workbench.reference.results import Bill, LineKey, Unpriceable, Use
from workbench.tariff import restore
from workbench.verify.context import RERATED, Context
from workbench.verify.report import CounterExample, Outcome

Line = tuple[str, str, int, str, str, str]
"""Account, offer, version, component, kind, tax category."""
_NOTHING = (Fraction(0), 0)
Place = tuple[Line, str, datetime]
"""A line, a device's name, a window's start."""


@dataclass
class Rated:
    """What the engine made of the accounts looked at: exact nano and units by line and by charge."""

    lines: dict[Line, tuple[Fraction, int]] = field(default_factory=dict)
    charges: dict[Place, Fraction] = field(default_factory=dict)


def reference_agrees(context: Context) -> Outcome:
    """Rate the accounts to look at with the reference, and compare every line and every plain charge."""
    counts = {"periods": 0, "accounts": 0, "uses": 0, "charges": 0, "lines": 0}
    for period in context.periods:
        catalogue = context.catalogue(period)
        if catalogue is None or f"{period}{RERATED}" in context.periods:
            continue  # what a closed period came to later is rated anew beside it, and compared there
        counts["periods"] += 1
        accounts = chosen(context, period, catalogue)
        if not accounts:
            continue
        counts["accounts"] += len(accounts)
        wrong = _compare(context, period, catalogue, accounts, counts)
        if wrong:
            return Outcome(counts, wrong)
    return Outcome(counts)


def offers_are_kept(context: Context) -> Outcome:
    """Every line names an offer version that is kept with its period, unaltered, and one version is one text."""
    counts = {"periods": 0, "offers": 0}
    texts: dict[tuple[str, int], str] = {}
    for period in context.periods:
        lake = context.lake
        if not lake.segments("catalog", period=period):
            return Outcome(
                counts, CounterExample(f"The offers that period {period} was rated by are not kept.")
            )
        counts["periods"] += 1
        catalogue = restore.catalogue(
            context.rows(f"SELECT offer_id, version, sha256, text FROM {lake.scan('catalog', period=period)}")
        )
        counts["offers"] += len(catalogue.offers)
        known = {(offer.id, offer.version): offer.sha256 for offer in catalogue.offers}
        for offer, version in context.rows(
            f"SELECT DISTINCT offer_id, offer_version FROM {lake.scan('lines', period=period)} ORDER BY 1, 2"
        ):
            sha256 = known.get((offer, version), "")
            if not sha256 or texts.setdefault((offer, version), sha256) != sha256:
                text = f"{offer} version {version}, which period {period} was rated by, "
                what = "is another offer than in an earlier period." if sha256 else "is not kept."
                return Outcome(counts, CounterExample(text + what, texts.get((offer, version), ""), sha256))
    return Outcome(counts)


def chosen(context: Context, period: str, catalogue: Catalogue) -> list[str]:
    """The accounts to look at: all, or as many as hold about ``sample`` devices.

    Accounts that sponsor others, or are sponsored, depend on each other's budgets and are only told apart when
    everything is looked at.
    """
    lake = context.lake
    sizes = context.rows(
        f"SELECT account_id, count(*) FROM {lake.scan('subscriptions')} GROUP BY account_id ORDER BY account_id"
    )
    if context.full:
        return [account for account, _ in sizes]
    tangled = {offer.id for offer in catalogue.offers if offer.sponsorships}
    sponsors = {s.account for offer in catalogue.offers for s in offer.sponsorships}
    takers = {
        account
        for account, offer in context.rows(
            f"SELECT DISTINCT account_id, offer_id FROM {lake.scan('subscriptions')}"
        )
        if offer in tangled
    }
    free = [(account, size) for account, size in sizes if account not in sponsors | takers]
    random.Random(f"{context.seed} {period}").shuffle(free)
    picked: list[str] = []
    devices = 0
    for account, size in free:
        if picked and devices + size > context.sample:
            continue
        picked.append(account)
        devices += size
    return sorted(picked)


def _compare(
    context: Context, period: str, catalogue: Catalogue, accounts: list[str], counts: dict[str, int]
) -> CounterExample | None:
    parties = _parties(context, accounts)
    start, end = _span(context, period)
    uses = _uses(context, parties, start, end)
    counts["uses"] += len(uses)
    try:
        bill = rate(catalogue, parties, uses, start, end)
    except Unpriceable as error:
        return CounterExample(f"The reference refuses what the engine priced in {period}: {error}.")
    rated = _rated(context, period, set(accounts))
    return _charges_differ(period, catalogue, bill, rated, counts) or _lines_differ(
        period, bill, rated, counts
    )


def _lines_differ(period: str, bill: Bill, rated: Rated, counts: dict[str, int]) -> CounterExample | None:
    expected: dict[Line, tuple[Fraction, int]] = {}
    for line in bill.lines:
        amount, units = expected.get(_key(line.key), (Fraction(0), 0))
        counted = line.units if line.key.kind == "usage" else 0
        expected[_key(line.key)] = (amount + line.amount_nano, units + counted)
    for key in sorted(expected.keys() | rated.lines.keys()):
        counts["lines"] += 1
        want, got = expected.get(key), rated.lines.get(key)
        if (want or _NOTHING) == (got or _NOTHING):
            continue
        text = f"The {key[4]} line of {key[0]} for {key[1]} v{key[2]} {key[3]} in {period} is not the reference's."
        return CounterExample(text, _told(want), _told(got))
    return None


def _told(value: tuple[Fraction, int] | None) -> str:
    return "no line" if value is None else f"{value[0]} nano for {value[1]} units"


def _charges_differ(
    period: str, catalogue: Catalogue, bill: Bill, rated: Rated, counts: dict[str, int]
) -> CounterExample | None:
    plain = {
        (offer.id, offer.version, component.id)
        for offer in catalogue.offers
        for component in offer.components
        if _is_plain(component) and not offer.bundles
    }
    expected: dict[Place, Fraction] = defaultdict(Fraction)
    for charge in bill.charges:
        key = _key(charge.line)
        if charge.line.kind == "usage" and key[1:4] in plain:
            expected[key, charge.device_id, charge.at] += charge.amount_nano
    observed = {place: nano for place, nano in rated.charges.items() if place[0][1:4] in plain}
    counts["charges"] += len(observed)
    for place in sorted(expected.keys() | observed.keys()):
        want, got = expected.get(place), observed.get(place)
        if want == got:
            continue
        (account, offer, version, component, *_), device, at = place
        text = f"A charge of {account} for {offer} v{version} {component} in {period} is another one for the reference."
        values = ["no charge" if value is None else f"{value} nano" for value in (want, got)]
        return CounterExample(text, values[0], values[1], device, at.isoformat())
    return None


def _is_plain(component: Component) -> bool:
    """Whether each record's charge stands on its own, so that two raters can agree on it one by one."""
    return (
        all(isinstance(rate.price, PerUnit) for rate in component.rates)
        and component.allowance is None
        and component.increment is None
        and component.fold in ("sum", "count")
    )


def _key(key: LineKey) -> Line:
    return (key.account_id, key.offer_id, key.offer_version, key.component_id, key.kind, key.tax_category)


def _utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC)


def _span(context: Context, period: str) -> tuple[datetime, datetime]:
    sql = f"SELECT min(period_start), max(period_end) FROM {context.lake.scan('lines', period=period)}"
    start, end = context.one(sql) or (None, None)
    return _utc(start), _utc(end)


def _parties(context: Context, accounts: list[str]) -> Parties:
    """The accounts with everything that belongs to them, as nouns."""
    lake = context.lake
    listed = ", ".join(quote(account) for account in accounts)
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
        f"FROM {lake.scan('accounts')} {mine} ORDER BY account_id"
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


def _uses(context: Context, parties: Parties, start: datetime, end: datetime) -> list[Use]:
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


def _rated(context: Context, period: str, accounts: set[str]) -> Rated:
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
