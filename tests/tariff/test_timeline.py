"""Which version of an offer holds when, and what a subscription may override of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from workbench.errors import PartyError
from workbench.model.offer import Offer
from workbench.model.plan import Period
from workbench.model.price import PerUnit
from workbench.tariff.catalogue import loads
from workbench.tariff.timeline import BEGINNING, FOREVER, effective_at, override, stretches

HEAD = """
meters: [{id: m.data, unit: byte}]
partners: [{id: op}]
offers:
"""
PRICES = "prices: [{id: a, meter: m.data, per_unit: {amount: 1}}, {id: b, meter: m.data, graduated: {tiers: [{amount: 1}]}}]"
FEES = "fees: [{id: rent, amount: 5.00}]"


def versions(*days: str, running: str = "next_period") -> list[Offer]:
    """An offer with a version from each of these days on."""
    text = HEAD + "".join(
        f"  - {{id: o, version: {n}, currency: EUR, effective: {day}, split: {{rest: op}}, {PRICES}, {FEES}, "
        f"publish: {{running: {running}}}}}\n"
        for n, day in enumerate(days, 1)
    )
    return list(loads(text).offers)


def at(day: int, month: int = 1) -> datetime:
    return datetime(2026, month, day, tzinfo=UTC)


JANUARY = Period(at(1), at(1, 2))


def spans(offers: list[Offer]) -> list[tuple[int, datetime, datetime, datetime, datetime]]:
    """(version, began from, began until, start, end) of each stretch of January."""
    return [
        (s.offer.version, s.began_from, s.began_until, s.start, s.end) for s in stretches(offers, JANUARY)
    ]


def test_a_new_version_takes_running_subscriptions_along_now() -> None:
    assert spans(versions("2025-01-01", "2026-01-10", running="now")) == [
        (1, BEGINNING, at(10), at(1), at(10)),
        (2, BEGINNING, at(10), at(10), at(1, 2)),
        (2, at(10), FOREVER, at(10), at(1, 2)),
    ]


def test_each_of_three_versions_ends_where_the_next_begins() -> None:
    found = spans(versions("2025-01-01", "2026-01-10", "2026-01-20", running="now"))
    assert found[:3] == [(n, BEGINNING, at(10), *span) for n, span in
                         enumerate(((at(1), at(10)), (at(10), at(20)), (at(20), at(1, 2))), 1)]  # fmt: skip
    assert found[3:] == [
        (2, at(10), at(20), at(10), at(20)), (3, at(10), at(20), at(20), at(1, 2)), (3, at(20), FOREVER, at(20), at(1, 2))]  # fmt: skip


def test_a_stretch_says_since_when_the_offer_is_there() -> None:
    days = ("2025-01-01", "2026-01-10")
    assert {s.offered for s in stretches(versions(*days, running="now"), JANUARY)} == {
        datetime(2025, 1, 1, tzinfo=UTC)
    }


def test_of_two_versions_of_one_day_the_later_is_the_only_one_to_begin_under() -> None:
    new_year = datetime(2025, 1, 1, tzinfo=UTC)
    assert spans(versions("2025-01-01", "2025-01-01", running="keep")) == [
        (1, BEGINNING, new_year, at(1), at(1, 2)),
        (2, new_year, FOREVER, at(1), at(1, 2)),
    ]
    later = spans(versions("2024-01-01", "2025-01-01", "2025-01-01", running="keep"))
    assert [(version, began) for version, began, *_ in later] == [
        (1, BEGINNING),
        (3, datetime(2025, 1, 1, tzinfo=UTC)),
    ]


@pytest.mark.parametrize("running", ["next_period", "keep"])
def test_or_with_the_next_period_or_never(running: str) -> None:
    assert spans(versions("2025-01-01", "2026-01-10", running=running)) == [
        (1, BEGINNING, at(10), at(1), at(1, 2)),
        (2, at(10), FOREVER, at(10), at(1, 2)),
    ]


def test_the_next_period_begins_at_its_very_instant() -> None:
    first_of_january = datetime(2026, 1, 1, tzinfo=UTC)
    found = spans(versions("2025-01-01", "2026-01-01"))
    assert found == [
        (2, BEGINNING, first_of_january, at(1), at(1, 2)),
        (2, first_of_january, FOREVER, at(1), at(1, 2)),
    ]


def test_a_version_from_the_end_of_the_period_on_has_no_part_of_it() -> None:
    assert spans(versions("2025-01-01", "2026-02-01", running="now")) == [
        (1, BEGINNING, at(1, 2), at(1), at(1, 2))
    ]


def test_a_version_begins_at_its_zones_midnight() -> None:
    text = f"  - {{id: o, version: 1, currency: EUR, zone: Europe/Berlin, effective: 2026-01-10, split: {{rest: op}}, {PRICES}}}\n"
    assert effective_at(loads(HEAD + text).offers[0]) == datetime(2026, 1, 9, 23, tzinfo=UTC)
    assert datetime(1970, 1, 1, tzinfo=UTC) == BEGINNING  # instants of a lake are counted from there


def test_an_override_puts_an_amount_in_the_place_of_the_lists() -> None:
    (offer,) = versions("2025-01-01")
    changed = override(offer, '{"prices": {"a": "0.5"}, "fees": {"rent": "3.00"}}', "here")
    price = changed.components[0].rates[0].price
    assert isinstance(price, PerUnit)
    assert (str(price.amount), str(changed.fees[0].amount)) == ("1/2", "3")
    assert changed.components[1] == offer.components[1]
    assert override(offer, "", "here") == offer
    assert override(offer, '{"fees": {"rent": "0"}}', "here").fees[0].amount == 0


@pytest.mark.parametrize(
    "text",
    [
        '{"prices": {"b": "0.5"}}',  # a graduated price is no single amount
        '{"prices": {"c": "0.5"}}',
        '{"fees": {"licence": "1"}}',
        '{"fees": {"rent": 1}}',
        '{"fees": {"rent": "-0.01"}}',
        '{"fees": ["rent"]}',
        '{"version": "2"}',
        '{"discount": "2"}',
        "[1]",
        "{",
    ],
)
def test_what_cannot_be_overridden_is_refused(text: str) -> None:
    (offer,) = versions("2025-01-01")
    with pytest.raises(PartyError) as caught:
        override(offer, text, "subscription s1")
    assert caught.value.where == "subscription s1"
    assert caught.value.cure
