"""The engine's opinion on a case: compile, then rate in batch.

All cases of a file that share a period are rated together, as if they were customers of one provider (ids
get the case's number in front): that is quicker, and it proves that nobody's bill depends on his neighbours'.
A construct the engine refuses by name (``not_priced``) is ``NotPriced``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from itertools import zip_longest

import duckdb
import pyarrow as pa

from tests.golden.case import Case
from tests.golden.outcome import Outcome
from workbench.errors import CatalogueError
from workbench.model.ids import device_key
from workbench.model.offer import Catalogue
from workbench.model.party import Parties
from workbench.model.plan import Period, Stock
from workbench.rating.batch import Rater
from workbench.rating.carry import counted_over
from workbench.rating.wallet import Balance
from workbench.reference.results import Use
from workbench.tariff.compile import compile_offer
from workbench.tariff.plan import Plan, compile_plan

Span = tuple[datetime, datetime]


@dataclass
class Carried:
    """What one period hands to the next: credits and free units that are left."""

    balances: dict[tuple[str, str], list[Balance]] = field(default_factory=dict)
    stock: list[Stock] = field(default_factory=list)


@dataclass(frozen=True)
class Manner:
    """How the batch driver is run, which must not matter: partitions of the records in time, threads of the engine."""

    parts: int = 1
    threads: int = 2


PLAIN = Manner()


class NotPriced(Exception):
    """The engine says by name that it has no rows for a construct (``not_priced``)."""


def by_batch(case: Case, manner: Manner = PLAIN) -> list[Outcome]:
    """Rate every period of one case in batch, alone."""
    refuse_unpriced(case)
    carried = Carried()
    return [rate_together({0: case}, span, carried, manner)[0] for span in case.periods]


def refuse_unpriced(case: Case) -> None:
    """Raise ``NotPriced`` for a construct that the engine refuses by name."""
    for offer in case.catalogue.offers:
        currencies = {account.currency for account in case.parties.accounts}
        for currency in sorted(currencies):
            try:
                compile_offer(offer, case.catalogue, currency=currency)
            except CatalogueError as error:
                if error.code == "not_priced":
                    raise NotPriced(str(error)) from error
                raise


def by_batch_together(cases: list[Case]) -> dict[str, list[Outcome] | NotPriced]:
    """Rate many cases of one file, all that share a period at once: case id -> outcomes by period."""
    found: dict[str, list[Outcome] | NotPriced] = {}
    spans: dict[tuple[Span, tuple[Span, ...]], dict[int, Case]] = defaultdict(dict)
    for number, case in enumerate(cases):
        try:
            refuse_unpriced(case)
        except NotPriced as error:
            found[case.id] = error
            continue
        for span in case.periods:
            spans[span, case.outages][number] = case
    rated: dict[tuple[str, Span], Outcome] = {}
    carried = Carried()
    for span, outages in sorted(spans):
        outcomes = rate_together(spans[span, outages], span, carried)
        for number, case in spans[span, outages].items():
            rated[(case.id, span)] = outcomes[number]
    for case in cases:
        if case.id not in found:
            found[case.id] = [rated[(case.id, span)] for span in case.periods]
    return found


def rate_together(
    cases: dict[int, Case], span: Span, carried: Carried, manner: Manner = PLAIN
) -> dict[int, Outcome]:
    """One outcome per case, from one plan; ``carried`` comes from earlier periods, and moves on."""
    marked = [marked_case(case, f"c{number}-") for number, case in cases.items()]
    catalogue = Catalogue(
        meters=marked[0].catalogue.meters,
        partners=marked[0].catalogue.partners,
        holidays=marked[0].catalogue.holidays,
        offers=tuple(offer for case in marked for offer in case.catalogue.offers),
    )
    parties = Parties(
        accounts=tuple(account for case in marked for account in case.parties.accounts),
        devices=tuple(device for case in marked for device in case.parties.devices),
        subscriptions=tuple(row for case in marked for row in case.parties.subscriptions),
    )
    uses = [use for case in marked for use in case.uses if span[0] <= use.at < span[1]]
    outcomes = {number: Outcome(charges=[], uncharged=[], silent=is_made_at_close) for number in cases}
    with duckdb.connect(config={"threads": manner.threads}) as con:
        held = counted_over(carried.balances)
        plan = compile_plan(catalogue, parties, Period(*span), con=con, stock=carried.stock, held=held)
        keys = {device_key("main", device.device_id): device.device_id for device in parties.devices}
        charges, reasons = rate(con, plan, uses, carried, manner, marked[0].outages)
        share_out(outcomes, plan, keys, charges)
        for key, reason in reasons:
            uncharged = outcomes[number_of(keys[key])].uncharged
            assert uncharged is not None
            uncharged.append(reason)
    return outcomes


def marked_case(case: Case, mark: str) -> Case:
    """The case with its own names for offers, accounts, devices, groups and subscriptions."""
    offers = tuple(
        replace(
            offer,
            id=mark + offer.id,
            sponsorships=tuple(replace(s, account=mark + s.account) for s in offer.sponsorships),
        )
        for offer in case.catalogue.offers
    )
    parties = Parties(
        accounts=tuple(replace(a, account_id=mark + a.account_id) for a in case.parties.accounts),
        devices=tuple(
            replace(d, device_id=mark + d.device_id, group_id=d.group_id and mark + d.group_id)
            for d in case.parties.devices
        ),
        subscriptions=tuple(
            replace(
                s,
                subscription_id=mark + s.subscription_id,
                account_id=mark + s.account_id,
                offer_id=mark + s.offer_id,
                device_id=s.device_id and mark + s.device_id,
                group_id=s.group_id and mark + s.group_id,
            )
            for s in case.parties.subscriptions
        ),
    )
    uses = tuple(replace(use, device_id=mark + use.device_id) for use in case.uses)
    return replace(case, catalogue=replace(case.catalogue, offers=offers), parties=parties, uses=uses)


def is_made_at_close(name: tuple[str, str, str]) -> bool:
    """Settlement's lines: rating never sees them."""
    return name[2] == "carry"


