"""CSV: a header and rows. A row that does not fit the header is a bad row; an open quote spoils its own row only."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from workbench.errors import FileUnreadable
from workbench.mediation.formats.blocks import blocks, csv_table
from workbench.mediation.formats.request import LONGEST_LINE, Request, lines, opened, stage
from workbench.mediation.staging import Decoded, Staging

if TYPE_CHECKING:
    import duckdb

NAME = "csv"
SUFFIXES = (".csv", ".tsv", ".txt")
_DELIMITERS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_ENCODINGS = ("utf-8", "latin-1", "cp1252")
_HEADLESS = {"no", "false", "none"}
_JOINED = 50


def decode(con: duckdb.DuckDBPyConnection, path: Path, request: Request) -> Decoded:
    """Stage the rows; ``item_no`` is the line a row starts on.

    Options: ``delimiter`` (a sign, or tab, comma, semicolon, pipe; found in the header otherwise), ``decimal`` (``,``
    where numbers are written 1.234,5), ``encoding`` (utf-8, latin-1, cp1252), ``header: no`` (columns ``column_1`` …).

    Raises:
        FileUnreadable: it is empty, binary, or its header cannot be read.
    """
    delimiter, header = head(path, request.options)
    columns = request.wanted if request.wanted is not None else tuple(header)
    places = [header.index(name) if name in header else None for name in columns]
    encoding = request.options.get("encoding", "utf-8")
    comma = frozenset(request.numeric) if request.options.get("decimal") == "," else frozenset[str]()
    numeric = [number for number, name in enumerate(columns) if name in comma]

    def fill(staging: Staging, seen: set[str]) -> None:
        seen.update(header)
        with opened(path) as handle:
            first = 1
            if request.options.get("header") not in _HEADLESS:
                first += _skip_header(handle)
            for number, data in blocks(handle, first, quotes=True):
                table = csv_table(data, delimiter, header) if encoding == "utf-8" else None
                if table is not None:
                    picked = [table[1][place] if place is not None else None for place in places]
                    staging.block(number, picked, table[0], trim=True, comma=comma)
                    continue
                for line, raw, found in _rows(io.BytesIO(data), number, delimiter, encoding, len(header)):
                    if isinstance(found, str):
                        reason, _, detail = found.partition(": ")
                        staging.bad(line, reason, detail, raw)
                        continue
                    one = [found[place].strip() or None if place is not None else None for place in places]
                    for place in numeric:
                        one[place] = _point(one[place])
                    staging.row(line, one, raw.decode(encoding), raw if encoding != "utf-8" else None)

    return stage(path, request, columns, fill)


def _skip_header(handle: BinaryIO) -> int:
    """Pass over the header; how many lines that was (blank ones may stand before it)."""
    passed = 0
    while line := handle.readline(LONGEST_LINE):
        passed += 1
        if line.strip(b"\r\n"):
            break
    return passed


def head(path: Path, options: dict[str, str]) -> tuple[str, list[str]]:
    """The delimiter and the column names. Raises ``FileUnreadable``."""
    encoding = options.get("encoding", "utf-8")
    if encoding not in _ENCODINGS:
        cure = f"Use one of {', '.join(_ENCODINGS)}."
        raise FileUnreadable(f"The encoding {encoding!r} is not read.", where=str(path), cure=cure)
    with opened(path) as handle:
        first = next(lines(handle), None)
    if first is None:
        cure = "A CSV file starts with a line of column names."
        raise FileUnreadable("The file is empty.", where=str(path), cure=cure, code="file_empty")
    raw = first[1]
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" in text or first[2]:
        cure = "Is it another kind of file? Say `format:` in the mapping."
        raise FileUnreadable("Its first line is not text.", where=f"{path}, line {first[0]}", cure=cure)
    said = options.get("delimiter", "")
    delimiter = _DELIMITERS.get(said, said) or max(",;\t|", key=text.count)
    try:
        names = [name.strip() for name in next(csv.reader([text], delimiter=delimiter, strict=True))]
    except (csv.Error, TypeError) as problem:
        raise FileUnreadable(
            f"The header cannot be read: {problem}.", where=f"{path}, line 1", cure="Mend its quotes."
        ) from None
    if options.get("header") in _HEADLESS:
        names = [f"column_{number}" for number in range(1, len(names) + 1)]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FileUnreadable(
            f"Two columns are called {twice!r}.",
            where=f"{path}, line 1",
            cure="Rename one.",
            code="csv_header",
        )
    return delimiter, names


def _rows(
    handle: BinaryIO, first: int, delimiter: str, encoding: str, width: int
) -> Iterator[tuple[int, bytes, list[str] | str]]:
    """(first line, its bytes, cells or ``"reason: detail"``). A quoted cell may span lines, at most ``_JOINED``."""
    source = lines(handle, first)
    waiting: list[tuple[int, bytes, bool]] = []
    while True:
        item = waiting.pop(0) if waiting else next(source, None)
        if item is None:
            return
        number, raw, too_long = item
        if too_long or raw.count(b'"') % 2 == 0:
            yield number, raw, _cells(raw, too_long, delimiter, encoding, width)
            continue
        tail, quotes = list[tuple[int, bytes, bool]](), 1
        while quotes % 2 and len(tail) < _JOINED:
            following = waiting.pop(0) if waiting else next(source, None)
            if following is None:
                break
            tail.append(following)
            quotes += following[1].count(b'"')
        whole = b"\n".join([raw, *(line for _, line, _ in tail)])
        joined = _cells(whole, False, delimiter, encoding, width) if quotes % 2 == 0 else ""
        if isinstance(joined, str):
            # The quote was not meant to span lines: its own line is spoiled, those after it are read on their own.
            waiting = tail + waiting
            yield number, raw, "bad_quotes: a quote is opened and not closed"
        else:
            yield number, whole, joined


def _cells(raw: bytes, too_long: bool, delimiter: str, encoding: str, width: int) -> list[str] | str:
    if too_long:
        return "line_too_long: the line has no end within 1 MiB"
    if b"\x00" in raw:
        return f"nul_byte: byte {raw.index(0) + 1} is a NUL"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as problem:
        return f"bad_utf8: byte {problem.start + 1} is no {encoding}"
    if '"' not in text:
        cells = text.split(delimiter)
    else:
        try:
            # Not splitlines(): U+0085 and its like end no row, they are text within a cell.
            parts = [part + "\n" for part in text.split("\n")]
            cells = next(csv.reader(parts, delimiter=delimiter, strict=True))
        except csv.Error as problem:
            return f"bad_quotes: {problem}"
    if len(cells) != width:
        return f"wrong_field_count: {len(cells)} fields where the header has {width}"
    return cells


def _point(cell: str | None) -> str | None:
    """``1.234,5`` as ``1234.5``."""
    return cell.replace(".", "").replace(",", ".") if cell else cell
