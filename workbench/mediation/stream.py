"""What mediation must know of one stream: which columns it has, when two rows are the same event, and its grid."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from workbench.model.ids import short_hash

GRAIN_SQL = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m"}


@dataclass(frozen=True, slots=True)
class Cumulative:
    """How a register's readings become use.

    Attributes:
        rollover_at: the reading after which the register starts again at 0; None when it never does.
        max_delta: the most a device can use between two readings, in base units; larger deltas are quarantined.
        max_delta_seconds: when set, ``max_delta`` is the most per this long, and the bound grows with the gap.
        silence_seconds: a longer gap before a reading flags the delta that is booked at its arrival; None: never.
        reset_from_zero: a reading below the one before (and no rollover) counts from 0; else it counts nothing.
        first_from_zero: the first reading ever counts from 0; else it is only the baseline.
    """

    rollover_at: int | None = None
    max_delta: int | None = None
    max_delta_seconds: int | None = None
    silence_seconds: int | None = None
    reset_from_zero: bool = True
    first_from_zero: bool = False


@dataclass(frozen=True, slots=True)
class Stream:
    """One ``source.meter`` as mediation sees it.

    Attributes:
        name: ``source.meter``.
        grid_seconds: width of a record's window; windows start at whole multiples since 1970, UTC.
        grain: event-time span of one segment: ``hour``, ``day`` or ``month``.
        fold: how a window's events become its units: ``sum``, ``count``, ``max``, ``min``, ``last`` or ``unique``.
        event_id: whether the source names its events; then (event_id) is the key.
        key: columns that with the device make the natural key, when there is no event id; ``ends_at`` among them
            means copies share their instant, which the fast plan needs.
        span_seconds: copies of one key at most this far from the copy before are one event; None: always.
        has_start: whether rows are sessions with ``starts_at``.
        dimensions: columns records are kept apart by, name to DuckDB type.
        samples: other columns kept on the landed row (for insight, or for a finer policy), name to DuckDB type.
        key_types: DuckDB types of the key's own columns.
        cumulative: set when the quantity is a register reading.
        increment: smallest billable quantity per event; each event is rounded up to a multiple before the fold.
    """

    name: str
    grid_seconds: int = 900
    grain: str = "day"
    fold: str = "sum"
    event_id: bool = False
    key: tuple[str, ...] = ("ends_at",)
    span_seconds: int | None = None
    has_start: bool = False
    dimensions: dict[str, str] = field(default_factory=dict)
    samples: dict[str, str] = field(default_factory=dict)
    key_types: dict[str, str] = field(default_factory=dict)
    cumulative: Cumulative | None = None
    increment: int = 1

    @property
    def quantity(self) -> str:
        """The column that holds the quantity: ``reading`` for registers, else ``units``."""
        return "reading" if self.cumulative else "units"

    @property
    def copies_share_instant(self) -> bool:
        """Whether every copy of an event carries the same ``ends_at``: duplicates then never leave their window."""
        return not self.event_id and "ends_at" in self.key and self.span_seconds is None

    @property
    def identity_columns(self) -> tuple[str, ...]:
        """Columns two copies of one event agree on."""
        return ("event_id",) if self.event_id else ("device_key", *self.key)

    @property
    def fingerprint_lanes(self) -> tuple[dict[str, str], dict[str, str]]:
        """Columns of the two fingerprint lanes, name to DuckDB type (see ``mix.mix_sql``)."""
        high = {"ends_at": "TIMESTAMP", self.quantity: "BIGINT"}
        low: dict[str, str] = {"starts_at": "TIMESTAMP"} if self.has_start else {}
        if self.event_id:
            low["event_id"] = "VARCHAR"
        low |= {name: self.key_types.get(name, "BIGINT") for name in self.key if name not in high}
        return high, low | self.dimensions | self.samples

    @property
    def policy_hash(self) -> str:
        """Names everything that decides what the records look like; a record is only reused under the same hash."""
        return short_hash(sorted(asdict(self).items(), key=str))

    def to_json(self) -> dict[str, Any]:
        """Plain types, for the manifest."""
        return asdict(self)

    @property
    def stored(self) -> Stream:
        """The stream as a later reader of the manifest will see it: its columns are in the order of their names there,
        and the fingerprint's lanes follow that order.
        """
        return Stream.from_json(json.loads(json.dumps(self.to_json(), sort_keys=True)))

    @staticmethod
    def from_json(data: dict[str, Any]) -> Stream:
        """The inverse of ``to_json``."""
        data = dict(data)
        data["key"] = tuple(data["key"])
        data["cumulative"] = Cumulative(**data["cumulative"]) if data.get("cumulative") else None
        return Stream(**data)

    def window_sql(self, instant: str = "ends_at") -> str:
        """The start of the window an instant lies in, as a TIMESTAMP expression."""
        width = self.grid_seconds * 1_000_000
        return f"make_timestamp((epoch_us({instant}) // {width}) * {width})"

    def partition_sql(self, instant: str = "ends_at") -> str:
        """The partition an instant lies in, as text."""
        return f"strftime({instant}, '{GRAIN_SQL[self.grain]}')"
