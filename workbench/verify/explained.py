"""A stored charge explained: the lake's own catalogue and records are read again and the very amount is worked out.

The trace is one JSON object from the events to the invoice line, with hashes; ``tariff.trace_check`` recomputes it
without a lake.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from workbench.billing import credits_before, plan_of
from workbench.errors import RatingError
from workbench.lake.lake import Lake
from workbench.model.money import NANO, decimal_text
from workbench.model.plan import Period
from workbench.rating import closing
from workbench.rating.batch import Rater
from workbench.rating.explain import explain_charge
from workbench.tariff.calendar import billed_days
from workbench.tariff.compile import day_parts
from workbench.tariff.explain import Explanation, explain_rule
from workbench.tariff.plan import Plan
from workbench.tariff.trace_check import seal_of
from workbench.verify.context import Context

if TYPE_CHECKING:
    from workbench.lake.open import OpenLake


def explain_stored(
    lake: Lake | OpenLake,
    period: str,
    line_no: int,
    device_key: int | None,
    window_start: datetime,
    dimensions: Mapping[str, object] | None = None,
) -> Explanation:
    """Explain one charge of a rated period.

    Args:
        period: the lake's name of the period. line_no, device_key, window_start: of the charge (UTC, naive or aware).
        dimensions: of its record, those that prices look at.

    Raises:
        RatingError: ``charge_unknown``; ``trace_wrong`` when the lake's records no longer give the charge.
    """
    inner = lake if isinstance(lake, Lake) else lake.inner
    at = window_start.astimezone(UTC).replace(tzinfo=None) if window_start.tzinfo else window_start
    line, amount, units = _stored(inner, period, line_no, device_key, at, dimensions or {})
    cost = Fraction(amount, int(line["price_denominator"]))
    if line["kind"] != "usage":
        found = _without_usage(inner, period, line, device_key, at, units, amount)
        return _sealed(inner, period, found, line, device_key, at, units, amount)
    catalogue = Context(inner, full=False, sample=1, seed=0).catalogue(period)
    assert catalogue is not None
    span = Period(line["period_start"].replace(tzinfo=UTC), line["period_end"].replace(tzinfo=UTC))
    plan = plan_of(inner, catalogue, span)
    records = {stream: inner.scan("records", stream=stream) for stream in plan.streams}
    with Rater(inner.con, plan) as rater:
        found = explain_charge(
            rater, line["meter"], records[line["meter"]], line_no, device_key, at, dimensions, records
        )
    if Fraction(found.trace["amount"], found.trace["denominator"]) != cost:
        raise RatingError(
            f"The charge is {decimal_text(cost / NANO)}, its records and price now give another amount.",
            where=f"line {line_no}",
            code="trace_wrong",
            cure="Rate the period again, or adjust it: its records or parties have changed since.",
        )
    return _sealed(inner, period, found, line, device_key, at, units, amount)


def _sealed(
    lake: Lake,
    period: str,
    found: Explanation,
    line: Mapping[str, Any],
    device_key: int | None,
    at: datetime,
    units: int,
    amount: int,
) -> Explanation:
    """Hang the trace between what it came from and what it became: the offer's text, the charge, its line; and seal it."""
    trace = found.trace
    trace["charge"] = _charge(line, device_key, at, units, amount)
    text = lake.con.execute(
        f"SELECT sha256, text FROM {lake.scan('catalog', period=period)} WHERE offer_id = ? AND version = ?",
        [line["offer_id"], line["offer_version"]],
    ).fetchall()
    if text:
        trace["offer"] |= {"sha256": text[0][0], "text": text[0][1]}
    whole = lake.con.execute(
        f"SELECT coalesce(sum(amount), 0)::HUGEINT FROM {lake.scan('charges', period=period)} WHERE line_no = ?",
        [line["line_no"]],
    ).fetchall()[0][0]
    den = int(line["price_denominator"])
    trace["line"] = {
        "line_no": line["line_no"], "currency": line["currency"], "exact_nano": str(Fraction(int(whole), den)),
        "others_nano": str(Fraction(int(whole) - amount, den)),
    }  # fmt: skip
    trace["seal"] = seal_of(trace)
    return found


def _stored(
    lake: Lake, period: str, line_no: int, device_key: int | None, at: datetime, dims: Mapping[str, object]
) -> tuple[dict[str, Any], int, int]:
    """The line, and the charge's amount and units; a record that crossed steps in several rows is summed."""
    cursor = lake.con.execute(
        f"SELECT * FROM {lake.scan('lines', period=period)} WHERE line_no = ?", [line_no]
    )
    names = [column[0] for column in cursor.description or ()]
    rows = cursor.fetchall()
    charges = lake.scan("charges", period=period)
    known = {row[0] for row in lake.con.execute(f"DESCRIBE SELECT * FROM {charges}").fetchall()}
    given = {name: value for name, value in dims.items() if name in known}
    same = "".join(f" AND c.{name} IS NOT DISTINCT FROM ${n}" for n, name in enumerate(given, 4))
    found = lake.con.execute(
        f"SELECT count(*), sum(c.amount)::HUGEINT, sum(c.units)::HUGEINT FROM {charges} c WHERE c.line_no = $1 "
        f"AND c.device_key IS NOT DISTINCT FROM $2 AND c.window_start = $3{same}",
        [line_no, device_key, at, *given.values()],
    ).fetchall()[0]
    if not rows or not found[0]:
        raise RatingError(
            f"There is no charge on line {line_no} at {at}.",
            where=period,
            code="charge_unknown",
            cure="Look it up in the charges of the period.",
        )
    return dict(zip(names, rows[0], strict=True)), int(found[1]), int(found[2])


