"""Whatever way the queries of a stream take, the amounts are those of the price list; and each way is really taken.

A stream is charged by a join, by counters put together into stretches, by single records, or at the close; which of
these depends on what its prices say. Here each way stands alone and beside the others.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.rating.small import EACH, JUMPS, NANO, OFFER, PACK, START, TIERS, Seen, World, price, table
from workbench.errors import RatingError

NIGHT = "{id: night, windows: [{from: '22:00', to: '06:00'}], %s}"


def test_tiers_are_cut_where_they_end_whoever_shares_the_counter() -> None:
    rows = (Seen(1, "d1", 6), Seen(2, "d1", 6), Seen(3, "d1", 6))
    assert World(price(TIERS)).rate(*rows) == [12 * NANO, (8 + 2) * NANO, 6 * NANO]
    pool = World(price(TIERS, "scope: pool"))
    assert pool.rate(Seen(1, "d1", 6), Seen(2, "d2", 6), Seen(3, "d1", 6)) == [12 * NANO, 10 * NANO, 6 * NANO]
    own = World(price(TIERS))
    assert own.rate(Seen(1, "d1", 6), Seen(2, "d2", 6), Seen(3, "d1", 6)) == [12 * NANO, 12 * NANO, 10 * NANO]
    # the counter lives on from one partition to the next
    assert own.rate(Seen(5, "d1", 3), Seen(6, "d2", 6)) == [3 * NANO, 10 * NANO]


def test_many_windows_may_each_hold_the_end_of_a_tier() -> None:
    """Two hundred devices pass their bound in hours of their own; not one of those hours is passed over."""
    count = 200
    world = World(price(TIERS), devices=count)
    rows = [Seen(number, f"d{number}", 12) for number in range(1, count + 1)]
    assert world.rate(*rows) == [(20 + 2) * NANO] * count


def test_costs_beyond_64_bits_on_the_way_do_not_matter() -> None:
    """The counter has cost eight thousand million euros before; what is charged is a small part of it."""
    tiers = "graduated: {tiers: [{up_to: 8000000000, amount: 1}, {amount: 2}]}"
    for scope in ("device", "pool"):
        world = World(price(tiers, f"scope: {scope}"))
        assert world.rate(Seen(1, "d1", 8 * 10**9 - 10)) == [(8 * 10**9 - 10) * NANO]
        assert world.rate(Seen(2, "d1", 10**9)) == [(10 + 2 * (10**9 - 10)) * NANO]


@pytest.mark.parametrize("count", [2, 8, 9, 12])
def test_a_price_of_few_tiers_and_of_many_is_looked_up_alike(count: int) -> None:
    tiers = ", ".join(f"{{up_to: {10 * n}, amount: {n}}}" for n in range(1, count))
    world = World(price(f"graduated: {{tiers: [{tiers}, {{amount: {count}}}]}}"))
    # ten units on each tier, three times five on the last
    rows = [Seen(hour, "d1", 5) for hour in range(2 * count + 1)]
    assert world.rate(*rows) == [5 * (min(hour // 2, count - 1) + 1) * NANO for hour in range(2 * count + 1)]
    one = World(price(f"graduated: {{tiers: [{tiers}, {{amount: {count}}}]}}"))
    assert one.rate(Seen(1, "d1", 10 * count)) == [10 * sum(range(count + 1)) * NANO]


def test_events_are_counted_where_the_price_says_so() -> None:
    rows = (Seen(1, "d1", 600, events=6), Seen(2, "d1", 600, events=6))
    assert World(price(f"fold: count, {EACH}")).rate(*rows) == [6 * NANO] * 2
    assert World(price(f"fold: count, {TIERS}")).rate(*rows) == [12 * NANO, 10 * NANO]
    assert World(price(f"fold: count, {TIERS}", "scope: pool")).rate(*rows) == [12 * NANO, 10 * NANO]
    assert World(price(TIERS)).rate(*rows) == [(20 + 590) * NANO, 600 * NANO]


def test_two_prices_of_one_meter_are_charged_side_by_side() -> None:
    """One is linear and the other has tiers: neither takes the other's way."""
    both = f"prices: [{{id: a, meter: m.data, {EACH}}}, {{id: b, meter: m.data, {TIERS}}}]"
    assert World(both).rate(Seen(1, "d1", 6), Seen(2, "d1", 6)) == [6 * NANO, 12 * NANO, 6 * NANO, 10 * NANO]
    counted = f"prices: [{{id: a, meter: m.data, fold: count, {EACH}}}, {{id: b, meter: m.data, {TIERS}}}]"
    assert World(counted).rate(Seen(1, "d1", 6, events=3)) == [3 * NANO, 12 * NANO]


