"""JSON read without guessing: numbers stay the text they were, duplicate keys are an error, nesting is bounded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from workbench.errors import FileUnreadable
from workbench.mediation.formats.request import LONGEST_LINE, lines

DEEPEST = 8
_LARGEST = 256 << 20

#: Every problem a JSON row can have, as stable reason codes.
REASONS = ("bad_json", "duplicate_key", "too_deep", "not_an_object", "nul_byte", "bad_utf8", "line_too_long")


class Problem(Exception):
    """A row that is no usable JSON object: ``reason`` is a stable code."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Problem("duplicate_key", f"the key {twice[:60]!r} appears twice")
    return members


_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_pairs)


def text_of(raw: bytes) -> str:
    """UTF-8 text of a row. Raises ``Problem``."""
    try:
        return raw.decode()
    except UnicodeDecodeError as problem:
        raise Problem("bad_utf8", f"byte {problem.start + 1} is no UTF-8") from None


def value_of(text: str) -> Any:
    """The JSON value of a whole text, numbers as text. Raises ``Problem``."""
    value, end = _value_at(text, _skip(text, 0))
    if end != len(text) and _skip(text, end) != len(text):
        raise Problem("bad_json", f"column {end + 1}: something follows the value")
    return value


def _value_at(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except RecursionError:
        raise Problem("too_deep", "nested beyond reading") from None
    except json.JSONDecodeError as problem:
        raise Problem("bad_json", f"line {problem.lineno}, column {problem.colno}: {problem.msg}") from None


def items(handle: BinaryIO, packs: bool = False) -> Iterator[tuple[int, bytes, Any]]:
    """Every item of a JSON file: (number, its own bytes, its value or the ``Problem`` that makes it a bad row).

    A file is one object per line (numbers are line numbers), or arrays of objects, or one object over several
    lines. With ``packs`` the start of every array is reported too, with the value ``None``.
    """
    start = handle.tell()
    first = next(iter(lines(handle)), (0, b"", False))[1]
    handle.seek(start)
    if first.lstrip()[:1] == b"[":
        yield from _elements(_whole(handle), packs)
        return
    if first.lstrip()[:1] == b"{" and isinstance(_parsed(first), Problem):
        whole = handle.read(_LARGEST)
        value = _parsed(whole)
        if not isinstance(value, Problem):
            yield 1, whole.strip(), value
            return
        handle.seek(start)
    yield from line_items(handle)


def line_items(handle: BinaryIO, first: int = 1) -> Iterator[tuple[int, bytes, Any]]:
    """The same for a file, or the part of one from line ``first`` on, that has one object per line."""
    for number, raw, too_long in lines(handle, first):
        if too_long:
            yield number, raw, Problem("line_too_long", f"longer than {LONGEST_LINE:,} bytes")
        else:
            yield number, raw, _parsed(raw)


def is_lines(handle: BinaryIO) -> bool:
    """Whether the first line is an object of its own; ``handle`` is left where it was."""
    start = handle.tell()
    first = next(iter(lines(handle)), (0, b"", False))[1]
    handle.seek(start)
    return isinstance(_parsed(first), dict)


def _parsed(raw: bytes) -> Any:
    if b"\x00" in raw:
        return Problem("nul_byte", f"byte {raw.index(0) + 1} is a NUL")
    try:
        return value_of(text_of(raw))
    except Problem as problem:
        return problem


def _whole(handle: BinaryIO) -> str:
    raw = handle.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        cure = "Write one object per line (NDJSON); that is read piece by piece."
        raise FileUnreadable(f"An array of more than {_LARGEST:,} bytes.", where=handle.name, cure=cure)
    try:
        return raw.decode()
    except UnicodeDecodeError as problem:
        cure = "Save it as UTF-8, or one object per line, so that one bad row does not spoil the rest."
        raise FileUnreadable(f"Byte {problem.start + 1} is no UTF-8.", where=handle.name, cure=cure) from None


def _elements(text: str, packs: bool) -> Iterator[tuple[int, bytes, Any]]:
    """Elements of the arrays in ``text``; where an array breaks, the rest of its line is one bad row."""
    number, at = 0, 0
    while at < len(text):
        try:
            at = _expect(text, at, "[")
            if packs:
                yield number, b"", None
            if text[at : at + 1] == "]":
                at = _skip(text, at + 1)
                continue
            while True:
                number += 1
                value, end = _value_at(text, at)
                yield number, text[at:end].encode("utf-8", "surrogatepass"), value
                at = _skip(text, end)
                if text[at : at + 1] == "]":
                    at = _skip(text, at + 1)
                    break
                at = _expect(text, at, ",")
        except Problem as problem:
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            yield number, text[at:end].encode("utf-8", "surrogatepass"), problem
            at = _skip(text, end)


def _expect(text: str, at: int, sign: str) -> int:
    if text[at : at + 1] != sign:
        raise Problem("bad_json", f"{sign!r} was expected at character {at + 1}")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def flat(value: Any) -> dict[str, str | None]:
    """An object's members as text cells, nested objects by dotted names; lists are not usage and left out.

    Raises:
        Problem: it is no object, nested deeper than ``DEEPEST``, or holds what no text column can (NUL, half a
            surrogate pair).
    """
    if not isinstance(value, dict):
        raise Problem("not_an_object", f"a {type(value).__name__} where an object was expected")
    cells: dict[str, str | None] = {}
    _flatten(value, "", cells, 1)
    return cells


def _flatten(value: dict[str, Any], prefix: str, cells: dict[str, str | None], depth: int) -> None:
    if depth > DEEPEST:
        raise Problem("too_deep", f"nested deeper than {DEEPEST} objects")
    for key, member in value.items():
        name = prefix + key
        if isinstance(member, str):
            cells[name] = member or None
        elif member is None:
            cells[name] = None
        elif isinstance(member, dict):
            _flatten(member, name + ".", cells, depth + 1)
        elif isinstance(member, bool):
            cells[name] = "true" if member else "false"


def check_text(cells: dict[str, str | None]) -> None:
    """Refuse cells no text column can hold. Only needed where the row's source shows an escape or a NUL."""
    for name, cell in cells.items():
        if cell is None:
            continue
        if "\x00" in cell:
            raise Problem("nul_byte", f"a NUL in {name[:60]!r}")
        try:
            cell.encode()
        except UnicodeEncodeError:
            raise Problem("bad_utf8", f"half a surrogate pair in {name[:60]!r}") from None
