"""The desk plans are compiled on: what does not depend on prices is worked out once for all plans that share it.

Candidates of a twin differ from each other in a number or two. Who is subscribed, which device is under which term and
whether two terms overlap is then the same for all of them, and with 200,000 devices it is most of the work of a plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from workbench.model.offer import Catalogue
from workbench.model.plan import Period
from workbench.tariff import assign
from workbench.tariff.sql import run
from workbench.tariff.tables import part_table
from workbench.tariff.variants import Variant, last_phase

if TYPE_CHECKING:
    import duckdb

_SHARED = ("terms", "assignments")


_COLUMNS = {
    **dict.fromkeys(("terms", "line_keys", "lines", "grants", "members", "credits", "turns"), "*"),
    "assignments": "device_key, sub_no, account_no, offer_no, group_no, from_at, until_at, trial, sim_state, phase, "
    "first_at, ends, lasts",
    "accounts": "*",
    "formerly": "device_key",
}
"""Tables of a plan's party side, and their columns."""


class Desk:
    """Working tables on one connection. Several plans may be compiled on it, one after the other.

    Args:
        con: the connection to work on; its temporary tables called ``plan_...`` belong to the desk until ``close``.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        self._parties: object = None
        self._terms: object = None
        self._kept: dict[str, pa.Table] = {}
        self._digests: dict[str, bytes] = {}

    def close(self) -> None:
        """Drop the working tables."""
        assign.drop(self.con)
        self.forget()

    def forget(self) -> None:
        """Work everything out anew for the next plan."""
        self._parties = self._terms = None
        self._kept, self._digests = {}, {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def load(self, relations: Mapping[str, str], period: Period, tenant: str) -> None:
        """Parties in force in the period, unless they lie here already. Relations are told apart by their text."""
        wanted = (tuple(sorted(relations.items())), period, tenant)
        if wanted == self._parties:
            return
        self._parties = self._terms = None
        assign.load(self.con, relations, period, tenant)
        self._parties = wanted

    def assign(self, found: Sequence[Variant], catalogue: Catalogue, period: Period, billing: Period) -> None:
        """Terms and assignments of the variants, unless those that lie here came from the same."""
        offers = [variant.offer for variant in found]
        self.con.register("plan_in_parts", part_table(offers, billing))
        run(self.con, "CREATE OR REPLACE TEMP TABLE plan_parts AS SELECT * FROM plan_in_parts")
        self.con.unregister("plan_in_parts")
        sold = [
            (number, meter, o.side)
            for number, o in enumerate(offers)
            for c in o.components
            for meter in c.meters
        ]
        wanted = (assign.variant_rows(found), last_phase(catalogue.offers), sold)
        if wanted == self._terms:
            return
        self._terms, self._kept, self._digests = None, {}, {}
        assign.terms(self.con, found, catalogue, period)
        assign.assignments(self.con)
        self._terms = wanted

    def tables(self) -> dict[str, pa.Table]:
        """The party side of a plan as Arrow tables."""
        if not self._kept:
            self._kept = _collected(self.con, _SHARED)
        rest = [name for name in _COLUMNS if name not in _SHARED]
        return self._kept | _collected(self.con, rest)

    def digest(self, name: str, table: pa.Table) -> bytes:
        """SHA-256 of a table's values."""
        if self._kept.get(name) is not table:
            return content_hash(table)
        if name not in self._digests:
            self._digests[name] = content_hash(table)
        return self._digests[name]


def _collected(con: duckdb.DuckDBPyConnection, names: Iterable[str]) -> dict[str, pa.Table]:
    """Tables of the party side (out of ``_COLUMNS``) as Arrow."""
    return {
        name: con.sql(f"SELECT {_COLUMNS[name]} FROM plan_{name} ORDER BY ALL")
        .to_arrow_table()
        .combine_chunks()
        for name in names
    }


def content_hash(table: pa.Table) -> bytes:
    """SHA-256 of a table's values, whatever its chunks and whatever lies in memory beneath its nulls."""
    columns: dict[str, pa.ChunkedArray] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count:
            columns[f"{name} is null"] = column.is_null().cast(pa.int8())
            column = column.fill_null(pa.scalar(_BLANK.get(column.type, 0)).cast(column.type))
        columns[name] = column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column
    plain = pa.table(columns).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, plain.schema) as writer:
        writer.write_table(plain)
    return hashlib.sha256(sink.getvalue()).digest()


_BLANK: dict[pa.DataType, object] = {pa.string(): "", pa.bool_(): False}