def test_rows_by_country_and_by_hour() -> None:
    abroad = f"rates: [{{id: us, match: {{country: [US]}}, per_unit: {{amount: 3}}}}, {{id: rest, {EACH}}}]"
    assert World(price(abroad)).rate(Seen(1, "d1", 5), Seen(2, "d1", 5, country="US")) == [
        5 * NANO,
        15 * NANO,
    ]
    night = f"rates: [{NIGHT % 'per_unit: {amount: 3}'}, {{id: day, {EACH}}}]"
    assert World(price(night)).rate(Seen(1, "d1", 5), Seen(12, "d1", 5)) == [15 * NANO, 5 * NANO]
    tiered = f"rates: [{NIGHT % TIERS}, {{id: day, {EACH}}}]"
    rows = (Seen(1, "d1", 8), Seen(12, "d1", 8), Seen(23, "d1", 8))
    assert World(price(tiered)).rate(*rows) == [16 * NANO, 8 * NANO, (4 + 6) * NANO]


@pytest.mark.parametrize("body", [EACH, TIERS])
def test_one_row_that_does_not_always_hold_leaves_the_rest_uncharged(body: str) -> None:
    cost = {EACH: 5, TIERS: 10}[body]
    only_us = price(f"unmatched: free, rates: [{{id: us, match: {{country: [US]}}, {body}}}]")
    rows = (Seen(1, "d1", 5), Seen(2, "d1", 5, country="US"))
    assert World(only_us).rate(*rows) == [cost * NANO]
    assert World(only_us).uncharged(*rows) == ["rate_unmatched"]
    by_night = price(f"unmatched: free, rates: [{NIGHT % body}]")
    rows = (Seen(1, "d1", 5), Seen(12, "d1", 5))
    assert World(by_night).rate(*rows) == [cost * NANO]
    assert World(by_night).uncharged(*rows) == ["rate_unmatched"]


@pytest.mark.parametrize(
    ("said", "amounts"),
    [
        (f"counter_period: day, {TIERS}", [16, 4 + 6, 16]),
        (f"scope: event, {TIERS}", [16, 16, 16]),
        (f"increment: {{units: 5}}, {TIERS}", [20, 10, 5]),
        (f"increment: {{units: 5, per: event}}, {TIERS}", [20, 10, 10]),
        (f"increment: {{units: 5, per: day}}, {TIERS}", [20, 10, 10]),
        (f"allowance: {{units: 9}}, {TIERS}", [0, 14, 3 * 2 + 5]),
        (f"fold: max, {TIERS}", [16, 0, 0]),
        (f"fold: last, {TIERS}", [16, 0, 0]),
        (f"fold: unique, unique_of: country, {TIERS}", [2, 0, 0]),
        (PACK, [5, 5, 5]),
    ],
)  # fmt: skip
def test_each_shape_of_a_counter(said: str, amounts: list[int]) -> None:
    """Eight units, eight more, and eight on the next day."""
    rows = (Seen(1, "d1", 8), Seen(2, "d1", 8), Seen(30, "d1", 8))
    assert World(price(said)).rate(*rows) == [amount * NANO for amount in amounts]
    # cut into partitions, it comes to the same
    cut = World(price(said))
    assert [cut.rate(row)[0] for row in rows] == [amount * NANO for amount in amounts]


def test_what_only_the_close_decides_is_charged_at_the_close() -> None:
    """One meter has three prices: by use, the highest slot but a tenth, and the average; each way is taken once."""
    said = (
        f"prices: [{{id: a, meter: m.data, {TIERS}}}, "
        "{id: b, meter: m.data, p95: {amount: 1, per: 8 bit/s, slot_seconds: 3600, percentile: 99.9 %}}, "
        "{id: c, meter: m.data, fold: p95, per_unit: {amount: 1}}]"
    )
    world = World(said, devices=1)
    assert world.rate(Seen(1, "d1", 3600), Seen(2, "d1", 7200)) == [
        (20 + 3590) * NANO,
        0,
        0,
        7200 * NANO,
        0,
        0,
    ]
    # 744 hours drop none: the highest has two bytes a second (over ninths, as 3,600 s are no round number of nano);
    # the 95th percentile of two values is the higher
    assert world.recurring() == [9 * 2 * NANO, 7200 * NANO]
    assert World(price(EACH)).recurring() == []


