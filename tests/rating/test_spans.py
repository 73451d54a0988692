"""What an offer says of a year, a quarter or a week is not billed over a month."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from workbench.errors import RatingError
from workbench.model.plan import Period
from workbench.rating.spans import hold_spans
from workbench.tariff.catalogue import loads

OFFER = """
meters: [{id: m, unit: message}]
partners: [{id: op}]
offers:
  - id: o
    version: 1
    currency: EUR
    effective: 2020-01-01
    zone: Europe/Berlin
    period: %s
    split: {rest: op%s}
    prices: [{id: p, meter: m, %s}]
%s
"""
UNIT = "per_unit: {amount: 1}"
DUE = {
    "the fee 'base'": (UNIT, "    fees: [{id: base, amount: 1, every: period}]", ""),
    "the maximum": (UNIT, "    maximum: {amount: 9}", ""),
    "the commitment": (UNIT, "    commitment: {amount: 9}", ""),
    "the bundle 'b'": (UNIT, "    bundles: [{id: b, credits: 5, weights: {p: 1}}]", ""),
    "what is free of 'p'": (UNIT + ", allowance: {units: 5}", "", ""),
    "the steps of 'p'": ("graduated: {tiers: [{up_to: 5, amount: 2}, {amount: 1}]}", "", ""),
    "the credit 'c'": (UNIT, "    prepaid: true\n    credits: [{id: c, amount: 5, every: period}]", ""),
    "a partner's guarantee": (UNIT, "", ", rules: [{partner: op, percent: 10 %, guarantee: 1}]"),
}
SPANS = {
    "day": (datetime(2026, 3, 2), datetime(2026, 3, 3)), "week": (datetime(2026, 3, 2), datetime(2026, 3, 9)),
    "month": (datetime(2026, 2, 15), datetime(2026, 3, 15)), "quarter": (datetime(2026, 1, 1), datetime(2026, 4, 1)),
    "year": (datetime(2024, 1, 1), datetime(2025, 1, 1)),
}  # fmt: skip


def held(offer_period: str, span: str, due: str, offers: dict[str, tuple[str, str, str]] = DUE) -> str:
    """What is refused of an offer billed over a span; empty when it is billed."""
    price, more, split = offers[due]
    known = loads(OFFER % (offer_period, split, price, more))
    start, end = (at.replace(tzinfo=UTC) for at in SPANS[span])
    try:
        hold_spans(known.offers, Period(start, end))
    except RatingError as error:
        assert error.code == "billing_span"
        return error.what
    return ""


@pytest.mark.parametrize("due", DUE)
def test_what_is_due_once_a_year_is_not_billed_in_a_month(due: str) -> None:
    said = held("year", "month", due)
    assert said == f"Offer 'o' is billed every year, and {due} is for a whole one; this period has 28 days."
    assert held("year", "year", due) == ""
    assert held("year", "day", due) == ""  # a trial


@pytest.mark.parametrize("offer_period", SPANS)
def test_only_its_own_period_fits_an_offer(offer_period: str) -> None:
    fee = "the fee 'base'"
    fits = [span for span in ("month", "quarter", "year") if not held(offer_period, span, fee)]
    assert fits == ([offer_period] if offer_period in ("month", "quarter", "year") else [])


def test_what_does_not_look_at_the_period_fits_any() -> None:
    daily = {"the fee 'day'": (UNIT, "    fees: [{id: day, amount: 1, every: day}]", "")}
    assert [held("year", span, "the fee 'day'", daily) for span in SPANS] == [""] * len(SPANS)
