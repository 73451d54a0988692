"""The quick way and the careful way stage the same rows (one odd line at the end sends a block the careful way)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mediation.reading import NOW, connection, rows
from workbench.mediation.decode import decode
from workbench.mediation.formats import blocks
from workbench.mediation.formats.request import Request

ODD = {"csv": b"a\x00,1,2\n", "ndjson": b'{"a":"\x00"}\n'}
COLUMNS = ("a", "b", "c")


def staged(folder: Path, name: str, content: bytes) -> list[dict[str, Any]]:
    path = folder / name
    path.write_bytes(content)
    request = Request(folder, NOW, COLUMNS, frozenset({"b"}), {"delimiter": "comma"})
    return rows(connection(), f"SELECT * FROM {decode(connection(), path, request).relation}")


def both_ways(folder: Path, kind: str, content: bytes) -> list[dict[str, Any]]:
    quick = staged(folder, f"quick.{kind}", content)
    careful = staged(folder, f"careful.{kind}", content + ODD[kind])
    assert careful.pop()["__problem"] == "nul_byte"
    assert quick == careful
    return quick


cells = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00\r\n,\x01"), max_size=6
) | st.sampled_from(
    [
        "",
        " ",
        "1.5",
        "-0",
        "1e3",
        "NaN",
        '"',
        '0"',
        '"\x85"',
        "\u2028",
        '"x"',
        'a"b',
        "é",
        "null",
        "{}",
        "[1]",
    ]
)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.lists(cells, min_size=2, max_size=4), min_size=1, max_size=8), st.sampled_from(["\n", "\r\n"])
)
def test_csv_both_ways(tmp_path_factory: pytest.TempPathFactory, table: list[list[str]], end: str) -> None:
    lines = [",".join(row) for row in table]
    content = f"a,b,c{end}" + "".join(line + end for line in lines)
    both_ways(tmp_path_factory.mktemp("csv"), "csv", content.encode())


@pytest.mark.parametrize(
    "line", [',,0"', 'a"b"c,1,2', '"x",a\x85b,2', '"x\u2028y",1,2', '"a""b",1,2', '"a" ,1,2']
)
def test_csv_oddities_both_ways(tmp_path: Path, line: str) -> None:
    both_ways(tmp_path, "csv", f"a,b,c\n1,2,3\n{line}\n4,5,6\n".encode())


values = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | cells
    | st.just([1])
    | st.just({})
)
objects = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d", 'q"', "é"]), values | st.dictionaries(cells, values, max_size=2)
)


@settings(deadline=None, max_examples=120)
@given(st.lists(objects, min_size=1, max_size=8), st.booleans(), st.sampled_from([None, (",", ":")]))
def test_ndjson_both_ways(
    tmp_path_factory: pytest.TempPathFactory,
    found: list[dict[str, Any]],
    ascii_only: bool,
    signs: tuple[str, str] | None,
) -> None:
    lines = [
        '{"a":"first"}',
        *(json.dumps(each, ensure_ascii=ascii_only, separators=signs) for each in found),
    ]
    content = "\n".join(lines) + "\n"
    both_ways(tmp_path_factory.mktemp("json"), "ndjson", content.encode("utf-8", "replace"))


@pytest.mark.parametrize(
    "line",
    [
        '{"a":1,"a":2}',
        '{"a":1,"d":2,"d":3}',
        '{"a":{"b":1},"b":2}',
        '{"a":1} x',
        "",
        "[]",
        "5",
        '{"a":01}',
        '{"a":NaN}',
    ],
)
def test_ndjson_oddities_both_ways(tmp_path: Path, line: str) -> None:
    both_ways(tmp_path, "ndjson", b'{"a":"x","b":1}\n' + line.encode() + b'\n{"b":2}\n')


def test_lines_keep_their_numbers_across_blocks(tmp_path: Path) -> None:
    count = 3 * blocks.BLOCK // 20
    lines = [f"dev-{number:08},{number}" for number in range(count)]
    content = "a,b\n" + "\n".join(lines)
    found = staged(tmp_path, "long.csv", content.encode())
    assert [row["__item_no"] for row in found] == list(range(2, count + 2))
    assert found[-1]["a"] == f"dev-{count - 1:08}"
    objects = "".join(f'{{"a":"{number}","b":{number}}}\n' for number in range(count))
    found = staged(tmp_path, "long.ndjson", objects.encode())
    assert [(row["__item_no"], row["b"]) for row in found] == [
        (number + 1, str(number)) for number in range(count)
    ]


def test_a_quoted_cell_may_span_lines_at_a_block_boundary(tmp_path: Path) -> None:
    row = '"two\nlines",1\n'
    count = 2 * blocks.BLOCK // len(row) + 3
    found = staged(tmp_path, "quoted.csv", ("a,b\n" + row * count).encode())
    assert len(found) == count
    assert {row["a"] for row in found} == {"two\nlines"}


def test_a_line_without_end_spoils_itself_only(tmp_path: Path) -> None:
    content = b'{"a":"x"}\n{"a":"' + b"y" * (3 << 20) + b'"}\n{"a":"z"}\n'
    found = staged(tmp_path, "a.ndjson", content)
    assert [(row["a"], row["__problem"]) for row in found] == [
        ("x", None),
        (None, "line_too_long"),
        ("z", None),
    ]
