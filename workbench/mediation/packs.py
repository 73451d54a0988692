"""Records that a gateway made, as they travel and as they enter the centre's lake.

A pack is one JSON object of columns; integers as they are, instants as microseconds since 1970, fingerprints as hex. It says
how its stream is kept, so that the centre takes nothing that another policy made. What arrives becomes a segment of
records, the same bytes as if the centre had made it from the events; the events stay at the gateway, for whoever asks
(``workbench edge-fetch``). A window that is sent again (late events) replaces what was sent before.

A partition of a stream is fed by gateways or by devices, never by both: what would count twice is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from workbench.errors import LakeError
from workbench.journal.message import RawMessage
from workbench.lake.devices import register
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.mediation.deadletters import REFUSED, Sighting
from workbench.mediation.messages import instant_of
from workbench.mediation.publish import CONTROLS
from workbench.mediation.stream import Stream

CONTENT_TYPE = "application/vnd.workbench.records+json"
EDGE = "edge"
"""Marks a segment of records that gateways made; its value names them. Also the lake's facts about each gateway."""
COLUMNS = (
    "window_start", "units", "n_events", "n_duplicates", "first_at", "last_at", "fingerprint", "flags",
)  # fmt: skip
_TIMES = frozenset({"window_start", "first_at", "last_at"})
_TYPES = {"units": pa.int64(), "n_events": pa.int32(), "n_duplicates": pa.int32(), "flags": pa.int16()}
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  lake times are UTC without a zone
Item = tuple[RawMessage, str, int]


