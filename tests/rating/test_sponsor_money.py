"""A sponsor pays in his own money: a customer of another currency on the same offer is refused by name, not billed twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from fractions import Fraction

import pytest

from tests.golden.case import Case
from tests.golden.engine import by_batch
from tests.golden.outcome import by_reference
from workbench.errors import PartyError
from workbench.model.offer import Catalogue, Component, Fx, Meter, Offer, PartnerRef, Rate, Sponsorship
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.model.price import PerUnit
from workbench.model.split import Split
from workbench.reference.results import Use

MARCH = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


def case(sponsor: str, *customers: str) -> Case:
    """One device of each customer, named by its currency, sends 100 messages at 0.01 EUR that a sponsor pays."""
    offer = Offer(
        "offer", 1, "EUR", date(2020, 1, 1), components=(Component("sms", "m.sms", (Rate("all", PerUnit(Fraction(1, 100))),)),),
        sponsorships=(Sponsorship("free", "sponsor", ("sms",)),), fx=(Fx("USD", Fraction(2), date(2026, 1, 1)),),
        split=Split((), rest="op"),
    )  # fmt: skip
    parties = Parties(
        accounts=(
            *(Account(name, currency=name) for name in customers),
            Account("sponsor", currency=sponsor),
        ),
        devices=tuple(Device(name) for name in customers),
        subscriptions=tuple(Subscription(f"s-{n}", n, "offer", MARCH[0], device_id=n) for n in customers),
    )
    uses = tuple(Use(name, "m.sms", datetime(2026, 3, 5, tzinfo=UTC), 100) for name in customers)
    catalogue = Catalogue((Meter("m.sms", "message"),), (PartnerRef("op"),), (), (offer,))
    return Case("sponsor", "money", catalogue, parties, uses, (MARCH,), (), ({},))


@pytest.mark.parametrize(("currency", "amount"), [("EUR", 1), ("USD", 2)])
def test_a_sponsor_of_the_customers_money_pays_once(currency: str, amount: int) -> None:
    asked = case(currency, currency)
    line = ("sponsor", "sms", "usage")
    assert by_reference(asked)[0].lines[line] == by_batch(asked)[0].lines[line] == amount * 10**9


@pytest.mark.parametrize("customers", [("USD",), ("EUR", "USD")])
def test_customers_of_another_money_are_refused_by_name(customers: tuple[str, ...]) -> None:
    with pytest.raises(PartyError) as caught:
        by_batch(case("EUR", *customers))
    assert caught.value.code == "sponsor_currency"
    assert "keeps EUR, but a customer of offer" in caught.value.what
    assert "USD" in caught.value.cure


def test_use_of_one_money_beside_an_offer_without_a_sponsor_is_no_matter() -> None:
    asked = case("EUR", "EUR", "USD")
    offer = replace(asked.catalogue.offers[0], sponsorships=())
    plain = replace(asked, catalogue=replace(asked.catalogue, offers=(offer,)))
    assert by_batch(plain)[0].lines[("USD", "sms", "usage")] == 2 * 10**9
