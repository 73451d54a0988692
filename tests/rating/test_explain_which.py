"""Which record, price and counter a charge is explained by, and what is said of a charge that there is not."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.rating.small import EACH, JUMPS, NANO, START, TIERS, Seen, World, price, table
from workbench.errors import RatingError
from workbench.rating.explain import explain_charge
from workbench.tariff.explain import Explanation
from workbench.tariff.trace_check import check_trace


class Told:
    """A world whose records are rated, and whose charges can be asked for."""

    def __init__(
        self, *offers: str, rows: list[Seen], others: dict[str, list[Seen]] | None = None, **said: Any
    ) -> None:
        self.world = World(*offers, **said)
        con = self.world.con
        streams = {"m.data": rows, **(others or {})}
        for stream, held in streams.items():
            con.register("taken", table(held))
            con.execute(f"CREATE TABLE {stream.replace('.', '_')} AS SELECT * FROM taken").fetchall()
        self.others = {stream: stream.replace(".", "_") for stream in others or {}}
        rater, plan = self.world.rater, self.world.plan
        for stream in plan.streams:
            if stream in streams and plan.needs_totals(stream):
                rater.observe(stream, stream.replace(".", "_"))
        columns = "line_no, device_key, window_start, amount"
        made = [
            f"SELECT {columns}, '{stream}' AS stream, {'country' if plan.dimensions(stream) else 'NULL'} AS country "
            f"FROM ({rater.rate(stream, stream.replace('.', '_')).charges})"
            for stream in plan.streams if stream in streams
        ]  # fmt: skip
        con.execute(f"CREATE TABLE charged AS {' UNION ALL '.join(made)}").fetchall()
        con.execute(
            f"INSERT INTO charged SELECT {columns}, 'm.data', NULL FROM ({rater.recurring()})"
        ).fetchall()
        self.charges = con.execute(
            "SELECT * FROM charged ORDER BY window_start, line_no, device_key"
        ).fetchall()

    def explain(
        self, line: int, key: int | None, at: datetime, country: str | None = "DE", stream: str = "m.data"
    ) -> Explanation:
        others = {name: source for name, source in self.others.items() if name != stream}
        if stream != "m.data":
            others["m.data"] = "m_data"
        found = explain_charge(
            self.world.rater, stream, stream.replace(".", "_"), line, key, at, {"country": country}, others
        )
        check_trace(found.trace)
        return found

    def agrees(self) -> list[str]:
        """Every charge's trace gives its amount; the sentences."""
        said = []
        for line, key, at, amount, stream, country in self.charges:
            found = self.explain(line, key, at, country, stream)
            assert found.trace["amount"] == amount, found.sentence
            said.append(found.sentence)
        return said


ROWS = [Seen(1, "d1", 5), Seen(1, "d2", 9, country="US"), Seen(2, "d1", 8, events=3), Seen(30, "d2", 4)]


def unknown(told: Told, *asked: Any, **more: Any) -> None:
    with pytest.raises(RatingError) as caught:
        told.explain(*asked, **more)
    assert caught.value.code == "charge_unknown"


@pytest.mark.parametrize("said", [EACH, TIERS, JUMPS, f"fold: max, {EACH}"])
def test_a_charge_that_there_is_not_is_named(said: str) -> None:
    told = Told(price(said), rows=ROWS, others={"m.sms": []})
    line, key, at, *_ = told.charges[0]
    assert told.explain(line, key, at).sentence
    unknown(told, line, key, at + timedelta(hours=7))  # no record
    unknown(told, line, 123, at)  # no such device
    unknown(told, line, None, at)  # nobody's
    unknown(told, 99, key, at)  # no such line
    unknown(told, line, key, at, stream="m.sms")  # no price of that meter


def test_time_may_be_told_with_or_without_its_zone() -> None:
    told = Told(price(EACH), rows=ROWS)
    line, key, at, amount, *_ = told.charges[0]
    for same in (at, at.replace(tzinfo=UTC), at.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=5)))):
        assert told.explain(line, key, same).trace["amount"] == amount
    unknown(told, line, key, at.replace(tzinfo=timezone(timedelta(hours=5))))


