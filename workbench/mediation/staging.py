"""Text formats are decoded once, into a Parquet file of text cells; from there every format takes the same path.

Columns of a staged file: ``__item_no`` (line or element of the delivered file, from 1), ``__problem`` and ``__detail``
(why a row could not be decoded; the cells are then empty), ``__raw`` (the row as delivered, at most 64 KiB),
``__sha`` (SHA-256 of the delivered bytes where ``__raw`` is not exactly them), then the wanted columns as VARCHAR.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_BATCH = 32_768
_HELD = 64 << 20
_RAW_KEPT = 65_536
WHOLE_MESSAGES = "messages_whole"
"""A table of the connection: ``__message``, ``__raw``, ``__sha`` of every message of a batch, whose rows have only
``__message``: a message may hold a hundred rows, and few are refused."""
_FIXED = ("__item_no", "__problem", "__detail", "__raw", "__sha")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A delivered file as a relation.

    ``relation``: SQL to select from. ``numbered``: the same rows with ``__item_no`` (and the staged columns).
    ``columns``: name to DuckDB type of what the file offers. ``staged``: text cells with ``__problem``, in ``file``.
    ``messages``: the rows came over a wire: each has ``__received_at`` (TIMESTAMP), the time of receipt that counts
    whatever the payload says, and ``__sender``, the device the connection vouches for, or NULL.
    """

    relation: str
    numbered: str
    columns: dict[str, str]
    rows: int
    staged: bool = False
    file: Path | None = None
    messages: bool = False

    @property
    def delivered(self) -> str:
        """Columns that say what a row looked like when it came."""
        return "__message" if self.messages else "__raw, __sha"

    def as_delivered(self, relation: str) -> str:
        """Rows that carry ``delivered`` with their ``__raw`` and ``__sha``."""
        return f"{relation} JOIN {WHOLE_MESSAGES} USING (__message)" if self.messages else relation


class Enough(Exception):
    """As many rows as were asked for have been staged."""


class Staging:
    """Collects decoded rows and writes them in batches; memory does not grow with the file."""

    def __init__(
        self, file: Path, columns: Sequence[str], numeric: Iterable[str] = (), limit: int | None = None
    ) -> None:
        self._left = limit if limit is not None else -1
        self.columns = tuple(columns)
        self.rows = 0
        self._held = 0
        self._numeric = [number for number, name in enumerate(self.columns) if name in set(numeric)]
        fields = [pa.field("__item_no", pa.int64())] + [pa.field(name, pa.string()) for name in _FIXED[1:]]
        self._schema = pa.schema(fields + [pa.field(name, pa.string()) for name in self.columns])
        self._writer = pq.ParquetWriter(file, self._schema, compression="lz4", use_dictionary=False)
        self._empty = (None,) * len(self.columns)
        self._good: list[tuple[int, str | None, str | None, str, str | None]] = []
        self._cells: list[Sequence[str | None]] = []

    def block(
        self,
        first: int,
        cells: Sequence[Sequence[str | None] | pa.Array | None],
        raws: Sequence[str] | pa.Array,
        trim: bool = False,
        comma: frozenset[str] = frozenset(),
    ) -> None:
        """Many decoded rows at once, column by column (``None``: a column the file does not have).

        Args:
            first: the first row's number; the others follow it.
            raws: the rows as delivered.
            trim: blanks around a cell are no part of it.
            comma: columns whose numbers are written 1.234,5.
        """
        self._flush()
        count = len(raws)
        nothing = pa.nulls(count, pa.string())
        numbers = pa.array(np.arange(first, first + count))
        columns = [numbers, nothing, nothing, _texts(raws), nothing]
        for number, column in enumerate(cells):
            array = _texts(column) if column is not None else nothing
            array = pc.utf8_trim_whitespace(array) if trim else array
            array = pc.if_else(pc.equal(array, ""), None, array)
            if self.columns[number] in comma:
                array = pc.replace_substring(pc.replace_substring(array, ".", ""), ",", ".")
            if number in self._numeric and pc.any(pc.match_substring(array, "e", ignore_case=True)).as_py():
                array = pa.array([plain(cell) if cell else cell for cell in array.to_pylist()], pa.string())
            columns.append(array)
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self.rows += count
        if 0 <= self._left <= self.rows:
            raise Enough

    def row(
        self, item_no: int, cells: Sequence[str | None], raw: str, delivered: bytes | None = None
    ) -> None:
        """A decoded row; ``cells`` in the order of ``columns``, empty ones ``None``.

        ``delivered``: the row's bytes, where they are not simply ``raw`` in UTF-8.
        """
        sha = None
        if delivered is not None or len(raw) > _RAW_KEPT:
            sha = hashlib.sha256(raw.encode() if delivered is None else delivered).hexdigest()
        self._good.append((item_no, None, None, raw[:_RAW_KEPT], sha))
        self._held += len(raw)
        self._cells.append(cells)
        self._check()

    def bad(self, item_no: int, problem: str, detail: str, raw: bytes) -> None:
        """A row that could not be decoded, with a stable reason code."""
        shown = raw[:_RAW_KEPT].decode("utf-8", "backslashreplace")
        self._good.append((item_no, problem, detail, shown, hashlib.sha256(raw).hexdigest()))
        self._cells.append(self._empty)
        self._check()

    def close(self) -> None:
        """Write what is left and finish the file."""
        self._flush()
        self._writer.close()

    def _check(self) -> None:
        if len(self._cells) >= _BATCH or self._held >= _HELD:
            self._flush()
        if 0 <= self._left <= self.rows + len(self._cells):
            raise Enough

    def _flush(self) -> None:
        if not self._cells:
            return
        self.rows += len(self._cells)
        arrays = [list(column) for column in zip(*self._good, strict=True)]
        cells = [list(column) for column in zip(*self._cells, strict=True)]
        for number in self._numeric:
            cells[number] = [
                plain(cell) if cell and ("e" in cell or "E" in cell) else cell for cell in cells[number]
            ]
        columns = [
            pa.array(column, field.type) for column, field in zip(arrays + cells, self._schema, strict=True)
        ]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._held = 0
        self._good.clear()
        self._cells.clear()


def _texts(cells: Sequence[str | None] | pa.Array) -> pa.Array:
    return cells if isinstance(cells, pa.Array) else pa.array(cells, pa.string())


def plain(text: str) -> str:
    """A number in scientific notation written out, exactly; anything else, and what is absurdly large, unchanged.

    >>> plain("1.5e3"), plain("2E-3"), plain("1e400"), plain("green")
    ('1500', '0.002', '1e400', 'green')
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite() or not -30 <= number.adjusted() <= 30:
        return text
    return format(number.normalize(), "f")
