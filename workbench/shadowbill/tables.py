"""Usage and bills as a user holds them: a path, a pandas DataFrame or an Arrow table, all become a file to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import UsageError


def as_file(data: Any, folder: Path, name: str) -> Path:
    """A path as it is; a table written to ``folder/<name>.parquet``.

    Raises:
        UsageError: ``data`` is neither a path nor a table, or the table has a column that no file can hold.
    """
    if isinstance(data, str | Path):
        return Path(data).expanduser().resolve()
    try:
        table = data if isinstance(data, pa.Table) else pa.Table.from_pandas(data, preserve_index=False)
    except (pa.ArrowException, AttributeError, TypeError) as problem:
        said = str(problem).split("\n")[0]
        cure = "Pass a path, a pandas DataFrame or an Arrow table of plain columns."
        raise UsageError(f"This is no table of usage: {said}", where=name, cure=cure) from None
    path = folder / f"{name}.parquet"
    pq.write_table(table, path, compression="zstd")
    return path
