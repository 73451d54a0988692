"""Who is under which offer: what parties must be, and what is said of those that are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from workbench.errors import PartyError
from workbench.model.party import Account, Device, Parties, Subscription
from workbench.model.plan import Period
from workbench.tariff.catalogue import loads
from workbench.tariff.plan import Plan, compile_plan

CATALOGUE = """
meters: [{id: m.data, unit: byte}]
partners: [{id: op}]
offers:
  - {id: o, version: 1, currency: EUR, effective: 1970-01-01, split: {rest: op}, prices: [
      {id: a, meter: m.data, per_unit: {amount: 1}}]%s}
  - {id: p, version: 1, currency: EUR, effective: 1970-01-01, split: {rest: op}, prices: [
      {id: b, meter: m.data, per_unit: {amount: 1}}]}
"""
JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FIRST = Subscription("s1", "acme", "o", LONG_AGO, device_id="d1")


def plan(
    *subscriptions: Subscription,
    account: dict[str, Any] | None = None,
    more: str = "",
    period: Period = JANUARY,
) -> Plan:
    parties = Parties(
        (Account("acme", **(account or {})),), (),
        (Device("d1", group_id="g"), Device("d2", group_id="g"), Device("d3")), subscriptions,
    )  # fmt: skip
    with duckdb.connect() as con:
        return compile_plan(loads(CATALOGUE % more), parties, period, con=con)


def refusal(
    *subscriptions: Subscription, account: dict[str, Any] | None = None, more: str = ""
) -> PartyError:
    with pytest.raises(PartyError) as caught:
        plan(*subscriptions, account=account, more=more)
    return caught.value


def rows(made: Plan, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in made.tables["assignments"].to_pylist()]


@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        ({"account_id": "nobody"}, "account_unknown", "Subscription 's1' names an account that does not exist."),
        ({"group_id": "g"}, "subscription_holder", "Subscription 's1' has a device and a group."),
        (
            {"starts_at": datetime(2026, 1, 20, tzinfo=UTC), "ends_at": datetime(2026, 1, 10, tzinfo=UTC)},
            "subscription_dates",
            "Subscription 's1' ends before it starts.",
        ),
        ({"sim_state": "asleep"}, "sim_state", "Subscription 's1' has a SIM state that does not exist."),
    ],
)  # fmt: skip
def test_a_subscription_that_cannot_be_is_named(wrong: dict[str, Any], code: str, said: str) -> None:
    other = Subscription("s0", "acme", "p", LONG_AGO, device_id="d2")
    error = refusal(other, replace(FIRST, **wrong))
    assert (error.code, error.what, error.where) == (code, said, "subscription s1")


def test_two_rows_of_a_subscription_follow_each_other() -> None:
    middle = datetime(2026, 1, 9, tzinfo=UTC)
    before, after = replace(FIRST, ends_at=middle), replace(FIRST, starts_at=middle, sim_state="suspended")
    assert rows(plan(before, after), "until_at", "sim_state")[0] == (middle.replace(tzinfo=None), "active")
    error = refusal(before, replace(after, starts_at=middle - timedelta(seconds=1)))
    assert (error.code, error.where) == ("subscription_twice", "subscription s1")


def test_a_meter_of_a_device_is_sold_once_at_a_time() -> None:
    other = Subscription("s2", "acme", "p", datetime(2026, 1, 9, tzinfo=UTC), device_id="d1")
    error = refusal(FIRST, other)
    assert error.code == "meter_priced_twice"
    assert error.what == "Subscriptions 's1' and 's2' both sell 'm.data' of device 'd1' at the same time."
    assert len(rows(plan(replace(FIRST, ends_at=other.starts_at), other), "device_key")) == 2
    assert len(rows(plan(FIRST, replace(other, device_id="d2")), "device_key")) == 2


def test_a_group_is_all_its_devices_now() -> None:
    made = plan(replace(FIRST, device_id="", group_id="g"))
    held = rows(made, "device_key", "group_no")
    assert len({key for key, _ in held}) == 2
    assert len({group for _, group in held} - {0}) == 1
    # a device that is subscribed itself belongs to its group all the same, and one without a group to none
    assert rows(plan(FIRST), "group_no") == [(next(iter(held))[1],)]
    assert rows(plan(replace(FIRST, device_id="d3")), "group_no") == [(0,)]


def test_a_sponsor_is_an_account() -> None:
    sponsored = ", sponsorships: [{id: s, account: %s, components: [a]}]"
    assert refusal(FIRST, more=sponsored % "payer").what == "The sponsor 'payer' is no account."
    assert plan(FIRST, more=sponsored % "acme")


@pytest.mark.parametrize("day", [1, 2, 15, 31])
def test_a_billing_day_is_one_of_a_month(day: int) -> None:
    assert len(rows(plan(FIRST, account={"billing_anchor_day": day}), "device_key")) == 1


@pytest.mark.parametrize(
    "account", [{"billing_anchor_day": 0}, {"billing_anchor_day": 32}, {"zone": "Mars/Olympus"}]
)
def test_what_makes_no_billing_period_is_refused(account: dict[str, Any]) -> None:
    error = refusal(FIRST, account=account)
    assert (error.code, error.where) == ("account_period", "accounts")


@pytest.mark.parametrize(
    "began", [datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, 5, tzinfo=UTC), LONG_AGO]
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_who_subscribed_long_ago_is_still_subscribed(began: datetime, zone: str) -> None:
    assert len(rows(plan(replace(FIRST, starts_at=began), account={"zone": zone}), "device_key")) == 1


def test_a_discount_of_the_first_periods_ends_with_them() -> None:
    """Half price in the second and third period: who began in November is in the third, who began in October pays in full."""
    half = ", discounts: [{id: half, percent: 50 %, from_period: 2, to_period: 3}]"

    def price(began: datetime) -> int:
        made = plan(replace(FIRST, starts_at=began), more=half)
        (number,) = {row[0] for row in rows(made, "offer_no")}
        offer = made.offers[number - 1]
        component = offer.components[0]
        return component.rates[0].steps[0].block_amount * 2 // component.denominator

    started = [(2026, 1), (2025, 12), (2025, 11), (2025, 10), (2025, 9), (2025, 8), (1970, 1)]
    assert [price(datetime(year, month, 2, tzinfo=UTC)) for year, month in started[:1]] == [2 * 10**9]
    found = [price(datetime(year, month, 1, tzinfo=UTC)) for year, month in started]
    assert found == [2 * 10**9, 10**9, 10**9, 2 * 10**9, 2 * 10**9, 2 * 10**9, 2 * 10**9]


def test_a_trial_is_free_to_the_last_of_its_local_days() -> None:
    """Fourteen days from the evening of the third, by the offer's own midnight."""
    berlin = ", zone: Europe/Berlin, trial: {days: 14}"
    free = rows(plan(replace(FIRST, starts_at=datetime(2026, 1, 3, 22, tzinfo=UTC)), more=berlin),
                "trial", "from_at", "until_at")  # fmt: skip
    assert free == [
        (True, datetime(2026, 1, 3, 22), datetime(2026, 1, 16, 23)),
        (False, datetime(2026, 1, 16, 23), datetime(2026, 2, 1)),
    ]
    later = replace(FIRST, starts_at=datetime(2026, 1, 3, 23, tzinfo=UTC))
    late = rows(plan(later, more=berlin), "trial", "until_at")
    assert late[0] == (True, datetime(2026, 1, 17, 23))
    # begun in December, its last free day is the second of January; begun earlier, none is left
    before = rows(
        plan(replace(FIRST, starts_at=datetime(2025, 12, 20, tzinfo=UTC)), more=berlin), "trial", "until_at"
    )
    assert before[0] == (True, datetime(2026, 1, 2, 23))
    gone = rows(plan(replace(FIRST, starts_at=datetime(2025, 12, 10, tzinfo=UTC)), more=berlin), "trial")
    assert gone == [(False,)]
