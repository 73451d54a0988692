"""Party tables: who pays, what uses, who shares, under which offer. Checked and replaced as a whole.

    columns   every declared column is there and reads as its type (see ``party_columns``)
    rules     ids are unique, references exist, dated things do not overlap (see ``party_rules``)
    segments  one file per table, in a total order, so the same parties have the same bytes

A table arrives as Arrow, or as the path of a CSV or Parquet file. Nothing is written when anything is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from workbench.lake import devices
from workbench.lake.lake import Lake
from workbench.lake.party_columns import read_table, typed
from workbench.lake.party_rules import check_rules
from workbench.lake.segment import Segment
from workbench.lake.sql import name

if TYPE_CHECKING:
    import duckdb

TABLES = {
    "accounts": ("account_id",),
    "partners": ("partner_id",),
    "devices_info": ("device_id",),
    "subscriptions": ("subscription_id", "starts_at"),
    "identities": ("kind", "value", "starts_at"),
}
"""The party tables and the columns each is sorted by."""


def replace(lake: Lake, tables: Mapping[str, pa.Table | str | Path], run: dict[str, Any]) -> int:
    """Check ``tables``, write them, and commit them in one version; tables not named stay as they are.

    Returns: the new manifest version.

    Raises:
        PartyError: something is wrong; see ``stage``.
    """
    add, remove = stage(lake, tables)
    return lake.commit(run, add=add, remove=remove)


def stage(lake: Lake, tables: Mapping[str, pa.Table | str | Path]) -> tuple[list[Segment], list[Segment]]:
    """Check ``tables`` against each other and against the lake's other parties, and write their segments.

    Args:
        lake: inside ``lake.writer()``.
        tables: by name (see ``TABLES``): an Arrow table, or the path of a ``.csv`` or ``.parquet`` file.

    Devices get their place in the registry, too: who is charged has a name, also before its first event.

    Returns: segments to add and the ones they replace, for a ``lake.commit``.

    Raises:
        PartyError: a column is missing or unknown, a value does not read as its type, an id occurs twice, a
            subscription names an unknown account, or two dated rows overlap; the first offender is named.
        FileUnreadable: a file is missing or is not CSV or Parquet.
    """
    cursor = lake.con.cursor()
    relations: dict[str, str] = {}
    for kind, source in tables.items():
        table = read_table(kind, source)
        relations[kind] = typed(cursor, kind, table, str(source) if not isinstance(source, pa.Table) else "")
    others = {kind: lake.scan(kind) for kind in TABLES if kind not in relations}
    check_rules(cursor, relations, others)
    add = [
        lake.write(kind, f"SELECT * FROM {name(relation)}", order_by=TABLES[kind], con=cursor)
        for kind, relation in relations.items()
    ]
    names = _names(cursor, relations)
    _, registered = devices.register(lake, names, "parties") if names else (None, None)
    add += [registered] if registered else []
    remove = [segment for kind in relations for segment in lake.segments(kind)]
    for relation in relations.values():
        cursor.execute(f"DROP TABLE {name(relation)}")
    return add, remove


def _names(cursor: duckdb.DuckDBPyConnection, relations: Mapping[str, str]) -> list[str]:
    """The devices that the new tables name."""
    chosen = [relations[kind] for kind in ("devices_info", "subscriptions") if kind in relations]
    sql = " UNION ".join(
        f"SELECT device_id FROM {name(relation)} WHERE device_id IS NOT NULL" for relation in chosen
    )
    return [device_id for (device_id,) in cursor.execute(f"{sql} ORDER BY 1").fetchall()] if chosen else []
