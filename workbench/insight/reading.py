"""What a lake's landed rows are to the detectors: codes for devices, numbers, words; one batch per sealed partition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from workbench.insight.arrays import Array
from workbench.insight.fleet.batch import Batch
from workbench.insight.fleet.watch import Columns
from workbench.lake.engine import arrow
from workbench.lake.lake import Lake
from workbench.lake.segment import Segment
from workbench.lake.sql import name

_PLAIN = {"device_key", "ends_at", "received_at", "starts_at"}
_KEYS = ("event_id", "session_id", "message_id", "seq", "fcnt")
_DESTINATION, _HANDSET = ("destination", "dst", "apn_destination"), ("imei",)
_ERRORS = re.compile(r"error|retr(y|ies|ans)|reset|reboot|crc|dropped|failures?$", re.IGNORECASE)
_CATEGORIES_MAX = 12
_ROWS_PER_BATCH = 4_000_000


@dataclass(frozen=True)
class Fleet:
    """The devices of a stream.

    Attributes:
        keys: device keys, sorted; a device's code is its place here.
        ids: their ids.
        cohort: code of the cohort (kind of device) of each.
        groups: the group or site of each, empty when unknown.
        columns: what the stream's columns are to detectors.
    """

    keys: Array
    ids: list[str]
    cohort: Array
    groups: list[str]
    columns: Columns


def fleet_of(lake: Lake, stream: str) -> Fleet:
    """Who speaks on a stream, and which of its columns can be watched."""
    landed = lake.scan("landed", stream=stream)
    rows = arrow(
        lake.con,
        f"WITH seen AS (SELECT DISTINCT device_key FROM {landed}) SELECT device_key, "
        "coalesce(device_id, device_key::VARCHAR) AS device_id, coalesce(i.kind, '') AS kind, "
        "coalesce(i.group_id, i.site, '') AS place FROM seen "
        f"LEFT JOIN {lake.scan('devices')} d USING (device_key) "
        f"LEFT JOIN {lake.scan('devices_info')} i USING (device_id) ORDER BY device_key",
    )
    _, cohort = np.unique(rows["kind"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    return Fleet(
        rows["device_key"].to_numpy(), rows["device_id"].to_pylist(), cohort, rows["place"].to_pylist(),
        _columns(lake, landed),
    )  # fmt: skip


def _columns(lake: Lake, landed: str) -> Columns:
    schema = arrow(lake.con, f"SELECT * FROM {landed} LIMIT 0").schema
    numbers = [
        field.name
        for field in schema
        if field.name not in _PLAIN
        and field.name not in _KEYS
        and (pa.types.is_integer(field.type) or pa.types.is_floating(field.type))
    ]
    words = {
        field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_dictionary(field.type)
    }
    watched, registers, errors = [], [], []
    for column in numbers:
        if _ERRORS.search(column):
            errors.append(column)
            continue
        kinds, falls, steps = _shape(lake, landed, column)
        if column == "status" or (kinds <= _CATEGORIES_MAX and column != "units"):
            continue  # a code, not a measurement
        watched.append(column)
        if steps > 20 and falls <= 0.01 * steps and column == "reading":
            registers.append(column)
    destination = next((word for word in _DESTINATION if word in words), "")
    handset = next((word for word in _HANDSET if word in words), "")
    volume = tuple(c for c in watched if c in ("bytes", "units")) if destination else ()
    return Columns(tuple(watched), tuple(registers), volume, destination, handset, tuple(errors))


def _shape(lake: Lake, landed: str, column: str) -> tuple[int, int, int]:
    """How many different values a column takes, and how often it falls, in one sample of devices."""
    field = name(column)
    found = arrow(
        lake.con,
        f"SELECT approx_count_distinct({field}) AS kinds, count_if(d < 0) AS falls, count(d) AS steps FROM ("
        f"SELECT {field}, {field} - lag({field}) OVER (PARTITION BY device_key ORDER BY ends_at) AS d FROM "
        f"(SELECT device_key, ends_at, {field} FROM {landed} LIMIT 100000))",
    ).to_pylist()[0]
    return int(found["kinds"] or 0), int(found["falls"] or 0), int(found["steps"] or 0)


def batches(lake: Lake, stream: str, fleet: Fleet, since: datetime | None = None) -> Iterator[Batch]:
    """Landed rows in the order of time, some sealed partitions at a time."""
    waiting: list[Segment] = []
    segments = sorted(lake.segments("landed", stream=stream), key=lambda one: (one.partition, one.path))
    codes: dict[str, dict[str, int]] = {word: {} for word in _words(fleet.columns)}
    for place, segment in enumerate(segments):
        waiting.append(segment)
        rows = sum(one.rows for one in waiting)
        last = place == len(segments) - 1
        if last or (rows >= _ROWS_PER_BATCH and segments[place + 1].partition != segment.partition):
            yield _batch(lake, waiting, fleet, codes, since)
            waiting = []


def use(lake: Lake, stream: str, fleet: Fleet, since: datetime | None = None) -> Iterator[Batch]:
    """Billed use of a stream, from its records, in the order of time: column ``units``; a record is one reading."""
    waiting: list[Segment] = []
    segments = sorted(lake.segments("records", stream=stream), key=lambda one: (one.partition, one.path))
    for place, segment in enumerate(segments):
        waiting.append(segment)
        last = place == len(segments) - 1
        if last or (
            sum(one.rows for one in waiting) >= _ROWS_PER_BATCH
            and segments[place + 1].partition != segment.partition
        ):
            yield _of_records(lake, waiting, fleet, since)
            waiting = []


def _of_records(lake: Lake, segments: list[Segment], fleet: Fleet, since: datetime | None) -> Batch:
    where = "" if since is None else f" WHERE window_start >= TIMESTAMP '{since:%Y-%m-%d %H:%M:%S}'"
    table = arrow(
        lake.con,
        "SELECT device_key, epoch_ms(window_start) AS ts, sum(units)::DOUBLE AS units FROM "
        f"{lake.scan('records', segments=segments)}{where} GROUP BY ALL ORDER BY ALL",
    )
    key = table["device_key"].to_numpy()
    place = np.searchsorted(fleet.keys, key)
    known = np.minimum(place, max(len(fleet.keys) - 1, 0))
    mine = fleet.keys[known] == key if len(fleet.keys) else np.zeros(len(key), dtype=bool)
    ts = table["ts"].to_numpy()[mine]
    return Batch.of(place[mine].astype(np.int32), ts, ts, {"units": table["units"].to_numpy()[mine]})


def _words(columns: Columns) -> tuple[str, ...]:
    return tuple(word for word in (columns.destination, columns.handset) if word)


def _batch(
    lake: Lake,
    segments: list[Segment],
    fleet: Fleet,
    codes: dict[str, dict[str, int]],
    since: datetime | None,
) -> Batch:
    chosen = [*dict.fromkeys((*fleet.columns.values, *fleet.columns.volume, *fleet.columns.errors))]
    fields = ", ".join(
        ["device_key", "epoch_ms(ends_at) AS ts", "epoch_ms(received_at) AS received"]
        + [f"{name(column)}::DOUBLE AS {name(column)}" for column in chosen]
        + [name(word) for word in codes]
    )
    where = "" if since is None else f" WHERE ends_at >= TIMESTAMP '{since:%Y-%m-%d %H:%M:%S}'"
    table = arrow(lake.con, f"SELECT {fields} FROM {lake.scan('landed', segments=segments)}{where}")
    device = np.searchsorted(fleet.keys, table["device_key"].to_numpy())
    return Batch.of(
        device.astype(np.int32), table["ts"].to_numpy(), table["received"].to_numpy(),
        {column: table[column].to_numpy() for column in chosen},
        {word: _coded(table[word], known) for word, known in codes.items()},
    )  # fmt: skip


def _coded(column: pa.ChunkedArray, known: dict[str, int]) -> Array:
    """Codes that stay the same from batch to batch; -1 for nothing."""
    encoded = column.combine_chunks().dictionary_encode()
    words = encoded.dictionary.to_pylist()
    place = np.array([known.setdefault(word, len(known)) for word in words] + [-1], dtype=np.int64)
    return np.asarray(place[encoded.indices.fill_null(len(words)).to_numpy()])
