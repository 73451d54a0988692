"""Whatever an offer says, its closed lake is proven: nothing that the engine billed right is called wrong.

Every golden case is closed, and every promise about charges, documents and books is asked of it.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

import pytest

from tests.golden.books import close_together
from tests.golden.case import CASES, OTHERS, Case, read_cases
from tests.golden.engine import NotPriced, refuse_unpriced
from tests.verify.proven import broken


def closable(path: Path) -> list[Case]:
    found = []
    for case in read_cases(path):
        try:
            refuse_unpriced(case)
        except NotPriced:
            continue
        found.append(case)
    return found


@pytest.mark.parametrize(
    "path", sorted([*CASES.glob("*.yaml"), *OTHERS.glob("*.yaml")]), ids=lambda p: f"{p.parent.name}/{p.stem}"
)
def test_every_promise_holds_of_every_golden_case(path: Path) -> None:
    groups = defaultdict(list)
    for case in closable(path):
        groups[case.periods].append(case)
    for spans, together in groups.items():
        with tempfile.TemporaryDirectory() as folder:
            told = close_together(Path(folder), together, spans, lambda lake, *_: broken(lake))
        assert [bad for period in told for bad in period] == []
