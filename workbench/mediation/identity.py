"""Identities to devices: an IMSI or ICCID means the device it was dated to at the event's own time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.lake.lake import Lake
from workbench.mediation.normalise import NormalisedStream

if TYPE_CHECKING:
    import duckdb


def resolved(lake: Lake, con: duckdb.DuckDBPyConnection, part: NormalisedStream) -> NormalisedStream:
    """The stream with devices in place of identities; items whose identity nobody had then become rejects.

    A SIM that moved from one device to another bills each device for its own time, whatever order things were told in.
    """
    if part.identity_kind is None:
        return part
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE identities_of AS SELECT value, device_id, starts_at, ends_at FROM {lake.scan('identities')} "
        "WHERE kind = $kind",
        {"kind": part.identity_kind},
    )
    match = (
        "ON items.device_id = known.value AND items.ends_at >= known.starts_at "
        "AND (known.ends_at IS NULL OR items.ends_at < known.ends_at)"
    )
    items = f"SELECT items.* REPLACE (known.device_id AS device_id) FROM ({part.items_sql}) items JOIN identities_of known {match}"
    unknown = (
        "SELECT '' AS delivery_id, 0::BIGINT AS item_no, '' AS stream, 'identity_unknown' AS reason, "
        f"'no device had {part.identity_kind} ' || items.device_id || ' at that time' AS detail, "
        "sha256(items.device_id || items.ends_at::VARCHAR) AS raw_sha256, items.device_id AS raw, items.received_at "
        f"FROM ({part.items_sql}) items ANTI JOIN identities_of known {match}"
    )
    unknown = unknown.replace("'' AS stream", f"'{part.stream}' AS stream")
    return replace(part, items_sql=items, rejects_sql=f"({part.rejects_sql}) UNION ALL BY NAME ({unknown})")
