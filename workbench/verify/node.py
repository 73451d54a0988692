"""What charging nodes told the lake agrees with itself: rows, postings, and the lines of the bill (I21, I33, I34)."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from fractions import Fraction

from workbench.lake.sql import quote
from workbench.model.plan import Period
from workbench.rating import node
from workbench.verify.context import RERATED, Context
from workbench.verify.report import CounterExample, Outcome

_PREFIX = "charging:"


def node_charges(context: Context) -> Outcome:
    """Each request is there once; postings are the sum of the rows; the lines of a closed period are its rows."""
    lake = context.lake
    nodes = lake.facts("charging")
    counts = {"nodes": len(nodes), "charges": 0, "accounts": 0, "lines": 0}
    if not nodes:
        return Outcome(counts)
    rows = lake.scan("online_charges")
    counts["charges"] = int((context.one(f"SELECT count(*) FROM {rows}") or (0,))[0])
    twice = context.one(
        f"SELECT request_id, account_id, count(*) FROM (SELECT DISTINCT request_id, account_id, seq FROM {rows}) "
        "GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
    )
    if twice:
        return Outcome(
            counts,
            CounterExample(
                f"Request {twice[0]} of {twice[1]} is charged more than once.", "1x", f"{twice[2]}x"
            ),
        )
    waiting = any(fact.get("postponed") for fact in nodes.values())
    return Outcome(
        counts, _postings(context, rows, counts, waiting=waiting) or _billed(context, rows, counts)
    )


def _postings(context: Context, rows: str, counts: dict[str, int], *, waiting: bool) -> CounterExample | None:
    """What an offer earned of an account, less what promotional money covered, is booked in whole nano-units.

    An account that came from another node may wait for that node's booking; then less may be booked for a while.
    """
    earned: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for account, offer, den, amount in context.rows(
        "SELECT account_id, offer_id, price_denominator::HUGEINT, sum(amount - coalesce(given, 0))::HUGEINT "
        f"FROM {rows} GROUP BY ALL"
    ):
        earned[str(account), str(offer) or "charging"] += Fraction(int(amount), int(den))
    ledger = context.lake.scan("ledger")
    booked: dict[tuple[str, str], int] = defaultdict(int)
    for account, name, nano in context.rows(
        "SELECT memo, name, sum(nano)::HUGEINT FROM (SELECT memo, credit_account AS name, amount_nano AS nano "
        f"FROM {ledger} WHERE starts_with(tx_id, '{_PREFIX}') UNION ALL SELECT memo, debit_account, -amount_nano "
        f"FROM {ledger} WHERE starts_with(tx_id, '{_PREFIX}')) WHERE starts_with(name, 'revenue:') GROUP BY ALL"
    ):
        booked[str(account), str(name).partition(":")[2]] += int(nano)
    counts["accounts"] = len({account for account, _ in earned})
    for key in sorted(earned.keys() | booked.keys()):
        due = earned[key].numerator // earned[key].denominator
        if booked[key] == due or (waiting and booked[key] < due):
            continue
        text = f"What nodes booked for {key[0]} under {key[1]} is not what they charged."
        return CounterExample(text, f"{due} nano", f"{booked[key]} nano")
    return None


def _billed(context: Context, rows: str, counts: dict[str, int]) -> CounterExample | None:
    """The lines of a rated period hold what nodes charged under their offers, to the fraction.

    A period whose rows changed since it was rated is pending: rating it again, and closing, brings them in.
    """
    for period in context.periods:
        fact = context.lake.facts("rated").get(period, {})
        if f"{period}{RERATED}" in context.periods or "online" not in fact:
            continue
        start, end = context.span(period)
        if node.mark(context.lake, Period(start, end)) != fact["online"]:
            counts["pending"] = counts.get("pending", 0) + 1
            continue
        lines = context.lake.scan("lines", period=period)
        charges = context.lake.scan("charges", partition="node", period=period)
        held = {
            tuple(key): Fraction(int(amount), int(den))
            for *key, amount, den in context.rows(
                "SELECT account_id, offer_id, offer_version, component_id, sum(amount)::HUGEINT, "
                f"any_value(price_denominator)::HUGEINT FROM {charges} JOIN {lines} USING (line_no) GROUP BY ALL"
            )
        }
        told = _told(context, rows, start, end)
        counts["lines"] += len(held)
        for key in sorted(held):
            if held[key] != told.get(key, 0):
                text = f"The line of {key[0]} for {key[1]} v{key[2]} {key[3]} in {period} is not what nodes charged."
                return CounterExample(text, f"{told.get(key, 0)} nano", f"{held[key]} nano")
        known = {tuple(row) for row in context.rows(
            f"SELECT account_id, offer_id, offer_version, component_id FROM {lines} WHERE kind = 'usage'"
        )}  # fmt: skip
        left = sorted(key for key, amount in told.items() if amount and key in known and key not in held)
        if left:
            return CounterExample(
                f"What nodes charged {left[0][0]} under {left[0][1]} in {period} is on no line."
            )
    return None


def _told(context: Context, rows: str, start: datetime, end: datetime) -> dict[tuple[object, ...], Fraction]:
    """Account, offer, version and component to what nodes charged in a span; refunds under what they give back of."""
    within = f"used_at >= TIMESTAMP '{start:%Y-%m-%d %H:%M:%S.%f}' AND used_at < TIMESTAMP '{end:%Y-%m-%d %H:%M:%S.%f}'"
    found: dict[tuple[object, ...], Fraction] = defaultdict(Fraction)
    for *key, amount, den in context.rows(
        "SELECT account_id, offer_id, offer_version, component_id, sum(amount)::HUGEINT, price_denominator::HUGEINT "
        f"FROM {rows} WHERE {within} AND refers_to = '' GROUP BY ALL"
    ):
        found[tuple(key)] += Fraction(int(amount), int(den))
    for account, refers_to, amount, den in context.rows(
        f"SELECT account_id, refers_to, amount::HUGEINT, price_denominator::HUGEINT FROM {rows} WHERE {within} "
        "AND refers_to <> ''"
    ):
        of = context.rows(
            f"SELECT offer_id, offer_version, component_id FROM {rows} WHERE account_id = {quote(account)} "
            f"AND request_id = {quote(refers_to)} AND component_id <> '' ORDER BY amount DESC LIMIT 1"
        )
        if of:
            found[account, *of[0]] += Fraction(int(amount), int(den))
    return found
