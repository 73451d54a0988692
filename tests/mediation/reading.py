"""What the tests of mapping, decoding and normalising share: one call from bytes and YAML to items and rejects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from workbench.mediation.mapping_file import parse_mapping
from workbench.mediation.normalise import NormalisedStream, normalise
from workbench.mediation.policy import AcceptWindow

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "datasets"

ENERGY = """
source: grid
time: {ends_at: ts, zone: UTC}
device: id
key: {columns: [device, ends_at]}
meters:
  energy: {column: kwh, column_unit: kWh, unit: mWh}
"""


@dataclass(frozen=True)
class Read:
    """One stream, read: items and rejects as dictionaries."""

    stream: NormalisedStream
    items: list[dict[str, Any]]
    rejects: list[dict[str, Any]]

    @property
    def reasons(self) -> list[str]:
        return [reject["reason"] for reject in self.rejects]


@cache
def connection() -> duckdb.DuckDBPyConnection:
    """One connection for all tests of a process: making one costs more than most of them."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET threads = 1")
    return con


def read(
    path: Path,
    mapping: str = ENERGY,
    params: dict[str, str] | None = None,
    received_at: datetime = NOW,
    accept: AcceptWindow | None = None,
) -> list[Read]:
    """Every stream of a file; checks the law of the counts on the way."""
    con = connection()
    found = []
    parsed = parse_mapping(mapping, params)
    for stream in normalise(
        con, path, parsed, received_at=received_at, accept=accept, work=path.parent, delivery_id="d1"
    ):
        items, rejects = rows(con, stream.items_sql), rows(con, stream.rejects_sql)
        assert len(items) + len(rejects) == stream.rows
        described = con.execute(f"DESCRIBE {stream.items_sql}").fetchall()
        assert {name: type_ for name, type_, *_ in described} == dict(stream.columns)
        found.append(Read(stream, items, rejects))
    return found


def read_bytes(folder: Path, name: str, content: bytes, mapping: str = ENERGY, **more: Any) -> Read:
    """The first stream of a file with this content."""
    path = folder / name
    path.write_bytes(content)
    return read(path, mapping, **more)[0]


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    found = con.execute(sql)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def at(*parts: int) -> datetime:
    """An instant as DuckDB gives a TIMESTAMP back: UTC, without saying so."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[misc,arg-type]
