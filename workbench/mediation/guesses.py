"""What each column of an unknown file probably is, by its name and by its values, with the reason in words.

Guesses are offers to a person, never decisions: every one carries its reason and how sure it is, in percent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from workbench.mediation.looking import Column

_TIME = {"ts", "time", "timestamp", "datetime", "date", "at", "when", "recorded", "measured", "read", "day"}
_START = {"start", "starts", "started", "begin", "begins", "began", "opening", "opened", "from"}
_END = {"end", "ends", "ended", "stop", "stopped", "finish", "finished", "closing", "closed", "until", "to"}
_RECEIVED = {"received", "receipt", "ingested", "inserted", "loaded", "arrived", "arrival"}
_DEVICE = {
    "device",
    "dev",
    "sim",
    "iccid",
    "imsi",
    "msisdn",
    "imei",
    "eid",
    "eui",
    "deveui",
    "sensor",
    "serial",
}
_DEVICE |= {
    "node",
    "thing",
    "asset",
    "lamp",
    "endpoint",
    "mac",
    "terminal",
    "charger",
    "vehicle",
    "meter",
    "subject",
}
_PERHAPS = {
    "station",
    "host",
    "src",
    "source",
    "series",
    "user",
    "building",
    "site",
    "orig",
    "uid",
    "client",
    "id",
}
_ACCOUNT = {"account", "customer", "client", "tenant", "company", "owner", "organisation", "organization"}
_ACCOUNT |= {"enterprise", "payer", "subscriber", "contract"}
_EVENT = {
    "uuid",
    "guid",
    "event",
    "record",
    "message",
    "msg",
    "cdr",
    "transaction",
    "session",
    "row",
    "request",
}
_COUNTER = {"fcnt", "framecount", "seq", "seqno", "sequence"}
_MONEY = {
    "price",
    "cost",
    "charge",
    "charged",
    "charges",
    "fee",
    "eur",
    "usd",
    "gbp",
    "chf",
    "billed",
    "tax",
    "amount",
}
_MONEY |= {"revenue", "balance", "net", "gross", "vat"}
_GENERIC = {
    "quantity",
    "qty",
    "usage",
    "used",
    "value",
    "consumption",
    "units",
    "volume",
    "amount",
    "reading",
}
_REGISTER = {"register", "counter", "reading", "odometer", "total", "cumulative", "index", "lifetime"}
_DIMENSION = {
    "network",
    "country",
    "apn",
    "operator",
    "carrier",
    "rat",
    "direction",
    "roaming",
    "region",
    "zone",
}
_DIMENSION |= {"type", "kind", "plmn", "mcc", "mnc", "destination", "tier", "class", "protocol"}
#: Words that say that something is a quantity, and not what it is: no name for a meter whose kind is known.
EMPTY_WORDS = dict.fromkeys(_GENERIC | _REGISTER)
_METER = {"metric", "measure", "measurement", "meter", "service", "product", "event", "parameter"}

#: What a column's last word says of its unit: (unit in the file, unit usage is kept in).
UNITS = {
    "byte": ("byte", "byte"),
    "bytes": ("byte", "byte"),
    "octets": ("byte", "byte"),
    "kb": ("kB", "byte"),
    "mb": ("MB", "byte"),
    "gb": ("GB", "byte"),
    "kib": ("KiB", "byte"),
    "mib": ("MiB", "byte"),
    "gib": ("GiB", "byte"),
    "mwh": ("mWh", "mWh"),
    "wh": ("Wh", "mWh"),
    "kwh": ("kWh", "mWh"),
    "ml": ("ml", "ml"),
    "l": ("l", "ml"),
    "litre": ("l", "ml"),
    "litres": ("l", "ml"),
    "liters": ("l", "ml"),
    "dm3": ("dm3", "ml"),
    "m3": ("m3", "ml"),
    "ms": ("ms", "ms"),
    "s": ("s", "ms"),
    "sec": ("s", "ms"),
    "secs": ("s", "ms"),
    "seconds": ("s", "ms"),
    "duration": ("s", "ms"),
    "min": ("min", "ms"),
    "minutes": ("min", "ms"),
    "hours": ("h", "ms"),
    "messages": ("message", "message"),
    "msgs": ("message", "message"),
    "sms": ("message", "message"),
    "uplinks": ("uplink", "uplink"),
    "presses": ("press", "press"),
    "events": ("event", "event"),
    "count": ("event", "event"),
}
#: Durations that tell how well something worked, not how much was used.
_QUALITY = {
    "hold",
    "delay",
    "latency",
    "rtt",
    "gap",
    "offset",
    "age",
    "timeout",
    "interval",
    "jitter",
    "uptime",
    "rate",
}
_UNIT_WORDS = {"unit", "units", "uom"}
_UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-.*|[0-9a-fA-F]{32}|[0-9A-HJKMNP-TV-Z]{26}")


@dataclass(frozen=True, slots=True)
class Guess:
    """A column's probable role. ``sure`` is in percent; ``unit`` is (unit in the file, unit kept) of a quantity."""

    role: str
    column: Column = field(repr=False)
    reason: str
    sure: int
    unit: tuple[str, str] | None = None


