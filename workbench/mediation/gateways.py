"""Events for a time whose records gateways made: refused, since they would take the place of what the gateways counted."""

from __future__ import annotations

from dataclasses import replace

from workbench.lake.lake import Lake
from workbench.mediation.normalise import NormalisedStream
from workbench.mediation.packs import EDGE
from workbench.mediation.stream import Stream


def apart(lake: Lake, part: NormalisedStream, stream: Stream) -> NormalisedStream:
    """The stream without items of partitions that gateways feed; those become rejects (``at_gateways``).

    The counterpart of ``pack_mixed``: a partition of a stream is fed by gateways or by devices, never by both.
    """
    records = lake.segments("records", stream=part.stream)
    places = sorted({segment.partition for segment in records if EDGE in segment.meta})
    if not places:
        return part
    listed = ", ".join(f"'{each}'" for each in places)
    fed = f"{stream.partition_sql(stream.window_sql('items.ends_at'))} IN ({listed})"
    said = f"concat_ws(' ', items.device_id, items.ends_at, items.{stream.quantity})"
    refused = (
        f"SELECT '' AS delivery_id, 0::BIGINT AS item_no, '{part.stream}' AS stream, 'at_gateways' AS reason, "
        f"'gateways report {part.stream} of that time' AS detail, sha256({said}) AS raw_sha256, {said} AS raw, "
        f"items.received_at FROM ({part.items_sql}) items WHERE {fed}"
    )
    items = f"SELECT * FROM ({part.items_sql}) items WHERE NOT {fed}"
    return replace(part, items_sql=items, rejects_sql=f"({part.rejects_sql}) UNION ALL BY NAME ({refused})")
