"""The reference rater on the spine: lamps billed by energy and rent, shared 70/30."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest

from workbench.model.offer import Catalogue, Component, Fee, Meter, Offer, Rate
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.model.price import Graduated, PerUnit, Tier
from workbench.model.split import Split, SplitRule
from workbench.reference.days import days_between, first_instant, period_of, periods_from
from workbench.reference.rater import rate
from workbench.reference.results import Unpriceable, Use

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 1, 3, tzinfo=UTC)
LAMPS = [f"lamp-{n}" for n in range(4)]
SPLIT = Split((SplitRule("city", rate=Fraction(7, 10)), SplitRule("maker", rate=Fraction(3, 10))))


def lamps_offer(**changes: object) -> Offer:
    fields: dict[str, object] = {
        "id": "lamps",
        "version": 1,
        "currency": "EUR",
        "effective": date(2026, 1, 1),
        "components": (
            Component("energy", "lamps.energy", (Rate("all", PerUnit(Fraction("0.00005"), 1_000_000)),)),
        ),
        "fees": (Fee("rent", Fraction("0.10"), every="day"),),
        "split": SPLIT,
    }
    return Offer(**(fields | changes))  # type: ignore[arg-type]


def parties() -> Parties:
    return Parties(
        accounts=(Account("city"),),
        devices=tuple(Device(lamp) for lamp in LAMPS),
        subscriptions=tuple(
            Subscription(f"s-{lamp}", "city", "lamps", START - timedelta(days=9), device_id=lamp)
            for lamp in LAMPS
        ),
    )


def uses() -> list[Use]:
    return [
        Use(lamp, "lamps.energy", START + timedelta(minutes=15 * slot), 777)
        for lamp in LAMPS
        for slot in range(2 * 96)
    ]


def catalogue(offer: Offer) -> Catalogue:
    return Catalogue(meters=(Meter("lamps.energy", "mWh"),), offers=(offer,))


def test_lamp_energy_and_rent_are_exact() -> None:
    bill = rate(catalogue(lamps_offer()), parties(), uses(), START, END)
    energy, rent = bill.line("city", "energy"), bill.line("city", "rent", "recurring")
    assert energy.amount_nano == Fraction(4 * 192 * 777, 20)  # 1/20 nano per mWh
    assert (rent.amount_nano, rent.net_nano) == (800_000_000, 800_000_000)  # 4 lamps x 2 days x 0.10
    assert sum(share.amount_nano for share in bill.shares) == bill.total_nano("city")
    assert bill.shares[0].amount_nano == bill.total_nano("city") * Fraction(7, 10)


def test_charges_telescope_to_the_line_in_any_order() -> None:
    tiers = (Tier(50_000, Fraction("0.001"), Fraction(1)), Tier(None, Fraction("0.0003")))
    offer = lamps_offer(
        components=(Component("energy", "lamps.energy", (Rate("all", Graduated(tiers)),)),), fees=()
    )
    forward = rate(catalogue(offer), parties(), uses(), START, END)
    backward = rate(catalogue(offer), parties(), reversed(uses()), START, END)
    assert forward == backward
    each = 50_000 * Fraction("0.001") + 1 + (192 * 777 - 50_000) * Fraction("0.0003")
    assert forward.line("city", "energy").amount_nano == 4 * each * 10**9
    assert sum(charge.amount_nano for charge in forward.charges) == 4 * each * 10**9


def test_a_use_without_subscription_version_or_price_says_so() -> None:
    strangers = [
        Use("stranger", "lamps.energy", START, 1),
        Use("lamp-0", "lamps.light", START, 1),
    ]
    bill = rate(catalogue(lamps_offer(fees=())), parties(), strangers, START, END)
    assert [entry.reason for entry in bill.uncharged] == ["meter_not_priced", "no_subscription"]
    later = rate(
        catalogue(lamps_offer(fees=(), effective=date(2027, 1, 1))), parties(), uses()[:1], START, END
    )
    assert [entry.reason for entry in later.uncharged] == ["not_in_force"]


def test_a_split_that_leaves_something_to_nobody_is_refused() -> None:
    offer = lamps_offer(split=Split((SplitRule("city", rate=Fraction(7, 10)),)))
    with pytest.raises(Unpriceable, match="to nobody"):
        rate(catalogue(offer), parties(), uses(), START, END)


@pytest.mark.parametrize("anchor", [1, 28, 29, 30, 31])
@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns"]
)
@pytest.mark.parametrize("kind", ["day", "week", "month", "quarter", "year"])
def test_periods_tile_time(anchor: int, zone: str, kind: str) -> None:
    count = {"day": 800, "week": 120, "month": 60, "quarter": 20, "year": 6}[kind]
    periods = periods_from(datetime(2023, 6, 5, 4, 3, tzinfo=UTC), count, zone, anchor, kind)
    for (start, end), (following, _) in pairwise(periods):
        assert start < end == following
        assert period_of(start, zone, anchor, kind) == (start, end)
        assert period_of(end - timedelta(microseconds=1), zone, anchor, kind) == (start, end)


def test_the_nth_period_comes_from_the_original_anchor() -> None:
    starts = [start.date() for start, _ in periods_from(datetime(2024, 1, 31, tzinfo=UTC), 4, "UTC", 31)]
    assert starts == [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30)]


def test_days_of_23_and_25_hours_and_none() -> None:
    def hours(day: date, zone: str) -> float:
        return (first_instant(day + timedelta(days=1), zone) - first_instant(day, zone)) / timedelta(hours=1)

    assert hours(date(2026, 3, 29), "Europe/Berlin") == 23
    assert hours(date(2026, 10, 25), "Europe/Berlin") == 25
    assert hours(date(2026, 4, 5), "Australia/Lord_Howe") == 24.5
    assert hours(date(2011, 12, 30), "Pacific/Apia") == 0
    assert len(days_between(date(2011, 12, 1), date(2012, 1, 1), "Pacific/Apia")) == 30
