"""A pool whose members are rounded one by one, under a price that jumps: the total is that of the rounded members."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction

import pytest

from tests.golden.case import Case
from tests.golden.engine import Manner, by_batch
from tests.golden.outcome import by_reference
from workbench.model.offer import Catalogue, Component, Increment, Meter, Offer, PartnerRef, Rate
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.model.price import Price, StairStep, Step, Tier, Volume
from workbench.model.split import Split
from workbench.reference.results import Use

MARCH = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
USED = (("b", 29, 11), ("b", 6, 50), ("a", 2, 30), ("a", 1, 9))
STAIRS = StairStep((Step(5, Fraction(1)), Step(122, Fraction(33)), Step(None, Fraction(42))))
VOLUME = Volume((Tier(100, Fraction(3)), Tier(None, Fraction(2), flat=Fraction(5))), per=10)


def case(price: Price, increment: Increment) -> Case:
    component = Component("data", "m.data", (Rate("rest", price),), scope="pool", increment=increment)
    offer = Offer("offer", 1, "EUR", date(2020, 1, 1), components=(component,), split=Split((), rest="op"))
    parties = Parties(
        accounts=(Account("acme"),),
        devices=(Device("a"), Device("b")),
        subscriptions=tuple(Subscription(f"s-{d}", "acme", "offer", MARCH[0], device_id=d) for d in "ab"),
    )
    uses = tuple(Use(d, "m.data", datetime(2026, 3, day, 12, tzinfo=UTC), n) for d, day, n in USED)
    catalogue = Catalogue((Meter("m.data", "byte"),), (PartnerRef("op"),), (), (offer,))
    return Case("members", "rounded", catalogue, parties, uses, (MARCH,), (), ({},))


@pytest.mark.parametrize("manner", [Manner(1, 1), Manner(3, 2)], ids=["whole", "parts"])
@pytest.mark.parametrize(
    ("price", "increment", "amount"),
    [
        # 61 and 39 units in steps of 18 are 72 + 54 = 126: the last stair. Together they would be 108: the one before.
        (STAIRS, Increment(18, of="device"), 42),
        (STAIRS, Increment(18, of="counter"), 33),
        # Downwards 54 + 36 = 90 units: 9 blocks at 3. To the nearest 54 + 36 as well (7 and 3 are less than 9).
        (VOLUME, Increment(18, of="device", rounding="down"), 27),
        (VOLUME, Increment(18, of="device", rounding="nearest"), 27),
        # Upwards 126 units at 2 per 10, and the flat fee of the reached tier: 12.6 x 2 + 5.
        (VOLUME, Increment(18, of="device"), Fraction(302, 10)),
    ],
)
def test_members_are_rounded_before_the_total_is_priced(
    price: Price, increment: Increment, amount: int | Fraction, manner: Manner
) -> None:
    asked = case(price, increment)
    name = ("acme", "data", "usage")
    assert by_reference(asked)[0].lines[name] == amount * 10**9
    rated = by_batch(asked, manner)[0]
    assert rated.lines[name] == amount * 10**9
    assert rated.charges is not None
    assert sum(rated.charges) == amount * 10**9
