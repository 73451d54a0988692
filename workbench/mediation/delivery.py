"""One delivery, whole: a file and a mapping become landed segments, rejects, and one line of account (I2).

Every row of the file has one disposition per meter: landed, rejected with a reason, or not selected by the mapping.
The three counts must add up to the rows that were read, or nothing of the delivery becomes visible.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from workbench.errors import FileUnreadable, MappingError
from workbench.lake.engine import arrow_batches
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment, sha256_of
from workbench.mediation.gateways import apart
from workbench.mediation.identity import resolved
from workbench.mediation.landing import collect, land, typed
from workbench.mediation.mapping import Mapping
from workbench.mediation.normalise import NormalisedStream, normalise
from workbench.mediation.policy import Policy
from workbench.mediation.stream import Cumulative, Stream
from workbench.model.ids import short_hash

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file that came in: where it lies, what its columns mean, when it was received."""

    path: Path
    mapping: Mapping
    received_at: datetime
    params: MappingType[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Landed:
    """What one delivery became; ``skipped`` when the very same file had landed before."""

    delivery_id: str
    segments: list[Segment] = field(default_factory=list)
    streams: dict[str, Stream] = field(default_factory=dict)
    account: dict[str, Any] = field(default_factory=dict)
    skipped: bool = False


def stream_of(normalised: NormalisedStream, policy: Policy) -> Stream:
    """The stream a normalised meter belongs to, under a policy (column types still open)."""
    rules = policy.for_stream(normalised.stream)
    key = normalised.mapping.key
    carried = [*normalised.dimensions, *normalised.samples]
    for name in rules.dimensions:
        if name not in carried:
            raise MappingError(
                f"The policy keeps records of {normalised.stream} apart by {name}, which the mapping does not carry.",
                where=policy.file,
                cure=f"Add {name} to the mapping's dimensions, or take it out of the policy.",
                code="policy_dimension_unknown",
            )
    timed = ("ends_at",) if key.with_time and not key.event_id else ()
    return Stream(
        name=normalised.stream,
        grid_seconds=rules.grid_seconds,
        grain=rules.partition,
        fold=rules.fold,
        event_id=key.event_id is not None,
        key=(*normalised.key_columns, *timed),
        span_seconds=int(key.within.total_seconds()) if key.within else None,
        has_start="starts_at" in normalised.columns,
        dimensions=dict.fromkeys(rules.dimensions, ""),
        samples=dict.fromkeys((name for name in carried if name not in rules.dimensions), ""),
        cumulative=_register(normalised),
    )


def _register(normalised: NormalisedStream) -> Cumulative | None:
    said = normalised.meter.cumulative
    if said is None:
        return None
    return Cumulative(
        rollover_at=said.rollover_at,
        max_delta=said.max_delta,
        max_delta_seconds=int(said.max_delta_per.total_seconds()) if said.max_delta_per else None,
        silence_seconds=int(said.silence.total_seconds()) if said.silence else None,
        reset_from_zero=said.reset == "from_zero",
        first_from_zero=said.first == "from_zero",
    )


def delivery_id(path: Path, mapping: Mapping, sha256: str) -> str:
    """Names a delivery by source, file name and content: the same file twice is one delivery."""
    return short_hash("delivery", mapping.source, path.name, sha256)


def deliver(
    lake: Lake, delivery: Delivery, policy: Policy, con: duckdb.DuckDBPyConnection | None = None
) -> Landed:
    """Land one delivery; the caller commits ``segments`` and ``account`` together.

    Raises:
        FileUnreadable: the file as a whole cannot be read; nothing of it was written.
        MappingError: the mapping does not fit the file, or the stream changed its columns.
    """
    con = con or lake.con
    try:
        sha256 = sha256_of(delivery.path)
    except OSError as error:
        raise FileUnreadable(
            f"The file cannot be read: {error.strerror or error}.",
            where=str(delivery.path),
            cure="Check the path.",
        ) from error
    done = Landed(delivery_id(delivery.path, delivery.mapping, sha256))
    if done.delivery_id in lake.facts("delivery"):
        done.skipped = True
        done.account = lake.facts("delivery")[done.delivery_id]
        return done
    normalised = normalise(
        con,
        delivery.path,
        delivery.mapping,
        tenant=lake.tenant,
        received_at=delivery.received_at,
        params=delivery.params,
        delivery_id=done.delivery_id,
        accept=policy.accept,
    )
    streams = {}
    for part in normalised:
        part = resolved(lake, con, part)
        part = apart(lake, part, stream_of(part, policy))
        streams[part.stream] = land_stream(lake, con, part, policy, done)
        for file in part.files:
            file.unlink(missing_ok=True)
    pa.default_memory_pool().release_unused()  # the next delivery may be long in coming
    done.account = {
        "source": delivery.mapping.source,
        "file": delivery.path.name,
        "sha256": sha256,
        "bytes": delivery.path.stat().st_size,
        "received_at": delivery.received_at.isoformat(),
        "mapping_sha256": delivery.mapping.sha256,
        "streams": streams,
    }
    return done


def land_stream(
    lake: Lake,
    con: duckdb.DuckDBPyConnection,
    part: NormalisedStream,
    policy: Policy,
    done: Landed,
    *,
    origin: str = "",
    meta: dict[str, Any] | None = None,
) -> dict[str, int]:
    """Land one meter of a delivery; what it became is added to ``done``.

    Args:
        origin: what tells its landed segments from others with the same rows; the delivery's id when left out.
        meta: small facts to note on the landed segments.

    Returns: the stream's line of account.
    """
    stream = typed(con, part.items_sql, stream_of(part, policy))
    _check_unchanged(lake, stream)
    fresh = [segment for segment in done.segments if segment.kind == "devices"]
    batches = arrow_batches(con, part.items_sql)
    items, registered = collect(lake, batches.schema, batches, part.rows, part.mapping.source, fresh)
    done.segments += [registered] if registered else []
    landed = land(lake, items, stream, con, origin=origin or done.delivery_id, meta=meta)
    rejected = []
    if items.count < part.rows:
        rejected.append(_write_rejects(lake, con, part, done.delivery_id))
    counts = {
        "rows": part.rows,
        "landed": sum(segment.rows for segment in landed),
        "rejected": sum(segment.rows for segment in rejected),
        "not_selected": part.not_selected,
    }
    assert counts["landed"] + counts["rejected"] == counts["rows"], f"{stream.name}: {counts} do not add up"
    done.segments += landed + rejected
    done.streams[stream.name] = stream
    return counts


def _write_rejects(
    lake: Lake, con: duckdb.DuckDBPyConnection, part: NormalisedStream, delivery_id: str
) -> Segment:
    return lake.write(
        "rejects",
        part.rejects_sql,
        stream=part.stream,
        partition=delivery_id,
        order_by=["item_no", "reason"],
        con=con,
    )


def _check_unchanged(lake: Lake, stream: Stream) -> None:
    """Columns and keys of a stream are for life; a change of them would make old and new rows different events."""
    known = lake.facts("stream").get(stream.name)
    if known is None:
        return
    old = Stream.from_json(known)
    for what in ("event_id", "key", "span_seconds", "has_start", "key_types", "cumulative", "grain"):
        if getattr(old, what) != getattr(stream, what):
            raise MappingError(
                f"Stream {stream.name} was landed with {what} = {getattr(old, what)!r}, this delivery says "
                f"{getattr(stream, what)!r}.",
                where=stream.name,
                cure="Use another source name for data of another kind, or land everything again in a new lake.",
                code="stream_changed",
            )
    was = old.dimensions | old.samples
    for name, type_ in (stream.dimensions | stream.samples).items():
        if was.get(name, type_) != type_:
            raise MappingError(
                f"Column {name} of stream {stream.name} was {was[name]}, in this delivery it is {type_}.",
                where=stream.name,
                cure="Declare the column's type in the mapping so that every file is read the same way.",
                code="stream_changed",
            )
