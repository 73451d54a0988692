"""Arrow to pandas without losing a digit."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

_NULLABLE = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


def to_frame(table: pa.Table) -> pd.DataFrame:
    """A DataFrame in which DECIMAL is ``Decimal`` and an integer column with gaps is still one of integers.

    pandas' own way turns both into floats, which cannot hold a device key or a sum of money.
    """
    columns = {}
    for index, field in enumerate(table.schema):
        column = table.column(index)
        mapper = _NULLABLE.get if column.null_count else None
        columns[field.name] = column.to_pandas(types_mapper=mapper)
    return pd.DataFrame(columns)