def _charge(
    line: Mapping[str, Any], device_key: int | None, at: datetime, units: int, amount: int
) -> dict[str, Any]:
    return {
        "line_no": line["line_no"], "account_id": line["account_id"], "kind": line["kind"], "device_key": device_key,
        "window_start": at.isoformat() + "Z", "units": units, "amount": amount,
        "denominator": int(line["price_denominator"]),
    }  # fmt: skip


def _without_usage(
    lake: Lake,
    period: str,
    line: Mapping[str, Any],
    device_key: int | None,
    at: datetime,
    units: int,
    amount: int,
) -> Explanation:
    """A fee or an adjustment: what it is, for when, how much, and the rule that gives it."""
    cost = Fraction(amount, int(line["price_denominator"]))
    words = {"recurring": "The fee", "one_off": "The one-off fee", "true_up": "The true-up",
             "adjustment": "The adjustment"}  # fmt: skip
    many = f" for {units} days" if line["kind"] == "recurring" and units > 1 else ""
    sentence = (
        f"{words.get(line['kind'], 'The charge')} '{line['component_id']}' ({line['offer_id']} version "
        f"{line['offer_version']}) of {at:%Y-%m-%d}{many} is {decimal_text(cost / NANO)} {line['currency']}"
    )
    head: dict[str, Any] = {
        "offer": {"id": line["offer_id"], "version": line["offer_version"]}, "component": line["component_id"],
        "currency": line["currency"], "denominator": int(line["price_denominator"]), "units": units,
    }  # fmt: skip
    rule = _rule(lake, period, line, device_key, units, cost)
    if rule is None:
        made = explain_rule(head, {"is": "fee", "amount": str(cost), "times": 1, "of_times": 1})
        said = sentence
    else:
        made, said = explain_rule(head, rule), f"{sentence}: {_rule_words(rule, line['currency'])}"
    return Explanation(f"{said}.", made.trace)


def _rule(
    lake: Lake, period: str, line: Mapping[str, Any], device_key: int | None, units: int, cost: Fraction
) -> dict[str, Any] | None:
    catalogue = Context(lake, full=False, sample=1, seed=0).catalogue(period)
    assert catalogue is not None
    span = Period(line["period_start"].replace(tzinfo=UTC), line["period_end"].replace(tzinfo=UTC))
    plan = plan_of(lake, catalogue, span)
    if line["kind"] in ("recurring", "one_off"):
        return _fee_rule(plan, line, units, cost)
    others = (
        f"(SELECT c.* FROM {lake.scan('charges', period=period)} c SEMI JOIN (SELECT line_no FROM "
        f"{lake.scan('lines', period=period)} WHERE kind NOT IN ('adjustment', 'true_up')) l USING (line_no))"
    )
    with Rater(lake.con, plan) as rater:
        return closing.reckoned(
            lake.con, rater.tables, plan, others, credits_before(lake, span), line["line_no"], device_key
        )


def _fee_rule(plan: Plan, line: Mapping[str, Any], units: int, cost: Fraction) -> dict[str, Any] | None:
    """The fee of one of the line's variants and how much of it was due, when one gives the amount."""
    for offer in plan.offers:
        if (offer.offer_id, offer.version, offer.currency) != (
            line["offer_id"],
            line["offer_version"],
            line["currency"],
        ):
            continue
        days = len(billed_days(plan.period, offer.zone))
        for fee in offer.fees:
            of_times = day_parts(fee, days)
            due = range(of_times + 1) if of_times == 30 else (units if of_times > 1 else 1,)
            for times in due if fee.id == line["component_id"] else ():
                if Fraction(fee.amount, fee.denominator) * times / of_times == cost:
                    amount = Fraction(fee.amount, fee.denominator)
                    return {"is": "fee", "amount": str(amount), "times": times, "of_times": of_times}
    return None


def _rule_words(rule: Mapping[str, Any], currency: str) -> str:
    def money(name: str) -> str:
        return f"{decimal_text(Fraction(rule[name]) / NANO)} {currency}"

    if rule["is"] == "fee":
        return f"{rule['times']} of {rule['of_times']} parts of {money('amount')}"
    if rule["is"] == "credit":
        return f"{len(rule['paid'])} payment(s) from the {money('amount')} it held"
    if rule["is"] == "discount":
        return f"at most {money('amount')} off {money('counted')}"
    if rule["is"] == "maximum":
        return f"what {money('counted')} are above {money('amount')}"
    part = "" if rule["days"] == rule["of_days"] else f" for {rule['days']} of {rule['of_days']} days"
    return f"what {money('counted')} are short of the {money('amount')} promised{part}"
