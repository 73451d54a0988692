"""JSON rows: one object per line (NDJSON), or an array of objects. Nested members get dotted names."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from workbench.errors import FileUnreadable
from workbench.mediation.formats.blocks import blocks, json_table
from workbench.mediation.formats.jsontext import Problem, check_text, flat, is_lines, items, line_items
from workbench.mediation.formats.request import Request, opened, stage
from workbench.mediation.staging import Decoded, Staging

if TYPE_CHECKING:
    import duckdb

NAME = "ndjson"
SUFFIXES = (".ndjson", ".jsonl", ".json")
_LOOKED_AT = 1_000

Check = Callable[[Any], None]


def decode(con: duckdb.DuckDBPyConnection, path: Path, request: Request) -> Decoded:
    """Stage the file's objects; a broken one is one bad row and the rest goes on.

    Raises:
        FileUnreadable: the file has content, and not one object in it.
    """
    return stage_objects(path, request)


def stage_objects(path: Path, request: Request, check: Check | None = None) -> Decoded:
    """The same for any format of JSON objects; ``check`` raises ``Problem`` for objects the format refuses."""
    columns = request.wanted if request.wanted is not None else _names(path)

    def fill(staging: Staging, seen: set[str]) -> None:
        with opened(path) as handle:
            if check is None and is_lines(handle):
                good, bad = _by_blocks(handle, staging, seen)
            else:
                good, bad = _one_by_one(items(handle), staging, seen, check)
        if bad and not good and not seen:
            _refuse_unless_json(path, check)
        if not good:
            seen.update(columns)

    return stage(path, request, columns, fill)


def _by_blocks(handle: BinaryIO, staging: Staging, seen: set[str]) -> tuple[int, int]:
    """Stage plain blocks at once and odd ones line by line; how many rows were good and bad."""
    good = bad = 0
    for first, data in blocks(handle):
        table = json_table(data, staging.columns, seen)
        if table is not None:
            staging.block(first, table[1], table[0])
            good += len(table[0])
            continue
        more, wrong = _one_by_one(line_items(io.BytesIO(data), first), staging, seen, None)
        good, bad = good + more, bad + wrong
    return good, bad


def _one_by_one(
    found: Iterable[tuple[int, bytes, Any]], staging: Staging, seen: set[str], check: Check | None
) -> tuple[int, int]:
    """Stage items one by one; how many were good and bad."""
    good = bad = 0
    for number, raw, value in found:
        try:
            cells = _cells(raw, value, check)
        except Problem as problem:
            bad += 1
            staging.bad(number, problem.reason, problem.detail, raw)
            continue
        good += 1
        if not seen.issuperset(cells):
            seen.update(cells)
        staging.row(number, [cells.get(name) for name in staging.columns], raw.decode())
    return good, bad


def _cells(raw: bytes, value: Any, check: Check | None) -> dict[str, str | None]:
    if isinstance(value, Problem):
        raise value
    cells = flat(value)
    if check is not None:
        check(value)
    if b"\\u" in raw:
        check_text(cells)
    return cells


def _refuse_unless_json(path: Path, check: Check | None) -> None:
    """A file without one JSON object is the wrong file; one whose objects a format refuses is a file of rejects."""
    with opened(path) as handle:
        for _, _, value in items(handle):
            if isinstance(value, dict):
                return
    cure = "Check that it holds one JSON object per line."
    raise FileUnreadable("There is not one JSON object in it.", where=str(path), cure=cure)


def _names(path: Path) -> tuple[str, ...]:
    """Names of the first rows, in the order they appear."""
    names: dict[str, None] = {}
    with opened(path) as handle:
        for count, (_, _, value) in enumerate(items(handle)):
            if isinstance(value, dict):
                try:
                    names |= dict.fromkeys(flat(value))
                except Problem:
                    continue
            if count >= _LOOKED_AT:
                break
    return tuple(names)