def number_of(name: str) -> int:
    """Which case a marked name belongs to."""
    return int(name[1 : name.index("-")])


def rate(
    con: duckdb.DuckDBPyConnection,
    plan: Plan,
    uses: list[Use],
    carried: Carried,
    manner: Manner,
    outages: tuple[Span, ...] = (),
) -> tuple[list[tuple[object, ...]], list[tuple[int, str]]]:
    """The charges (stream, line_no, device_key, window_start, amount) and the reasons of all that is not
    charged.
    """
    rater = Rater(con, plan, carried.balances, outages)
    charges: list[tuple[object, ...]] = []
    reasons: list[tuple[int, str]] = []
    tables: list[tuple[str, str]] = []
    for number, stream in enumerate(sorted({use.meter for use in uses} | set(plan.streams))):
        for part, listed in enumerate(in_parts([use for use in uses if use.meter == stream], manner.parts)):
            table = f"golden_{number}_{part}"
            tables.append((stream, table))
            with con.cursor() as other:  # the rater may still hold a result of its own connection
                other.register("golden_records", records(listed, plan.dimensions(stream)))
                other.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM golden_records").fetchall()
            if plan.needs_totals(stream):
                rater.observe(stream, table)
    for stream, table in tables:
        rated = rater.rate(stream, table)
        charges += [(stream, *row) for row in con.execute(charges_sql(rated.charges)).fetchall()]
        reasons += con.execute(f"SELECT device_key, reason FROM ({rated.uncharged})").fetchall()
    charges += [("", *row) for row in con.execute(charges_sql(rater.recurring())).fetchall()]
    with con.cursor() as other:
        other.register("golden_made", charge_table(charges))
        other.execute("CREATE OR REPLACE TABLE golden_charges AS SELECT * FROM golden_made").fetchall()
    charges += [("", *row) for row in con.execute(charges_sql(rater.closing("golden_charges"))).fetchall()]
    carried.balances.update(rater.balances)
    present = set(plan.tables["accounts"].column("account_id").to_pylist())
    carried.stock = [row for row in carried.stock if row.account_id not in present] + rater.stock()
    rater.close()
    return charges, reasons


def in_parts(uses: list[Use], parts: int) -> list[list[Use]]:
    """The uses of a stream as partitions in the order of time; uses of one instant stay together."""
    times = sorted({use.at for use in uses})
    size = max(1, -(-len(times) // parts))
    bounds = times[::size]
    return [
        [use for use in uses if begin <= use.at and (end is None or use.at < end)]
        for begin, end in zip_longest(bounds, bounds[1:])
    ] or [[]]


def charge_table(rows: list[tuple[object, ...]]) -> pa.Table:
    """Charges as a relation for the closing step."""
    types = {
        "line_no": pa.int32(),
        "device_key": pa.int64(),
        "window_start": pa.timestamp("us"),
        "amount": pa.int64(),
    }
    columns = {
        name: pa.array([row[place] for row in rows], type_)
        for place, (name, type_) in enumerate(types.items(), start=1)
    }
    return pa.table(columns)


def charges_sql(query: str) -> str:
    return f"SELECT line_no, device_key, window_start, amount FROM ({query})"


def records(uses: list[Use], dims: tuple[str, ...]) -> pa.Table:
    """Uses as the records of a lake's segment."""
    columns: dict[str, pa.Array] = {
        "device_key": pa.array([device_key("main", use.device_id) for use in uses], pa.int64()),
        "window_start": pa.array([use.at.replace(tzinfo=None) for use in uses], pa.timestamp("us")),
        "units": pa.array([use.units for use in uses], pa.int64()),
        "n_events": pa.array([use.events for use in uses], pa.int32()),
    }
    for dim in dims:
        columns[dim] = pa.array([dict(use.dims).get(dim) for use in uses], pa.string())
    return pa.table(columns)


def share_out(
    outcomes: dict[int, Outcome], plan: Plan, keys: dict[int, str], rows: list[tuple[object, ...]]
) -> None:
    """Give every charge to the case it belongs to."""
    lines = {line["line_no"]: line for line in plan.lines.to_pylist()}
    charges: dict[int, list[tuple[tuple[str, ...], Fraction]]] = defaultdict(list)
    for stream, line_no, key, window_start, amount in rows:
        line = lines[line_no]
        number = number_of(line["account_id"])
        assert isinstance(amount, int)
        nano = Fraction(amount, int(line["price_denominator"]))
        account_id = line["account_id"].partition("-")[2]
        name = (account_id, line["component_id"], line["kind"])
        found = outcomes[number].lines
        found[name] = found.get(name, Fraction(0)) + nano
        if line["kind"] == "usage":
            device_id = keys[key] if isinstance(key, int) else ""
            where = (str(window_start), device_id, str(stream), line["component_id"])
            charges[number].append((where, nano))
    for number, found_charges in charges.items():
        places = [where for where, _ in found_charges]
        outcomes[number].charges = None  # with several events in one slot nothing says which charge is whose
        if len(set(places)) == len(places):
            outcomes[number].charges = [nano for _, nano in sorted(found_charges)]


def unpriced(cases: list[Case]) -> Iterator[tuple[Case, str]]:
    """The cases the engine refuses by name, and how."""
    for case in cases:
        try:
            refuse_unpriced(case)
        except NotPriced as error:
            yield case, str(error)