def times(columns: Sequence[Column]) -> dict[str, Guess]:
    """The columns of ``ends_at``, ``starts_at`` and ``received_at``, where there are such."""
    found: dict[str, Guess] = {}
    for column in columns:
        form = column.time_format
        words = set(column.words)
        if form is None or (
            form.startswith("unix") and not words & (_TIME | _START | _END | _RECEIVED | {"unix"})
        ):
            continue
        role, sure = "ends_at", 60
        if words & _RECEIVED:
            role, sure = "received_at", 85
        elif words & _START:
            role, sure = "starts_at", 85
        elif words & (_END | _TIME):
            role, sure = "ends_at", 95 if words & _END else 85
        guess = Guess(role, column, f"its values are times{_as(form)}" + _named(column, words), sure)
        if role not in found or guess.sure > found[role].sure:
            found[role] = guess
    if "ends_at" not in found:
        for role in ("starts_at", "received_at"):
            if role in found:
                only = found.pop(role)
                found["ends_at"] = Guess("ends_at", only.column, only.reason + "; there is no other time", 60)
                break
    return found


def device(columns: Sequence[Column], taken: set[str]) -> Guess | None:
    """What names the device: a telling name first, the most identifier-like text else."""
    best: Guess | None = None
    for column in columns:
        words = set(column.words)
        if column.name in taken or not column.present or not words & (_DEVICE | _PERHAPS) or column.decimals:
            continue
        if len(column.values) < len(column.present) or len(column.present) < 50:
            sure = 90 if words & {"device", "iccid", "imsi", "sim", "eui", "deveui", "msisdn"} else 80
        else:
            sure = 55
        sure -= 25 if words & {"type", "kind", "model", "class"} else 0
        sure -= 20 if column.is_float else 0
        sure -= 20 if not words & _DEVICE else 0
        sure -= (
            40 if len(column.values) <= 2 < len(column.present) / 50 and not words & {"device", "id"} else 0
        )
        if best is None or sure > best.sure:
            best = Guess("device", column, f"its name says so; {len(column.values):,} different values", sure)
    return best


def account(columns: Sequence[Column], taken: set[str]) -> Guess | None:
    """Who pays, where the file says."""
    for column in columns:
        if column.name not in taken and set(column.words) & _ACCOUNT and column.present:
            return Guess("account", column, f"its name says so; {len(column.values):,} different values", 80)
    return None


def event_id(columns: Sequence[Column], taken: set[str]) -> Guess | None:
    """The source's own id of an event: nearly every row its own value, and a name or a shape that says id."""
    for column in columns:
        words = set(column.words)
        if column.name in taken or column.filled < 0.99 or column.variety < 0.8 or len(column.present) < 2:
            continue
        shaped = all(_UUID.fullmatch(value) for value in column.values[:50])
        named = column.words[-1:] == ("id",) or column.words == ("id",) or bool(words & {"uuid", "guid"})
        if shaped or (named and (words & _EVENT or column.words == ("id",))):
            reason = "nearly every row has its own value" + (", of the shape of a UUID" if shaped else "")
            return Guess("event_id", column, reason, 90 if column.variety == 1 else 75)
    return None


def counter(columns: Sequence[Column], taken: set[str]) -> Guess | None:
    """A frame or sequence number of the device, for a natural key."""
    for column in columns:
        if (
            column.name not in taken
            and set(column.words) & _COUNTER
            and column.numbers
            and not column.decimals
        ):
            return Guess(
                "counter", column, "a whole number whose name says it counts the device's frames", 75
            )
    return None


def meter_column(columns: Sequence[Column], taken: set[str]) -> Guess | None:
    """For a long table: the column that says what a row's value is."""
    values = [
        c for c in columns if c.name not in taken and set(c.words) & {"value", "quantity", "qty", "reading"}
    ]
    if not values:
        return None
    for column in columns:
        few = 1 < len(column.values) <= 12 and not column.numbers
        if column.name not in taken and set(column.words) & _METER and few and column.time_format is None:
            return Guess("meter", column, f"{len(column.values)} names beside one value column", 75)
    return None


def quantities(columns: Sequence[Column], taken: set[str]) -> list[Guess]:
    """Columns that measure use, the surest first; prices and ids are not among them."""
    found = []
    for column in columns:
        words = set(column.words)
        if column.name in taken or not column.numbers or column.time_format not in (None, *_NOT_TIMES):
            continue
        unit = unit_of(column)
        if words & _QUALITY or (words & _MONEY and not (words & {"amount"} and unit)):
            continue
        if unit:
            found.append(Guess("quantity", column, f"numbers, and its name says {unit[0]}", 85, unit))
        elif words & _GENERIC or words & _REGISTER:
            found.append(Guess("quantity", column, "numbers, and its name says a quantity", 65))
    return sorted(found, key=lambda guess: -guess.sure)


_NOT_TIMES = ("unix_s", "unix_ms")


def unit_of(column: Column) -> tuple[str, str] | None:
    """The unit a name ends in: ``payload_bytes``, ``usage (MB)``, ``energyKWh``. ``MWh`` is mega, ``mwh`` milli."""
    last = re.split(r"[^A-Za-z0-9]+", column.name.strip(" )]"))[-1]
    if last == "MWh":
        return ("MWh", "mWh")
    if last.lower() in UNITS:
        return UNITS[last.lower()]
    tail = re.search(r"(kWh|KWh|Wh|MB|GB|KB|kB|Bytes|Seconds|Minutes)$", column.name)
    if tail:
        return UNITS[tail[1].lower()]
    told = [word for word in (*column.words[-1:], *column.words) if word in UNITS and len(word) > 2]
    return UNITS[told[0]] if told else None


def unit_column(columns: Sequence[Column], taken: set[str]) -> Guess | None:
    """A column that names each row's unit."""
    for column in columns:
        if (
            column.name not in taken
            and set(column.words) & _UNIT_WORDS
            and not column.numbers
            and column.present
        ):
            return Guess("unit", column, f"names the unit: {', '.join(column.values[:4])}", 85)
    return None


def dimensions(columns: Sequence[Column], taken: set[str]) -> list[Guess]:
    """Text columns of few values that a price might look at."""
    found = []
    for column in columns:
        few = 1 < len(column.values) <= 300 and (column.variety < 0.5 or len(column.values) <= 20)
        if column.name in taken or not few or not set(column.words) & _DIMENSION or column.is_float:
            continue
        found.append(
            Guess(
                "dimension", column, f"{len(column.values)} different values, such as {column.values[0]}", 70
            )
        )
    return found


def rising(values: Iterable[tuple[str, str]], named: bool) -> tuple[bool, int]:
    """Whether a quantity is a running register: device by device its numbers hardly ever fall.

    Args:
        values: (device, number as text) in the order of time.
        named: whether the column's name says register. If not, its numbers must also be far above their steps:
            use that happens to grow is no register.

    Returns: the verdict, and how often a number fell (a reset or an exchange).
    """
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    steps = falls = grown = 0
    for name, text in values:
        number = float(text)  # a look at a sample: nothing is billed by it
        if name in last:
            steps += 1
            falls += number < last[name]
            grown += number > last[name]
        first.setdefault(name, number)
        last[name] = number
    high = sum(first.values()) > sum(last.values()) - sum(first.values())
    return steps >= 20 and grown > 0 and falls * 100 <= steps * 2 and (named or high), falls


def says_register(column: Column) -> bool:
    """Whether a column's name is one of a running register."""
    return bool(set(column.words) & _REGISTER)


def _as(form: str) -> str:
    return "" if form == "auto" else f" ({form})"


def _named(column: Column, words: set[str]) -> str:
    told = words & (_START | _END | _TIME | _RECEIVED)
    return f", and its name says {sorted(told)[0]!r}" if told else ""
