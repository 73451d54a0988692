"""A column pack read column by column is what it is row by row, and what has a flaw is left to the careful reader."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.mediation.formats.jsontext import Problem
from workbench.mediation.payloads import column_pack, rows_of

CELLS = st.one_of(
    st.integers(-(10**20), 10**20), st.text(max_size=5), st.booleans(), st.none(), st.floats(allow_nan=False),
    st.just([1]), st.just({"a": 1}),
)  # fmt: skip


@st.composite
def packs(draw: st.DrawFn) -> dict[str, object]:
    length = draw(st.integers(0, 4))
    columns = st.lists(
        draw(st.sampled_from([CELLS, st.integers(), st.text("ab", max_size=2)])),
        min_size=length,
        max_size=length,
    )
    pack: dict[str, object] = draw(
        st.dictionaries(st.text("abc", min_size=1, max_size=2), columns, max_size=3)
    )
    return pack | draw(st.dictionaries(st.text("def", min_size=1, max_size=2), CELLS, max_size=2))


@given(pack=packs(), told=st.sampled_from(["", "application/json", "application/senml+json"]))
def test_by_column_is_by_row(pack: dict[str, object], told: str) -> None:
    payload = json.dumps(pack, separators=(",", ":")).encode()
    careful = list(rows_of(b"\n" + payload, told, Decimal(0)))  # white space is not for the fast reader
    assert list(map(str, rows_of(payload, told, Decimal(0)))) == list(map(str, careful))
    found = column_pack(payload, told)
    if found is None:
        return
    rows = [
        {**found.shared, **{name: cells[at] for name, cells in found.columns.items()}}
        for at in range(found.length)
    ]
    assert rows == careful


def test_a_good_pack_is_read_by_column() -> None:
    found = column_pack(b'{"id":["a","b",""],"n":[1,2,null],"x":[1.50,2e3,0.1],"lux":11}', "application/json")
    assert found is not None
    assert found.columns == {"id": ["a", "b", None], "n": ["1", "2", None], "x": ["1.50", "2e3", "0.1"]}
    assert found.shared == {"lux": "11"}


@pytest.mark.parametrize(
    "payload",
    [
        b'{"id":["a"],"n":[1,2]}',
        b'{"id":["a",["b"]]}',
        b'{"id":[]}',
        b'{"id":["a\\u0000"]}',
        b'{"id":["a"],"id":["b"]}',
        b"[1]",
        b"{",
    ],
)
def test_what_has_a_flaw_is_not(payload: bytes) -> None:
    assert column_pack(payload, "application/json") is None
    assert any(isinstance(row, Problem) for row in rows_of(payload, "application/json", Decimal(0)))
