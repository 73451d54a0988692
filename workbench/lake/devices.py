"""The registry that turns device keys back into names, and refuses two devices that share a key.

A key is a hash of tenant and device id (``model/ids.py``), so any machine finds it alone; the registry exists
for people, who read ids, and to notice the one collision that would merge two devices' bills. It is
append-only: ``register`` writes only the devices it has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from workbench.errors import LakeError
from workbench.lake.engine import arrow
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.lake.sql import read_parquet
from workbench.model.ids import device_key


def register(
    lake: Lake,
    ids: Sequence[str] | pa.Array | pa.ChunkedArray,
    source: str,
    *,
    pending: Sequence[Segment] = (),
) -> tuple[pa.Table, Segment | None]:
    """Find the key of every device named, and write the new ones down.

    Args:
        ids: device ids, in any order, repeated or not.
        source: who named them first; kept for the record.
        pending: registry segments of this run that are not committed yet.

    Returns: a table (device_key BIGINT, device_id VARCHAR) of the distinct ids, sorted by id, to join with;
        and the segment to commit, or None when all were known.

    Raises:
        LakeError: ``device_id_missing`` for a null or empty id, ``device_key_collision`` for two ids with
            one key.
        LakeReadOnly: outside ``lake.writer()`` when there is something to write.
    """
    asked = _distinct(ids, source)
    known = registry(lake, pending)
    mask = pc.is_in(asked, value_set=known["device_id"].combine_chunks())
    fresh = asked.filter(pc.invert(mask)).to_pylist()
    keys = [device_key(lake.tenant, device_id) for device_id in fresh]
    _refuse_collisions(lake, known, fresh, keys)
    new = pa.table({"device_key": pa.array(keys, pa.int64()), "device_id": pa.array(fresh, pa.string())})
    old = known.filter(pc.is_in(known["device_id"], value_set=asked))
    table = pa.concat_tables([old.select(["device_key", "device_id"]), new]).sort_by("device_id")
    if not fresh:
        return table, None
    rows = new.append_column("source", pa.array([source] * len(fresh), pa.string()))
    return table, lake.write("devices", rows, order_by=("device_id",))


def registry(lake: Lake, pending: Sequence[Segment] = ()) -> pa.Table:
    """Every registered device: device_key BIGINT, device_id VARCHAR, source VARCHAR."""
    segments = [*lake.segments("devices"), *pending]
    if not segments:
        return pa.schema(
            [("device_key", pa.int64()), ("device_id", pa.string()), ("source", pa.string())]
        ).empty_table()
    sql = f"SELECT device_key, device_id, source FROM {read_parquet(lake.paths(segments))}"
    return arrow(lake.con.cursor(), sql)


def _distinct(ids: Sequence[str] | pa.Array | pa.ChunkedArray, source: str) -> pa.Array:
    array = ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(ids, pa.string())
    distinct = pc.unique(array.cast(pa.string()))
    if distinct.null_count or pc.any(pc.equal(distinct, "")).as_py():
        raise LakeError(
            "A device without a name cannot be registered.",
            where=source,
            cure="Rows without a device id belong among the rejects.",
            code="device_id_missing",
        )
    return distinct


def _refuse_collisions(lake: Lake, known: pa.Table, ids: list[str], keys: list[int]) -> None:
    """Two names under one key would be billed as one device."""
    seen: dict[int, str] = {}
    clash = known.filter(pc.is_in(known["device_key"], value_set=pa.array(keys, pa.int64())))
    seen.update(zip(clash["device_key"].to_pylist(), clash["device_id"].to_pylist(), strict=True))
    for key, device_id in zip(keys, ids, strict=True):
        other = seen.setdefault(key, device_id)
        if other != device_id:
            raise LakeError(
                f"Devices {other!r} and {device_id!r} have the same key {key}.",
                where=str(lake.root),
                cure="Rename one of them in its mapping (a prefix is enough); nothing was written.",
                code="device_key_collision",
            )
