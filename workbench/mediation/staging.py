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

import pyarrow as pa
import pyarrow.parquet as pq

_BATCH = 32_768
_RAW_KEPT = 65_536
_FIXED = ("__item_no", "__problem", "__detail", "__raw", "__sha")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A delivered file as a relation.

    ``relation``: SQL to select from. ``numbered``: the same rows with ``__item_no`` (and the staged columns).
    ``columns``: name to DuckDB type of what the file offers. ``staged``: text cells with ``__problem``, in ``file``.
    """

    relation: str
    numbered: str
    columns: dict[str, str]
    rows: int
    staged: bool = False
    file: Path | None = None


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
        self._numeric = [number for number, name in enumerate(self.columns) if name in set(numeric)]
        fields = [pa.field("__item_no", pa.int64())] + [pa.field(name, pa.string()) for name in _FIXED[1:]]
        self._schema = pa.schema(fields + [pa.field(name, pa.string()) for name in self.columns])
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._empty = (None,) * len(self.columns)
        self._good: list[tuple[int, str | None, str | None, str, str | None]] = []
        self._cells: list[Sequence[str | None]] = []

    def row(self, item_no: int, cells: Sequence[str | None], raw: str) -> None:
        """A decoded row; ``cells`` in the order of ``columns``, empty ones ``None``."""
        if len(raw) > _RAW_KEPT:
            head = (item_no, None, None, raw[:_RAW_KEPT], hashlib.sha256(raw.encode()).hexdigest())
            self._good.append(head)
        else:
            self._good.append((item_no, None, None, raw, None))
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
        if len(self._cells) >= _BATCH:
            self._flush()
        if self.rows + len(self._cells) == self._left:
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
        self._good.clear()
        self._cells.clear()


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
