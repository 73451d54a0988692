"""I20, I21: batch = online = reference, exactly, over random offers, usage, order and splitting into partitions."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

from hypothesis import HealthCheck, Phase, assume, given, reject, settings
from hypothesis import strategies as st

from tests.rating.worlds import END, METER, START, World, distinct, rate_batch, worlds
from workbench.errors import AmountOverflow
from workbench.model.ids import device_key
from workbench.model.plan import Period, PlanComponent, PlanOffer
from workbench.rating.online import OnlineRater
from workbench.reference.rater import rate
from workbench.tariff.at_close import not_online
from workbench.tariff.compile import compile_offer

MANY = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ),  # a world takes a moment: report it, do not shrink it
)


def compiled(world: World) -> PlanOffer:
    """The world's offer, priceable; one whose common denominator passes 64 bits is refused, and is no case."""
    try:
        return compile_offer(world.offer, world.catalogue)
    except AmountOverflow:
        reject()


@given(world=worlds(), cuts=st.lists(st.integers(1, 30), max_size=3))
@MANY
def test_batch_equals_the_reference_however_the_records_are_cut(world: World, cuts: list[int]) -> None:
    compiled(world)
    uses = distinct(world.uses)
    bill = rate(world.catalogue, world.parties, uses, START, END)
    edges = [START + timedelta(days=day) for day in sorted(set(cuts))]
    places = [sum(use.at >= edge for edge in edges) for use in uses]
    parts = [[u for u, p in zip(uses, places, strict=True) if p == n] for n in range(len(edges) + 1)]
    rated = rate_batch(world, parts)

    wanted: dict[tuple[str, str], Fraction] = {}
    for charge in bill.charges:
        name = (charge.line.account_id, charge.line.component_id)
        wanted[name] = wanted.get(name, Fraction(0)) + charge.amount_nano
    assert rated.lines == wanted
    assert len(rated.uncharged) == len(bill.uncharged)
    if not rated.plan.needs_totals(METER.id) and world.offer.components[0].scope == "device":
        per_slot: dict[tuple[object, ...], Fraction] = {}
        for (key, at, _), amount in rated.charges.items():
            per_slot[key, at] = per_slot.get((key, at), Fraction(0)) + amount
        by_slot: dict[tuple[object, ...], Fraction] = {}
        for use_charge in bill.charges:
            slot = (device_key("main", use_charge.device_id), use_charge.at.replace(tzinfo=None))
            by_slot[slot] = by_slot.get(slot, Fraction(0)) + use_charge.amount_nano
        assert per_slot == by_slot


@given(world=worlds(), seed=st.randoms(use_true_random=False))
@MANY
def test_online_equals_batch_for_the_same_events(world: World, seed: object) -> None:
    """Per line and period, whatever order the node saw the events in: the differences telescope."""
    offer = compiled(world)
    assume(not not_online(offer))
    component = offer.components[0]
    uses = distinct(world.uses)
    rated = rate_batch(world, [uses])
    grants = {
        (row["account_no"], row["holder"]): row["free_units"]
        for row in rated.plan.tables["grants"].to_pylist()
    }

    def free(_: PlanComponent, holder: object) -> int:
        return grants.get(holder, 0)  # type: ignore[call-overload, no-any-return]

    rater = OnlineRater(offer, Period(START, END), free_units=free)
    accounts = {s.device_id: (s.account_id, s.starts_at) for s in world.parties.subscriptions}
    rows = rated.plan.tables["assignments"].to_pylist()
    groups = {row["device_key"]: row["group_no"] for row in rows}
    total: dict[tuple[str, str], Fraction] = {}
    order = list(uses)
    seed.shuffle(order)  # type: ignore[attr-defined]
    for use in order:
        account, begins = accounts[use.device_id]
        if use.at < begins:
            continue
        number = {"a1": 1, "a2": 2}[account]
        key = device_key("main", use.device_id)
        part = {"device": key, "pool": 0, "sim_group": groups[key]}
        holder = (number, part[component.scope])
        for charged in rater.rate(holder, METER.id, use.units, use.at, dict(use.dims), use.events):
            name = (account, charged.component_id)
            total[name] = total.get(name, Fraction(0)) + Fraction(charged.amount, charged.denominator)
    assert total == rated.lines
