"""More use never costs less, whatever the price, the free units and the rounding, except where the checker has a witness."""

from __future__ import annotations

import itertools
from datetime import date

from hypothesis import given, reject
from hypothesis import strategies as st

from tests.rating.drawn_offers import METERS
from tests.rating.test_every_construct import limited
from tests.rating.worlds import prices as tiered_prices
from workbench.errors import AmountOverflow, CatalogueError
from workbench.model.offer import (
    Allowance,
    Catalogue,
    Component,
    Conventions,
    Increment,
    Offer,
    PartnerRef,
    Rate,
)
from workbench.model.price import Price
from workbench.model.split import Split
from workbench.tariff.check import check
from workbench.tariff.quote import price as quote
from workbench.tariff.validate import validate

increments = st.one_of(
    st.none(), st.builds(Increment, st.integers(2, 90), rounding=st.sampled_from(["up", "down", "nearest"]))
)


@given(
    said=tiered_prices(),
    bound=st.sampled_from(["inclusive", "exclusive"]),
    free=st.integers(0, 50),
    increment=increments,
)
@limited(150)
def test_more_never_costs_less_except_where_the_checker_has_a_witness(
    said: Price, bound: str, free: int, increment: Increment | None
) -> None:
    component = Component(
        "data",
        "m.data",
        (Rate("rest", said),),
        allowance=Allowance(free) if free else None,
        increment=increment,
    )
    offer = Offer("offer", 1, "EUR", date(2020, 1, 1), components=(component,), split=Split((), rest="operator"),
                  conventions=Conventions(tier_bound=bound))  # fmt: skip
    catalogue = Catalogue(METERS, (PartnerRef("operator"),), (), (offer,))
    try:
        validate(catalogue)
        findings = [finding for finding in check(catalogue) if finding.code == "bill_falls"]
    except (CatalogueError, AmountOverflow):
        reject()
    bills = [quote(offer, units, catalogue=catalogue).amount for units in range(0, 420, 7)]
    falls = any(later < sooner for sooner, later in itertools.pairwise(bills))
    assert not falls or findings
    for finding in findings:
        (fewer, dear), (more, cheap) = finding.witness
        assert fewer < more
        assert quote(offer, fewer, catalogue=catalogue).amount == dear > cheap
        assert quote(offer, more, catalogue=catalogue).amount == cheap
