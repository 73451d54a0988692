"""I5, I6: any order, any batches, any number of workers give the same records, byte for byte."""

from __future__ import annotations

import random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.mediation.streams import STREAMS, contents, lake_of, rows


@pytest.mark.parametrize("name", STREAMS)
@settings(deadline=None, max_examples=5, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(made=rows(), seed=st.integers(0, 10**6), parts=st.integers(1, 4))
def test_batches_and_order_do_not_show(name: str, made: list, seed: int, parts: int) -> None:
    """One delivery, or shuffled and cut into several that are mediated one by one: the same files."""
    with lake_of([made], STREAMS[name]) as (lake, _):
        once = contents(lake)
    shuffled = made[:]
    random.Random(seed).shuffle(shuffled)
    batches = [batch for n in range(parts) if (batch := shuffled[n::parts])]
    with lake_of(batches, STREAMS[name], mediate_each=True, workers=2, threads=1) as (lake, _):
        again = contents(lake)
    assert again[:2] == once[:2]
    assert again[2] == once[2], "equal rows, other bytes"


@pytest.mark.parametrize("name", STREAMS)
@settings(deadline=None, max_examples=4, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(made=rows())
def test_everything_delivered_twice_changes_no_money(name: str, made: list) -> None:
    """Only the duplicates' counts grow, by exactly the rows that came again (conflicts repeat as conflicts)."""
    with lake_of([made], STREAMS[name]) as (lake, _):
        once, held_once, _ = contents(lake)
    with lake_of([made, made[::-1]], STREAMS[name], mediate_each=True) as (lake, _):
        twice, held_twice, _ = contents(lake)
        names = [
            column
            for column, *_ in lake.con.execute(f"DESCRIBE SELECT * FROM {lake.scan('records')}").fetchall()
        ]
    at = names.index("n_duplicates")
    assert [row[:at] + row[at + 1 :] for row in twice] == [row[:at] + row[at + 1 :] for row in once]
    grown = sum(row[at] for row in twice) - sum(row[at] for row in once)
    conflicts_grown = sum("conflict" in row for row in held_twice) - sum(
        "conflict" in row for row in held_once
    )
    assert grown + conflicts_grown == len(made)
