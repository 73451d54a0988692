"""Whatever an offer says, its closed lake is proven and its charges explained: nothing that is right is called wrong.

Every golden case is closed, every promise about charges, documents and books is asked of it, and of each line a charge is
explained from what the lake holds.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

import pytest

from tests.golden.books import close_together
from tests.golden.case import CASES, OTHERS, Case, read_cases
from tests.golden.engine import NotPriced, refuse_unpriced
from tests.verify.proven import broken, unexplained
from workbench.lake.lake import Lake


def closable(path: Path) -> list[Case]:
    found = []
    for case in read_cases(path):
        try:
            refuse_unpriced(case)
        except NotPriced:
            continue
        found.append(case)
    return found


@pytest.mark.parametrize("path", sorted(CASES.glob("*.yaml")), ids=lambda path: path.stem)
def test_golden_cases_are_proven_and_explained(path: Path) -> None:
    """Those of the months that most cases of a file have; the others are asked beside every charge, more slowly."""
    assert wrong(path, each=1, lakes=1, lines=8) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    sorted([*CASES.glob("*.yaml"), *OTHERS.glob("*.yaml")]),
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_every_charge_of_every_golden_case_is_proven_and_explained(path: Path) -> None:
    assert wrong(path, each=1000) == []


def wrong(path: Path, each: int, lakes: int | None = None, lines: int | None = None) -> list[str]:
    """What does not hold of the closed lakes of a file's cases, and which charges have no explanation."""
    found: list[str] = []

    def look(lake: Lake, period: str, _: int) -> list[None]:
        found.extend([*broken(lake), *unexplained(lake, period, each, lines)])
        return []

    groups = defaultdict(list)
    for case in closable(path):
        groups[case.periods].append(case)
    for spans, together in sorted(groups.items(), key=lambda group: -len(group[1]))[:lakes]:
        with tempfile.TemporaryDirectory() as folder:
            close_together(Path(folder), together, spans, look)
    return found