def test_an_outage_is_not_counted_among_the_slots() -> None:
    """Two thousandths of 744 hours drop the highest; of those outside the outage none is dropped."""
    said = price("p95: {amount: 1, per: 8 bit/s, slot_seconds: 3600, percentile: 99.8 %}")
    rows = (Seen(1, "d1", 3600), Seen(2, "d1", 7200))
    whole = World(said, devices=1)
    whole.rate(*rows)
    assert whole.recurring() == [9 * NANO]
    out = World(said, devices=1, outages=[(START + timedelta(days=5), START + timedelta(days=20))])
    out.rate(*rows)
    assert out.recurring() == [9 * 2 * NANO]


def test_a_floor_and_a_cap_hold_for_one_event_where_the_price_has_them() -> None:
    def sale(text: str, *rows: Seen) -> list[int]:
        return World(price(f"percentage: {{{text}}}", "scope: event", "m.sales")).rate(
            *rows, stream="m.sales"
        )

    low, high = Seen(1, "d1", 100), Seen(2, "d1", 100_000)
    # percent: over a denominator of 100
    assert sale("rate: 1 %", low, high) == [100, 100_000]
    assert sale("rate: 1 %, floor: 0.00000001", low, high) == [1000, 100_000]
    assert sale("rate: 1 %, cap: 0.00000001", low, high) == [100, 1000]
    assert sale("rate: 1 %, floor: 0.00000001, cap: 0.00000002", low, high) == [1000, 2000]
    for rule in ("floor: 0.00000001", "cap: 0.00000001"):
        with pytest.raises(RatingError) as caught:
            sale(f"rate: 1 %, {rule}", Seen(1, "d1", 5, events=2))
        assert caught.value.code == "grid_too_coarse"
    assert sale("rate: 1 %, fee: 0.000000001", Seen(1, "d1", 500, events=2)) == [500 + 200]


@pytest.mark.parametrize("said", [f"scope: event, {TIERS}", f"increment: {{units: 5, per: event}}, {EACH}"])
def test_a_price_of_single_events_is_told_when_a_record_holds_two(said: str) -> None:
    with pytest.raises(RatingError) as caught:
        World(price(said)).rate(Seen(1, "d1", 5, events=2))
    assert caught.value.code == "grid_too_coarse"


@pytest.mark.parametrize("said", [f"scope: event, {EACH}", TIERS, PACK, f"scope: pool, {TIERS}"])
def test_other_prices_take_records_of_many_events(said: str) -> None:
    assert World(price(said)).rate(Seen(1, "d1", 5, events=2)) != []


def test_what_nothing_prices_is_passed_over_when_it_is_observed_and_named_when_it_is_rated() -> None:
    world = World(price(EACH))
    world.observe(Seen(1, "d1", 5), stream="m.sms")
    assert world.rate(Seen(1, "d1", 5), stream="m.sms") == []
    assert world.uncharged(Seen(1, "d1", 5), stream="m.sms") == ["meter_not_priced"]
    assert world.uncharged(Seen(1, "elsewhere", 5)) == ["no_subscription"]
    assert world.rate(Seen(1, "d1", 5)) == [5 * NANO]


def test_a_price_that_jumps_is_shared_out_once_it_has_been_observed() -> None:
    for scope in ("device", "pool"):
        world = World(price(JUMPS, f"scope: {scope}"))
        rows = (Seen(1, "d1", 8), Seen(2, "d1", 8))
        world.observe(*rows)
        assert world.rate(*rows) == [8 * NANO] * 2
        with pytest.raises(RatingError) as caught:
            World(price(JUMPS, f"scope: {scope}")).rate(*rows)
        assert caught.value.code == "totals_missing"


def test_partitions_come_in_the_order_of_time_and_an_empty_one_says_nothing() -> None:
    world = World(price(TIERS))
    world.rate(Seen(5, "d1", 1))
    assert world.rate() == []
    world.rate(Seen(6, "d1", 1))
    for again in (6, 5):
        with pytest.raises(RatingError) as caught:
            world.rate(Seen(again, "d1", 1))
        assert caught.value.code == "out_of_order"
    # outside the period, records are nobody's
    assert world.rate(Seen(-1, "d1", 1), Seen(24 * 31, "d1", 1)) == []
    free = World(price(EACH))
    free.rate(Seen(6, "d1", 1))
    assert free.rate(Seen(5, "d1", 1)) == [NANO]


