"""What each kind of fault does to the events of a block: one function per kind, a few lines each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulators.calendar import HOUR_MS
from simulators.columns import Array
from simulators.faults.labels import Episode
from simulators.randomness import stream

if TYPE_CHECKING:
    from simulators.base import Fleet

COPY_MS_MAX = 600_000
BEACON_MS = 300_000
NIGHT_HOURS = (0, 1, 2, 3)
_INTRUDER_NUMBER = 1 << 27  # event numbers of intruders lie behind those of the block's own events


@dataclass
class Draft:
    """A block that is being changed. Columns are replaced, never written into.

    Arrays may belong to the fleet.
    """

    fleet: Fleet
    index: int
    columns: dict[str, Array]
    rows: Array
    received_ms: Array

    def random(self, episode: Episode) -> np.random.Generator:
        """Random numbers of one episode in this block."""
        return stream(self.fleet.seed, f"faults/{self.fleet.name}/{episode.number}", self.index)

    def put(self, column: str, rows: Array, values: Array | int) -> None:
        """Set values of a column, cut to what its type can hold."""
        changed = self.columns[column].copy()
        changed[rows] = _fit(values, changed.dtype)
        self.columns[column] = changed

    def of(self, rows: Array) -> Array:
        """The deliveries of some events."""
        return np.flatnonzero(np.isin(self.rows, rows))

    def append(self, columns: dict[str, Array], received_ms: Array) -> None:
        """Add events, each with one delivery."""
        count = len(self.columns["device_id"])
        self.columns = {
            name: np.concatenate((values, columns[name].astype(values.dtype)))
            for name, values in self.columns.items()
        }
        self.deliver(np.arange(count, count + len(received_ms)), received_ms)

    def deliver(self, rows: Array, received_ms: Array) -> None:
        """Add deliveries of events that are there."""
        self.rows = np.concatenate((self.rows, rows))
        self.received_ms = np.concatenate((self.received_ms, received_ms))


@dataclass(frozen=True)
class Known:
    """What rules may ask the healthy fleet: the first value in an episode, and a column's usual size."""

    hold: Callable[[Episode], int]
    level: Callable[[str], float]


def stuck(draft: Draft, episode: Episode, rows: Array, known: Known) -> None:
    """Repeat the first value."""
    draft.put(episode.column, rows, known.hold(episode))


def silent(draft: Draft, episode: Episode, rows: Array, known: Known) -> None:
    """Drop every delivery."""
    kept = np.flatnonzero(~np.isin(draft.rows, rows))
    draft.rows, draft.received_ms = draft.rows[kept], draft.received_ms[kept]


def drift(draft: Draft, episode: Episode, rows: Array, known: Known) -> None:
    """Add a share of the fleet's level that grows with time."""
    progress = (draft.columns[draft.fleet.event_time][rows] - episode.begin_ms) / (
        episode.end_ms - episode.begin_ms
    )
    added = np.rint(progress * episode.magnitude * known.level(episode.column)).astype(np.int64)
    draft.put(
        episode.column, rows, np.maximum(draft.columns[episode.column][rows].astype(np.int64) + added, 0)
    )


def spike(draft: Draft, episode: Episode, rows: Array, known: Known) -> None:
    """Add many times the fleet's level."""
    added = round(episode.magnitude * known.level(episode.column))
    draft.put(episode.column, rows, draft.columns[episode.column][rows].astype(np.int64) + added)


def sentinel(draft: Draft, episode: Episode, rows: Array, known: Known) -> None:
    """Say -9999."""
    draft.put(episode.column, rows, int(episode.magnitude))


def counter_reset(draft: Draft, episode: Episode, rows: Array, known: Known) -> None:
    """Count from 0 again."""
    since = draft.columns[episode.column][rows] - known.hold(episode)
    draft.put(
        episode.column, rows, since % draft.fleet.counter_modulus if draft.fleet.counter_modulus else since
    )


def duplicate(draft: Draft, episode: Episode, rows: Array, known: Known) -> None:
    """Deliver again, up to ten minutes later."""
    generator, deliveries = draft.random(episode), draft.of(rows)
    again = np.repeat(deliveries, generator.poisson(episode.magnitude, size=len(deliveries)))
    delay = generator.integers(1, COPY_MS_MAX, size=len(again))
    draft.deliver(draft.rows[again], draft.received_ms[again] + delay)


def reordered(draft: Draft, episode: Episode, rows: Array, known: Known) -> None:
    """Hold each message back by its own time."""
    deliveries = draft.of(rows)
    waits = draft.random(episode).integers(0, int(episode.magnitude * 60_000) + 1, size=len(deliveries))
    draft.received_ms = draft.received_ms.copy()
    draft.received_ms[deliveries] += waits


