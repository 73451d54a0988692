"""The quick way for text that has nothing odd about it: whole blocks of lines at a time.

A block is taken apart by a few list comprehensions and Arrow kernels. Where anything is unusual in it (a quote left
open, a byte that is no text, a broken object), the block is handed to the careful way, line by line, which says what
is wrong with which row. Both must stage the same rows; a test holds them to it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import BinaryIO, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from workbench.mediation.formats.request import LONGEST_LINE

BLOCK = 1 << 20
_SHORT = 1 << 16
_MOST_JOINED = 50
_NEVER = "\x01"

Column: TypeAlias = Sequence[str | None] | pa.Array

_OBJECTS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def blocks(handle: BinaryIO, first: int = 1, quotes: bool = False) -> Iterator[tuple[int, bytes]]:
    """(number of the first line, the bytes of whole lines).

    Args:
        first: the number of the line ``handle`` stands at.
        quotes: go on to a line at which every quote opened in the block is closed, if one is near.
    """
    while data := handle.read(BLOCK):
        if not data.endswith(b"\n"):
            data += _line(handle)
        for _ in range(_MOST_JOINED if quotes and data.count(b'"') % 2 else 0):
            data += _line(handle)
            if data.count(b'"') % 2 == 0:
                break
        yield first, data
        first += data.count(b"\n")


def _line(handle: BinaryIO) -> bytes:
    """The rest of a line; of one that is too long only so much that it is seen to be too long."""
    rest = handle.readline(LONGEST_LINE)
    if len(rest) == LONGEST_LINE and not rest.endswith(b"\n"):
        while (more := handle.readline(LONGEST_LINE)) and not more.endswith(b"\n"):
            pass
        rest += b"\n"
    return rest


def plain_lines(data: bytes) -> list[str] | None:
    """The lines of a block as text, or ``None`` when one of them is odd: no UTF-8, a NUL, blank, or very long."""
    if b"\x00" in data:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    if "\r" in text:
        lines = [line.rstrip("\r") for line in lines]
        if any("\r" in line for line in lines):
            return None
    return lines if lines and all(lines) and max(map(len, lines)) <= _SHORT else None


def csv_table(data: bytes, delimiter: str, header: Sequence[str]) -> tuple[Column, list[Column]] | None:
    """The rows of a block as delivered, and their cells column by column; ``None`` when anything in it is odd.

    A block without a quote never becomes Python objects: Arrow's reader takes it apart, and refuses what is no UTF-8
    or not as wide as the header.
    """
    if b'"' in data:
        lines = plain_lines(data)
        cells = _quoted(lines, delimiter, len(header)) if lines else None
        return (lines, cells) if lines and cells is not None else None
    if b"\x00" in data or _NEVER.encode() in data:
        return None
    try:
        raw = _arrow(data, _NEVER, ["raw"]).column(0)
        table = _arrow(data, delimiter, list(header))
    except pa.ArrowInvalid:
        return None
    count = data.count(b"\n") + (not data.endswith(b"\n"))
    if not len(raw) == table.num_rows == count or pc.max(pc.binary_length(raw)).as_py() > _SHORT:
        return None
    return raw.combine_chunks(), [column.combine_chunks() for column in table.columns]


def _arrow(data: bytes, delimiter: str, names: list[str]) -> pa.Table:
    """Text cells by Arrow's reader, which stops at the first row that does not fit."""
    return pacsv.read_csv(
        pa.BufferReader(data),
        pacsv.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
        pacsv.ParseOptions(delimiter=delimiter, quote_char=False),
        pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
    )


def _quoted(lines: Sequence[str], delimiter: str, width: int) -> list[Column] | None:
    """A line with an odd number of quotes may belong to the next one, or be spoiled: that takes a careful look."""
    if any(line.count('"') % 2 for line in lines):
        return None
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    if len(rows) != len(lines) or set(map(len, rows)) != {width}:
        return None
    return list(zip(*rows, strict=True))


def json_table(data: bytes, names: Sequence[str], seen: set[str]) -> tuple[pa.Array, list[pa.Array]] | None:
    """The objects of a block as delivered, and their members ``names`` as text; ``None`` when anything in it is odd.

    Values stay the bytes they were, so a number is never anything but its own text. In flat objects without duplicate
    keys there are as many ``":`` as members; one more says: look closely. So does any backslash.
    """
    if b"\\" in data or b"\x00" in data or _NEVER.encode() in data:
        return None
    try:
        rows = _OBJECTS.decode_lines(data)
        raw = _arrow(data, _NEVER, ["raw"]).column(0)
    except (msgspec.MsgspecError, pa.ArrowInvalid, RecursionError):
        return None
    count = data.count(b"\n") + (not data.endswith(b"\n"))
    if not len(raw) == len(rows) == count or sum(map(len, rows)) != data.count(b'":'):
        return None
    if pc.max(pc.binary_length(raw)).as_py() > _SHORT:
        return None
    for row in rows:
        if not row.keys() <= seen:
            seen.update(row)
    return raw.combine_chunks(), [_member(rows, name) for name in names]


def _member(rows: Sequence[dict[str, msgspec.Raw]], name: str) -> pa.Array:
    """One member of every object as text: strings without their quotes, lists and null as nothing."""
    cells = [None if (value := row.get(name)) is None else bytes(value) for row in rows]
    text = pa.array(cells, pa.binary()).cast(pa.string())
    nothing = pc.or_(pc.equal(text, "null"), pc.match_substring_regex(text, r"^[\[{]"))
    return pc.utf8_trim(pc.if_else(nothing, None, text), '"')
