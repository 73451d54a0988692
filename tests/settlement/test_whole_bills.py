"""Books = reference over whole random bills: lines, tax, invoices, what waits, what is settled, and partners' statements.

Of the same closed lakes every promise about charges, documents and books is asked, as ``workbench verify --full`` asks it.

What may be drawn is all that ``tests/rating/drawn_cases.py`` draws: offers in versions, moves, periods, credits, splits.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings

from tests.golden.case import Case
from tests.golden.engine import NotPriced, refuse_unpriced
from tests.rating.drawn_cases import cases
from tests.settlement.whole import by_books, by_reference, differences
from workbench.errors import AmountOverflow, CatalogueError, PartyError, RatingError
from workbench.reference.results import Unpriceable

REFUSED = ("not_priced", "pool_changed", "fold_changed")
"""Codes of what the engine refuses by name, and the reference too, or cannot know beforehand."""
TOO_BIG = (AmountOverflow, duckdb.ConversionException, duckdb.OutOfRangeException)


def agree(case: Case) -> None:
    """Every period's books say what the reference says, to the cent and to the partner, and are proven."""
    try:
        refuse_unpriced(case)
        wanted = by_reference(case)
        with tempfile.TemporaryDirectory() as folder:
            found = by_books(case, Path(folder))
    except (NotPriced, Unpriceable, *TOO_BIG):
        reject()
    except (CatalogueError, RatingError, PartyError) as error:
        if error.code not in REFUSED:
            raise
        reject()
    for expected, (books, bad) in zip(wanted, found, strict=True):
        assert differences(expected, books) == []
        assert bad == []


def limited(examples: int) -> Any:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    phases = (
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    )  # a lake takes a moment: report it, do not shrink it
    return settings(max_examples=examples, deadline=None, suppress_health_check=checks, phases=phases)


@given(case=cases())
@limited(6)
def test_the_books_are_the_references(case: Case) -> None:
    agree(case)


@pytest.mark.slow
@given(case=cases())
@limited(300)
def test_the_books_are_the_references_on_many(case: Case) -> None:
    agree(case)