def packed(stream: Stream, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Records as a pack."""
    columns: dict[str, list[Any]] = {"device_id": [row["device_id"] for row in rows]}
    for name in (*COLUMNS, *stream.dimensions):
        columns[name] = [_said(name, row[name]) for row in rows]
    return {
        "stream": stream.name, "kept": stream.to_json(), "policy": stream.policy_hash,
        "dimensions": list(stream.dimensions), "columns": columns,
    }  # fmt: skip


def table_of(pack: dict[str, Any]) -> pa.Table:
    """The pack's records with a lake's own types, without their devices' keys."""
    columns = pack["columns"]
    found: dict[str, pa.Array] = {}
    for name in COLUMNS:
        if name in _TIMES:
            found[name] = pa.array(columns[name], pa.timestamp("us"))
        elif name == "fingerprint":
            found[name] = pa.array([int(text, 16) for text in columns[name]], pa.uint64())
        else:
            found[name] = pa.array(columns[name], _TYPES[name])
    for name in pack["dimensions"]:
        found[name] = pa.array(columns[name])
    return pa.table(found)


def _said(name: str, value: Any) -> Any:
    if name == "fingerprint":
        return f"{value:016x}"
    return (value - _EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value


@dataclass(slots=True)
class Unpacked:
    """What some packs became: segments to add and remove, facts, packs that were refused, records taken."""

    add: list[Segment] = field(default_factory=list)
    remove: list[Segment] = field(default_factory=list)
    facts: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    refused: list[Sighting] = field(default_factory=list)
    records: int = 0
    streams: set[str] = field(default_factory=set)


def unpack(lake: Lake, items: Iterable[Item], origin: str, pending: Sequence[Segment] = ()) -> Unpacked:
    """Turn packs, in the order they came in, into records.

    Args:
        lake: inside ``lake.writer()``.
        origin: tells this batch's segments from another's with the same rows.
        pending: registry segments of this batch that are not committed yet.
    """
    done, pieces = Unpacked(), dict[str, tuple[Stream, list[pa.Table], set[str]]]()
    registered = list(pending)
    for number, (message, journal, position) in enumerate(items):
        try:
            pack = json.loads(message.payload)
            stream = Stream.from_json(pack["kept"])
            table = table_of(pack)
            ids = [str(each) for each in pack["columns"]["device_id"]]
            _check(lake, pack, stream, table, ids)
            known, segment = register(lake, ids, f"gateway {_gateway(message)}", pending=registered)
        except _Refusal as why:
            done.refused.append(_refused(message, journal, position, why.reason, why.detail))
            continue
        except (ValueError, KeyError, TypeError, AttributeError, pa.ArrowException, LakeError) as error:
            done.refused.append(_refused(message, journal, position, "bad_pack", str(error)[:200]))
            continue
        if segment is not None:
            registered.append(segment)
            done.add.append(segment)
        numbers = dict(zip(known["device_id"].to_pylist(), known["device_key"].to_pylist(), strict=True))
        keys = pa.array([numbers[name] for name in ids], pa.int64())
        table = table.add_column(0, "device_key", keys).append_column("place_", pa.array([number] * len(ids)))
        _, tables, gateways = pieces.setdefault(stream.name, (stream, [], set()))
        tables.append(table)
        gateways.add(_gateway(message))
        done.records += len(ids)
        _count(lake, done, message, len(ids))
    for name, (stream, tables, gateways) in sorted(pieces.items()):
        done.streams.add(name)
        if name not in lake.facts("stream"):
            done.facts.setdefault("stream", {})[name] = stream.to_json()
        _write(lake, stream, pa.concat_tables(tables), gateways, origin, done)
    return done


class _Refusal(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(reason)


def _check(lake: Lake, pack: dict[str, Any], stream: Stream, table: pa.Table, ids: list[str]) -> None:
    known = lake.facts("stream").get(stream.name)
    if stream.name != pack["stream"] or stream.policy_hash != pack["policy"]:
        raise _Refusal("bad_pack", "it does not say one policy")
    if known is not None and Stream.from_json(known).policy_hash != stream.policy_hash:
        raise _Refusal("pack_policy", f"the centre keeps {stream.name} by another policy")
    if len(ids) != table.num_rows or not ids:
        raise _Refusal("bad_pack", "its columns are not of one length")
    if min(table["units"].to_pylist()) < 0 or min(table["n_events"].to_pylist()) < 1:
        raise _Refusal("bad_pack", "a record without events, or of negative use")
    width = stream.grid_seconds * 1_000_000
    starts = table["window_start"].cast(pa.int64()).to_pylist()
    if any(start % width for start in starts):
        raise _Refusal("bad_pack", "a window that is not of the grid")
    own = {
        s.partition
        for kind in ("records", "landed")
        for s in lake.segments(kind, stream=stream.name)
        if EDGE not in s.meta
    }
    if own:
        with lake.con.cursor() as con:
            con.register("pack_of_gateway", table)
            rows = con.execute(
                f"SELECT DISTINCT {stream.partition_sql('window_start')} FROM pack_of_gateway"
            ).fetchall()
        both = sorted({place for (place,) in rows} & own)
        if both:
            raise _Refusal(
                "pack_mixed", f"devices report {stream.name} of {both[0]} to the centre themselves"
            )


def _write(
    lake: Lake, stream: Stream, fresh: pa.Table, gateways: set[str], origin: str, done: Unpacked
) -> None:
    """One segment for each partition: what was there, and in its place what came since."""
    keys = ["device_key", "window_start", *(f'"{name}"' for name in stream.dimensions)]
    before = {
        s.partition: s for s in lake.segments("records", stream=stream.name) if EDGE in s.meta
    }  # fmt: skip
    with lake.con.cursor() as con:
        con.register("packs_fresh", fresh)
        places = con.execute(
            f"SELECT DISTINCT {stream.partition_sql('window_start')} FROM packs_fresh ORDER BY 1"
        ).fetchall()
        for (place,) in places:
            old = before.get(place)
            names = sorted(gateways | set(old.meta[EDGE] if old else ()))
            rows = f"SELECT * FROM packs_fresh WHERE {stream.partition_sql('window_start')} = '{place}'"
            if old is not None:
                rows += (
                    f" UNION ALL BY NAME SELECT *, -1 AS place_ FROM {lake.scan('records', segments=[old])}"
                )
            # What knows of more events is the newer one; a pack that comes twice changes nothing.
            best = "n_events + n_duplicates DESC, place_ DESC"
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE packs_best AS SELECT * EXCLUDE (place_) FROM ({rows}) "
                f"QUALIFY row_number() OVER (PARTITION BY {', '.join(keys)} ORDER BY {best}) = 1"
            )
            segment = lake.write(
                "records", "SELECT * FROM packs_best", stream=stream.name, partition=place, order_by=keys, controls=CONTROLS,
                meta={"policy": stream.policy_hash, "grid_seconds": stream.grid_seconds, EDGE: names}, con=con,
                origin=origin,
            )  # fmt: skip
            done.add.append(segment)
            if old is not None:
                done.remove.append(old)
        con.execute("DROP TABLE IF EXISTS packs_best")


def _gateway(message: RawMessage) -> str:
    """``edge/<gateway>/<stream>``."""
    parts = message.topic.split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "edge" else message.source or "gateway"


def _count(lake: Lake, done: Unpacked, message: RawMessage, records: int) -> None:
    name = _gateway(message)
    facts = done.facts.setdefault(EDGE, {})
    known = facts.get(name) or lake.facts(EDGE).get(name) or {"packs": 0, "records": 0}
    facts[name] = {
        "packs": int(known["packs"]) + 1,
        "records": int(known["records"]) + records,
        "received_at": instant_of(message.received_at_ns).isoformat(),
    }


def _refused(message: RawMessage, journal: str, position: int, reason: str, detail: str) -> Sighting:
    at = instant_of(message.received_at_ns).replace(tzinfo=None)
    return Sighting(message, REFUSED, reason, detail, at, journal, position)
