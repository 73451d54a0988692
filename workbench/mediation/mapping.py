"""What a mapping file says, as frozen values.

A mapping turns one source's own columns into usage: which column is the time and in which zone, what
names the device, which columns are metered and in which unit, and what makes two deliveries the same
event. One mapping is one ``source``; each of its meters is one stream, named ``"<source>.<meter>"``.

The YAML form is read by ``mapping_file.py``; everything here is already checked, resolved (``${parameters}``
filled in) and exact (scales are ratios of integers, bounds are integers in the meter's base unit).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from typing import Literal

_PLACES = re.compile(r"\{([^{}]+)\}")

Rounding = Literal["exact", "half_up", "up", "down"]
CellType = Literal["integer", "float", "text"]

#: Names of item columns that a key column, dimension or sample may not take.
RESERVED = frozenset(
    "device device_id device_key starts_at ends_at event_id units reading received_at item_no stream reason "
    "detail raw raw_sha256 delivery_id window_start n_events n_duplicates "
    "first_at last_at fingerprint flags".split()
)


@dataclass(frozen=True, slots=True)
class TimeSpec:
    """Where an instant is found and how its cells are read.

    ``columns``: one column, or several joined by a blank (a date and a time).
    ``format``: ``auto`` (typed column, or ISO 8601 text), ``unix_s|unix_ms|unix_us|unix_ns``, or a strptime
    pattern.
    ``zone``: IANA name for cells that carry none; ``None`` means every cell must carry its own.
    ``ambiguous``: the hour that the clock shows twice in autumn: ``reject``, ``earlier`` or ``later``.
    """

    columns: tuple[str, ...]
    format: str = "auto"
    zone: str | None = None
    ambiguous: Literal["reject", "earlier", "later"] = "reject"


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """What names the device: a column, a template over columns (``"lamp-{device}"``), or one constant.

    ``extract``: a regular expression with one group, applied to ``column``
    (``"urn:dev:mac:([0-9a-f]+):.*"``).
    ``identity``: ``None`` when the text is the device's own id; else ``iccid|imsi|eid|imei``, and landing
    resolves the value to a device by the identity that was valid at the event's time.
    """

    column: str | None = None
    template: str | None = None
    constant: str | None = None
    extract: str | None = None
    identity: str | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A row is selected when every condition holds; ``values`` empty means "the cell is present"."""

    column: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A typed column carried along, ``name`` in the items: part of the key, a dimension, or a sample."""

    name: str
    column: str
    type: CellType = "text"


@dataclass(frozen=True, slots=True)
class Key:
    """What makes two items the same event; the device is always part of a natural key.

    ``event_id``: the source's own id column (or columns, joined by ``|``); then (tenant, source, event_id,
    meter) is the key and the rest is empty.
    ``fields``: columns of the natural key beside the device, for example a frame counter.
    ``with_time``: whether ``ends_at`` is part of the natural key.
    ``within``: for keys without the time: a copy at most this far from the *previous* copy is the same event;
    after a longer gap the same key is a new event (a counter that restarted).
    """

    event_id: tuple[str, ...] | None = None
    fields: tuple[Field, ...] = ()
    with_time: bool = True
    within: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Cumulative:
    """How a running register becomes usage. All bounds are integers in the meter's base unit.

    ``rollover_at``: the register counts 0 … rollover_at − 1 and starts again; ``None``: it never rolls over.
    ``max_delta``: more than this between two readings (or per ``max_delta_per`` of elapsed time) is not
    believed.
    ``reset``: a reading below its predecessor that is no rollover: ``from_zero`` bills the new reading,
    ``baseline`` nothing.
    ``first``: the first reading ever: ``baseline`` bills nothing, ``from_zero`` bills the whole reading.
    ``silence``: a gap longer than this flags the delta as booked after silence.
    """

    rollover_at: int | None = None
    max_delta: int | None = None
    max_delta_per: timedelta | None = None
    reset: Literal["from_zero", "baseline"] = "from_zero"
    first: Literal["baseline", "from_zero"] = "baseline"
    silence: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Meter:
    """One metered quantity.

    ``column``: the cell that holds it; ``None`` for a count meter, where every row is ``1`` unit.
    ``unit``: base unit of the result. ``scale``: base units per one of the column, exact.
    ``decimals``: digits after the point that a binary-float column really carries; required for such columns.
    ``named``: in a long table (``Mapping.meter_column``) the cell values that mean this meter.
    ``unit_column``, ``column_unit``: when the rows name their unit themselves, the only one accepted.
    ``missing``: an empty cell is a ``reject``, or the row is ``skip``-ped for this meter.
    """

    name: str
    unit: str
    column: str | None = None
    scale: Fraction = Fraction(1)
    rounding: Rounding = "exact"
    decimals: int | None = None
    negative: Literal["reject", "allow"] = "reject"
    missing: Literal["reject", "skip"] = "reject"
    named: tuple[str, ...] = ()
    unit_column: str | None = None
    column_unit: str | None = None
    cumulative: Cumulative | None = None
    book: Literal["ends_at", "prorated"] = "ends_at"

    @property
    def value_column(self) -> str:
        """Column of the items that carries the quantity: ``reading`` for registers, else ``units``."""
        return "reading" if self.cumulative else "units"


@dataclass(frozen=True, slots=True)
class Mapping:
    """One source, resolved; ``file`` and ``text`` say where it came from."""

    source: str
    ends_at: TimeSpec
    device: DeviceSpec
    key: Key
    meters: tuple[Meter, ...]
    format: str = "auto"
    options: MappingType[str, str] = field(default_factory=dict)
    starts_at: TimeSpec | None = None
    received_at: TimeSpec | None = None
    meter_column: str | None = None
    where: tuple[Condition, ...] = ()
    dimensions: tuple[Field, ...] = ()
    samples: tuple[Field, ...] = ()
    params: MappingType[str, str] = field(default_factory=dict)
    file: str = "<mapping>"
    text: str = ""
    lines: MappingType[str, int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def sha256(self) -> str:
        """Names what the mapping means: its text and the values of its parameters."""
        said = "\x1f".join([self.text, *(f"{name}={value}" for name, value in sorted(self.params.items()))])
        return hashlib.sha256(said.encode()).hexdigest()

    def stream(self, meter: Meter) -> str:
        """The stream's name: ``"<source>.<meter>"``."""
        return f"{self.source}.{meter.name}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column of the file the mapping speaks of, in the order of its sections."""
        names: list[str] = [*self.ends_at.columns]
        for spec in (self.starts_at, self.received_at):
            names += spec.columns if spec else ()
        names += [self.device.column] if self.device.column else []
        names += _PLACES.findall(self.device.template or "")
        names += [*(self.key.event_id or ()), *(item.column for item in self.key.fields)]
        names += [condition.column for condition in self.where]
        names += [self.meter_column] if self.meter_column else []
        for meter in self.meters:
            names += [name for name in (meter.column, meter.unit_column) if name]
        names += [item.column for item in (*self.dimensions, *self.samples)]
        return tuple(dict.fromkeys(names))

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of all streams of this source, in the file's order."""
        return tuple(self.stream(meter) for meter in self.meters)
