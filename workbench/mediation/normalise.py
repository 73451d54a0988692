"""One delivered file and one mapping become, per meter, a lazy query of items and one of rejects."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field

from workbench.mediation.mapping import Mapping, Meter


@dataclass(frozen=True, slots=True)
class NormalisedStream:
    """One meter of one delivered file, not yet read: run ``items_sql`` and ``rejects_sql`` yourself.

    ``columns``: names and DuckDB types of the items, in the order of ``items_sql``.
    ``key_columns``: of the items, those of the natural key beside the device and ``ends_at``.
    ``rows``: how many rows of the file speak of this meter: accepted items + rejects == rows, always.
    ``not_selected``: rows the mapping's ``where``, the meter column or ``missing: skip`` leaves out.
    ``identity_kind``: when set, ``device_id`` holds an identity (``imsi`` …) for landing to resolve by date.
    """

    stream: str
    mapping: Mapping
    meter: Meter
    items_sql: str
    rejects_sql: str
    columns: MappingType[str, str]
    rows: int
    not_selected: int = 0
    key_columns: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    identity_kind: str | None = None
    notes: tuple[str, ...] = field(default=())