def test_a_jump_that_another_version_changed_is_told_apart_record_by_record() -> None:
    """From the tenth on the units cost three times as much: one counter goes on, each record at the price of its day."""
    text = (
        "  - {id: o1, version: %d, currency: EUR, effective: %s, split: {rest: op}, publish: {running: now}, prices: ["
        "{id: a, meter: m.data, volume: {tiers: [{up_to: 10, amount: %d}, {amount: %d}]}}]}\n"
    )
    later = text % (2, "2026-01-10", 6, 3)
    for devices, rows in ((1, ("d1",)), (2, ("d1", "d2"))):
        world = World(f"publish: {{running: now}}, {price(JUMPS)}", more=later, devices=devices)
        uses = [Seen(24 * day, name, 8) for day in (4, 20) for name in rows]
        world.observe(*uses)
        # 8 at 2; then from 8 to 16 of the new price: 16 x 3 - 8 x 6
        assert world.rate(*uses) == [16 * NANO] * devices + [0] * devices
    free = World(price(JUMPS), devices=1)
    free.observe(Seen(4, "d1", 8), Seen(20, "d1", 8))
    assert free.rate(Seen(4, "d1", 8), Seen(20, "d1", 8)) == [8 * NANO] * 2


@pytest.mark.parametrize(
    ("said", "steady"),
    [
        (price(EACH), True),
        (price(TIERS), True),
        (price(f"scope: pool, {TIERS}"), True),
        (price(f"allowance: {{units: 3}}, {EACH}"), True),
        (price(JUMPS), False),
        (price(f"fold: max, {EACH}"), False),
        (price(f"fold: p95, {EACH}"), False),
        (price("p95: {amount: 1, per: 8 bit/s}"), False),
        (price(f"increment: {{units: 5, per: day}}, {EACH}"), False),
        (price(EACH, "sponsorships: [{id: s, account: payer, components: [a]}]"), False),
        (price(EACH, "bundles: [{id: b, credits: 14, weights: {a: 2}}]"), False),
        (f"prices: [{{id: b, meter: m.sms, {JUMPS}}}, {{id: c, meter: m.sms, fold: max, {EACH}}}, "
         f"{{id: a, meter: m.data, {EACH}}}]", True),  # what another meter's prices need is no matter of this one
    ],
)  # fmt: skip
def test_what_came_late_is_charged_at_once_where_counters_only_add_up(said: str, steady: bool) -> None:
    world = World(said)
    assert world.rater.steady("m.data") is steady
    if not steady:
        return
    counted = World(said).rate(Seen(1, "d1", 8), Seen(2, "d1", 8))
    world.con.register("seen", table([Seen(2, "d1", 8)]))
    found = [
        world.con.execute(
            f"SELECT sum(amount) FROM ({world.rater.more('m.data', 'seen').charges})"
        ).fetchall()[0][0]
    ]
    world.con.register("seen", table([Seen(1, "d1", 8)]))
    found += world.con.execute(
        f"SELECT sum(amount) FROM ({world.rater.more('m.data', 'seen').charges})"
    ).fetchall()[0]
    assert sum(found) == sum(counted)


def test_whether_a_close_has_something_to_add() -> None:
    assert not World(price(EACH)).rater.adjusts
    credited = OFFER % ("other", "fees: [{id: f, amount: 1}], credits: [{id: gift, amount: 1}]")
    assert not World(price(EACH), more=credited).rater.adjusts  # nobody has subscribed what has credits
    assert World(price(EACH, "maximum: {amount: 5}")).rater.adjusts
    # money paid before is no line of a bill, and is counted all the same
    assert World(price(EACH, "credits: [{id: c, amount: 1, kind: paid}]")).rater.adjusts


def test_which_streams_may_be_rated_in_any_order() -> None:
    """What one meter's prices need is no matter of another's."""
    plan = World(
        f"prices: [{{id: a, meter: m.data, {EACH}}}, {{id: b, meter: m.sms, {TIERS}}}]", devices=1
    ).plan
    assert [plan.order_free(stream) for stream in ("m.data", "m.sms")] == [True, False]


GIFT = "sponsorships: [{id: s, account: payer, components: [a], match: {country: [US]}%s}]"


def test_a_sponsor_pays_his_part_and_the_users_line_shows_it_at_nothing() -> None:
    rows = (Seen(1, "d1", 5), Seen(2, "d1", 5, country="US"))
    world = World(price(EACH, GIFT % ""))
    assert world.rate(*rows) == [5 * NANO, 0, 5 * NANO]
    short = World(price(EACH, GIFT % ", budget: 6"))
    both = (*rows, Seen(3, "d1", 5, country="US"))
    short.observe(*both)
    assert short.rate(*both) == [5 * NANO, 0, 5 * NANO, 4 * NANO, 1 * NANO]  # one unit of the last is his


def test_a_bundle_covers_what_comes_first() -> None:
    world = World(price(EACH, "bundles: [{id: b, credits: 14, weights: {a: 2}}]"))
    rows = (Seen(1, "d1", 5), Seen(2, "d1", 5))
    world.observe(*rows)
    assert world.rate(*rows) == [0, 3 * NANO]
