"""Largest remainder: sums, quota rule, ties, zero weights and signs (I30)."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import SettlementError
from workbench.model.money import round_half_away
from workbench.settlement.apportion import apportion, round_shares

IDS = st.text("abcdef", min_size=1, max_size=2)
WEIGHTS = st.dictionaries(
    IDS, st.one_of(st.integers(0, 50), st.fractions(0, 50, max_denominator=60)), min_size=1
)
SHARES = st.dictionaries(IDS, st.fractions(-50, 50, max_denominator=60), min_size=1)
MANY = settings(max_examples=100, deadline=None)


@MANY
@given(st.integers(-10_000, 10_000), WEIGHTS.filter(lambda w: sum(w.values()) > 0))
def test_parts_sum_and_stay_within_a_unit_of_their_quota(total, weights):
    parts = apportion(total, weights)
    assert sum(parts.values()) == total
    whole = sum(weights.values(), Fraction(0))
    assert all(abs(parts[name] - Fraction(total * w) / whole) < 1 for name, w in weights.items())
    assert all(parts[name] == 0 for name, w in weights.items() if w == 0)
    assert apportion(-total, weights) == {name: -part for name, part in parts.items()}


@MANY
@given(SHARES, st.sampled_from([1, 7, 10]))
def test_rounded_shares_sum_to_the_rounded_sum(shares, unit):
    parts = round_shares(shares, unit)
    whole = sum(shares.values(), Fraction(0))
    assert sum(parts.values()) == unit * round_half_away(whole.numerator, whole.denominator * unit)
    assert all(abs(parts[name] - share) < unit for name, share in shares.items())
    assert all(parts[name] == 0 for name, share in shares.items() if share == 0)
    assert round_shares({n: -s for n, s in shares.items()}, unit) == {n: -p for n, p in parts.items()}


def test_ties_go_to_the_smaller_id_whatever_the_order():
    assert apportion(1, {"b": 1, "a": 1}) == {"a": 1, "b": 0}
    assert apportion(2, {"c": 1, "b": 1, "a": 1}) == {"a": 1, "b": 1, "c": 0}
    assert apportion(-1, {"b": 1, "a": 1}) == {"a": -1, "b": 0}


def test_larger_fraction_before_smaller_id():
    assert apportion(1, {"a": 49, "b": 51}) == {"a": 0, "b": 1}


def test_shares_that_cancel_keep_their_size():
    """A fixed share of 5 above a charge of zero: the partner gets 5, the operator bears it."""
    assert round_shares({"maker": Fraction(500), "operator": Fraction(-500)}, 10) == {
        "maker": 500,
        "operator": -500,
    }


@pytest.mark.parametrize("weights", [{"a": -1, "b": 2}, {"a": 0}, {}])
def test_weights_that_divide_nothing_are_refused(weights):
    with pytest.raises(SettlementError) as caught:
        apportion(1, weights)
    assert caught.value.code == "bad_weights"


def test_nothing_over_nothing_is_nothing():
    assert apportion(0, {"a": 0, "b": 0}) == {"a": 0, "b": 0}
