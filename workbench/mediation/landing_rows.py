"""Items in memory while they are sorted: each column once, integers and times as plain numbers.

A delivered hour of a city is twelve million rows. Held as a table, filtered, sorted and gathered, it would be there
five times over; here it is there once, and leaves in pieces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Numbers = npt.NDArray[np.int64]

PIECE = 1_000_000  # rows of a row group, so that a file's layout follows from its rows
RANK = "device_rank"


class _Plain:
    """A column of integers or times. Room that is never written to costs nothing, so it is asked for at once."""

    def __init__(self, type_: pa.DataType, most: int) -> None:
        self.type = type_
        self.values = np.empty(most, dtype=_dtype(type_))
        self._missing: npt.NDArray[np.bool_] | None = None

    def add(self, column: pa.Array, at: int) -> None:
        end = at + len(column)
        if column.null_count:
            if self._missing is None:
                self._missing = np.zeros(len(self.values), dtype=bool)
            self._missing[at:end] = column.is_null().to_numpy(zero_copy_only=False)
            column = column.fill_null(0 if pa.types.is_integer(self.type) else pa.scalar(0, self.type))
        found = column.to_numpy(zero_copy_only=False)
        self.values[at:end] = found.view(self.values.dtype) if pa.types.is_timestamp(self.type) else found

    def pick(self, numbers: Numbers) -> pa.Array:
        mask = None if self._missing is None else self._missing[numbers]
        picked = pa.array(self.values[numbers], mask=mask)
        return picked.view(self.type) if pa.types.is_timestamp(self.type) else picked


class _Other:
    """A column of anything else: texts, samples."""

    def __init__(self, type_: pa.DataType) -> None:
        self.type = type_
        self._parts: list[pa.Array] = []

    def add(self, column: pa.Array, at: int) -> None:
        self._parts.append(column)

    def pick(self, numbers: Numbers) -> pa.Array:
        if len(self._parts) != 1:
            self._parts = [pa.concat_arrays(self._parts)]
        return self._parts[0].take(pa.array(numbers))


class Items:
    """The items of one delivery's stream, by row number in the order of the file.

    Attributes:
        count: rows held.
        names: the devices' names; before ``number_devices``, ``device_rank`` holds places in it.
        keys: device_key by rank (known after ``number_devices``).
    """

    def __init__(self, schema: pa.Schema, most: int) -> None:
        self.count = 0
        self.names = pa.array([], pa.string())
        self.keys: Numbers = np.empty(0, dtype=np.int64)
        self._columns: dict[str, _Plain | _Other] = {RANK: _Plain(pa.int32(), most)}
        for field in schema:
            if field.name != "device_id":
                plain = pa.types.is_integer(field.type) or field.type == pa.timestamp("us")
                self._columns[field.name] = _Plain(field.type, most) if plain else _Other(field.type)

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in rows with a ``device_id`` and the schema's columns."""
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name == "device_id":
                self._columns[RANK].add(self._coded(column), self.count)
            else:
                self._columns[name].add(column, self.count)
        self.count += batch.num_rows

    def _coded(self, names: pa.Array) -> pa.Array:
        """Names as their places in ``self.names``, which grows by those not seen before."""
        coded = names.dictionary_encode()
        places = pc.index_in(coded.dictionary, value_set=self.names)
        if places.null_count:
            fresh = np.arange(len(self.names), len(self.names) + places.null_count, dtype=np.int32)
            unknown = places.is_null()
            self.names = pa.concat_arrays([self.names, coded.dictionary.filter(unknown)])
            places = pc.replace_with_mask(places, unknown, pa.array(fresh))
        return places.take(coded.indices)

    def number_devices(self, ids: pa.Array, keys: Numbers) -> None:
        """From now on devices are numbered in the order of their keys; ``ids`` and ``keys`` belong together."""
        order = np.argsort(keys)
        rank_of_id = np.empty(len(keys), dtype=np.int32)
        rank_of_id[order] = np.arange(len(keys), dtype=np.int32)
        ranks = rank_of_id[pc.index_in(self.names, value_set=ids).to_numpy()]
        held = self.plain(RANK)
        held[:] = ranks[held]
        self.keys = keys[order]

    def plain(self, name: str) -> npt.NDArray[np.int64]:
        """A column of integers or times (microseconds since 1970) as it is held."""
        column = self._columns[name]
        assert isinstance(column, _Plain)
        return column.values[: self.count]

    def rows(self, numbers: Numbers, names: Sequence[str] = ()) -> pa.RecordBatch:
        """The rows of these numbers; all columns but the device's key when ``names`` is left out."""
        chosen = names or list(self._columns)
        arrays = [self._column(name, numbers) for name in chosen]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema(chosen))

    def pieces(self, numbers: Numbers, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The same, a piece at a time."""
        for start in range(0, len(numbers), PIECE):
            yield self.rows(numbers[start : start + PIECE], names)

    def schema(self, names: Iterable[str]) -> pa.schema:
        """The Arrow schema of the columns called ``names``."""
        return pa.schema(
            [(name, pa.int64() if name == "device_key" else self._columns[name].type) for name in names]
        )

    def _column(self, name: str, numbers: Numbers) -> pa.Array:
        if name == "device_key":
            return pa.array(self.keys[self.plain(RANK)[numbers]])
        return self._columns[name].pick(numbers)


def _dtype(type_: pa.DataType) -> npt.DTypeLike:
    return np.dtype(np.int64) if pa.types.is_timestamp(type_) else np.dtype(type_.to_pandas_dtype())