def test_a_time_without_its_zone_is_utc_wherever_the_machine_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(price(EACH), rows=ROWS)
    line, key, at, amount, *_ = told.charges[0]
    with monkeypatch.context() as away:
        away.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert told.explain(line, key, at).trace["amount"] == amount
    time.tzset()


def test_the_dimension_tells_two_records_of_one_hour_apart() -> None:
    by_country = (
        f"rates: [{{id: us, match: {{country: [US]}}, {TIERS}}}, {{id: rest, per_unit: {{amount: 7}}}}]"
    )
    rows = [*ROWS, Seen(1, "d1", 6, country="US"), Seen(2, "d1", 6, country="US")]
    told = Told(price(by_country), rows=rows, devices=2)
    assert len(told.agrees()) == 6
    line, key, at, *_ = told.charges[0]
    unknown(told, line, key, at, None)  # no record without a country


def test_each_offer_and_each_of_its_prices_explains_its_own() -> None:
    """Two offers, one of two prices of the same meter: a line names its price, and the price its steps."""
    two = f"prices: [{{id: a, meter: m.data, {EACH}}}, {{id: b, meter: m.data, {TIERS}}}]"
    bought = f"side: buy, {price('package: {amount: 7, size: 10}', name='c')}"
    told = Told(two, bought, rows=ROWS)
    said = " ".join(told.agrees())
    assert all(f"'{name}' (" in said for name in ("a", "b", "c"))
    assert "(o2 version 1)" in said


def test_events_are_what_a_count_counts() -> None:
    told = Told(price(f"fold: count, {EACH}"), rows=ROWS)
    assert [trace for trace in told.agrees() if trace.startswith("3 byte")]
    assert len(Told(price(f"fold: count, {TIERS}"), rows=ROWS).agrees()) == 4


@pytest.mark.parametrize(
    "said",
    [
        f"scope: event, {price(TIERS)}",
        f"scope: event, {price(JUMPS)}",
        f"scope: pool, {price(JUMPS)}",
        f"scope: pool, overage: excess, {price(f'allowance: {{units: 6}}, {EACH}')}",
        f"scope: pool, pool_cap_units: 4, {price(f'allowance: {{units: 5}}, {TIERS}')}",
        f"scope: pool, {price(f'allowance: {{units: 6}}, {TIERS}')}",
        price(f"counter_period: day, {TIERS}"),
        price(f"counter_period: day, fold: time_weighted, {EACH}"),
        price(f"counter_period: day, fold: p95, {TIERS}"),
        price(f"fold: p95, allowance: {{units: 3}}, {EACH}"),
        f"scope: pool, {price(f'fold: p95, {EACH}')}",
        f"scope: sim_group, {price(f'fold: time_weighted, {TIERS}')}",
        price("p95: {amount: 1, per: 8 bit/s, slot_seconds: 3600, percentile: 99.99 %}"),
        f"scope: pool, {price('p95: {amount: 1, per: 8 bit/s, slot_seconds: 3600, percentile: 99.8 %}')}",
    ],
)
def test_every_charge_is_explained_by_its_own_counter(said: str) -> None:
    rows = [Seen(hour, device, units) for hour, device, units in
            ((1, "d1", 5), (1, "d2", 9), (2, "d1", 3), (3, "d2", 7), (26, "d1", 8), (50, "d2", 2))]  # fmt: skip
    told = Told(said, rows=rows)
    assert told.agrees()


def test_a_percentile_of_both_ways_takes_the_other_meter_in() -> None:
    """In and out are two meters of one price: the slot that is priced holds both."""
    both = price(
        "p95: {amount: 1, per: 8 bit/s, slot_seconds: 3600, percentile: 99.99 %, direction: sum, out_meter: m.out}"
    )
    told = Told(
        both,
        rows=[Seen(1, "d1", 3600), Seen(2, "d1", 7200)],
        others={"m.out": [Seen(2, "d1", 7200)]},
        devices=1,
    )
    said = told.agrees()
    assert sum("the highest bytes of 744 slots" in sentence for sentence in said) == 1
    assert sum("comes at close" in sentence for sentence in said) == 3


