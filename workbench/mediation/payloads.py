"""What a message's payload holds: rows of text cells, or the reason why it holds none.

A content type chooses the reader; another kind of payload is one function in ``READERS``. Numbers stay the text they
were. A payload is one JSON object, an array of objects, a *column pack* (an object whose members are arrays of one
length, with scalars that hold for every row), a SenML pack in JSON or CBOR, or CloudEvents, single or in a batch.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import cbor2
import msgspec

from workbench.mediation.formats.cloudevents import check as check_cloudevent
from workbench.mediation.formats.jsontext import Problem, check_text, flat, text_of, value_of
from workbench.mediation.formats.senml import Pack, named
from workbench.mediation.payload_lines import csv_rows, ndjson_rows

Cells = dict[str, str | None]
ITEMS_MAX = 100_000
"""More items than this in one message is no message."""

Reader = Callable[[bytes, Decimal], Iterator[Cells | Problem]]


def rows_of(
    payload: bytes, content_type: str, received_at: Decimal, told: str = ""
) -> Iterator[Cells | Problem]:
    """The payload's rows, and a ``Problem`` in the place of each that is none.

    Args:
        content_type: as the sender says; parameters after ``;`` are passed over.
        told: what the route says it is, when the sender does not; without either the first byte is looked at.
        received_at: seconds since 1970, what relative times count from.
    """
    kind = content_type.partition(";")[0].strip().lower()
    reader = READERS.get(told if kind in UNTOLD and told else kind)
    if reader is None and kind in UNTOLD:
        reader = _guessed(payload)
    if reader is None:
        yield Problem("content_type_unknown", f"{kind[:60]!r} is not read")
        return
    empty = True
    try:
        for row in reader(payload, received_at):
            empty = False
            yield row
    except Problem as problem:
        yield problem
        return
    if empty:
        yield Problem("no_items", "the message holds no item")


@dataclass(frozen=True, slots=True)
class ColumnPack:
    """Rows of a column pack, column by column: what ``rows_of`` would give row by row.

    Attributes:
        length: number of rows. columns: name to one cell per row. shared: cells that hold for every row.
    """

    length: int
    columns: dict[str, list[str | None]]
    shared: Cells


def column_pack(payload: bytes, content_type: str, told: str = "") -> ColumnPack | None:
    """The payload as columns, when it is a column pack without a flaw; None: ``rows_of`` says what it is."""
    kind = content_type.partition(";")[0].strip().lower()
    reader = READERS.get(told if kind in UNTOLD and told else kind)
    if (
        (reader or _guessed(payload)) is not _json
        or b"[" not in payload
        or (value := _quick(payload)) is None
    ):
        return None
    lists = {name: member for name, member in value.items() if type(member) is list}
    lengths = {len(member) for member in lists.values()}
    length = lengths.pop() if len(lengths) == 1 else 0
    if not 0 < length <= ITEMS_MAX:
        return None
    shared = _shared(value, lists)
    columns = {name: _column(members) for name, members in lists.items()}
    if isinstance(shared, Problem) or None in columns.values():
        return None
    return ColumnPack(length, columns, shared)  # type: ignore[arg-type]


def _column(members: list[Any]) -> list[str | None] | None:
    """Cells of one column; None when one of them is no value."""
    kinds = set(map(type, members))
    if kinds == {int}:
        return list(map(str, members))
    if (
        kinds == {str} and "" not in members
    ):  # a NUL has to be written with a backslash, which is read with care
        return members
    cells = [_cell(member) for member in members]
    return None if any(isinstance(cell, Problem) for cell in cells) else cells


def _guessed(payload: bytes) -> Reader:
    """JSON, unless the first byte begins a CBOR array or map, which no text can begin with."""
    return _senml_cbor if b"\x80" <= payload[:1] < b"\xc0" else _json


_FAST = msgspec.json.Decoder(float_hook=str)


def _quick(payload: bytes) -> Any:
    """The value by a fast reader, when its text cannot hold what that reader would pass over; else ``None``.

    Passed over would be a key given twice: a compact object has as many ``":`` as members, or something is odd, and
    the careful reader looks at it.
    """
    if b"\\" in payload or b" :" in payload or b"\n" in payload or b"\t" in payload or b"\r" in payload:
        return None
    try:
        value = _FAST.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if type(value) is not dict or payload.count(b'":') != len(value) or "specversion" in value:
        return None
    return value


def _json(payload: bytes, received_at: Decimal) -> Iterator[Cells | Problem]:
    value = _quick(payload)
    if value is not None:
        cells: Cells = {}
        for name, member in value.items():
            kind = type(member)
            if kind is str:
                cells[name] = member or None
            elif kind is int:
                cells[name] = str(member)
            elif kind is bool:
                cells[name] = "true" if member else "false"
            elif member is None:
                cells[name] = None
            else:
                break
        else:
            yield cells
            return
        if all(type(member) is not dict for member in value.values()):
            yield from _columns(value)
            return
    value = _careful(payload)
    if isinstance(value, list):
        yield from _each(value, _object)
    elif isinstance(value, dict) and "specversion" in value:
        yield _event(value)
    elif isinstance(value, dict) and any(isinstance(member, list) for member in value.values()):
        yield from _columns(value)
    else:
        yield _object(value)


def _careful(payload: bytes) -> Any:
    """The value, numbers as text; duplicate keys, NULs and what is no text are Problems."""
    if b"\x00" in payload:
        raise Problem("nul_byte", f"byte {payload.index(0) + 1} is a NUL")
    return value_of(text_of(payload.removeprefix(b"\xef\xbb\xbf")))


def _columns(value: dict[str, Any]) -> Iterator[Cells | Problem]:
    """The rows of a column pack."""
    lists = {name: member for name, member in value.items() if isinstance(member, list)}
    lengths = {len(member) for member in lists.values()}
    if len(lengths) != 1:
        raise Problem("ragged_columns", f"columns of {min(lengths)} to {max(lengths)} values in one pack")
    (length,) = lengths
    if length > ITEMS_MAX:
        raise Problem("too_many_items", f"{length:,} rows in one message")
    shared = _shared(value, lists)
    if isinstance(shared, Problem):
        raise shared
    texts = {name: [_cell(member) for member in members] for name, members in lists.items()}
    names = list(texts)
    for cells in zip(*texts.values(), strict=True):
        wrong = next((cell for cell in cells if isinstance(cell, Problem)), None)
        yield wrong or {**shared, **dict(zip(names, cells, strict=True))}


def _shared(value: dict[str, Any], lists: dict[str, Any]) -> Cells | Problem:
    """The members of a column pack that hold for every row; a fast reader gives whole numbers as such."""
    members = {name: member for name, member in value.items() if name not in lists}
    return _object({name: str(each) if type(each) is int else each for name, each in members.items()})


def _cell(member: Any) -> Any:
    if isinstance(member, str):
        return Problem("nul_byte", "a NUL in a text value") if "\x00" in member else member or None
    if isinstance(member, bool):
        return "true" if member else "false"
    if member is None:
        return None
    return str(member) if isinstance(member, int) else Problem("not_a_value", "a list or object in a column")


def _object(value: Any) -> Cells | Problem:
    try:
        cells = flat(value)
        check_text(cells)
    except Problem as problem:
        return problem
    return cells


def _event(value: Any) -> Cells | Problem:
    """One CloudEvent."""
    cells = _object(value)
    if isinstance(cells, Problem):
        return cells
    try:
        check_cloudevent(value)
    except Problem as problem:
        return problem
    return cells


def _each(values: Any, read: Callable[[Any], Cells | Problem]) -> Iterator[Cells | Problem]:
    if not isinstance(values, list):
        raise Problem("not_an_array", f"a {type(values).__name__} where an array was expected")
    if len(values) > ITEMS_MAX:
        raise Problem("too_many_items", f"{len(values):,} items in one message")
    for value in values:
        yield read(value)


def _cloudevent(payload: bytes, received_at: Decimal) -> Iterator[Cells | Problem]:
    yield _event(_careful(payload))


def _cloudevents(payload: bytes, received_at: Decimal) -> Iterator[Cells | Problem]:
    yield from _each(_careful(payload), _event)


def _senml_json(payload: bytes, received_at: Decimal) -> Iterator[Cells | Problem]:
    yield from _senml(_careful(payload), received_at)


def _senml_cbor(payload: bytes, received_at: Decimal) -> Iterator[Cells | Problem]:
    source = io.BytesIO(payload)
    try:
        value = cbor2.load(source)
    except (
        cbor2.CBORDecodeError,
        ValueError,
        RecursionError,
        MemoryError,
        OverflowError,
        TypeError,
    ) as error:
        raise Problem("bad_cbor", f"{error}"[:120]) from None
    if source.tell() != len(payload):
        raise Problem("bad_cbor", f"byte {source.tell() + 1}: something follows the pack")
    yield from _senml([named(record) for record in value] if isinstance(value, list) else value, received_at)


def _senml(value: Any, received_at: Decimal) -> Iterator[Cells | Problem]:
    pack = Pack(received_at)

    def one(record: Any) -> Cells | Problem:
        try:
            return pack.resolve(record) or {}
        except Problem as problem:
            return problem

    for cells in _each(value, one):
        if cells:
            yield cells


def _ndjson(payload: bytes, received_at: Decimal) -> Iterator[Cells | Problem]:
    yield from ndjson_rows(payload, lambda line: _object(_careful(line)))


def _csv(payload: bytes, received_at: Decimal) -> Iterator[Cells | Problem]:
    yield from csv_rows(payload)


READERS: dict[str, Reader] = {
    "application/json": _json,
    "application/cloudevents+json": _cloudevent,
    "application/cloudevents-batch+json": _cloudevents,
    "application/senml+json": _senml_json,
    "application/senml+cbor": _senml_cbor,
    "application/cbor": _senml_cbor,
    "application/x-ndjson": _ndjson,
    "text/csv": _csv,
}
UNTOLD = frozenset({"", "application/octet-stream", "text/plain"})
"""Content types that say nothing about the payload."""
