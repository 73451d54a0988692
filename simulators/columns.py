"""The columns of a delivery and how numpy arrays become Arrow without copying.

Inside a fleet everything is numpy: devices and categories are integer codes, times are int64 milliseconds
since 1970 UTC. Outside everything is Arrow: dictionary<int32, string>, timestamp[us] (UTC, without a zone),
small integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Array = npt.NDArray[Any]

TIMESTAMP = pa.timestamp("us")
CATEGORY = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Column:
    """One column of a fleet's deliveries.

    Args:
        name: the column's name in files.
        role: ``device`` (code of a device), ``time`` (milliseconds), ``category`` (code into a dictionary of
            the same name), ``number`` (an integer) or ``id`` (a number that is written as
            ``<prefix><number>``).
        type: the Arrow type in files.
        note: what it holds, with its unit; shown by ``simulators list`` and the data cards.
    """

    name: str
    role: str
    type: pa.DataType
    note: str = ""


def device() -> Column:
    """The column that names the device."""
    return Column("device_id", "device", CATEGORY, "which device")


def time(name: str, note: str) -> Column:
    """A UTC instant in microseconds."""
    return Column(name, "time", TIMESTAMP, note)


def category(name: str, note: str) -> Column:
    """A column of few distinct strings."""
    return Column(name, "category", CATEGORY, note)


def number(name: str, type_: pa.DataType, note: str) -> Column:
    """A column of integers."""
    return Column(name, "number", type_, note)


def identifier(name: str, note: str) -> Column:
    """A column of strings that are unique per true event."""
    return Column(name, "id", pa.string(), note)


def schema(columns: tuple[Column, ...]) -> pa.Schema:
    """The Arrow schema of a fleet's deliveries."""
    return pa.schema([pa.field(column.name, column.type, nullable=False) for column in columns])


def to_arrow(
    column: Column, values: Array, dictionaries: Mapping[str, pa.StringArray], prefix: str
) -> pa.Array:
    """Wrap an array as its column's Arrow array; copies only times (to microseconds) and ids (to text)."""
    if column.role in ("device", "category"):
        codes = numbers(values.astype(np.int32, copy=False))
        return pa.DictionaryArray.from_arrays(codes, dictionaries[column.name], safe=False)
    if column.role == "time":
        return numbers(values.astype(np.int64, copy=False) * 1000, TIMESTAMP)
    if column.role == "id":
        return pc.binary_join_element_wise(prefix, numbers(values).cast(pa.string()), "")
    return numbers(values.astype(column.type.to_pandas_dtype(), copy=False))


def numbers(values: Array, type_: pa.DataType | None = None) -> pa.Array:
    """Numbers as Arrow without copying (``pa.array`` would ask pandas about it first)."""
    kind = type_ or pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def strings(values: Sequence[str]) -> pa.StringArray:
    """A list of strings as Arrow."""
    return pa.array(list(values), type=pa.string())


def numbered(block: int, count: int) -> Array:
    """Numbers for the events of a block that no other block of the fleet uses: blocks lie 2**28 apart."""
    return (np.int64(block) << 28) + np.arange(count, dtype=np.int64)