def test_credits_of_a_bundle_are_used_up_by_both_meters() -> None:
    """Five messages of two credits each leave four of fourteen: the data at one credit pays for the rest."""
    said = (
        f"prices: [{{id: a, meter: m.data, {EACH}}}, {{id: b, meter: m.sms, {EACH}}}], "
        "bundles: [{id: x, credits: 14, weights: {a: 1, b: 2}}]"
    )
    told = Told(said, rows=[Seen(2, "d1", 7)], others={"m.sms": [Seen(1, "d1", 5)]}, devices=1)
    assert [row[3] for row in told.charges] == [0, 3 * NANO]
    assert len(told.agrees()) == 2


def test_what_a_sponsor_pays_is_nothing_on_the_users_line() -> None:
    gift = "sponsorships: [{id: s, account: payer, components: [a], match: {country: [US]}, budget: 16}]"
    told = Told(
        price(EACH, gift), rows=[*ROWS, Seen(40, "d2", 6, country="US"), Seen(50, "d2", 6, country="US")]
    )
    # 9 and 6 of the 16 are paid, and of another 6 one is
    said = told.agrees()
    assert sum("a sponsor pays for it" in sentence for sentence in said) == 2
    assert [row[3] for row in told.charges if row[3]].count(
        5 * NANO
    ) == 2  # d1's own 5, and the other five of the 6
    assert any("cost 5 EUR: 1 EUR for each of 5 of them." in sentence for sentence in said)
    assert any("cost 1 EUR: 1 EUR for each of 1 of them." in sentence for sentence in said)


def test_no_rate_that_fits_is_no_charge() -> None:
    only_us = f"unmatched: free, rates: [{{id: us, match: {{country: [US]}}, {EACH}}}]"
    told = Told(price(only_us), rows=ROWS)
    line, key, at, *_ = told.charges[0]
    assert told.explain(line, key, at, "US").trace["amount"] == 9 * NANO
    other = next(row for row in ROWS if row.country == "DE")
    unknown(told, line, key, (START + timedelta(hours=other.hour)).replace(tzinfo=None), "DE")


FLAT = "graduated: {tiers: [{up_to: 10, amount: 2, flat: 3}, {amount: 1}]}"


@pytest.mark.parametrize("pooled", [False, True])
def test_a_flat_fee_that_does_not_wait_for_use_is_explained_with_and_without_any(pooled: bool) -> None:
    """One device begins the month with a record at its first instant, the other with none: each owes the fee, or the pool."""
    scope = "scope: pool, " if pooled else ""
    told = Told(price(FLAT, more=f"{scope}conventions: {{flat_fee_at_zero: true}}"), rows=[Seen(0, "d1", 4)])
    sums: dict[Any, int] = {}
    for line, key, at, amount, *_ in told.charges:
        sums[line, key, at] = sums.get((line, key, at), 0) + amount
    found = [(told.explain(*place), amount) for place, amount in sums.items()]
    assert all(one.trace["amount"] == amount for one, amount in found)
    nothing = "0 bytes under 'a' (o1 version 1) cost 3 EUR: due without use, the flat fee of the first step."
    used = "4 bytes under 'a' (o1 version 1) cost 8 EUR: 4 on step 1 for 8 EUR. The counter went from 0 to 4."
    both = f"{used} With it the first step's flat fee is due, which does not wait for use: 3 EUR."
    assert sorted(one.sentence for one, _ in found) == [nothing, used if pooled else both]


def test_a_price_is_explained_whatever_other_prices_of_its_meter_round() -> None:
    """A rounded price had made the plain steps of another one inexplicable."""
    rounded = f"{{id: b, meter: m.data, increment: {{units: 4, per: period}}, {EACH}}}"
    assert len(Told(f"prices: [{{id: a, meter: m.data, {TIERS}}}, {rounded}]", rows=ROWS).agrees()) == 8
