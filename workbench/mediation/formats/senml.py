"""SenML packs (RFC 8428), JSON and CBOR: base values resolved, relative times made absolute, one row per record.

Columns of a row: ``name``, ``time`` (Unix seconds as decimal text), ``unit``, ``value``, ``sum``, ``string``,
``boolean``, ``data``, ``update_time``. A JSON file holds one pack or one per line; a CBOR file one or several.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cbor2

from workbench.errors import FileUnreadable
from workbench.mediation.formats.jsontext import Problem, items
from workbench.mediation.formats.request import Request, opened, stage
from workbench.mediation.staging import Decoded, Staging

if TYPE_CHECKING:
    import duckdb

NAME = "senml"
SUFFIXES = (".senml", ".senml.json", ".senmlc", ".senml.cbor", ".cbor")
COLUMNS = ("name", "time", "unit", "value", "sum", "string", "boolean", "data", "update_time")

# RFC 8428 section 6, table 4: the integer labels that stand for the names in CBOR.
_LABELS = {-1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs"}
_LABELS |= {0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd"}
_VERSION = 10
_RELATIVE_BELOW = 2**28
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]*")
_LONGEST = 60
_LARGEST = 256 << 20


def decode(con: duckdb.DuckDBPyConnection, path: Path, request: Request) -> Decoded:
    """Stage the records; one that breaks the RFC is a bad row.

    Raises:
        FileUnreadable: it is neither a JSON array of records nor CBOR.
    """
    columns = request.wanted if request.wanted is not None else COLUMNS
    now = Decimal(request.received_at.timestamp())

    def fill(staging: Staging, seen: set[str]) -> None:
        seen.update(COLUMNS)
        records = _cbor(path) if path.suffix in {".senmlc", ".cbor"} else _json(path)
        pack = Pack(now)
        for number, raw, record in records:
            try:
                if record is None:
                    pack = Pack(now)
                    continue
                if isinstance(record, Problem):
                    raise record
                row = pack.resolve(record)
            except Problem as problem:
                staging.bad(number, problem.reason, problem.detail, raw)
                continue
            if row is not None:
                staging.row(number, [row.get(name) for name in columns], raw.decode("utf-8", "replace"))

    return stage(path, request, columns, fill)


class Pack:
    """One pack being read: the base values in force, and the version it claims.

    Args:
        now: seconds since 1970 that relative times count from, the time of receipt.
    """

    def __init__(self, now: Decimal) -> None:
        self.base: dict[str, Any] = {}
        self._now = now

    def resolve(self, record: Any) -> dict[str, str | None] | None:
        """The record with base values applied, as text cells; ``None`` when it carries base values only.

        Raises:
            Problem: it breaks the RFC; the base values it set stay in force for the records after it.
        """
        if not isinstance(record, dict):
            raise Problem("not_an_object", "a SenML record is an object")
        for label in ("bn", "bt", "bu", "bv", "bs", "bver"):
            if label in record:
                self.base[label] = record[label]
        if int(_number(self.base.get("bver", _VERSION))) > _VERSION:
            raise Problem("senml_version", f"version {self.base['bver']} is newer than {_VERSION}")
        unknown = [str(key) for key in record if str(key).endswith("_")]
        if unknown:
            raise Problem("senml_must_understand", f"the field {unknown[0][:_LONGEST]!r} must be understood")
        carried = [label for label in ("v", "vs", "vb", "vd") if label in record]
        if not carried and "s" not in record:
            if "n" not in record and "t" not in record:
                return None
            raise Problem("missing_value", "the record has neither a value nor a sum")
        if len(carried) > 1:
            raise Problem("senml_two_values", f"{carried[0]} and {carried[1]} in one record")
        name = str(self.base.get("bn", "")) + str(record.get("n", ""))
        if not _NAME.fullmatch(name):
            raise Problem("senml_name", f"{name[:_LONGEST]!r} is no SenML name")
        return {
            "name": name,
            "time": _text(self._time(record)),
            "unit": _word(record.get("u", self.base.get("bu"))),
            "value": _sum(self.base.get("bv"), record["v"]) if "v" in record else None,
            "sum": _sum(self.base.get("bs"), record["s"]) if "s" in record else None,
            "string": _word(record.get("vs")),
            "boolean": str(record["vb"]).lower() if "vb" in record else None,
            "data": _word(record.get("vd")),
            "update_time": _text(_number(record["ut"])) if "ut" in record else None,
        }

    def _time(self, record: dict[str, Any]) -> Decimal:
        """Base plus own time; below 2**28 it counts from now (section 4.5.3)."""
        time = _number(self.base.get("bt", 0)) + _number(record.get("t", 0))
        return time + self._now if time < _RELATIVE_BELOW else time


def _json(path: Path) -> Iterator[tuple[int, bytes, Any]]:
    """Records of a file's packs; ``None`` where a new pack starts. One pack per line, or one over the whole file."""
    with opened(path) as handle:
        for count, (number, raw, value) in enumerate(items(handle, packs=True)):
            if count == 0 and value is not None:
                cure = 'A pack is a JSON array of records: [{"n": …, "v": …}].'
                raise FileUnreadable("There is no SenML pack in it.", where=str(path), cure=cure)
            yield number, raw, value


def _cbor(path: Path) -> Iterator[tuple[int, bytes, Any]]:
    """Records of a CBOR file's packs, labels as names; ``None`` where a new pack starts."""
    number = 0
    with opened(path) as handle:
        size = path.stat().st_size
        if size > _LARGEST:
            raise FileUnreadable(f"More than {_LARGEST:,} bytes.", where=str(path), cure="Split it.")
        while handle.tell() < size:
            try:
                pack = cbor2.load(handle)
            except (cbor2.CBORDecodeError, ValueError, RecursionError, MemoryError, OverflowError) as problem:
                where = f"{path}, byte {handle.tell()}"
                cure = "It may be cut off, or no CBOR at all: fetch it again."
                raise FileUnreadable(f"It is no readable CBOR: {problem}.", where=where, cure=cure) from None
            yield number, b"", None
            for record in pack if isinstance(pack, list) else [pack]:
                number += 1
                labelled = named(record)
                yield number, repr(labelled).encode("utf-8", "backslashreplace"), labelled


def named(record: Any) -> Any:
    """A CBOR record with names in place of integer labels; anything but a map as it is."""
    if not hasattr(record, "items"):
        return record
    return {_label(key): value for key, value in record.items()}


def _label(key: Any) -> Any:
    return _LABELS.get(key, key) if isinstance(key, int) else str(key)


def _number(value: Any) -> Decimal:
    """An exact number. JSON numbers arrive as their text; a CBOR float is what its shortest decimal text says."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise Problem("not_a_number", f"{value!r:.60} where a number was expected")
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise Problem("not_a_number", f"{value!r:.60} where a number was expected") from None
    if not number.is_finite():
        raise Problem("nan" if number.is_nan() else "infinite", f"{value} where a number was expected")
    if number and not -40 <= number.adjusted() <= 40:
        raise Problem("number_out_of_range", f"{value!s:.60} is beyond every meter")
    return number


def _sum(base: Any, value: Any) -> str:
    """Base value plus value (section 4.5.1), exactly."""
    return _text(_number(value) + (_number(base) if base is not None else 0))


def _text(number: Decimal) -> str:
    return format(number, "f")


def _word(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bytes):
        return value.hex()
    text = str(value)
    if "\x00" in text:
        raise Problem("nul_byte", "a NUL in a text value")
    return text
