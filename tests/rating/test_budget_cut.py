"""A sponsor's budget pays unit by unit: whoever cuts the use into records, both raters charge sponsor and user the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.case import Case
from tests.golden.engine import by_batch
from tests.golden.outcome import by_reference
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.reference.results import Use
from workbench.tariff.catalogue import loads

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
TEXT = """
meters: [{id: m.data, unit: byte, dimensions: [country]}]
partners: [{id: op}]
offers:
  - id: o
    version: 1
    currency: EUR
    effective: 2020-01-01
    split: {rest: op}
    prices:
      - {id: a, meter: m.data, rates: [{id: us, match: {country: [US]}, per_unit: {amount: %s}}, {id: rest, per_unit: {amount: %s}}]}
    sponsorships: [{id: s, account: payer, components: [a], budget: %s, fallback: %s}]
"""
DEVICES = ("x", "y")
records = st.tuples(
    st.integers(0, 5), st.sampled_from(DEVICES), st.sampled_from(("DE", "US")), st.integers(0, 30)
)
money = st.integers(0, 12).map(lambda n: f"{n / 4:.2f}")


@given(
    found=st.lists(records, min_size=1, max_size=5, unique_by=lambda row: row[0]),
    cuts=st.lists(st.integers(1, 7), min_size=5, max_size=5),
    prices=st.tuples(money, money),
    budget=st.integers(0, 60),
    then=st.sampled_from(["user", "block"]),
)
@settings(max_examples=12, deadline=None)
def test_how_use_is_cut_into_records_does_not_change_who_pays(
    found: list[tuple[int, str, str, int]], cuts: list[int], prices: tuple[str, str], budget: int, then: str
) -> None:
    whole = case_of(found, [10**6] * len(found), prices, budget, then)
    apart = case_of(found, cuts, prices, budget, then)
    wanted = by_reference(whole)[0].lines
    paid = sum(amount for (account, *_), amount in wanted.items() if account == "payer")
    each = {country: Fraction(price) * 10**9 for country, price in zip(("US", "DE"), prices, strict=True)}
    cost = sum(units * each[country] for _, _, country, units in found)
    assert paid <= budget * 10**9
    assert then == "block" or sum(wanted.values()) == cost
    assert paid == cost or budget * 10**9 - paid < max(
        each.values()
    )  # what is left pays no unit more of the dearest
    for told in (by_reference(apart), by_batch(whole), by_batch(apart)):
        assert {name: amount for name, amount in told[0].lines.items() if amount} == {
            name: amount for name, amount in wanted.items() if amount
        }


def case_of(
    found: list[tuple[int, str, str, int]], most: list[int], prices: tuple[str, str], budget: int, then: str
) -> Case:
    """Each use as records of at most so many units, one after the other before the next use begins."""
    uses = []
    for (day, device, country, units), size in zip(found, most, strict=False):
        parts = [min(size, units - at) for at in range(0, units, size)] or [0]
        uses += [
            Use(device, "m.data", START + timedelta(days=day, minutes=15 * n), part, (("country", country),))
            for n, part in enumerate(parts)
        ]
    parties = Parties(
        accounts=(Account("acme"), Account("payer")),
        devices=tuple(Device(name) for name in DEVICES),
        subscriptions=tuple(Subscription(f"s-{d}", "acme", "o", START, device_id=d) for d in DEVICES),
    )
    catalogue = loads(TEXT % (*prices, budget, then))
    blank = Case("cut", "budget", catalogue, parties, (), ((START, END),), (), ({},))
    return replace(blank, uses=tuple(uses))
