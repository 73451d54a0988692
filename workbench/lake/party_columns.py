"""Party tables as columns: read them, refuse what does not read as the declared type, name the row."""

from __future__ import annotations

import itertools
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from workbench.errors import FileUnreadable, PartyError
from workbench.lake.engine import one
from workbench.lake.schemas import KINDS
from workbench.lake.sql import name

_COUNTER = itertools.count(1)

DEFAULTS = {
    "accounts": {
        "name": "''",
        "currency": "'EUR'",
        "zone": "'UTC'",
        "billing_anchor_day": "1",
        "tax_region": "''",
        "credit_limit_nano": "0",
        "owner": "''",
    },
    "partners": {"name": "''"},
    "devices_info": {
        "kind": "''",
        "site": "''",
        "lat": "NULL",
        "lon": "NULL",
        "group_id": "NULL",
        "attributes": "'{}'",
    },
    "subscriptions": {
        "device_id": "NULL",
        "group_id": "NULL",
        "ends_at": "NULL",
        "sim_state": "'active'",
        "overrides": "'{}'",
    },
    "identities": {"ends_at": "NULL"},
}
"""What a column holds when it is absent or empty; a column not listed must be there and filled."""

_WHOLE = ("BIGINT", "INTEGER", "DECIMAL(38,0)")


def read_table(kind: str, source: pa.Table | str | Path) -> pa.Table:
    """A party table as Arrow; CSV cells stay text, so that nothing is guessed.

    Raises:
        PartyError: there is no party table of that name.
        FileUnreadable: the file is missing, or is neither CSV nor Parquet.
    """
    if kind not in DEFAULTS:
        raise PartyError(
            f"There is no party table {kind!r}.",
            cure=f"Use one of {', '.join(DEFAULTS)}.",
            code="party_table",
        )
    if isinstance(source, pa.Table):
        return source
    path = Path(source)
    try:
        if path.suffix.lower() == ".parquet":
            return pa.parquet.read_table(path)
        with path.open("rb") as file:
            columns = file.readline().decode("utf-8-sig").strip().split(",")
        types = {column.strip().strip('"'): pa.string() for column in columns}
        options = pa.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
        return pa.csv.read_csv(path, convert_options=options)
    except (OSError, pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise FileUnreadable(
            f"The {kind} cannot be read: {str(error).splitlines()[0]}.",
            where=str(path),
            cure="Give a UTF-8 CSV file with a header, or a Parquet file.",
        ) from error


def typed(con: duckdb.DuckDBPyConnection, kind: str, table: pa.Table, where: str) -> str:
    """Cast ``table`` into a temporary table with the kind's columns.

    Returns: the temporary table's name; its rows keep their order, ``rowid`` counts from 0.

    Raises:
        PartyError: a column is missing, unknown or of an inexact type, or a value cannot be read.
    """
    declared = {column: type_ for column, type_ in KINDS[kind].items() if column != "..."}
    _check_columns(kind, table, declared, where)
    source, target = f"party_{next(_COUNTER)}", f"party_{next(_COUNTER)}"
    con.register(source, table)
    present = {column: str(table.schema.field(column).type) for column in table.column_names}
    casts = {
        column: _cast(column, type_, present.get(column), DEFAULTS[kind].get(column))
        for column, type_ in declared.items()
    }
    wrong = {
        column: f"({casts[column]}) IS NULL AND "
        + (f"{_said(column)} IS NOT NULL" if column in DEFAULTS[kind] else "true")
        for column in declared
        if column in present
    }
    try:
        counts = ", ".join(f"count(*) FILTER ({sql})" for sql in wrong.values())
        found = one(con, f"SELECT {counts} FROM {name(source)}") or ()
        for (column, sql), count in zip(wrong.items(), found, strict=True):
            if count:
                raise _unreadable(con, kind, source, column, declared[column], sql, where)
        body = ", ".join(f"{sql}::{declared[column]} AS {name(column)}" for column, sql in casts.items())
        con.execute(f"CREATE TEMP TABLE {name(target)} AS SELECT {body} FROM {name(source)}")
    finally:
        con.unregister(source)
    return target


def _check_columns(kind: str, table: pa.Table, declared: dict[str, str], where: str) -> None:
    for column in table.column_names:
        if column not in declared:
            raise PartyError(
                f"The {kind} have no column {column!r}.",
                where=where,
                cure=f"Their columns are {', '.join(declared)}.",
                code="party_column",
            )
    for column, type_ in declared.items():
        if column not in table.column_names and column not in DEFAULTS[kind]:
            raise PartyError(
                f"The {kind} need a column {column!r}.", where=where, cure="Add it.", code="party_column"
            )
        if column in table.column_names and type_ in _WHOLE:
            arrow = table.schema.field(column).type
            if pa.types.is_floating(arrow):
                raise PartyError(
                    f"Column {column} of the {kind} holds floating-point numbers.",
                    where=where,
                    cure="Give whole numbers, or decimal text.",
                    code="float_in_money",
                )


def _cast(column: str, type_: str, arrow: str | None, default: str | None) -> str:
    """SQL that reads a column as its type; NULL where it cannot, the default where there is nothing."""
    if arrow is None:
        return str(default)
    text = arrow in ("string", "large_string", "string_view")
    raw = f"nullif(trim({name(column)}), '')" if text else name(column)
    if type_ == "TIMESTAMP" and text:
        # Only text that says its zone is an instant; TRY_CAST alone would read a bare time as UTC.
        zoned = rf"regexp_matches({raw}, '^\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d.*(Z|z|[+-]\d\d(:?\d\d)?)$')"
        read = f"CASE WHEN {zoned} THEN TRY_CAST({raw} AS TIMESTAMPTZ)::TIMESTAMP END"
    elif text and type_ in _WHOLE:
        # DuckDB would round '1.5' into an integer column.
        read = rf"CASE WHEN regexp_matches({raw}, '^[+-]?\d+$') THEN TRY_CAST({raw} AS {type_}) END"
    else:
        read = f"TRY_CAST({raw} AS {type_})"
    return f"CASE WHEN {raw} IS NULL THEN {default or 'NULL'} ELSE {read} END"


def _said(column: str) -> str:
    """A cell as text, NULL when there is nothing in it."""
    return f"nullif(trim({name(column)}::VARCHAR), '')"


def _unreadable(
    con: duckdb.DuckDBPyConnection, kind: str, source: str, column: str, type_: str, wrong: str, where: str
) -> PartyError:
    """The error that names the first row of ``source`` whose value is ``wrong``."""
    numbered = f"(SELECT row_number() OVER () AS n, * FROM {name(source)})"
    row = one(con, f"SELECT n, {_said(column)} FROM {numbered} WHERE {wrong} ORDER BY n LIMIT 1")
    number, text = row or (0, None)
    said = "is empty" if text is None else f"says {text[:40]!r}, which cannot be read as {type_}"
    cures = {
        "TIMESTAMP": "Write instants with their zone: 2026-01-01T00:00:00Z or 2026-01-01T01:00:00+01:00.",
        "VARCHAR": "Fill it in.",
        "DOUBLE": "Write a plain number.",
    }
    return PartyError(
        f"Column {column} of the {kind} {said}.",
        where=f"{where or kind}, row {number}",
        cure=cures.get(type_, "Write a whole number."),
        code="party_time" if type_ == "TIMESTAMP" and text else "party_value",
    )
