"""Shares telescope, mirror and sum to the charge, for every rule a split can hold (I30)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import SettlementError
from workbench.model.money import NANO
from workbench.model.split import ShareTier, Split, SplitRule
from workbench.reference.splits import Takings, cut
from workbench.settlement.splits import Basis, movement, shares

EUR = NANO
COMPONENTS = ["energy", "rent", "sms"]
SUBSETS = st.sampled_from([(), ("energy",), ("rent", "sms")])
AMOUNTS = st.fractions(0, 300, max_denominator=40)
RATES = st.fractions(0, Fraction(1, 3), max_denominator=20)


def basis(amount: int | Fraction, units: int = 0, devices: int = 0, **more: int | Fraction) -> Basis:
    amounts = {"energy": Fraction(amount), **{name: Fraction(value) for name, value in more.items()}}
    return Basis(amounts, {"energy": units}, {(): devices, ("energy",): devices})


@st.composite
def rules(draw: st.DrawFn) -> SplitRule:
    kind = draw(st.sampled_from(["fixed", "percent", "tiers"]))
    bounds = sorted(draw(st.lists(AMOUNTS, max_size=2, unique=True)))
    tiers = tuple(ShareTier(bound, draw(RATES)) for bound in [*bounds, None])
    return SplitRule(
        draw(st.sampled_from(["ann", "bob", "city"])),
        kind,
        rate=draw(RATES),
        # A fixed part is of no amount: a catalogue file cannot say `of` beside it (tariff/read_split.py).
        of="gross" if kind == "fixed" else draw(st.sampled_from(["gross", "remainder"])),
        amount=draw(st.fractions(0, 2, max_denominator=100)),
        per=draw(st.sampled_from(["unit", "device"])),
        per_units=draw(st.integers(1, 1000)),
        tiers=tiers,
        cap=draw(st.none() | AMOUNTS),
        components=draw(SUBSETS),
    )


@st.composite
def states(draw: st.DrawFn) -> Basis:
    names = draw(st.lists(st.sampled_from(COMPONENTS), unique=True))
    amount = st.fractions(-300 * EUR, 600 * EUR, max_denominator=20)
    counts = st.integers(0, 5000)
    return Basis(
        {name: draw(amount) for name in names},
        {name: draw(counts) for name in names},
        {components: draw(counts) for components in [(), ("energy",), ("rent", "sms")]},
        draw(amount),
    )


SPLITS = st.builds(
    Split,
    st.lists(rules(), max_size=4).map(tuple),
    st.sampled_from(["", "operator", "ann"]),
    fixed_overrun=st.sampled_from(["operator_bears", "capped"]),
)
MANY = settings(max_examples=80, deadline=None)


@MANY
@given(SPLITS, states())
def test_shares_sum_to_the_charge(split, state):
    assert sum(shares(split, state).values()) == state.total


@MANY
@given(SPLITS, states())
def test_a_negative_period_mirrors(split, state):
    if sum(state.amounts.values()) != 0:
        assert shares(split, state.mirrored()) == {n: -s for n, s in shares(split, state).items()}


@MANY
@given(SPLITS, st.lists(states(), min_size=2, max_size=5))
def test_movements_telescope_in_any_steps(split, path):
    moved: dict[str, Fraction] = {}
    for before, after in pairwise(path):
        for name, share in movement(split, before, after).items():
            moved[name] = moved.get(name, Fraction(0)) + share
    direct = movement(split, path[0], path[-1])
    assert {n: s for n, s in moved.items() if s} == {n: s for n, s in direct.items() if s}


def test_thirty_percent_of_many_nanos_is_thirty_percent_of_their_sum():
    split = Split((SplitRule("partner", rate=Fraction(3, 10)),), rest="operator")
    steps = [basis(n) for n in range(101)]
    total = sum(movement(split, a, b)["partner"] for a, b in pairwise(steps))
    assert total == 30


def test_seventy_thirty():
    split = Split((SplitRule("city-power", rate=Fraction(3, 10)),), rest="operator")
    assert shares(split, basis(1001)) == {"city-power": Fraction(3003, 10), "operator": Fraction(7007, 10)}


def test_fixed_first_then_percent_of_the_remainder():
    """100 EUR, 0.01 per device for 300 devices = 3; 20 % of the remaining 97 = 19.40; rest 77.60."""
    split = Split(
        (
            SplitRule("reseller", rate=Fraction(1, 5), of="remainder"),
            SplitRule("maker", "fixed", amount=Fraction(1, 100), per="device"),
        ),
        rest="operator",
    )
    got = shares(split, basis(100 * EUR, devices=300))
    assert got == {"maker": 3 * EUR, "operator": Fraction(776, 10) * EUR, "reseller": Fraction(194, 10) * EUR}


def test_remainder_of_one_component_ignores_what_was_taken_from_others():
    """energy 80, rent 20. ann takes half of rent; bob 10 % of what is left of energy (80), then of all (90
    - 8).
    """
    split = Split(
        (
            SplitRule("ann", rate=Fraction(1, 2), components=("rent",)),
            SplitRule("bob", rate=Fraction(1, 10), of="remainder", components=("energy",)),
            SplitRule("cat", rate=Fraction(1, 10), of="remainder"),
        ),
        rest="operator",
    )
    got = shares(split, basis(80, rent=20))
    assert got == {"ann": 10, "bob": 8, "cat": Fraction(82, 10), "operator": Fraction(738, 10)}


def test_fixed_per_unit_block():
    split = Split((SplitRule("maker", "fixed", amount=Fraction(1, 100), per_units=100),), rest="operator")
    assert shares(split, basis(EUR, units=250))["maker"] == Fraction(25, 1000) * EUR
    assert (
        shares(split, basis(EUR, units=250, rent=EUR))["maker"] == Fraction(25, 1000) * EUR
    )  # rent has no units


@pytest.mark.parametrize(("overrun", "maker", "operator"), [("operator_bears", 5, -4), ("capped", 1, 0)])
def test_fixed_parts_above_the_charge(overrun, maker, operator):
    split = Split(
        (SplitRule("maker", "fixed", amount=Fraction(1), per="device"),),
        rest="operator",
        fixed_overrun=overrun,
    )
    assert shares(split, basis(EUR, devices=5)) == {"maker": maker * EUR, "operator": operator * EUR}


def test_capped_fixed_parts_are_served_in_order():
    rule = SplitRule("ann", "fixed", amount=Fraction(3), per="device")
    split = Split((rule, replace(rule, partner="bob")), rest="operator", fixed_overrun="capped")
    assert shares(split, basis(4 * EUR, devices=1)) == {"ann": 3 * EUR, "bob": EUR, "operator": 0}


def test_tiers_bound_is_inclusive_and_graduated():
    tiers = (ShareTier(Fraction(100), Fraction(1, 10)), ShareTier(None, Fraction(1, 5)))
    split = Split((SplitRule("ann", "tiers", tiers=tiers),), rest="operator")
    assert shares(split, basis(100 * EUR))["ann"] == 10 * EUR
    assert shares(split, basis(150 * EUR))["ann"] == 20 * EUR


def test_guarantee_lifts_and_cap_limits_the_period():
    rule = SplitRule("ann", rate=Fraction(1, 10), guarantee=Fraction(5), cap=Fraction(20))
    split = Split((rule,), rest="operator")
    assert [shares(split, basis(euros * EUR))["ann"] / EUR for euros in (0, 10, 100, 200, 900)] == [
        5,
        5,
        10,
        20,
        20,
    ]
    assert shares(split, basis(10 * EUR))["operator"] == 5 * EUR


def test_a_guarantee_is_never_owed_by_the_partner():
    split = Split((SplitRule("ann", rate=Fraction(1, 10), guarantee=Fraction(5)),), rest="operator")
    assert shares(split, basis(-100 * EUR)) == {"ann": 5 * EUR, "operator": -105 * EUR}


def test_guarantee_and_cap_do_not_change_what_later_rules_see():
    first = SplitRule("ann", rate=Fraction(1, 2), cap=Fraction(10))
    split = Split((first, SplitRule("bob", rate=Fraction(1, 2), of="remainder")), rest="operator")
    assert shares(split, basis(100 * EUR)) == {"ann": 10 * EUR, "bob": 25 * EUR, "operator": 65 * EUR}


def test_unshared_true_ups_are_all_the_rests():
    split = Split((SplitRule("ann", rate=Fraction(1, 2)),), rest="operator")
    state = replace(basis(100), unshared=Fraction(40))
    assert shares(split, state) == {"ann": 50, "operator": 90}


def test_zero_rate_gets_zero_and_is_listed():
    split = Split((SplitRule("ann", rate=Fraction(0)),), rest="operator")
    assert shares(split, basis(7)) == {"ann": 0, "operator": 7}


def test_without_rest_the_operator_takes_what_is_left_over():
    split = Split(
        (SplitRule("ann", rate=Fraction(1, 2)), SplitRule("bob", rate=Fraction(1, 2), cap=Fraction(0)))
    )
    assert shares(split, basis(10), operator="us") == {"ann": 5, "bob": 0, "us": 5}
    assert shares(replace(split, rules=split.rules[:1] * 2), basis(10)) == {"ann": 10}


def test_an_unknown_rule_is_refused_by_name():
    with pytest.raises(SettlementError) as caught:
        shares(Split((SplitRule("ann", "lottery"),), rest="operator"), basis(1))
    assert caught.value.code == "bad_split"


@given(
    st.lists(rules(), max_size=4),
    st.lists(
        st.tuples(st.sampled_from(COMPONENTS), st.integers(-3, 3), st.integers(-5, 9), st.integers(0, 3)),
        max_size=8,
    ),
    st.sampled_from(["operator_bears", "capped"]),
    st.none() | AMOUNTS,
)
@settings(deadline=None, max_examples=300)
def test_the_independent_reference_cuts_the_same(found, charges, overrun, guarantee):
    """Small whole amounts, so that bases often sum to zero, and periods below it."""
    lifted = tuple(replace(rule, guarantee=guarantee if n == 0 else None) for n, rule in enumerate(found))
    split = Split(
        tuple(replace(r, cap=None) if r.guarantee else r for r in lifted),
        rest="operator",
        fixed_overrun=overrun,
    )
    takings = Takings()
    for component, euros, units, device in charges:
        takings.add(component, Fraction(euros * EUR), units, f"d{device}" if device else "")
    charged = {
        rule.components: {
            device
            for component, devices in takings.devices.items()
            if not rule.components or component in rule.components
            for device in devices
        }
        for rule in split.rules
    }
    state = Basis(
        takings.amounts(), takings.units, {names: len(devices) for names, devices in charged.items()}
    )
    wanted = cut(split, takings)
    cuts = shares(split, state)
    assert {name: cuts[name] for name in wanted if name != "operator"} == wanted


def test_a_fixed_part_of_charges_that_cancel_out_is_taken_from_each_alike():
    split = Split(
        (
            SplitRule("ann", "fixed", amount=Fraction(2), per="device"),
            SplitRule("bob", rate=Fraction(1, 2), of="remainder", components=("energy",)),
        ),
        rest="operator",
    )
    cuts = shares(split, Basis({"energy": Fraction(6 * EUR), "rent": Fraction(-6 * EUR)}, {}, {(): 1}))
    assert cuts["bob"] == Fraction(5, 2) * EUR  # half of 6.00 less its half of the 2.00
