"""Traffic of another lake beside the lake's own: a fleet that was simulated, tried together with production's.

    a fleet that is not there yet    workbench city --lamps 500 --start 2026-03-02 --lake pilot
    both, under any price            workbench twin run LAKE SCENARIO --beside pilot

What comes along lands on the simulation's branch, never in production. Its devices, subscriptions and groups get the other
folder's name behind their own (``lamp-000001~pilot``), so they cannot be taken for production's; an account that both lakes
know is one customer, with more devices. Prices are production's: an offer that only the other lake sells has none here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.billing import records_within
from workbench.errors import ScenarioError
from workbench.lake.engine import arrow, arrow_batches
from workbench.lake.lake import Lake
from workbench.lake.parties import TABLES
from workbench.lake.segment import Segment
from workbench.model.ids import device_key
from workbench.model.plan import Period
from workbench.twin.traffic import KEPT

_RENAMED = {
    "devices_info": ("device_id", "group_id"),
    "subscriptions": ("subscription_id", "device_id", "group_id"),
}
_ALIKE = ("grid_seconds", "grain", "fold", "dimensions")


def bring(branch: Lake, folder: str | Path, period: Period, tenant: str = "main") -> int:
    """Put the parties and a period's records of another lake on a branch, in one commit.

    Args:
        branch: inside ``branch.writer()``.
        folder: the other lake; it is only read.

    Returns: records that came along.

    Raises:
        ScenarioError: ``traffic_beside``: it has no use in the period, or keeps a stream otherwise than this lake does.
        LakeError: it is no lake.
    """
    place = Path(folder)
    suffix = "~" + (re.sub(r"[^A-Za-z0-9.-]+", "-", place.resolve().name) or "beside")
    with Lake.open(place, tenant) as other:
        records = records_within(other, period)
        count = sum(segment.rows for segment in records)
        if not count:
            raise ScenarioError(
                f"The lake beside has no use between {period.start:%Y-%m-%d} and {period.end:%Y-%m-%d}.",
                where=str(folder), cure="Simulate its fleet for the same days (--start).", code="traffic_beside",
            )  # fmt: skip
        facts = _streams(branch, other, sorted({segment.stream for segment in records}), str(folder))
        known = _devices(other, suffix)
        add, remove = _parties(branch, other, suffix, known)
        laid, replaced = _records(branch, other, records, known)
        run = {"stage": "twin", "step": "beside"}
        branch.commit(run, add=[*add, *laid], remove=[*remove, *replaced], facts={"stream": facts})
    return count


def _streams(branch: Lake, other: Lake, names: Sequence[str], where: str) -> dict[str, dict[str, Any] | None]:
    """What the branch does not know of the other's streams; a stream of both must be kept alike."""
    mine, theirs = branch.facts("stream"), other.facts("stream")
    for name in names:
        if name in mine and any(mine[name].get(key) != theirs[name].get(key) for key in _ALIKE):
            raise ScenarioError(
                f"Both lakes have the stream {name!r}, and aggregate it in different ways.",
                where=where, cure="Mediate both by one policy.", code="traffic_beside",
            )  # fmt: skip
    return {name: theirs[name] for name in names if name not in mine}


def _devices(other: Lake, suffix: str) -> pa.Table:
    """Old key, new id and new key of each device of the other lake."""
    found = arrow(other.con, f"SELECT device_key, device_id FROM {other.scan('devices')} ORDER BY device_id")
    names = [f"{name}{suffix}" for name in found["device_id"].to_pylist()]
    keys = [device_key(other.tenant, name) for name in names]
    return pa.table(
        {"like_key": found["device_key"], "device_id": names, "device_key": pa.array(keys, pa.int64())}
    )


def _parties(branch: Lake, other: Lake, suffix: str, known: pa.Table) -> tuple[list[Segment], list[Segment]]:
    """Party tables of both; what production says of an account or a partner stands."""
    add: list[Segment] = []
    remove: list[Segment] = []
    for kind in ("accounts", "partners", "devices_info", "subscriptions"):
        if not other.segments(kind):
            continue
        columns = [
            f"CASE WHEN coalesce({name}, '') = '' THEN {name} ELSE {name} || '{suffix}' END AS {name}"
            for name in _RENAMED.get(kind, ())
        ]
        some = f" REPLACE ({', '.join(columns)})" if columns else ""
        theirs = arrow(other.con, f"SELECT *{some} FROM {other.scan(kind)}")
        key = TABLES[kind][0]
        query = f"SELECT * FROM beside_rows b WHERE NOT EXISTS (FROM {branch.scan(kind)} m WHERE m.{key} = b.{key})"
        segment, old = _union(branch, kind, theirs, query, TABLES[kind])
        add.append(segment)
        remove += old
    registry = known.select(["device_key", "device_id"]).append_column(
        "source", pa.array(["beside"] * known.num_rows)
    )
    segment, old = _union(branch, "devices", registry, "SELECT * FROM beside_rows", ("device_id",))
    return [*add, segment], [*remove, *old]


def _union(
    branch: Lake, kind: str, theirs: pa.Table, query: str, order: Sequence[str]
) -> tuple[Segment, list[Segment]]:
    old = branch.segments(kind)
    branch.con.register("beside_rows", theirs)
    try:
        both = f"SELECT * FROM {branch.scan(kind)} UNION ALL BY NAME {query}" if old else query
        return branch.write(kind, both, order_by=order), old
    finally:
        branch.con.unregister("beside_rows")


def _records(
    branch: Lake, other: Lake, records: Sequence[Segment], known: pa.Table
) -> tuple[list[Segment], list[Segment]]:
    """One segment per stream and partition again, where both have one."""
    add: list[Segment] = []
    remove: list[Segment] = []
    other.con.register("beside_keys", known)
    try:
        for segment in records:
            scan = other.scan("records", segments=[segment])
            extra = [
                f'"{n}"' for n in other.con.sql(f"SELECT * FROM {scan} LIMIT 0").columns if n not in KEPT
            ]
            rows = (
                f"SELECT r.* REPLACE (k.device_key AS device_key) FROM {scan} r "
                "JOIN beside_keys k ON k.like_key = r.device_key"
            )
            mine = branch.segments("records", stream=segment.stream, partition=segment.partition)
            # An hour of the other lake at a time: the two lakes cannot read each other's files.
            theirs = arrow_batches(other.con, rows).read_all()
            query = "SELECT * FROM beside_rows"
            branch.con.register("beside_rows", theirs)
            try:
                both = (
                    f"{query} UNION ALL BY NAME SELECT * FROM {branch.scan('records', segments=mine)}"
                    if mine
                    else query
                )
                add.append(
                    branch.write(
                        "records", both, stream=segment.stream, partition=segment.partition,
                        order_by=("device_key", "window_start", *extra),
                        meta={"grid_seconds": segment.meta["grid_seconds"]},
                    )
                )  # fmt: skip
            finally:
                branch.con.unregister("beside_rows")
            remove += mine
    finally:
        other.con.unregister("beside_keys")
    return add, remove
