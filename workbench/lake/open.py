"""The reading door for notebooks: ``open_lake(path)`` shows one version of one tenant's lake, and cannot change it.

It reads sealed segments through an in-memory DuckDB of its own, so it works while another process writes; it shows
the version it was opened at until ``refresh()``. Results are DataFrames that keep exactness: money and totals are
``Decimal``, quantities and keys integers (also where some are missing), never floats.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import duckdb
import pandas as pd
import pyarrow as pa

from workbench.errors import UsageError
from workbench.lake import schemas
from workbench.lake.frames import to_frame
from workbench.lake.lake import Lake
from workbench.lake.open_html import lake_html
from workbench.lake.open_views import View, views
from workbench.lake.sql import name, quote

_ROWS_MAX = 2_000_000
_BATCH = 100_000
_WORD = re.compile(r"\w+")


def open_lake(
    path: str | Path, tenant: str = "main", *, branch: str = "", version: int | None = None
) -> OpenLake:
    """Open a lake for reading.

    Args:
        path: the lake's folder.
        tenant: whose facts.
        branch: look through this what-if branch.
        version: look at the lake as it was at this version.

    Raises:
        LakeMissing: nothing is there.
        ManifestDamaged: the manifest chain is broken.
    """
    return OpenLake(Lake.open(path, tenant, branch=branch, version=version))


class OpenLake:
    """One version of one tenant's lake, to look at. ``sql`` and ``table`` know the names in ``tables``."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._views: dict[str, View] = views(lake)
        self._made: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._lake.close()

    @property
    def inner(self) -> Lake:
        """The lake behind this door, for functions that want one; it is not inside ``writer()``, so nothing writes."""
        return self._lake

    @property
    def tenant(self) -> str:
        """Whose lake it is."""
        return self._lake.tenant

    @property
    def version(self) -> int:
        """The manifest version being looked at."""
        return self._lake.state.version

    @property
    def tables(self) -> list[str]:
        """Kinds of segments by name, and ``records_<stream>`` and ``landed_<stream>`` with a stream's own columns."""
        return list(self._views)

    @property
    def streams(self) -> list[str]:
        """Streams that have landed rows or records."""
        kinds = ("landed", "records")
        return sorted({segment.stream for kind in kinds for segment in self._lake.segments(kind)})

    @property
    def periods(self) -> list[str]:
        """Billing periods that have been rated."""
        return sorted({segment.period for segment in self._lake.segments("lines")})

    def refresh(self) -> Self:
        """Look at the newest version."""
        self._lake.refresh()
        self._views = views(self._lake)
        return self

    def sql(self, query: str, params: Any = None, *, limit: int | None = _ROWS_MAX) -> pd.DataFrame:
        """The result of one SELECT over ``tables``.

        Args:
            query: SQL; ``?`` and ``$name`` stand for ``params``.
            params: values for the placeholders; never paste values into the text.
            limit: refuse a larger result instead of filling the memory; None for no bound.

        Raises:
            UsageError: not exactly one SELECT, wrong SQL, or more rows than ``limit``.
            SegmentDamaged: a file it reads is not what the manifest vouches for.
        """
        return to_frame(self.arrow(query, params, limit=limit))

    def table(self, table: str, *, limit: int | None = _ROWS_MAX) -> pd.DataFrame:
        """One of ``tables``, whole.

        Raises:
            UsageError: there is no such table, or it has more rows than ``limit``.
        """
        if table not in self._views:
            raise UsageError(
                f"This lake has no table {table!r}.", cure=f"Its tables are {', '.join(self._views)}."
            )
        return self.sql(f"SELECT * FROM {name(table)}", limit=limit)

    def records(self, stream: str | None = None, *, limit: int | None = _ROWS_MAX) -> pd.DataFrame:
        """Usage records with their devices' ids; with a stream, all its columns (dimensions too)."""
        source = "records" if stream is None else name(self._of_stream("records", stream))
        return self.sql(
            f"SELECT devices.device_id, r.* FROM {source} r LEFT JOIN devices USING (device_key)", limit=limit
        )

    def charges(self, period: str | None = None, *, limit: int | None = _ROWS_MAX) -> pd.DataFrame:
        """Charges with the line they belong to; the exact amount in nano-currency is amount / price_denominator."""
        lines = ", ".join(
            f"l.{column}"
            for column in schemas.KINDS["lines"]
            if column not in ("...", "line_no", "period_start", "period_end")
        )
        where = "" if period is None else f" WHERE c.period = {quote(period)}"
        return self.sql(
            f"SELECT c.period, c.line_no, devices.device_id, c.window_start, c.units, c.amount, c.step, {lines} "
            f"FROM charges c JOIN lines l USING (period, line_no) LEFT JOIN devices USING (device_key){where}",
            limit=limit,
        )

    def events(
        self, stream: str, start: datetime, end: datetime, *, limit: int | None = _ROWS_MAX
    ) -> pd.DataFrame:
        """What was delivered of a stream with ``start <= ends_at < end``, copies included, with device ids.

        Args:
            start, end: instants; without a zone they are UTC.
        """
        table = name(self._of_stream("landed", stream))
        return self.sql(
            f"SELECT devices.device_id, e.* FROM {table} e LEFT JOIN devices USING (device_key) "
            "WHERE e.ends_at >= ?::TIMESTAMPTZ::TIMESTAMP AND e.ends_at < ?::TIMESTAMPTZ::TIMESTAMP",
            [start, end],
            limit=limit,
        )

    def arrow(self, query: str, params: Any = None, *, limit: int | None = _ROWS_MAX) -> pa.Table:
        """Like ``sql``, as an Arrow table."""
        con = self._lake.con.cursor()
        try:
            self._prepare(con, query)
            reader = con.sql(query, params=params).to_arrow_reader(_BATCH)
            batches, rows = [], 0
            for batch in reader:
                batches.append(batch)
                rows += batch.num_rows
                if limit is not None and rows > limit:
                    raise _too_many(query, limit)
            return pa.Table.from_batches(batches, reader.schema)
        except duckdb.Error as error:
            first = str(error).splitlines()[0]
            raise UsageError(
                f"The query cannot be answered: {first}",
                where=" ".join(query.split())[:80],
                cure=f"Its tables are {', '.join(self._views)}." if "does not exist" in first else "",
            ) from error
        finally:
            con.close()

    def _repr_html_(self) -> str:
        return lake_html(self._lake)

    def __repr__(self) -> str:
        return f"OpenLake({str(self._lake.root)!r}, version {self.version}, streams {self.streams})"

    def _of_stream(self, kind: str, stream: str) -> str:
        for segment in self._lake.segments(kind, stream=stream):
            return f"{kind}_{segment.stream}".replace(".", "_").replace("-", "_")
        raise UsageError(
            f"This lake has no {kind} rows of stream {stream!r}.",
            cure=f"Its streams are {', '.join(self.streams) or 'none yet'}.",
        )

    def _prepare(self, con: duckdb.DuckDBPyConnection, query: str) -> None:
        """Refuse what is not one SELECT, and make the views of every table its text mentions.

        A cursor could write below the lake's folder (COPY), so nothing but a SELECT may pass.
        """
        statements = con.extract_statements(query)
        if len(statements) != 1 or statements[0].type.name != "SELECT":
            raise UsageError(
                "A lake opened for reading answers one SELECT at a time.", where=" ".join(query.split())[:80]
            )
        words = set(_WORD.findall(query.lower()))
        for table in self._views:
            if table.lower() in words:
                sql = self._views[table]()
                if self._made.get(table) != sql:
                    con.execute(f"CREATE OR REPLACE VIEW {name(table)} AS {sql}")
                    self._made[table] = sql


def _too_many(query: str, limit: int) -> UsageError:
    return UsageError(
        f"The result has more than {limit:,} rows.",
        where=" ".join(query.split())[:80],
        cure="Aggregate in SQL, select less, or pass limit=None when it fits the memory.",
    )
