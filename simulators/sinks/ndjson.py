"""NDJSON: one compact object per line, every column, times as ``2026-03-02T00:00:01.234Z``."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from simulators.messages import json_lines, plain


def write(table: pa.Table, path: Path) -> None:
    """Write a table line by line; tables of odd types (inventory, labels) go through the JSON library."""
    with path.open("wb") as file:
        for batch in table.to_batches():
            lines = json_lines(batch).to_pylist() if plain(batch.schema) else _slow(batch)
            file.writelines(line + b"\n" for line in lines)


def _slow(batch: pa.RecordBatch) -> list[bytes]:
    return [json.dumps(row, separators=(",", ":"), default=_time).encode() for row in batch.to_pylist()]


def _time(value: object) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%S}.{getattr(value, 'microsecond', 0) // 1000:03d}Z"
