"""One delivered file and one mapping become, per meter, a lazy query of items and one of rejects.

How the counts add up (I2). Every row of a file speaks of every meter of the mapping; in a long table, where a
column names the meter, of exactly one. For each stream

    rows + not_selected == rows of the file          and          items + rejects == rows

where ``not_selected`` are rows that the mapping's ``where`` leaves out, that name another meter, or whose empty cell
is declared to be no item (``missing: skip``). A row that cannot be decoded at all is a reject of every meter; in a
long table it, and a row that names an unknown meter, is a reject of the first. The complement is exact by
construction: the items are ``WHERE ok``, the rejects ``WHERE (ok) IS NOT TRUE`` of the same text.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import UsageError
from workbench.mediation.binding import Binding, NormalisedStream
from workbench.mediation.decode import decode
from workbench.mediation.formats.request import Request
from workbench.mediation.mapping import Mapping
from workbench.mediation.mapping_file import parse_mapping
from workbench.mediation.policy import AcceptWindow

if TYPE_CHECKING:
    import duckdb

__all__ = ["NormalisedStream", "normalise"]


def normalise(
    con: duckdb.DuckDBPyConnection,
    path: str | Path,
    mapping: Mapping,
    *,
    tenant: str = "main",
    received_at: datetime,
    params: MappingType[str, str] | None = None,
    accept: AcceptWindow | None = None,
    work: str | Path | None = None,
    delivery_id: str = "",
) -> list[NormalisedStream]:
    """Bind a mapping to a file: one lazy stream per meter.

    Parquet is read where it lies, and nothing of it is read yet but the footer; text formats are decoded and parsed
    here, once, into a file per meter below ``work`` (``NormalisedStream.files``).

    Args:
        con: where the queries will run; its lake must have been opened with ``path`` among its inputs.
        path: the delivered file.
        tenant: whose delivery it is, for messages.
        received_at: when the delivery came; the receipt of every row that names none.
        params: more values for the mapping's parameters.
        accept: how far event times may lie from their receipt (default: the policy's own default).
        work: folder for these files (default: the connection's spill folder); ``con`` must be able to write there.
        delivery_id: copied into the rejects.

    Raises:
        FileUnreadable: the file as a whole is no input; names the place and the cure.
        MappingError: the mapping does not fit the file: an unknown column, a type, a missing zone or format.
    """
    path = Path(path).expanduser().resolve()
    if params:
        mapping = parse_mapping(mapping.text, {**mapping.params, **params}, file=mapping.file)
    if received_at.tzinfo is None:
        raise UsageError("received_at has no zone.", cure="Pass an aware datetime, UTC.")
    request = Request(
        work=Path(work) if work is not None else _spill(con),
        received_at=received_at.astimezone(UTC),
        wanted=mapping.columns,
        numeric=numeric_columns(mapping),
        options=dict(mapping.options),
    )
    found = decode(con, path, request, mapping.format)
    window = accept or AcceptWindow()
    binding = Binding(con, mapping, found, str(path), request.received_at, window, delivery_id, request.work)
    try:
        return [binding.stream(meter) for meter in mapping.meters]
    finally:
        if found.file is not None:
            found.file.unlink(missing_ok=True)


def numeric_columns(mapping: Mapping) -> frozenset[str]:
    """The columns whose cells are numbers."""
    names = {meter.column for meter in mapping.meters if meter.column}
    for spec in (mapping.ends_at, mapping.starts_at, mapping.received_at):
        if spec and spec.format.startswith("unix"):
            names.update(spec.columns)
    return frozenset(names)


def _spill(con: duckdb.DuckDBPyConnection) -> Path:
    row = con.execute("SELECT current_setting('temp_directory')").fetchone()
    folder = Path(str(row[0]) if row and row[0] else ".tmp").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder
