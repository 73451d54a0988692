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

from workbench.mediation.landing_rows import PIECE, RANK, Items, Numbers

if TYPE_CHECKING:
    import duckdb

_BITS = 64


def landed_order(
    con: duckdb.DuckDBPyConnection, items: Items, numbers: Numbers | None, sort_columns: Sequence[str]
) -> Numbers:
    """Row numbers in landed order.

    Args:
        items: their devices numbered; at least one row.
        numbers: the rows to put in order; None: all.
        sort_columns: the full order as SQL expressions, starting with ``device_key, ends_at``.
    """
    ranks, times = items.plain(RANK), items.plain("ends_at")
    if numbers is not None:
        ranks, times = ranks[numbers], times[numbers]
    since, time_bits = _compact_times(times)
    row_bits = len(ranks).bit_length()
    if int(ranks.max()).bit_length() + time_bits + row_bits > _BITS:
        everything = np.arange(items.count, dtype=np.int64) if numbers is None else numbers
        return _ordered_by_database(con, items, everything, sort_columns)
    # In place, step by step: each of these arrays is as large as a column.
    packed = ranks.astype(np.uint64)
    packed <<= np.uint64(time_bits)
    packed |= since
    del since, times, ranks
    packed <<= np.uint64(row_bits)
    for start in range(0, len(packed), PIECE):
        part = packed[start : start + PIECE]
        part |= np.arange(start, start + len(part), dtype=np.uint64)
    packed.sort()
    # Each step from here on is in place or in pieces too: the rows themselves are in memory all the while.
    same = _equal_to_next(packed, row_bits)
    packed &= np.uint64((1 << row_bits) - 1)
    order = packed.view(np.int64)
    if numbers is not None:
        for start in range(0, len(order), PIECE):
            part_of = order[start : start + PIECE]
            part_of[:] = numbers[part_of]
    if len(same):
        tied = np.union1d(same, same + 1)
        order[tied] = _ordered_by_database(con, items, order[tied], sort_columns)
    return order


def _compact_times(times: Numbers) -> tuple[npt.NDArray[np.uint64], int]:
    """Times since the first one in the coarsest unit that keeps them exact, and how many bits they take."""
    since = (times - times.min()).view(np.uint64)
    for unit in (np.uint64(1_000_000), np.uint64(1_000)):
        if not any((since[start : start + PIECE] % unit).any() for start in range(0, len(since), PIECE)):
            since //= unit
            break
    return since, int(since.max()).bit_length()


def _equal_to_next(packed: npt.NDArray[np.uint64], low_bits: int) -> Numbers:
    """Where a sorted number and the one after it differ in nothing but their low bits."""
    found = []
    for start in range(0, len(packed) - 1, PIECE):
        part = packed[start : start + PIECE + 1] >> np.uint64(low_bits)
        found.append(np.flatnonzero(part[1:] == part[:-1]) + start)
    return np.concatenate(found) if found else np.empty(0, dtype=np.int64)


def _ordered_by_database(
    con: duckdb.DuckDBPyConnection, items: Items, numbers: Numbers, by: Sequence[str]
) -> Numbers:
    """The given row numbers in full order; they must cover whole runs of equal device and time."""
    few = pa.Table.from_batches([items.rows(numbers)])
    con.register("rows_to_order", few.append_column("row_number_", pa.array(numbers)))
    try:
        sql = f"SELECT row_number_ FROM rows_to_order ORDER BY {', '.join([RANK, *by[1:]])}"
        found: dict[str, Any] = con.execute(sql).fetchnumpy()
    finally:
        con.unregister("rows_to_order")
    return np.asarray(found["row_number_"], dtype=np.int64)
