"""Payloads that are pieces of text files: NDJSON and CSV, as a watched folder and HTTP bring them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator

from workbench.mediation.formats.jsontext import Problem, text_of

Row = dict[str, str | None] | Problem
_DELIMITERS = ",;\t|"


def ndjson_rows(payload: bytes, read: Callable[[bytes], Row]) -> Iterator[Row]:
    """One object a line; a broken line is a Problem in its place and the others go on."""
    for line in payload.splitlines():
        if not line.strip():
            continue
        try:
            yield read(line)
        except Problem as problem:
            yield problem


def csv_rows(payload: bytes) -> Iterator[Row]:
    """A header and rows; the delimiter is the one the header has most of. Raises ``Problem``."""
    if b"\x00" in payload:
        raise Problem("nul_byte", f"byte {payload.index(0) + 1} is a NUL")
    text = text_of(payload.removeprefix(b"\xef\xbb\xbf"))
    head = text.split("\n", 1)[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=max(_DELIMITERS, key=head.count), strict=True
    )
    try:
        names = [name.strip() for name in next(reader, [])]
        if not any(names) or len(set(names)) != len(names):
            raise Problem("bad_header", "the first line names no columns, or one twice")
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(names):
                yield Problem("wrong_field_count", f"{len(cells)} fields where the header has {len(names)}")
                continue
            yield {name: cell.strip() or None for name, cell in zip(names, cells, strict=True)}
    except csv.Error as problem:
        raise Problem("bad_quotes", f"{problem}"[:120]) from None