def late(draft: Draft, episode: Episode, rows: Array, known: Known) -> None:
    """Keep everything until the end, then send it in order within a minute."""
    deliveries = draft.of(rows)
    event_ms = draft.columns[draft.fleet.event_time][draft.rows[deliveries]]
    progress = (event_ms - episode.begin_ms) / (episode.end_ms - episode.begin_ms)
    draft.received_ms = draft.received_ms.copy()
    draft.received_ms[deliveries] = np.maximum(
        draft.received_ms[deliveries], episode.end_ms + (progress * 60_000).astype(np.int64)
    )


def conflict(draft: Draft, episode: Episode, rows: Array, known: Known) -> None:
    """Deliver the same keys again with another value, one to sixty seconds later."""
    generator = draft.random(episode)
    first = draft.of(rows)
    columns = {name: values[draft.rows[first]] for name, values in draft.columns.items()}
    value = columns[episode.column].astype(np.int64)
    changed = value + 1 + np.abs(value) * generator.integers(1, 11, size=len(first)) // 100
    columns[episode.column] = _fit(changed, columns[episode.column].dtype)
    draft.append(columns, draft.received_ms[first] + generator.integers(1_000, 60_000, size=len(first)))


def compromised(draft: Draft, episode: Episode, rows: Array, place: int) -> int:
    """Change the SIM's device, volume, hours or company.

    The answer is how many events were touched or added.
    """
    aspects, touched = episode.detail.split("+"), 0
    if "imei" in aspects and len(rows):
        draft.put("imei", rows, _foreign(draft.fleet, "imei", place))
        touched = len(rows)
    if "volume" in aspects and len(rows):
        draft.put("bytes", rows, (draft.columns["bytes"][rows] * episode.magnitude).astype(np.int64))
        touched = len(rows)
    for at_ms, destination, size in _intrusions(draft, episode, aspects, place):
        _intrude(draft, episode, at_ms, destination, size, place if "imei" in aspects else -1)
        touched += len(at_ms)
    return touched


def _intrusions(
    draft: Draft, episode: Episode, aspects: list[str], place: int
) -> list[tuple[Array, int, int]]:
    """The events an intruder adds in this block: (when, destination, typical bytes)."""
    step = draft.fleet.block_seconds * 1000
    beats = (
        np.arange(-(-draft.index * step // BEACON_MS), -(-(draft.index + 1) * step // BEACON_MS)) * BEACON_MS
    )
    at_ms = beats + 1_000 * (20 + episode.device % 30)
    at_ms = at_ms[(beats >= episode.begin_ms) & (at_ms < episode.end_ms)]
    found = []
    if "destination" in aspects:
        found.append((at_ms, _foreign(draft.fleet, "destination", place), 220))
    if "hours" in aspects and draft.index * step // HOUR_MS % 24 in NIGHT_HOURS:
        found.append((at_ms + 7_000, 0, 1_500))
    return [part for part in found if len(part[0])]


def _intrude(draft: Draft, episode: Episode, at_ms: Array, destination: int, size: int, place: int) -> None:
    generator, count = draft.random(episode), len(at_ms)
    device = np.full(count, episode.device)
    columns = {name: np.zeros(count, dtype=values.dtype) for name, values in draft.columns.items()}
    known = len(draft.columns["device_id"])
    columns |= {
        "device_id": device,
        "ts": at_ms,
        "destination": np.full(count, destination),
        "bytes": np.rint(generator.lognormal(np.log(size), 0.3, size=count)).astype(np.int64),
    }
    for name in {"imsi", "imei", "iccid"} & columns.keys():
        columns[name] = device
    if place >= 0 and "imei" in columns:
        columns["imei"] = np.full(count, _foreign(draft.fleet, "imei", place))
    if "event_id" in columns:
        columns["event_id"] = (np.int64(draft.index) << 28) + _INTRUDER_NUMBER + known + np.arange(count)
    draft.append(columns, at_ms + generator.integers(50, 900, size=count))


def _foreign(fleet: Fleet, column: str, place: int) -> int:
    """The code of an intruder's string: they stand behind the fleet's own."""
    return len(fleet.dictionary(column)) + place


def _fit(values: Array | int, kind: np.dtype[np.signedinteger]) -> Array:
    limits = np.iinfo(kind)
    return np.clip(values, limits.min, limits.max).astype(kind)


RULES: dict[str, Callable[[Draft, Episode, Array, Known], None]] = {
    "stuck": stuck,
    "silent": silent,
    "drift": drift,
    "spike": spike,
    "sentinel": sentinel,
    "counter_reset": counter_reset,
    "duplicate": duplicate,
    "reordered": reordered,
    "late": late,
    "conflict": conflict,
}
