"""Batch = online = reference over random offers that may say anything the engine prices, in any order and cut anyhow.

``drawn_offers.py`` draws what is sold and bought, ``drawn_cases.py`` who takes it and what he uses; ``drawn_words.py`` names all
that must be among it. What a close says beside the lines (tax, invoices, shares, statements, remainders, paid balances)
is asked by ``tests/settlement/test_whole_bills.py``.
Bundles over several prices stand in the golden cases alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from tests.golden.case import Case
from tests.golden.engine import Manner, NotPriced, by_batch, is_made_at_close
from tests.golden.online import by_online
from tests.golden.outcome import Outcome, by_reference
from tests.rating.drawn_cases import cases, in_parts
from tests.rating.drawn_words import EVERYTHING, said
from workbench.errors import AmountOverflow, CatalogueError, PartyError, RatingError
from workbench.reference.results import Unpriceable
from workbench.tariff.compile import compile_offer

REFUSED = ("not_priced", "pool_changed", "fold_changed")
"""Codes of what the engine refuses by name, and the reference too, or cannot know beforehand."""
TOO_BIG = (AmountOverflow, duckdb.ConversionException, duckdb.OutOfRangeException)
Lines = dict[tuple[str, str, str], Fraction]


def lines(outcome: Outcome) -> Lines:
    return {
        name: amount for name, amount in outcome.lines.items() if amount != 0 and not is_made_at_close(name)
    }


def rated(case: Case, manner: Manner) -> tuple[list[Outcome], list[Outcome]]:
    """What the reference and the batch driver say; a case that one of them refuses by name is no example."""
    try:
        return by_reference(case), by_batch(case, manner)
    except (NotPriced, Unpriceable, *TOO_BIG):
        reject()
    except (CatalogueError, RatingError, PartyError) as error:
        if error.code not in REFUSED:
            raise
        reject()


def agree(case: Case, manner: Manner, dice: Any) -> None:
    """All raters say the same of a case, whatever the order and the partitions."""
    wanted, found = rated(case, manner)
    for expected, batch in zip(wanted, found, strict=True):
        assert lines(batch) == lines(expected)
        assert sorted(batch.uncharged or []) == sorted(expected.uncharged or [])
    try:
        shuffled = list(case.uses)
        dice.shuffle(shuffled)
        told = by_online(replace(case, uses=tuple(shuffled)))
    except NotPriced:
        return
    for expected, online in zip(wanted, told, strict=True):
        for name, amount in lines(online).items():
            if name[2] == "usage" and name[0] == "acme":
                assert amount == lines(expected).get(name, 0)


def limited(examples: int) -> Any:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    return settings(max_examples=examples, deadline=None, suppress_health_check=checks, phases=phases)


@pytest.mark.slow
def test_the_cases_say_everything() -> None:
    """No construct has silently left the cases: each is in some that the engine does not refuse by name."""
    seen: Counter[str] = Counter()

    @given(case=cases())
    @settings(limited(2000), derandomize=True, database=None)
    def look(case: Case) -> None:
        try:
            for offer in case.catalogue.offers:
                compile_offer(offer, case.catalogue)
        except (CatalogueError, AmountOverflow):
            return
        seen.update(set(said(case)))

    look()
    assert not [label for label in EVERYTHING if not seen[label]]


manners = st.builds(Manner, st.integers(1, 4), st.sampled_from([1, 2]))


@given(case=cases(), manner=manners, dice=st.randoms(use_true_random=False))
@limited(8)
def test_all_raters_agree(case: Case, manner: Manner, dice: Any) -> None:
    agree(case, manner, dice)


def agree_in_parts(case: Case, manner: Manner, dice: Any) -> None:
    """Cutting use into several records changes no line, in either rater."""
    whole, parts = in_parts(case, dice)
    wanted, batch = rated(whole, manner)
    again, cut = rated(parts, manner)
    for expected, *told in zip(wanted, batch, again, cut, strict=True):
        for found in told:
            assert lines(found) == lines(expected)


@given(case=cases(), manner=manners, dice=st.randoms(use_true_random=False))
@limited(6)
def test_use_may_be_cut_into_records(case: Case, manner: Manner, dice: Any) -> None:
    agree_in_parts(case, manner, dice)


@pytest.mark.slow
@given(case=cases(), manner=manners, dice=st.randoms(use_true_random=False))
@limited(200)
def test_use_may_be_cut_into_records_on_many(case: Case, manner: Manner, dice: Any) -> None:
    agree_in_parts(case, manner, dice)


@pytest.mark.slow
@given(case=cases(), manner=manners, dice=st.randoms(use_true_random=False))
@limited(250)
def test_all_raters_agree_on_many(case: Case, manner: Manner, dice: Any) -> None:
    agree(case, manner, dice)
