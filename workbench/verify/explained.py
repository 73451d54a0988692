"""A stored charge explained: the lake's own catalogue and records are read again and the very amount is worked out.

The trace is one JSON object from the events to the invoice line, with hashes; ``tariff.explain.check_trace`` recomputes
it without a lake.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from workbench.billing import plan_of
from workbench.errors import RatingError
from workbench.lake.lake import Lake
from workbench.model.money import NANO, decimal_text
from workbench.model.plan import Period
from workbench.rating.batch import Rater
from workbench.rating.explain import explain_charge
from workbench.tariff.explain import Explanation
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
        RatingError: ``charge_unknown``; ``not_explained`` for a price that only the whole period decides;
            ``trace_wrong`` when the lake's records no longer give the charge.
    """
    inner = lake if isinstance(lake, Lake) else lake.inner
    at = window_start.astimezone(UTC).replace(tzinfo=None) if window_start.tzinfo else window_start
    line, amount, units = _stored(inner, period, line_no, device_key, at, dimensions or {})
    cost = Fraction(amount, int(line["price_denominator"]))
    if line["kind"] != "usage":
        return _without_usage(line, at, units, amount, cost)
    catalogue = Context(inner, full=False, sample=1, seed=0).catalogue(period)
    assert catalogue is not None
    span = Period(line["period_start"].replace(tzinfo=UTC), line["period_end"].replace(tzinfo=UTC))
    with Rater(inner.con, plan_of(inner, catalogue, span)) as rater:
        found = explain_charge(rater, line["meter"], inner.scan("records", stream=line["meter"]), line_no,
                               device_key or 0, at, dimensions)  # fmt: skip
    if Fraction(found.trace["amount"], found.trace["denominator"]) != cost:
        raise RatingError(
            f"The charge is {decimal_text(cost / NANO)}, its records and price now give another amount.",
            where=f"line {line_no}",
            code="trace_wrong",
            cure="Rate the period again, or adjust it: its records or parties have changed since.",
        )
    found.trace["charge"] = _charge(line, device_key, at, units, amount)
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
    line: Mapping[str, Any], at: datetime, units: int, amount: int, cost: Fraction
) -> Explanation:
    """A fee or an adjustment: what it is, for when, how much."""
    words = {"recurring": "The fee", "one_off": "The one-off fee", "true_up": "The true-up",
             "adjustment": "The adjustment"}  # fmt: skip
    many = f" for {units} days" if line["kind"] == "recurring" and units > 1 else ""
    sentence = (
        f"{words.get(line['kind'], 'The charge')} '{line['component_id']}' ({line['offer_id']} version "
        f"{line['offer_version']}) of {at:%Y-%m-%d}{many} is {decimal_text(cost / NANO)} {line['currency']}."
    )
    part = {"step": 0, "after": 0, "up_to": units, "amount": amount}
    trace = {
        "offer": {"id": line["offer_id"], "version": line["offer_version"]}, "component": line["component_id"],
        "currency": line["currency"], "denominator": int(line["price_denominator"]), "units": units, "given": amount,
        "parts": [part], "amount": amount, "charge": _charge(line, None, at, units, amount),
    }  # fmt: skip
    return Explanation(sentence, trace)
