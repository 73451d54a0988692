"""The landed order, fast: one 64-bit key per row, sorted at once, and only ties looked at again.

A segment's order is (device_key, ends_at, key columns, received_at, content mix). A comparison sort over that tuple
costs ten times what reading the file does, and nearly all of it is settled by device and time. So a row's device
rank, its time since the first row, and its row number are packed into one 64-bit integer; numpy sorts plain integers
with vector instructions, several times faster than it sorts references to them. The few rows that share device and
time (copies, mostly) are then put in their exact order by the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    import duckdb

Order = npt.NDArray[np.int64]

_BITS = 64


def landed_order(con: duckdb.DuckDBPyConnection, rows: pa.Table, sort_columns: Sequence[str]) -> Order:
    """Row numbers of ``rows`` in landed order.

    Args:
        rows: landed columns and ``device_rank`` (INTEGER, the device's place by device_key); at least one row.
        sort_columns: the full order as SQL expressions, starting with ``device_key, ends_at``.

    Returns: int64 array of ``rows.num_rows`` row numbers.
    """
    ranks = rows["device_rank"].to_numpy().astype(np.uint64)
    times, time_bits = _compact_times(rows["ends_at"])
    row_bits = np.uint64(rows.num_rows.bit_length())
    if int(ranks.max()).bit_length() + time_bits + int(row_bits) > _BITS:
        return _ordered_by_database(con, rows, np.arange(rows.num_rows), sort_columns)
    key = (ranks << np.uint64(time_bits)) | times
    packed = (key << row_bits) | np.arange(rows.num_rows, dtype=np.uint64)
    packed.sort()
    order = (packed & ((np.uint64(1) << row_bits) - np.uint64(1))).astype(np.int64)
    packed >>= row_bits
    same = np.flatnonzero(packed[1:] == packed[:-1])
    if len(same):
        tied = np.union1d(same, same + 1)
        order[tied] = _ordered_by_database(con, rows, order[tied], sort_columns)
    return order


def _compact_times(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.uint64], int]:
    """Times since the first one in the coarsest unit that keeps them exact, and how many bits they take."""
    since = _integers(column)
    since = (since - since.min()).astype(np.uint64)
    for unit in (1_000_000, 1_000):
        if (since[:1000] % np.uint64(unit)).any():  # a look at a few rows saves a pass over all
            continue
        coarse = since // np.uint64(unit)
        if np.array_equal(coarse * np.uint64(unit), since):
            since = coarse
            break
    return since, int(since.max()).bit_length()


def ordered(rows: pa.Table, order: Order) -> pa.Table:
    """``rows`` in ``order``, column by column."""
    columns = []
    for column in rows.columns:
        plain = pa.types.is_integer(column.type) or pa.types.is_timestamp(column.type)
        if plain and column.null_count == 0:
            moved = (
                pa.array(_integers(column)[order])
                if pa.types.is_timestamp(column.type)
                else column.to_numpy()[order]
            )
            columns.append(
                moved.cast(column.type) if isinstance(moved, pa.Array) else pa.array(moved, column.type)
            )
        else:
            columns.append(column.combine_chunks().take(pa.array(order)))
    return pa.table(columns, schema=rows.schema)


def _ordered_by_database(
    con: duckdb.DuckDBPyConnection, rows: pa.Table, numbers: Order, by: Sequence[str]
) -> Order:
    """The given row numbers in full order; they must cover whole runs of equal device and time."""
    few = rows.take(pa.array(numbers))
    con.register("rows_to_order", few.append_column("row_number_", pa.array(numbers)))
    try:
        sql = f"SELECT row_number_ FROM rows_to_order ORDER BY {', '.join(by)}"
        found: dict[str, Any] = con.execute(sql).fetchnumpy()
    finally:
        con.unregister("rows_to_order")
    return np.asarray(found["row_number_"], dtype=np.int64)


def _integers(column: pa.ChunkedArray) -> Order:
    """An integer or timestamp column as int64, without a copy where the column is in one piece."""
    if pa.types.is_timestamp(column.type):
        return column.to_numpy().astype("datetime64[us]", copy=False).view(np.int64)
    return column.to_numpy().astype(np.int64, copy=False)
